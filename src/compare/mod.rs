//! Two bundles held against each other on the same messages: what `assize model diff` tells.
//!
//! ```text
//!  case ─► Judge of A ─► Judgement ┐
//!      └─► Judge of B ─► Judgement ┴─► Comparison: flips, slices, moves, better and worse ─► ComparisonReport
//!  manifest.json of A, of B ─► differences
//! ```
//!
//! Where the bundles know different labels, those that both know are compared. No text is kept, and of messages only the
//! largest moves.

mod comparison;
mod manifests;
mod slices;
mod spread;

pub use comparison::{Comparison, ComparisonReport, LabelMoves, Move, Said, Truths};
pub use manifests::{Difference, differences};
pub use slices::{Slice, SliceReport};
pub use spread::Spread;
