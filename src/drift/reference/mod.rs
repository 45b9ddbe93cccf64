//! What was normal for a bundle: the file `reference.json` in it, which the drift job holds its windows against.
//!
//! ```text
//!  held-out rows ─► assize classify ─► predictions ─┐            ┌ pass 1: a sample of each number ─► Edges
//!  a clean week of the topic `predictions` ─────────┴─► Builder ─┤
//!                                                                └ pass 2: all rows, counted on them ─► BundleReference
//! ```

mod build;
pub mod sources;
#[cfg(test)]
mod tests;
mod validate;

use serde::{Deserialize, Serialize};

pub use self::{
    build::{BuildError, Builder, Built},
    validate::{FROM_CHARS_MAX, ReferenceError},
};
use super::{Baseline, names::number_names};
use crate::features::contract::Contract;

/// The format that this version reads.
pub const FORMAT: u32 = 1;

/// Its name in a bundle, as this version writes it.
pub const FILE: &str = "reference.json";

/// Counts of predictions from when all was well, and what they are of. The numbers are [`number_names`] of the features of
/// the bundle's contract and of its labels; the categories are
/// [`CATEGORIES`](super::names::CATEGORIES).
///
/// A category that the predictions do not tell is empty, and then no window is held against it: `user_features` is so
/// where a training judged the rows of a model that reads user features, for only a running store has fresh, cached and
/// unknown ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleReference {
    /// [`FORMAT`].
    pub format: u32,
    /// Which predictions, for people: `rows that calibration was fitted on`, a topic and its time span, ...
    pub from: String,
    /// How many.
    pub rows: u64,
    /// [`Contract::id`] of the bundle.
    pub contract: String,
    /// The model's labels, in its order.
    pub labels: Vec<String>,
    /// Their counts.
    pub baseline: Baseline,
}

/// The model that a reference is of.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Name of the bundle, as predictions carry it.
    pub name: &'a str,
    /// Version of the bundle, as predictions carry it.
    pub version: &'a str,
    /// What it reads.
    pub contract: &'a Contract,
    /// In the order of its scores.
    pub labels: &'a [String],
}

impl Subject<'_> {
    /// The names of its numbers, in their order.
    fn number_names(&self) -> Vec<String> {
        let features = self.contract.features().iter().map(|feature| feature.name.as_str());
        number_names(features, self.labels.iter().map(String::as_str))
    }
}
