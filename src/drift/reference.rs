//! What was normal for a bundle: the file `reference.json` in it, which the drift job holds its windows against.

use serde::{Deserialize, Serialize};

use super::Baseline;

/// The format that this version reads.
pub const FORMAT: u32 = 1;

/// Numbers of every task besides its features, before the scores.
pub const UNKNOWN_TERM_RATIO: &str = "unknown_term_ratio";

/// Categories of every task, in their order.
pub const CATEGORIES: [&str; 5] = ["language", "label", "action", "user_features", "degraded"];

/// Counts of predictions from when all was well, and what they are of. The numbers are the features of the bundle's
/// contract, [`UNKNOWN_TERM_RATIO`], and `score LABEL` of each label; the categories are [`CATEGORIES`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleReference {
    /// [`FORMAT`].
    pub format: u32,
    /// Which predictions, for people: `rows that calibration was fitted on`, a topic and its time span, ...
    pub from: String,
    /// How many.
    pub rows: u64,
    /// [`crate::features::contract::Contract::id`] of the bundle.
    pub contract: String,
    /// The model's labels, in its order.
    pub labels: Vec<String>,
    /// Their counts.
    pub baseline: Baseline,
}

/// Name of the number that the calibrated probability of a label is.
pub fn score_name(label: &str) -> String {
    format!("score {label}")
}
