use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Action, ModelRef};

/// The prediction log: no text and no user id. Borrows when it is written, owns when it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction<'a> {
    /// The producer's id of the message.
    pub message_id: Cow<'a, str>,
    /// None means the message id.
    #[serde(default)]
    pub idempotency_key: Option<Cow<'a, str>>,
    /// As in the verdict.
    #[serde(default)]
    pub revision: i32,
    /// First 16 bytes of HMAC-SHA-256 of the user id.
    #[serde(with = "apache_avro::serde::fixed")]
    pub user_hash: [u8; 16],
    /// HMAC-SHA-256 of the sanitized text.
    #[serde(with = "apache_avro::serde::fixed")]
    pub text_hash: [u8; 32],
    /// Which key made the hashes.
    pub hash_key_id: Cow<'a, str>,
    /// Partition of the message.
    pub source_partition: i32,
    /// Offset of the message.
    pub source_offset: i64,
    /// Event time, milliseconds since the epoch.
    pub created_at: i64,
    /// When the verdict was reached, milliseconds since the epoch.
    pub decided_at: i64,
    /// Two lower-case letters.
    pub language: Cow<'a, str>,
    /// As in the verdict.
    pub action: Action,
    /// As in the verdict.
    #[serde(default)]
    pub degraded: Vec<Cow<'a, str>>,
    /// Where the user features came from.
    pub user_features: UserFeatures,
    /// Age of the user features, milliseconds.
    #[serde(default)]
    pub user_features_age_ms: Option<i64>,
    /// Numeric features before clipping and scaling, in the order of `feature_contract`.
    pub features: Vec<Option<f64>>,
    /// Id of the ordered list of names and units.
    pub feature_contract: Cow<'a, str>,
    /// Share of the text's terms that the vocabulary of the first task lacks, 0..=1.
    #[serde(default)]
    pub unknown_term_ratio: Option<f64>,
    /// Length of the sanitized text as it was judged, code points.
    #[serde(default)]
    pub text_chars: Option<i32>,
    /// One entry per task.
    pub tasks: Vec<TaskPrediction<'a>>,
}

/// What one task's model said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskPrediction<'a> {
    /// Name of the task.
    pub task: Cow<'a, str>,
    /// Chosen labels.
    pub labels: Vec<Cow<'a, str>>,
    /// Model output per class or label, in the bundle's order.
    pub raw: Vec<f64>,
    /// The same, calibrated.
    pub calibrated: Vec<f64>,
    /// The model that scored.
    pub model: ModelRef<'a>,
    /// True: judged beside, no part in the verdict.
    #[serde(default)]
    pub shadow: bool,
    /// Share of the text's terms that the vocabulary of this task lacks, 0..=1.
    #[serde(default)]
    pub unknown_term_ratio: Option<f64>,
}

/// Where the user features of a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum UserFeatures {
    /// Read now.
    Fresh,
    /// From the cache, within its TTL.
    Cached,
    /// From the cache, past its TTL: the store was down.
    Stale,
    /// Nothing cached and the store was down: defaults.
    Default,
    /// The store answered: no such user. Not degraded.
    Unknown,
    /// No live model uses the group: no look-up.
    Unused,
}

impl UserFeatures {
    /// Its symbol in the schema.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "FRESH",
            Self::Cached => "CACHED",
            Self::Stale => "STALE",
            Self::Default => "DEFAULT",
            Self::Unknown => "UNKNOWN",
            Self::Unused => "UNUSED",
        }
    }

    /// The flag that verdict and prediction carry, if any.
    pub fn degraded(self) -> Option<&'static str> {
        match self {
            Self::Stale => Some("user:stale"),
            Self::Default => Some("user:default"),
            Self::Fresh | Self::Cached | Self::Unknown | Self::Unused => None,
        }
    }
}
