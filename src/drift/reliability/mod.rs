//! Is the model right, and does it know how sure it may be? One label against the rest.

mod estimate;
mod interval;
mod labelled;

pub use estimate::{Estimate, Expected};
pub use interval::{Interval, Z_95, wilson};
pub use labelled::{BINS, Calibration, Figure, Labelled, Report};
