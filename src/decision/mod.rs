//! From probabilities to a decision. Pure functions.
//!
//! ```text
//!                        threshold ─► label, confidence
//!  probability per label ┤                                ─► Decision (one per task)
//!                        bands ─────► ALLOW | REVIEW | BLOCK
//! ```

mod policy;
mod threshold;
pub mod tune;

pub use policy::{Bands, Binary, Outcome, Policy, PolicyError};
pub use threshold::{NotAThreshold, Threshold};
