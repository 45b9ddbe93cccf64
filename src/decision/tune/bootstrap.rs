use serde::Serialize;

use super::{Aim, Curve, Sample, choose};

/// How intervals are found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Resampling {
    /// Times that as many samples are drawn as there are, with replacement.
    pub times: u32,
    /// Where the random numbers start: the same seed gives the same intervals.
    pub seed: u64,
    /// Share of the resampled figures that an interval holds, 0..1.
    pub level: f64,
}

/// Where the resampled figures lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// Percentile intervals; none for what most resamples have no value of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Intervals {
    /// Of the threshold, chosen anew in each resample: how firm the choice is.
    pub threshold: Option<Interval>,
    /// Of the precision at the threshold that was chosen.
    pub precision: Option<Interval>,
    /// Of the recall there.
    pub recall: Option<Interval>,
    /// Of the F1 there.
    pub f1: Option<Interval>,
    /// Of the area under the ROC curve.
    pub roc_auc: Option<Interval>,
    /// Of the average precision.
    pub average_precision: Option<Interval>,
}

/// Intervals of the figures at `threshold`, and of the threshold that `aim` chooses.
pub fn resample(samples: &[Sample], threshold: f64, aim: Aim, how: Resampling) -> Intervals {
    let mut groups = Groups::of(samples);
    let mut random = Random::new(how.seed);
    let mut found: [Vec<f64>; 6] = Default::default();
    for _ in 0..how.times {
        let curve = groups.draw(&mut random);
        let at = curve.at(threshold);
        let chosen = choose(&curve, aim).map(|choice| choice.at.threshold);
        let figures = [chosen, at.precision, at.recall, at.f1, curve.roc_auc(), curve.average_precision()];
        for (found, figure) in found.iter_mut().zip(figures) {
            found.extend(figure);
        }
    }
    let [threshold, precision, recall, f1, roc_auc, average_precision] =
        found.map(|figures| if figures.len() * 2 > how.times as usize { interval(figures, how.level) } else { None });
    Intervals { threshold, precision, recall, f1, roc_auc, average_precision }
}

/// The samples by their probability: a resample is a count for each.
struct Groups {
    /// From the highest down.
    probabilities: Vec<f64>,
    /// Per sample, twice its group's index, and one more where it does not have the label.
    places: Vec<u32>,
    /// Two a group: drawn with the label, and without.
    drawn: Vec<u32>,
}

impl Groups {
    fn of(samples: &[Sample]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_unstable_by(|a, b| b.probability.total_cmp(&a.probability));
        let mut groups =
            Self { probabilities: Vec::new(), places: Vec::with_capacity(sorted.len()), drawn: Vec::new() };
        for Sample { probability, truth } in sorted {
            if groups.probabilities.last() != Some(&f64::from(probability)) {
                groups.probabilities.push(f64::from(probability));
            }
            groups.places.push(2 * (groups.probabilities.len() as u32 - 1) + u32::from(!truth));
        }
        groups.drawn = vec![0; 2 * groups.probabilities.len()];
        groups
    }

    fn draw(&mut self, random: &mut Random) -> Curve {
        self.drawn.fill(0);
        for _ in 0..self.places.len() {
            self.drawn[self.places[random.below(self.places.len())] as usize] += 1;
        }
        let counts = self.drawn.chunks_exact(2).map(|counts| (u64::from(counts[0]), u64::from(counts[1])));
        Curve::of_groups(self.probabilities.iter().zip(counts).map(|(&at, (with, without))| (at, with, without)))
    }
}

/// The middle `level` of the figures, linear between two of them.
fn interval(mut figures: Vec<f64>, level: f64) -> Option<Interval> {
    figures.sort_unstable_by(f64::total_cmp);
    let last = figures.len().checked_sub(1)?;
    let quantile = |share: f64| {
        let place = share * last as f64;
        let (low, high) = (figures[place.floor() as usize], figures[place.ceil() as usize]);
        low + (high - low) * place.fract()
    };
    let tail = (1.0 - level) / 2.0;
    Some(Interval { low: quantile(tail), high: quantile(1.0 - tail) })
}

/// xorshift64*: good enough to draw rows, and the same on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Any state but 0; seeds that are close to each other start far apart.
        Self((seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1)
    }

    /// 0..limit.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        ((u128::from(number) * limit as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOW: Resampling = Resampling { times: 1_000, seed: 1, level: 0.95 };

    /// 400 samples, half of them with the label, 90 of 100 of those above 0.5, and 10 of 100 of the others.
    fn samples() -> Vec<Sample> {
        (0..400_u16)
            .map(|index| {
                let (truth, rare) = (index % 2 == 0, index % 20 < 2);
                Sample { probability: if truth == rare { 0.25 } else { 0.75 } + f32::from(index) / 4_000.0, truth }
            })
            .collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_intervals() {
        let of = |seed| resample(&samples(), 0.5, Aim::Precision(0.9), Resampling { seed, ..HOW });
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn an_interval_is_as_wide_as_the_binomial_one() {
        let found = resample(&samples(), 0.5, Aim::Precision(0.5), HOW).recall.unwrap();
        // 200 samples with the label at a recall of 0.9: 1.96 sqrt(0.9 * 0.1 / 200) to each side.
        assert!((found.low - 0.858).abs() < 0.012, "{found:?}");
        assert!((found.high - 0.942).abs() < 0.012, "{found:?}");
    }

    #[test]
    fn percentiles_are_linear_between_figures() {
        let found = interval((0..=100).rev().map(f64::from).collect(), 0.95).unwrap();
        assert!((found.low - 2.5).abs() < 1e-9 && (found.high - 97.5).abs() < 1e-9, "{found:?}");
        assert_eq!(interval(Vec::new(), 0.95), None);
    }

    #[test]
    fn nothing_has_no_interval() {
        assert_eq!(resample(&[], 0.5, Aim::Precision(0.5), HOW), Intervals::default());
    }
}
