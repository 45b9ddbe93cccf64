//! Does the traffic look as it did when the model was trained, and is the model still right? Pure functions; only
//! [`check`], [`page`] and [`reference::sources`] read files and topics, [`job`] lives on them.
//!
//! ```text
//!  values ─► sketch: Counts on the Edges of a Reference ─┐            ┌─► Finding per number and category
//!                                                        ├─► judge ───┤      └ Benjamini-Hochberg over all its tests
//!  names ──► sketch: Categories ─────────────────────────┘ statistics └─► Verdict ─► Alarm: raised, cleared, and since
//!
//!  probability, said, truth ─► reliability: precision, recall, F1, Brier, log loss, ECE, with intervals
//!  probability, said ────────► reliability: the same shares, estimated while the truth is not known
//! ```
//!
//! What is gathered ([`Counts`](sketch::Counts), [`Categories`](sketch::Categories), [`Window`],
//! [`Labelled`](reliability::Labelled), [`Expected`](reliability::Expected)) is integers only. Adding two of them is
//! associative and commutative, so whatever the order of the records, and however they are split over partitions and
//! restarts, the sum is the same, byte for byte.
//!
//! docs/drift.md has every formula, its source, and the rates of false alarms and of detection.

pub mod alarm;
pub mod alert;
pub mod check;
pub mod job;
pub mod labels;
pub mod names;
pub mod observe;
pub mod page;
pub mod panes;
mod profile;
pub mod reference;
pub mod reliability;
pub mod report;
mod row;
mod samples;
#[cfg(test)]
mod simulation;
pub mod sketch;
pub mod statistics;
#[cfg(test)]
mod traffic;
mod verdict;

pub use profile::{Baseline, Window};
pub use verdict::{Finding, Floors, Kind, Moved, Rule, Statistic, Test, Verdict};
