use serde::{Deserialize, Serialize};

use super::interval::{Interval, Z_95, wilson};
use crate::drift::{
    sketch::{Moments, PROBABILITY},
    statistics::chi_square_p,
};

/// Bins of the reliability diagram, as in [`Tally`](crate::decision::tune::Tally): equally wide, and a probability on an
/// edge belongs to the bin below.
pub const BINS: usize = 10;
/// A bin where fewer errors are expected on either side says nothing to the chi-square.
const EXPECTED_MIN: f64 = 5.0;

/// What was said of messages whose truth is known. Integers only, so that it adds up in any order; `Tally` sums floating
/// point numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labelled {
    /// Said and so.
    pub true_positives: u64,
    /// Said and not so.
    pub false_positives: u64,
    /// Not said and so.
    pub false_negatives: u64,
    /// Not said and not so.
    pub true_negatives: u64,
    /// (probability - truth)^2, in units of 2^-40.
    squares: Moments,
    /// -ln of what was said of the truth, in units of 2^-40.
    logs: Moments,
    bins: [Bin; BINS],
}

/// Messages of similar probability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Bin {
    positives: u64,
    probabilities: Moments,
}

/// A figure and its 95 % interval; none of nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The figure.
    pub value: f64,
    /// Where it lies.
    pub interval: Interval,
}

/// What it comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Messages.
    pub messages: u64,
    /// TP / (TP + FP), 0..=1; interval by Wilson.
    pub precision: Option<Figure>,
    /// TP / (TP + FN), 0..=1; interval by Wilson.
    pub recall: Option<Figure>,
    /// F = 2 TP / (2 TP + FP + FN), 0..=1. F / (2 - F) = TP / (TP + FP + FN) is a share, with an interval by Wilson (Hand,
    /// Christen and Kirielle 2021).
    pub f1: Option<Figure>,
    /// Mean square of probability minus truth, 0..=1; normal interval.
    pub brier: Option<Figure>,
    /// Mean of minus the natural logarithm of what was said of the truth; normal interval.
    pub log_loss: Option<Figure>,
    /// None without messages.
    pub calibration: Option<Calibration>,
}

/// Do probabilities come true?
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// Expected calibration error, 0..=1: over bins, by their share, |mean probability - share that is so| (Naeini, Cooper
    /// and Hauskrecht 2015); interval from the binomial deviation of each bin.
    pub ece: Figure,
    /// What a perfectly calibrated model has by chance, with these probabilities and this many messages, 0..=1: over bins, by
    /// their share, sqrt(2 / pi * variance of the bin's share).
    pub ece_by_chance: f64,
    /// Mean probability minus share that is so, -1..=1: positive is too sure.
    pub bias: f64,
    /// How often a perfectly calibrated model is as far off: chi-square over bins of (positives - sum p)^2 / sum p (1 - p)
    /// (Hosmer and Lemeshow 1980, nothing fitted, so one degree a bin).
    pub p_value: f64,
}

impl Calibration {
    /// Off by more than chance, by at least `floor`, 0..=1, of error beyond what chance gives.
    pub fn drifted(&self, floor: f64, alpha: f64) -> bool {
        self.ece.value - self.ece_by_chance >= floor && self.p_value <= alpha
    }
}

impl Labelled {
    /// One more message: probability of the label, 0..=1, whether it was said, whether it is so. A probability that is none
    /// is passed over.
    pub fn add(&mut self, probability: f64, said: bool, truth: bool) {
        if (0.0..=1.0).contains(&probability) {
            *self.cell(said, truth) += 1;
            self.squares.add(square(probability, truth), PROBABILITY);
            self.logs.add(log(probability, truth), PROBABILITY);
            let bin = &mut self.bins[bin_of(probability)];
            bin.positives += u64::from(truth);
            bin.probabilities.add(probability, PROBABILITY);
        }
    }

    /// Takes a message out that was added: the exact inverse of [`Self::add`], in any order among others, since all is
    /// integers.
    pub fn remove(&mut self, probability: f64, said: bool, truth: bool) {
        if (0.0..=1.0).contains(&probability) {
            let cell = self.cell(said, truth);
            *cell = cell.saturating_sub(1);
            self.squares.remove(square(probability, truth), PROBABILITY);
            self.logs.remove(log(probability, truth), PROBABILITY);
            let bin = &mut self.bins[bin_of(probability)];
            bin.positives = bin.positives.saturating_sub(u64::from(truth));
            bin.probabilities.remove(probability, PROBABILITY);
        }
    }

    fn cell(&mut self, said: bool, truth: bool) -> &mut u64 {
        match (said, truth) {
            (true, true) => &mut self.true_positives,
            (true, false) => &mut self.false_positives,
            (false, true) => &mut self.false_negatives,
            (false, false) => &mut self.true_negatives,
        }
    }

