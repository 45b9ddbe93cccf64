//! Thresholds for a bundle, chosen from messages with labels: what `assize model tune` does with what it has judged.
//!
//! ```text
//!  probabilities, truth ─► Samples (bounded) ─► per label: curve, choice, intervals, bands ─► Found ─► table, JSON
//!  bundle ─► Subject: kind, labels, what it decides by now ┘                                   ├─► decision object
//!                                                                                              └─► report: the page
//! ```
//!
//! `BINARY`: the positive label has the one threshold. `MULTILABEL`: each label has its own. `MULTICLASS`: the most
//! probable label is said, unless its probability is below the abstain band; that band is tuned as a threshold on "the
//! most probable label is right", and the labels one by one are shown for people.

mod decision;
mod found;
mod pictures;
mod report;
mod samples;
mod subject;
#[cfg(test)]
mod tests;
mod words;

pub use found::{Confusion, Found, LabelFound, Options, Quality, SAMPLES_FEW, Unusable, tune};
pub use report::{APPLY, Data, report};
pub use samples::{SAMPLES_MAX, Samples};
pub use subject::{Now, Subject};
pub use words::{interval_of_threshold, of_hundred};
