use serde::{Deserialize, Serialize};

/// What a message truly was, learnt later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// The message's id.
    pub message_id: String,
    /// The task the labels belong to.
    pub task: String,
    /// The true labels.
    pub labels: Vec<String>,
    /// Who says so.
    pub source: LabelSource,
    /// Milliseconds since the epoch.
    pub labelled_at: i64,
    /// Copied from the verdict where known.
    #[serde(default)]
    pub source_partition: Option<i32>,
    /// Copied from the verdict where known.
    #[serde(default)]
    pub source_offset: Option<i64>,
    /// Copied from the verdict where known, milliseconds since the epoch.
    #[serde(default)]
    pub decided_at: Option<i64>,
}

/// Who gave a [`Label`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LabelSource {
    /// A moderator's decision.
    Moderator,
    /// A user's report.
    UserReport,
    /// An appeal's outcome.
    Appeal,
    /// Anything else.
    Other,
}
