//! Which threshold to take, and how good it is. Pure functions of (probability, truth), one label against the rest.
//!
//! ```text
//!                ┌─► choose: highest recall at a precision (else best F1), or lowest cost ─► Choice ┐
//!  samples ─► Curve ─► bands: review and block at a precision each                                  ├─► At: TP, FP, ...
//!     │          └─► ROC AUC, average precision                                                     ┘
//!     ├─► Tally: Brier, log loss, expected calibration error, reliability bins
//!     └─► Resampled: percentile intervals of all of these
//! ```
//!
//! Samples with equal probabilities stand on the same side of every threshold, as in scikit-learn's
//! `precision_recall_curve`, with which all of this agrees.

mod bootstrap;
mod choose;
mod curve;
mod tally;

pub(crate) use bootstrap::Random;
pub use bootstrap::{Interval, Intervals, Resampling, resample};
pub use choose::{Aim, Band, Choice, Suggested, bands, choose};
pub use curve::{At, Curve, Point};
pub use tally::{BINS, Bin, Tally};

/// What a model said of one label of one message, and whether it is so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Probability of the label, 0..=1. 32 bits, as models give it: a million of these take 8 MB.
    pub probability: f32,
    /// Whether the message has the label.
    pub truth: bool,
}