    /// Adds what another window counted.
    pub fn merge(&mut self, other: &Self) {
        self.true_positives += other.true_positives;
        self.false_positives += other.false_positives;
        self.false_negatives += other.false_negatives;
        self.true_negatives += other.true_negatives;
        self.squares.merge(&other.squares);
        self.logs.merge(&other.logs);
        for (ours, theirs) in self.bins.iter_mut().zip(&other.bins) {
            ours.positives += theirs.positives;
            ours.probabilities.merge(&theirs.probabilities);
        }
    }

    /// Messages so far.
    pub fn messages(&self) -> u64 {
        self.squares.n
    }

    /// Messages, mean probability and share that is so, of each bin that has any.
    pub fn diagram(&self) -> impl Iterator<Item = (u64, f64, f64)> {
        self.bins.iter().filter_map(|bin| {
            let n = bin.probabilities.n;
            Some((n, bin.probabilities.mean(PROBABILITY)?, bin.positives as f64 / n as f64))
        })
    }

    /// What it comes to.
    pub fn report(&self) -> Report {
        let caught = self.true_positives;
        let apart = self.false_positives + self.false_negatives;
        let share = |part: u64, all: u64| {
            wilson(part, all).map(|interval| Figure { value: part as f64 / all as f64, interval })
        };
        let f1 = |jaccard: f64| 2.0 * jaccard / (1.0 + jaccard);
        Report {
            messages: self.messages(),
            precision: share(caught, caught + self.false_positives),
            recall: share(caught, caught + self.false_negatives),
            f1: share(caught, caught + apart)
                .map(|Figure { value, interval }| Figure { value: f1(value), interval: interval.map(f1) }),
            brier: mean(&self.squares),
            log_loss: mean(&self.logs),
            calibration: self.calibration(),
        }
    }

    fn calibration(&self) -> Option<Calibration> {
        let all = self.messages() as f64;
        let (mut ece, mut chance, mut bias, mut spread) = (0.0, 0.0, 0.0, 0.0);
        let (mut statistic, mut degrees) = (0.0, 0);
        for bin in &self.bins {
            let n = bin.probabilities.n as f64;
            let Some(mean) = bin.probabilities.mean(PROBABILITY) else { continue };
            let share = bin.positives as f64 / n;
            // Sum of p (1 - p): the variance of the number of positives, were the probabilities true.
            let squares = bin.probabilities.squares as f64 * PROBABILITY.size().powi(2);
            let variance = (mean * n - squares).max(0.0);
            ece += n / all * (mean - share).abs();
            chance += (variance * std::f64::consts::FRAC_2_PI).sqrt() / all;
            bias += n / all * (mean - share);
            spread += n / all.powi(2) * share * (1.0 - share);
            if variance >= EXPECTED_MIN / 2.0 && (mean * n).min((1.0 - mean) * n) >= EXPECTED_MIN {
                statistic += (bin.positives as f64 - mean * n).powi(2) / variance;
                degrees += 1;
            }
        }
        (all > 0.0).then(|| Calibration {
            ece: Figure { value: ece, interval: Interval::around(ece, spread.sqrt()) },
            ece_by_chance: chance,
            bias,
            p_value: if degrees > 0 { chi_square_p(statistic, degrees) } else { 1.0 },
        })
    }
}

fn square(probability: f64, truth: bool) -> f64 {
    (probability - f64::from(u8::from(truth))).powi(2)
}

/// Finite, as scikit-learn has it.
fn log(probability: f64, truth: bool) -> f64 {
    let of_truth = if truth { probability } else { 1.0 - probability };
    -of_truth.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
}

fn bin_of(probability: f64) -> usize {
    (1..BINS).take_while(|&edge| edge as f64 * (1.0 / BINS as f64) < probability).count()
}

