use serde::Serialize;

/// Standard deviations to each side that hold 95 %.
pub const Z_95: f64 = 1.959_963_984_540_054;

/// Where a figure lies, given its number of samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// To both sides, within 0..=1.
    pub(super) fn around(middle: f64, deviation: f64) -> Self {
        Self { low: (middle - Z_95 * deviation).clamp(0.0, 1.0), high: (middle + Z_95 * deviation).clamp(0.0, 1.0) }
    }

    /// Both ends by an ascending function.
    pub(super) fn map(self, by: impl Fn(f64) -> f64) -> Self {
        Self { low: by(self.low), high: by(self.high) }
    }
}

/// 95 % interval of a share (Wilson 1927). It holds its share also near 0 and 1, where the normal one does not. None of
/// nothing. As `scipy.stats.binomtest(part, all).proportion_ci(method="wilson")`.
pub fn wilson(part: u64, all: u64) -> Option<Interval> {
    let (n, z2) = (all as f64, Z_95 * Z_95);
    (all > 0).then(|| {
        let share = part as f64 / n;
        let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = Z_95 / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
        let low = if part == 0 { 0.0 } else { middle - half };
        Interval { low, high: if part == all { 1.0 } else { middle + half } }
    })
}
