use serde::Serialize;

use super::{At, Curve};

/// Digits behind the point that a threshold has at least, and at most.
const DIGITS: std::ops::RangeInclusive<i32> = 3..=9;

/// What a threshold is chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// The highest recall at this precision, 0..=1.
    Precision(f64),
    /// The lowest sum of what wrong decisions cost, each in the same unit.
    Cost {
        /// Of saying so where it is not.
        false_positive: f64,
        /// Of not saying so where it is.
        false_negative: f64,
    },
}

/// The threshold that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// What it comes to on the samples.
    pub at: At,
    /// No threshold reaches the precision: this is the one with the best F1.
    pub fell_back: bool,
    /// Sum over the samples; none when costs are not what it was chosen for.
    pub cost: Option<f64>,
}

/// Where an action starts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Band {
    /// The precision that was asked for, 0..=1.
    pub precision: f64,
    /// What it comes to; none when no threshold reaches that precision, or the block band starts there already.
    pub at: Option<At>,
}

/// Where both actions start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Suggested {
    /// A person looks from here on.
    pub review: Band,
    /// The message is blocked from here on.
    pub block: Band,
}

/// The threshold for this aim; of equally good ones the highest. None where nothing has the label, or there is nothing.
pub fn choose(curve: &Curve, aim: Aim) -> Option<Choice> {
    if curve.positives() == 0 {
        return None;
    }
    match aim {
        Aim::Precision(target) => {
            let reached = at_precision(curve, target);
            let fell_back = reached.is_none();
            let at = curve.at(tidy(curve, reached.or_else(|| best_f1(curve))?));
            Some(Choice { at, fell_back, cost: None })
        }
        Aim::Cost { false_positive, false_negative } => {
            let cost =
                |at: &At| at.false_positives as f64 * false_positive + at.false_negatives as f64 * false_negative;
            let least = least_cost(curve, |at| cost(at))?;
            let at = curve.at(least);
            Some(Choice { at, fell_back: false, cost: Some(cost(&at)) })
        }
    }
}

/// From which threshold on each action has its precision, 0..=1, at the highest recall.
pub fn bands(curve: &Curve, review: f64, block: f64) -> Suggested {
    let band =
        |precision| Band { precision, at: at_precision(curve, precision).map(|index| curve.at(tidy(curve, index))) };
    let (mut review, block) = (band(review), band(block));
    if let (Some(lower), Some(upper)) = (review.at, block.at)
        && lower.threshold >= upper.threshold
    {
        review.at = None;
    }
    Suggested { review, block }
}

/// Of the points with this precision the one that catches most; of those that catch equally many the first, which is
/// the most precise.
fn at_precision(curve: &Curve, target: f64) -> Option<usize> {
    let precise = curve.points().iter().enumerate().filter(|(_, point)| point.precision() >= target);
    first_max(precise.map(|(index, point)| (index, point.true_positives as f64)))
}

fn best_f1(curve: &Curve) -> Option<usize> {
    let all = curve.points().iter().enumerate();
    first_max(all.map(|(index, point)| (index, curve.at(point.threshold).f1.unwrap_or_default())))
}

/// Saying nothing at all is a choice too, by the threshold 1, unless a sample reaches that.
fn least_cost(curve: &Curve, cost: impl Fn(&At) -> f64) -> Option<f64> {
    let nothing = (curve.points().first()?.threshold < 1.0).then_some(1.0);
    let all = (0..curve.points().len()).map(|index| tidy(curve, index));
    first_max(nothing.into_iter().chain(all).map(|threshold| (threshold, -cost(&curve.at(threshold)))))
}

/// The first of those with the highest number.
fn first_max<T>(found: impl Iterator<Item = (T, f64)>) -> Option<T> {
    let best = found.reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(found, _)| found)
}

/// A threshold with few digits between this point and the next lower one: it decides all samples as the point does.
fn tidy(curve: &Curve, index: usize) -> f64 {
    let threshold = curve.points()[index].threshold;
    let below = curve.points().get(index + 1).map_or(-1.0, |point| point.threshold);
    let short = DIGITS.map(|digits| {
        let unit = 10_f64.powi(digits);
        (threshold * unit).floor() / unit
    });
    short.into_iter().find(|&short| below < short && short <= threshold).unwrap_or(threshold)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::tune::Sample;

    fn curve(samples: &[(f32, bool)]) -> Curve {
        let sample = |&(probability, truth): &(f32, bool)| Sample { probability, truth };
        Curve::of(&samples.iter().map(sample).collect::<Vec<_>>())
    }

    const MIXED: [(f32, bool); 6] = [(0.9, true), (0.8, false), (0.7, true), (0.6, true), (0.4, false), (0.2, false)];

    #[test]
    fn the_highest_recall_at_a_precision() {
        let choice = choose(&curve(&MIXED), Aim::Precision(0.75)).unwrap();
        assert_eq!((choice.at.threshold, choice.at.true_positives, choice.at.false_positives), (0.6, 3, 1));
        let strict = choose(&curve(&MIXED), Aim::Precision(1.0)).unwrap();
        assert_eq!((strict.at.threshold, strict.at.true_positives, strict.fell_back), (0.899, 1, false));
    }

    #[test]
    fn of_equal_recall_the_most_precise() {
        // At 0.4 as many are caught as at 0.6, with one more mistake.
        assert_eq!(choose(&curve(&MIXED), Aim::Precision(0.5)).unwrap().at.false_positives, 1);
    }

    #[test]
    fn a_precision_out_of_reach_falls_back_to_the_best_f1() {
        let reversed: Vec<_> = MIXED.iter().map(|&(probability, truth)| (1.0 - probability, truth)).collect();
        let choice = choose(&curve(&reversed), Aim::Precision(0.9)).unwrap();
        assert!(choice.fell_back);
        assert_eq!((choice.at.true_positives, choice.at.false_positives), (3, 3));
    }

    #[test]
    fn costs_decide_and_saying_nothing_is_a_choice() {
        let cost = |false_positive, false_negative| {
            choose(&curve(&MIXED), Aim::Cost { false_positive, false_negative }).unwrap()
        };
        assert_eq!((cost(1.0, 1.0).at.false_positives, cost(1.0, 1.0).cost), (1, Some(1.0)));
        assert_eq!((cost(10.0, 1.0).at.true_positives, cost(10.0, 1.0).cost), (1, Some(2.0)));
        let wrong_first = curve(&[(0.9, false), (0.1, true)]);
        let nothing = choose(&wrong_first, Aim::Cost { false_positive: 5.0, false_negative: 1.0 }).unwrap();
        assert_eq!((nothing.at.threshold, nothing.cost), (1.0, Some(1.0)));
    }

    #[test]
    fn bands_start_at_their_precision_and_never_cross() {
        let found = bands(&curve(&MIXED), 0.75, 1.0);
        assert_eq!(found.review.at.map(|at| at.threshold), Some(0.6));
        assert_eq!(found.block.at.map(|at| at.threshold), Some(0.899));
        assert_eq!(bands(&curve(&MIXED), 0.75, 0.75).review.at, None, "blocked from there on already");
        assert_eq!(bands(&curve(&[(0.5, false)]), 0.5, 0.9).block.at, None);
    }

    #[test]
    fn without_the_label_there_is_no_choice() {
        assert_eq!(choose(&curve(&[(0.5, false)]), Aim::Precision(0.5)), None);
        assert_eq!(choose(&curve(&[]), Aim::Cost { false_positive: 1.0, false_negative: 1.0 }), None);
    }
}
