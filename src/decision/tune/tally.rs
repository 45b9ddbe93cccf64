use serde::Serialize;

use super::Sample;

/// Bins of a reliability diagram, equally wide. As scikit-learn's `calibration_curve` has them, a probability on an edge
/// belongs to the bin below.
pub const BINS: usize = 10;

/// Probabilities held against the truth, one after the other: no sample is kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    squares: f64,
    logs: f64,
    bins: [Bin; BINS],
}

/// Samples of similar probability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bin {
    /// Samples in it.
    pub samples: u64,
    /// Those that have the label.
    pub positives: u64,
    /// Sum of their probabilities.
    pub probabilities: f64,
}

impl Bin {
    /// Mean probability and share that has the label, both 0..=1; none of an empty bin.
    pub fn point(&self) -> Option<(f64, f64)> {
        let samples = self.samples as f64;
        (self.samples > 0).then(|| (self.probabilities / samples, self.positives as f64 / samples))
    }
}

impl Tally {
    /// Of all these samples.
    pub fn of(samples: &[Sample]) -> Self {
        let mut tally = Self::default();
        samples.iter().for_each(|&sample| tally.add(sample));
        tally
    }

    /// One more.
    pub fn add(&mut self, Sample { probability, truth }: Sample) {
        let probability = f64::from(probability);
        self.squares += (f64::from(u8::from(truth)) - probability).powi(2);
        // A log loss is finite: as scikit-learn does, probabilities are kept that far from 0 and 1.
        let said = if truth { probability } else { 1.0 - probability };
        self.logs -= said.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln();
        let bin = &mut self.bins[(1..BINS).take_while(|&edge| edge as f64 * (1.0 / BINS as f64) < probability).count()];
        bin.samples += 1;
        bin.positives += u64::from(truth);
        bin.probabilities += probability;
    }

    /// Samples so far.
    pub fn samples(&self) -> u64 {
        self.bins.iter().map(|bin| bin.samples).sum()
    }

    /// The bins of the reliability diagram, from 0 to 1.
    pub fn bins(&self) -> &[Bin; BINS] {
        &self.bins
    }

    /// Mean square of probability minus truth, 0..=1; none of nothing.
    pub fn brier(&self) -> Option<f64> {
        self.mean(self.squares)
    }

    /// Mean of minus the natural logarithm of what was said of the truth; none of nothing.
    pub fn log_loss(&self) -> Option<f64> {
        self.mean(self.logs)
    }

    /// Expected calibration error, 0..=1: over the bins, each with its share of the samples, the distance between mean
    /// probability and share that has the label. None of nothing.
    pub fn calibration_error(&self) -> Option<f64> {
        self.mean(self.bins.iter().map(|bin| (bin.probabilities - bin.positives as f64).abs()).sum())
    }

    fn mean(&self, sum: f64) -> Option<f64> {
        let samples = self.samples();
        (samples > 0).then(|| sum / samples as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_on_an_edge_is_in_the_bin_below() {
        let place = |probability| {
            let tally = Tally::of(&[Sample { probability, truth: true }]);
            tally.bins().iter().position(|bin| bin.samples == 1)
        };
        let places = [0.0, 0.09, 0.5, 0.51, 1.0].map(place);
        assert_eq!(places, [Some(0), Some(0), Some(4), Some(5), Some(9)]);
    }

    #[test]
    fn certain_and_wrong_is_dear_and_finite() {
        let wrong = Tally::of(&[Sample { probability: 1.0, truth: false }]);
        assert_eq!((wrong.brier(), wrong.calibration_error()), (Some(1.0), Some(1.0)));
        assert!((36.0..37.0).contains(&wrong.log_loss().unwrap()));
        assert_eq!(Tally::default().log_loss(), None);
    }
}
