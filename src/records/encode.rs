//! The order of the fields, and of the symbols, on the wire: that of the published schemas.

use super::{
    Action, Decision, Kind, Label, LabelSource, Message, ModelRef, Prediction, Reason, ReasonSource, ReasonsStatus,
    Score, TaskPrediction, UserFeatures, Verdict,
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
    feature_contract, unknown_term_ratio, tasks
);
record!(Label: message_id, task, labels, source, labelled_at, source_partition, source_offset, decided_at);
record!(TaskPrediction<'_>: task, labels, raw, calibrated, model, shadow);
symbols!(Action, Kind, LabelSource, ReasonSource, ReasonsStatus, UserFeatures);