fn mean(moments: &Moments) -> Option<Figure> {
    let value = moments.mean(PROBABILITY)?;
    let deviation = (moments.variance(PROBABILITY).unwrap_or_default() / moments.n as f64).sqrt();
    let interval = Interval { low: (value - Z_95 * deviation).max(0.0), high: value + Z_95 * deviation };
    Some(Figure { value, interval })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decision::tune::{At, Random, Sample, Tally};

    const LIMIT: usize = 1 << 30;

    /// Messages whose probabilities come true after `by`.
    fn simulated(messages: usize, seed: u64, by: impl Fn(f64) -> f64) -> Labelled {
        let (mut random, mut labelled) = (Random::new(seed), Labelled::default());
        let mut draw = || random.below(LIMIT) as f64 / LIMIT as f64;
        for _ in 0..messages {
            let probability = draw();
            let truth = draw() < by(probability);
            labelled.add(probability, probability >= 0.5, truth);
        }
        labelled
    }

    proptest! {
        #[test]
        fn figures_are_those_of_the_tally_in_any_order(
            cases in proptest::collection::vec((0..=100_u8, any::<bool>()), 1..200),
            split in any::<prop::sample::Index>(),
        ) {
            let (mut whole, mut tally, mut parts) = (Labelled::default(), Tally::default(), [Labelled::default(), Labelled::default()]);
            let split = split.index(cases.len());
            for (index, &(percent, truth)) in cases.iter().enumerate() {
                let probability = f32::from(percent) / 100.0;
                tally.add(Sample { probability, truth });
                let add = |labelled: &mut Labelled| labelled.add(f64::from(probability), probability >= 0.5, truth);
                add(&mut whole);
                add(&mut parts[usize::from(index < split)]);
            }
            let [mut sum, other] = parts;
            sum.merge(&other);
            prop_assert_eq!(serde_json::to_string(&sum).unwrap(), serde_json::to_string(&whole).unwrap());
            let report = whole.report();
            let near = |ours: Option<Figure>, theirs: Option<f64>| (ours.unwrap().value - theirs.unwrap()).abs() < 1e-11;
            prop_assert!(near(report.brier, tally.brier()) && near(report.log_loss, tally.log_loss()));
            prop_assert!(near(report.calibration.map(|found| found.ece), tally.calibration_error()));
            let at = At::new(0.5, [whole.true_positives, whole.false_positives, whole.false_negatives, whole.true_negatives]);
            let value = |figure: Option<Figure>| figure.map(|figure| figure.value);
            prop_assert_eq!((value(report.precision), value(report.recall)), (at.precision, at.recall));
        }
    }

    fn cases() -> impl Strategy<Value = Vec<(f64, bool, bool)>> {
        let probability = prop_oneof![0.0..=1.0, Just(0.0), Just(1.0), Just(0.1), any::<f64>()];
        proptest::collection::vec((probability, any::<bool>(), any::<bool>()), 0..40)
    }

    proptest! {
        #[test]
        fn what_was_added_can_be_taken_out_in_any_order(
            kept in cases(),
            (gone, taken) in cases().prop_flat_map(|gone| (Just(gone.clone()), Just(gone).prop_shuffle())),
        ) {
            let (mut labelled, mut without) = (Labelled::default(), Labelled::default());
            gone.iter().for_each(|&(probability, said, truth)| labelled.add(probability, said, truth));
            for &(probability, said, truth) in &kept {
                labelled.add(probability, said, truth);
                without.add(probability, said, truth);
            }
            taken.iter().for_each(|&(probability, said, truth)| labelled.remove(probability, said, truth));
            prop_assert_eq!(labelled, without);
        }
    }

    #[test]
    fn calibrated_probabilities_are_no_drift_and_others_are() {
        let runs = 400;
        let found: Vec<_> = (0..runs).map(|seed| simulated(2_000, seed, |p| p).report().calibration.unwrap()).collect();
        let rate =
            |alpha: f64| found.iter().filter(|found| found.p_value <= alpha).count() as f64 / f64::from(runs as u32);
        assert!((0.025..=0.085).contains(&rate(0.05)), "{}", rate(0.05));
        assert!(!found.iter().any(|found| found.drifted(0.05, 0.01)));
        let mean = |of: fn(&Calibration) -> f64| found.iter().map(of).sum::<f64>() / f64::from(runs as u32);
        let (ece, chance) = (mean(|found| found.ece.value), mean(|found| found.ece_by_chance));
        assert!((ece - chance).abs() < 0.001, "{ece} {chance}");

        let sure = simulated(2_000, 1, |p| p * 0.8).report().calibration.unwrap();
        assert!(sure.drifted(0.05, 0.01) && (sure.bias - 0.1).abs() < 0.03, "{sure:?}");
    }

    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        // Of a probability drawn from 0..1 and said from 0.5 on: precision and recall are 3/4, so F1 is too.
        let (runs, mut held) = (400, [0_u32; 4]);
        for seed in 0..runs {
            let report = simulated(500, 1_000 + seed, |p| p).report();
            let truths =
                [(report.precision, 0.75), (report.recall, 0.75), (report.f1, 0.75), (report.brier, 1.0 / 6.0)];
            for (held, (figure, truth)) in held.iter_mut().zip(truths) {
                let Interval { low, high } = figure.unwrap().interval;
                *held += u32::from((low..=high).contains(&truth));
            }
        }
        assert!(held.iter().all(|held| (368..=392).contains(held)), "{held:?} of {runs}");
    }

    #[test]
    fn nothing_has_no_figures() {
        let report = Labelled::default().report();
        assert_eq!((report.precision, report.brier, report.calibration), (None, None, None));
        let mut odd = Labelled::default();
        odd.add(f64::NAN, true, true);
        assert_eq!(odd, Labelled::default());
    }
}
