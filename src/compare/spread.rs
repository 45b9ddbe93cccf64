use hdrhistogram::Histogram;
use serde::Serialize;

/// Differences of probabilities are counted in millionths.
const UNITS: f64 = 1e6;

/// How far probabilities moved.
#[derive(Debug)]
pub(super) struct Moved {
    /// Absolute.
    distances: Histogram<u64>,
    /// With their sign.
    sum: f64,
}

/// How far probabilities moved, 0..=1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Mean of B minus A, with its sign.
    pub mean_signed: f64,
    /// Of the distances.
    pub mean: f64,
    /// Half of the messages moved no further.
    pub p50: f64,
    /// 90 of 100.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// The farthest.
    pub max: f64,
}

impl Moved {
    pub(super) fn new() -> Self {
        // Of probabilities differences are at most 1; nothing resizes while it counts.
        #[allow(clippy::expect_used)] // The bounds are constants.
        let distances = Histogram::new_with_bounds(1, UNITS as u64, 3).expect("1..=1,000,000 to three digits");
        Self { distances, sum: 0.0 }
    }

    pub(super) fn add(&mut self, difference: f32) {
        let difference = f64::from(difference);
        self.sum += difference;
        self.distances.saturating_record((difference.abs() * UNITS).round() as u64);
    }

    pub(super) fn spread(&self) -> Option<Spread> {
        // The end of a bucket may lie beyond the largest distance that there is.
        let distance = |units: u64| (units as f64 / UNITS).min(1.0);
        let quantile = |share| distance(self.distances.value_at_quantile(share));
        (!self.distances.is_empty()).then(|| Spread {
            mean_signed: self.sum / self.distances.len() as f64,
            mean: self.distances.mean() / UNITS,
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            max: distance(self.distances.max()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_told_to_three_digits_up_to_the_largest() {
        let mut moved = Moved::new();
        assert_eq!(moved.spread(), None);
        let near = |found: f64, expected: f64| assert!((found - expected).abs() <= expected * 1e-3, "{found}");
        [0.1, -0.2, 0.437_219, 0.3].into_iter().for_each(|difference| moved.add(difference));
        let spread = moved.spread().unwrap();
        near(spread.max, 0.437_219);
        near(spread.p50, 0.2);
        near(spread.mean, 0.259_305);
        assert!((spread.mean_signed - 0.159_305).abs() < 1e-6, "{spread:?}");
        moved.add(-1.0);
        assert_eq!(moved.spread().unwrap().max, 1.0);
    }
}
