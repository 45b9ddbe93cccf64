//! Two samples held against each other: how far apart (an effect, whatever the number of samples), and whether chance
//! could do it (a p value). Each names its formula and its source; `tests/drift.rs` holds them against scipy's.

mod bins;
mod mean;
mod multiple;
mod shares;
mod smirnov;

pub use bins::{BINS, bins};
pub use mean::{MeanShift, mean_shift};
pub use multiple::benjamini_hochberg;
pub(crate) use shares::chi_square_p;
pub use shares::{ChiSquare, EXPECTED_MIN, chi_square, jensen_shannon, psi, shares_apart};
pub use smirnov::{Smirnov, kolmogorov_p, smirnov};
