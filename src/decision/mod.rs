//! From a graph's numbers to a decision. Pure functions.
//!
//! ```text
//!                                                        ┌─ thresholds ─► labels, confidence ┐
//!  a graph's numbers ─► Calibrator ─► one probability a label                                ├─► Decision (one per task)
//!                                                        └─ bands ─► ALLOW | REVIEW | BLOCK ─┘
//! ```

mod calibration;
mod policy;
mod threshold;
pub mod tune;

pub use calibration::{CalibrationError, Calibrator, Gives, Isotonic, Method, Sigmoid};
pub use policy::{
    Bands, Binary, LABEL_CHARS_MAX, LABELS_MAX, Multiclass, Multilabel, NO_LABEL, Outcome, Policy, PolicyError,
    TOP_SCORES,
};
pub use threshold::{NotAThreshold, Threshold};
