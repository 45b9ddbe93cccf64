use statrs::function::erf::erfc;

use crate::drift::sketch::{Moments, Unit};

/// How far a mean has moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanShift {
    /// (current - reference) / standard deviation of the reference: Glass's delta (Glass 1976). None when the reference
    /// is constant.
    pub deviations: Option<f64>,
    /// The difference over its standard error, `sqrt(s1^2 / n + s2^2 / m)` (Welch 1947).
    pub z: f64,
    /// Two-sided, by the normal distribution: `erfc(|z| / sqrt 2)`. For n and m of hundreds.
    pub p_value: f64,
}

/// Of numbers on the same edges; none when one has fewer than two numbers, or neither varies.
pub fn mean_shift(reference: &Moments, current: &Moments, unit: Unit) -> Option<MeanShift> {
    let difference = current.mean(unit)? - reference.mean(unit)?;
    let (ours, theirs) = (reference.variance(unit)?, current.variance(unit)?);
    let error = (ours / reference.n as f64 + theirs / current.n as f64).sqrt();
    (error > 0.0 && error.is_finite()).then(|| {
        let z = difference / error;
        let deviations = (ours > 0.0).then(|| difference / ours.sqrt());
        MeanShift { deviations, z, p_value: erfc(z.abs() / std::f64::consts::SQRT_2) }
    })
}
