use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The one verdict on a message. Borrows when it is written, owns when it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict<'a> {
    /// The producer's id of the message.
    pub message_id: Cow<'a, str>,
    /// Author.
    pub user_id: i64,
    /// What a consumer deduplicates on, see [`crate::dedup::Identity`].
    pub verdict_id: Cow<'a, str>,
    /// None means the message id.
    #[serde(default)]
    pub idempotency_key: Option<Cow<'a, str>>,
    /// 0 live; a replay that means to supersede writes a higher one.
    #[serde(default)]
    pub revision: i32,
    /// First 16 bytes of HMAC-SHA-256 over sanitized text, language and metadata.
    #[serde(with = "apache_avro::serde::fixed")]
    pub payload_hash: [u8; 16],
    /// Partition of the message.
    pub source_partition: i32,
    /// Offset of the message.
    pub source_offset: i64,
    /// Event time, milliseconds since the epoch.
    pub created_at: i64,
    /// When the verdict was reached, milliseconds since the epoch.
    pub decided_at: i64,
    /// The most severe action of the decisions.
    pub action: Action,
    /// The task whose decision set the action; none when all allow.
    #[serde(default)]
    pub decided_by: Option<Cow<'a, str>>,
    /// Name and version of the action policy.
    #[serde(default)]
    pub policy: Option<Cow<'a, str>>,
    /// `user:stale` or `user:default`.
    #[serde(default)]
    pub degraded: Vec<Cow<'a, str>>,
    /// `TEXT_TRUNCATED`, ...
    #[serde(default)]
    pub flags: Vec<Cow<'a, str>>,
    /// One decision per task.
    pub decisions: Vec<Decision<'a>>,
}

/// What to do with a message, from mild to severe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    /// Let it through.
    Allow,
    /// A person should look.
    Review,
    /// Keep it from its readers.
    Block,
}

impl Action {
    /// Its symbol in the schema.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::Review => "REVIEW",
            Self::Block => "BLOCK",
        }
    }
}

/// What one task decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision<'a> {
    /// Name of the task.
    pub task: Cow<'a, str>,
    /// Kind of the classifier.
    pub kind: Kind,
    /// Chosen labels: one for `BINARY` (either side).
    pub labels: Vec<Cow<'a, str>>,
    /// Calibrated probability of the chosen label, 0..=1.
    #[serde(default)]
    pub confidence: Option<f64>,
    /// `BINARY`: the positive label.
    pub scores: Vec<Score<'a>>,
    /// The model that scored.
    pub model: ModelRef<'a>,
    /// Why.
    #[serde(default)]
    pub reasons: Vec<Reason<'a>>,
    /// Whether `reasons` was asked for and complete.
    #[serde(default)]
    pub reasons_status: ReasonsStatus,
}

/// Kind of a classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Kind {
    /// One of two labels.
    Binary,
    /// One of several labels.
    Multiclass,
    /// Any number of labels.
    Multilabel,
}

/// A label with its probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score<'a> {
    /// The label.
    pub label: Cow<'a, str>,
    /// Calibrated, 0..=1.
    pub probability: f64,
    /// The threshold it was held against, 0..=1.
    #[serde(default)]
    pub threshold: Option<f64>,
}

/// The bundle that gave a score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelRef<'a> {
    /// Bundle name.
    pub name: Cow<'a, str>,
    /// Bundle version.
    pub version: Cow<'a, str>,
    /// SHA-256 of the bundle.
    #[serde(with = "apache_avro::serde::fixed")]
    pub digest: [u8; 32],
    /// Arm of an experiment, `live` without one.
    #[serde(default = "live")]
    pub arm: Cow<'a, str>,
}

fn live() -> Cow<'static, str> {
    Cow::Borrowed("live")
}

/// One reason for a decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason<'a> {
    /// Where it comes from.
    pub source: ReasonSource,
    /// Stable code.
    pub code: Cow<'a, str>,
    /// Plain words.
    pub text: Cow<'a, str>,
    /// To the margin, in its unit.
    #[serde(default)]
    pub contribution: Option<f64>,
}

/// Origin of a [`Reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ReasonSource {
    /// The model's own contributions.
    Model,
    /// A rule.
    Rule,
}

/// State of [`Decision::reasons`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ReasonsStatus {
    /// Not asked for.
    #[default]
    None,
    /// All there.
    Complete,
    /// Left out to keep the latency budget.
    Skipped,
}
