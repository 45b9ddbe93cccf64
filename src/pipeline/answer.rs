//! The answers: one verdict and one prediction for a case.

use std::borrow::Cow;

use super::{Judged, case::Case};
use crate::{
    codec::RecordWriter,
    hash::{self, Hasher},
    records::{Action, Decision, Prediction, TaskPrediction, UserFeatures, Verdict},
    stream::{Outputs, Topic},
};

/// Writes answers of one lane.
pub(super) struct AnswerWriter {
    pub verdicts: RecordWriter,
    pub predictions: RecordWriter,
    pub hasher: Hasher,
    pub contract: String,
}

/// Everything about a case that its answers say.
pub(super) struct Findings<'a> {
    pub case: &'a Case<'a>,
    pub user_features: UserFeatures,
    pub user_features_age_ms: Option<i64>,
    pub features: &'a [Option<f64>],
    pub decided_at_ms: i64,
}

impl AnswerWriter {
    /// Writes the verdict and the prediction of a case; `judged` has one entry per task.
    pub(super) fn write<'a>(
        &'a self,
        findings: &Findings<'a>,
        judged: impl Iterator<Item = Judged<'a>> + Clone,
        outputs: &mut Outputs,
    ) {
        let Case { record, heard, .. } = findings.case;
        let action = judged.clone().map(|judged| judged.outcome.action).max().unwrap_or(Action::Allow);
        let degraded: Vec<_> = findings.user_features.degraded().map(Cow::Borrowed).into_iter().collect();
        let verdict_id = findings.case.identity.hex();
        let verdict_id = str::from_utf8(&verdict_id).unwrap_or_default();
        let verdict = self.verdict(findings, verdict_id, judged.clone(), action, &degraded);
        outputs.write(
            Topic::Verdicts,
            record.partition,
            |key| push_decimal(key, heard.user_id),
            |value| self.verdicts.write(&verdict, value),
        );
        let prediction = self.prediction(findings, judged, action, degraded);
        outputs.write(
            Topic::Predictions,
            record.partition,
            |key| key.extend_from_slice(&hash::hex(prediction.user_hash)),
            |value| self.predictions.write(&prediction, value),
        );
    }

    fn verdict<'v, 'a: 'v>(
        &self,
        findings: &Findings<'a>,
        verdict_id: &'v str,
        judged: impl Iterator<Item = Judged<'a>> + Clone,
        action: Action,
        degraded: &[Cow<'a, str>],
    ) -> Verdict<'v> {
        let Case { record, heard, key, revision, payload_hash, .. } = findings.case;
        // Of tasks with the same action the first one set it.
        let decided_by = judged.clone().find(|judged| action > Action::Allow && judged.outcome.action == action);
        Verdict {
            message_id: Cow::Borrowed(&heard.message_id),
            user_id: heard.user_id,
            verdict_id: Cow::Borrowed(verdict_id),
            idempotency_key: key.map(Cow::Borrowed),
            revision: *revision,
            payload_hash: *payload_hash,
            source_partition: record.partition,
            source_offset: record.offset,
            created_at: heard.created_at,
            decided_at: findings.decided_at_ms,
            action,
            decided_by: decided_by.map(|judged| Cow::Borrowed(judged.task)),
            policy: None,
            degraded: degraded.to_vec(),
            flags: heard.flags.names().map(Cow::Borrowed).collect(),
            decisions: judged.map(decision).collect(),
        }
    }

    fn prediction<'a>(
        &'a self,
        findings: &Findings<'a>,
        judged: impl Iterator<Item = Judged<'a>> + Clone,
        action: Action,
        degraded: Vec<Cow<'a, str>>,
    ) -> Prediction<'a> {
        let Case { record, heard, key, revision, .. } = findings.case;
        Prediction {
            message_id: Cow::Borrowed(&heard.message_id),
            idempotency_key: key.map(Cow::Borrowed),
            revision: *revision,
            user_hash: self.hasher.user(heard.user_id),
            text_hash: self.hasher.text(&heard.text),
            hash_key_id: Cow::Borrowed(self.hasher.id()),
            source_partition: record.partition,
            source_offset: record.offset,
            created_at: heard.created_at,
            decided_at: findings.decided_at_ms,
            language: Cow::Borrowed(heard.language.as_str()),
            action,
            degraded,
            user_features: findings.user_features,
            user_features_age_ms: findings.user_features_age_ms,
            features: findings.features.to_vec(),
            feature_contract: Cow::Borrowed(&self.contract),
            unknown_term_ratio: judged.clone().next().and_then(|first| first.unknown_term_ratio),
            text_chars: i32::try_from(heard.text.chars().count()).ok(),
            tasks: judged.map(task_prediction).collect(),
        }
    }
}

fn decision(judged: Judged<'_>) -> Decision<'_> {
    let Judged { task, policy, outcome, probabilities, model, .. } = judged;
    policy.decision(outcome, probabilities, task, model)
}

fn task_prediction(judged: Judged<'_>) -> TaskPrediction<'_> {
    let Judged { task, policy, outcome, raw, probabilities, unknown_term_ratio, model } = judged;
    let numbers = |numbers: &[f32]| numbers.iter().map(|&number| f64::from(number)).collect();
    let chosen = policy.chosen(outcome, probabilities);
    TaskPrediction {
        task: Cow::Borrowed(task),
        labels: chosen.map(|label| Cow::Borrowed(policy.labels()[label].as_str())).collect(),
        raw: numbers(raw),
        calibrated: numbers(probabilities),
        model,
        shadow: false,
        unknown_term_ratio,
    }
}

fn push_decimal(out: &mut Vec<u8>, number: i64) {
    use std::io::Write as _;
    // Writing to a vector cannot fail.
    let _ = write!(out, "{number}");
}
