use serde::{Deserialize, Serialize};

use super::{interval::Interval, labelled::Figure};
use crate::drift::sketch::{Moments, PROBABILITY};

/// Confidence-based performance estimation (CBPE; NannyML 2022): while labels are missing, a message said to have a label
/// with probability p is p of a true positive and 1 - p of a false one. Right as far as the probabilities are calibrated,
/// and the world has changed only in its mix of messages, not in what a message means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// Probabilities where it was said.
    said: Moments,
    /// Where it was not.
    not_said: Moments,
}

/// Shares that the truth, once known, is expected to give. 95 % intervals of what chance does to the truth, given the
/// probabilities; not of how far these are miscalibrated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Messages.
    pub messages: u64,
    /// Expected TP / (TP + FP), 0..=1.
    pub precision: Option<Figure>,
    /// Expected TP / (TP + FN), 0..=1.
    pub recall: Option<Figure>,
    /// Expected 2 TP / (2 TP + FP + FN), 0..=1.
    pub f1: Option<Figure>,
    /// Expected (TP + TN) / all, 0..=1.
    pub accuracy: Option<Figure>,
    /// Expected share that has the label, 0..=1.
    pub prevalence: Option<Figure>,
}

impl Expected {
    /// One more message: calibrated probability of the label, 0..=1, and whether it was said. A probability that is none is
    /// passed over.
    pub fn add(&mut self, probability: f64, said: bool) {
        if (0.0..=1.0).contains(&probability) {
            let side = if said { &mut self.said } else { &mut self.not_said };
            side.add(probability, PROBABILITY);
        }
    }

    /// Adds what another window counted.
    pub fn merge(&mut self, other: &Self) {
        self.said.merge(&other.said);
        self.not_said.merge(&other.not_said);
    }

    /// What is to be expected. TP and FN are sums of independent yes or no, with variance sum p (1 - p); ratios by their
    /// first derivatives.
    pub fn estimate(&self) -> Estimate {
        let ((caught, caught_variance), (missed, missed_variance)) = (positives(&self.said), positives(&self.not_said));
        let (said, all) = (self.said.n as f64, (self.said.n + self.not_said.n) as f64);
        let true_negatives = self.not_said.n as f64 - missed;
        let share = |part: f64, whole: f64, variance: f64| {
            (whole > 0.0).then(|| {
                let value = part / whole;
                Figure { value, interval: Interval::around(value, variance.max(0.0).sqrt() / whole) }
            })
        };
        let (positives, both) = (caught + missed, said + caught + missed);
        let variance =
            |by_caught: f64, by_missed: f64| by_caught.powi(2) * caught_variance + by_missed.powi(2) * missed_variance;
        Estimate {
            messages: self.said.n + self.not_said.n,
            precision: share(caught, said, caught_variance),
            recall: share(caught, positives, variance(missed / positives, caught / positives)),
            f1: share(2.0 * caught, both, variance(2.0 * (said + missed) / both, 2.0 * caught / both)),
            accuracy: share(caught + true_negatives, all, caught_variance + missed_variance),
            prevalence: share(positives, all, caught_variance + missed_variance),
        }
    }
}

/// How many have the label: mean and variance.
fn positives(probabilities: &Moments) -> (f64, f64) {
    let unit = PROBABILITY.size();
    let (sum, squares) = (probabilities.sum as f64 * unit, probabilities.squares as f64 * unit * unit);
    (sum, (sum - squares).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decision::tune::Random, drift::reliability::Labelled};

    const LIMIT: usize = 1 << 30;

    /// Both of the same messages, whose probabilities, u^power of u in 0..1, are true.
    fn simulated(messages: usize, seed: u64, power: i32) -> (Estimate, [Option<f64>; 3]) {
        let (mut random, mut labelled, mut expected) = (Random::new(seed), Labelled::default(), Expected::default());
        let mut draw = || random.below(LIMIT) as f64 / LIMIT as f64;
        for _ in 0..messages {
            let probability = draw().powi(power);
            let (said, truth) = (probability >= 0.6, draw() < probability);
            labelled.add(probability, said, truth);
            expected.add(probability, said);
        }
        let report = labelled.report();
        let truth = [report.precision, report.recall, report.f1].map(|figure| figure.map(|figure| figure.value));
        (expected.estimate(), truth)
    }

    #[test]
    fn calibrated_probabilities_foretell_the_truth_also_when_the_mix_changes() {
        for power in [1, 2, 6] {
            let (runs, mut held) = (200, [0_u32; 3]);
            for seed in 0..runs {
                let (estimate, truths) = simulated(2_000, seed, power);
                let estimates = [estimate.precision, estimate.recall, estimate.f1];
                for (held, (figure, truth)) in held.iter_mut().zip(estimates.into_iter().zip(truths)) {
                    let Interval { low, high } = figure.unwrap().interval;
                    *held += u32::from((low..=high).contains(&truth.unwrap()));
                }
            }
            assert!(held.iter().all(|held| (182..=198).contains(held)), "{held:?} of {runs} at power {power}");
        }
        let (estimate, [precision, recall, f1]) = simulated(200_000, 1, 2);
        let off = |figure: Option<Figure>, truth: Option<f64>| (figure.unwrap().value - truth.unwrap()).abs();
        assert!(off(estimate.precision, precision) < 0.005 && off(estimate.recall, recall) < 0.005);
        assert!(off(estimate.f1, f1) < 0.005);
    }

    #[test]
    fn nothing_has_no_estimate() {
        let estimate = Expected::default().estimate();
        assert_eq!((estimate.precision, estimate.recall, estimate.accuracy), (None, None, None));
    }

    #[test]
    fn certainty_leaves_no_doubt() {
        let mut expected = Expected::default();
        expected.add(1.0, true);
        expected.add(0.0, false);
        let one = Some(Figure { value: 1.0, interval: Interval { low: 1.0, high: 1.0 } });
        let estimate = expected.estimate();
        assert_eq!((estimate.precision, estimate.recall, estimate.f1, estimate.accuracy), (one, one, one, one));
    }
}
