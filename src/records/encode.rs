//! The order of the fields, and of the symbols, on the wire: that of the published schemas.

use super::{
    Action, AlarmChange, AlarmKind, AlarmState, Decision, DistributionBin, DriftAlarm, DriftFinding, DriftReport,
    DriftStatistic, DriftStatus, DriftTest, EstimatedPerformance, FeatureKind, Figure, Kind, Label, LabelCounts,
    LabelSource, Message, ModelRef, Performance, Prediction, PredictionCounts, Reason, ReasonSource, ReasonsStatus,
    ReliabilityBin, Score, TaskPrediction, UserFeatures, Verdict,
};
use crate::codec::{record, symbols};

record!(Message: message_id, user_id, text, language, metadata, created_at);
record!(
    Verdict<'_>: message_id, user_id, verdict_id, idempotency_key, revision, payload_hash, source_partition, source_offset,
    created_at, decided_at, action, decided_by, policy, degraded, flags, decisions
);
record!(Decision<'_>: task, kind, labels, confidence, scores, model, reasons, reasons_status);
record!(Score<'_>: label, probability, threshold);
record!(ModelRef<'_>: name, version, digest, arm);
record!(Reason<'_>: source, code, text, contribution);
record!(
    Prediction<'_>: message_id, idempotency_key, revision, user_hash, text_hash, hash_key_id, source_partition,
    source_offset, created_at, decided_at, language, action, degraded, user_features, user_features_age_ms, features,
    feature_contract, unknown_term_ratio, text_chars, tasks
);
record!(Label: message_id, task, labels, source, labelled_at, source_partition, source_offset, decided_at);
record!(TaskPrediction<'_>: task, labels, raw, calibrated, model, shadow, unknown_term_ratio);
record!(
    DriftReport: window, window_start, window_end, task, arm, model, status, predictions, findings, performance, estimates,
    labels, alarms, retrain
);
record!(PredictionCounts: counted, late, clamped, unlike, unreadable);
record!(
    DriftFinding: name, kind, moved, too_few, values_before, values, missing_before, missing, outside, of, before, after,
    tests, distribution
);
record!(DriftTest: statistic, effect, floor, p_value, q_value, moved);
record!(DistributionBin: low, high, name, before, after);
record!(Figure: value, low, high);
record!(
    Performance: label, messages, true_positives, false_positives, false_negatives, true_negatives, precision, recall, f1,
    brier, log_loss, ece, ece_by_chance, bias, p_value, calibration_moved, diagram
);
record!(ReliabilityBin: messages, probability, share);
record!(EstimatedPerformance: label, messages, precision, recall, f1, accuracy, prevalence);
record!(LabelCounts: joined, unmatched, too_old, repeated, corrected, contradicted, unknown, late, unreadable);
record!(DriftAlarm: about, state, since, change);
symbols!(
    Action,
    AlarmChange,
    AlarmKind,
    AlarmState,
    DriftStatistic,
    DriftStatus,
    FeatureKind,
    Kind,
    LabelSource,
    ReasonSource,
    ReasonsStatus,
    UserFeatures
);
