//! From the numbers of a graph to a probability for each label. Pure functions.
//!
//! ```text
//!  a graph's numbers ─► sigmoid | isotonic | temperature | none ─► normalised where labels exclude each other ─► probabilities
//! ```
//!
//! As scikit-learn's `CalibratedClassifierCV` applies them. They are fitted by the training, on scores of rows that the
//! model had not seen.

use std::{iter, ops::RangeInclusive};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Probabilities are kept that far from 0 and 1 where their logarithm is taken.
const PROBABILITY_MIN: f64 = 1e-12;
/// No fit comes near these temperatures, and scores divided by them stay numbers.
const TEMPERATURES: RangeInclusive<f64> = 1e-6..=1e6;

/// What the numbers of a graph mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gives {
    /// Each in 0..=1.
    Probabilities,
    /// Any numbers: a decision function, logits.
    Scores,
}

/// How a bundle's numbers become probabilities; the manifest's `calibration`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "lowercase", deny_unknown_fields)]
pub enum Method {
    /// Probabilities stay what they are; scores go through a sigmoid, or a softmax where labels exclude each other.
    None,
    /// One sigmoid a column.
    Sigmoid {
        /// In the order of the columns.
        labels: Vec<Sigmoid>,
    },
    /// One isotonic regression a column.
    Isotonic {
        /// In the order of the columns.
        labels: Vec<Isotonic>,
    },
    /// Scores are divided by one number first (C. Guo et al., "On Calibration of Modern Neural Networks", 2017).
    Temperature {
        /// 1e-6 to 1e6; above 1 makes less sure.
        temperature: f64,
    },
}

/// `1 / (1 + exp(a s + b))` of a score `s` (J. Platt, "Probabilistic Outputs for Support Vector Machines", 1999).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sigmoid {
    /// Per unit of score; negative where a higher score means a higher probability.
    pub a: f64,
    /// Log-odds against.
    pub b: f64,
}

/// Straight lines between points; what lies outside takes the nearest point's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Isotonic {
    /// Scores, ascending.
    pub x: Vec<f64>,
    /// Probabilities, 0..=1, ascending.
    pub y: Vec<f64>,
}

/// Why a calibration cannot be used.
#[derive(Clone, Debug, PartialEq, Error)]
#[allow(missing_docs)] // The messages say it.
pub enum CalibrationError {
    #[error("the graph gives {found} numbers a row; a model with {labels} labels gives {expected}")]
    Columns { labels: usize, expected: String, found: usize },
    #[error("there are {found} {method} calibrators for the {columns} numbers that the graph gives; give one each")]
    Count { method: &'static str, columns: usize, found: usize },
    #[error("calibrator {column} is sigmoid with a = {a}, b = {b}; give finite numbers")]
    Sigmoid { column: usize, a: f64, b: f64 },
    #[error(
        "calibrator {column} is isotonic with {x} scores and {y} probabilities; give as many of both, at least one, both \
         ascending, finite and not too close to each other, probabilities in 0 to 1"
    )]
    Isotonic { column: usize, x: usize, y: usize },
    #[error("the temperature is {found}; give a number from {} to {}", TEMPERATURES.start(), TEMPERATURES.end())]
    Temperature { found: f64 },
}

/// How the columns of a graph belong to labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// One column, about the second of two labels.
    Pair,
    /// A column a label, of which one is right.
    Exclusive,
    /// A column a label, each right or not.
    Independent,
}

/// A calibration that fits a graph. Immutable.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibrator {
    method: Method,
    gives: Gives,
    shape: Shape,
    columns: usize,
}

impl Calibrator {
    /// For a graph that gives `columns` numbers a row about `labels` labels; `exclusive` when one of them is right.
    ///
    /// # Errors
    /// [`CalibrationError`]
    pub fn try_new(
        method: Method,
        gives: Gives,
        columns: usize,
        labels: usize,
        exclusive: bool,
    ) -> Result<Self, CalibrationError> {
        let shape = match (columns, labels, exclusive) {
            (1, 2, true) => Shape::Pair,
            (columns, labels, exclusive) if columns == labels => {
                if exclusive {
                    Shape::Exclusive
                } else {
                    Shape::Independent
                }
            }
            (found, labels, exclusive) => {
                let expected = if exclusive && labels == 2 { "1 or 2".into() } else { labels.to_string() };
                return Err(CalibrationError::Columns { labels, expected, found });
            }
        };
        check(&method, columns)?;
        Ok(Self { method, gives, shape, columns })
    }

    /// The same with no calibration: what it is held against.
    pub fn without(&self) -> Self {
        Self { method: Method::None, ..self.clone() }
    }

    /// How it calibrates.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Adds one probability a label, 0..=1, for the numbers of a row.
    #[inline]
    pub fn apply(&self, row: &[f32], probabilities: &mut Vec<f32>) {
        debug_assert_eq!(row.len(), self.columns);
        match self.shape {
            Shape::Pair => {
                let probability = self.of_column(0, f64::from(row[0]));
                probabilities.extend([1.0 - probability, probability].map(bounded));
            }
            Shape::Independent => {
                let columns = row.iter().enumerate();
                probabilities.extend(columns.map(|(column, &score)| bounded(self.of_column(column, f64::from(score)))));
            }
            Shape::Exclusive => self.exclusive(row, probabilities),
        }
    }

    fn of_column(&self, column: usize, number: f64) -> f64 {
        match (&self.method, self.gives) {
            (Method::None, Gives::Probabilities) => number,
            (Method::None, Gives::Scores) => expit(number),
            (Method::Sigmoid { labels }, _) => labels[column].apply(number),
            (Method::Isotonic { labels }, _) => labels[column].apply(number),
            (Method::Temperature { temperature }, Gives::Scores) => expit(number / temperature),
            (Method::Temperature { temperature }, Gives::Probabilities) => expit(logit(number) / temperature),
        }
    }

    fn exclusive(&self, row: &[f32], probabilities: &mut Vec<f32>) {
        match (&self.method, self.gives) {
            (Method::None, Gives::Probabilities) => probabilities.extend(row.iter().map(|&p| bounded(f64::from(p)))),
            (Method::None, Gives::Scores) => softmax(row, |score| score, probabilities),
            (&Method::Temperature { temperature }, Gives::Scores) => {
                softmax(row, |score| score / temperature, probabilities);
            }
            (&Method::Temperature { temperature }, Gives::Probabilities) => {
                softmax(row, |p| p.max(PROBABILITY_MIN).ln() / temperature, probabilities);
            }
            (Method::Sigmoid { .. } | Method::Isotonic { .. }, _) => {
                normalised(row, |column, score| self.of_column(column, score), probabilities);
            }
        }
    }
}

impl Sigmoid {
    fn apply(&self, score: f64) -> f64 {
        expit(-(self.a * score + self.b))
    }
}

impl Isotonic {
    fn apply(&self, score: f64) -> f64 {
        let Self { x, y } = self;
        match x.partition_point(|&x| x <= score) {
            0 => y[0],
            after if after == x.len() => y[after - 1],
            after => {
                let slope = (y[after] - y[after - 1]) / (x[after] - x[after - 1]);
                y[after - 1] + slope * (score - x[after - 1])
            }
        }
    }
}

fn check(method: &Method, columns: usize) -> Result<(), CalibrationError> {
    let count = |method, found| {
        if found == columns { Ok(()) } else { Err(CalibrationError::Count { method, columns, found }) }
    };
    match method {
        Method::None => Ok(()),
        Method::Sigmoid { labels } => {
            count("sigmoid", labels.len())?;
            let bad = labels.iter().position(|Sigmoid { a, b }| !(a.is_finite() && b.is_finite()));
            bad.map_or(Ok(()), |column| {
                Err(CalibrationError::Sigmoid { column, a: labels[column].a, b: labels[column].b })
            })
        }
        Method::Isotonic { labels } => {
            count("isotonic", labels.len())?;
            let bad = labels.iter().position(|isotonic| !is_usable(isotonic));
            bad.map_or(Ok(()), |column| {
                let Isotonic { x, y } = &labels[column];
                Err(CalibrationError::Isotonic { column, x: x.len(), y: y.len() })
            })
        }
        Method::Temperature { temperature } if TEMPERATURES.contains(temperature) => Ok(()),
        &Method::Temperature { temperature } => Err(CalibrationError::Temperature { found: temperature }),
    }
}

fn is_usable(Isotonic { x, y }: &Isotonic) -> bool {
    !x.is_empty()
        && x.len() == y.len()
        && x.is_sorted()
        && y.is_sorted()
        && x.iter().all(|x| x.is_finite())
        && y.iter().all(|y| (0.0..=1.0).contains(y))
        && iter::zip(x.windows(2), y.windows(2))
            .all(|(x, y)| x[0] == x[1] || ((y[1] - y[0]) / (x[1] - x[0])).is_finite())
}

fn expit(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

fn logit(probability: f64) -> f64 {
    let probability = probability.clamp(PROBABILITY_MIN, 1.0 - PROBABILITY_MIN);
    (probability / (1.0 - probability)).ln()
}

/// Rounding in a graph may leave 0..=1 by a hair.
fn bounded(probability: f64) -> f32 {
    probability.clamp(0.0, 1.0) as f32
}

/// The largest is taken off first, so that no power overflows.
fn softmax(row: &[f32], scaled: impl Fn(f64) -> f64, probabilities: &mut Vec<f32>) {
    let scaled = |score: &f32| scaled(f64::from(*score));
    let largest = row.iter().map(scaled).fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = row.iter().map(|score| (scaled(score) - largest).exp()).sum();
    probabilities.extend(row.iter().map(|score| ((scaled(score) - largest).exp() / total) as f32));
}

/// Divided by their sum. No label at all is every label alike, as scikit-learn has it.
fn normalised(row: &[f32], of_column: impl Fn(usize, f64) -> f64, probabilities: &mut Vec<f32>) {
    let of = |(column, &score): (usize, &f32)| of_column(column, f64::from(score));
    let total: f64 = row.iter().enumerate().map(of).sum();
    let share = |probability| if total > 0.0 { probability / total } else { 1.0 / row.len() as f64 };
    probabilities.extend(row.iter().enumerate().map(|column| bounded(share(of(column)))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: Method, gives: Gives, exclusive: bool, row: &[f32], expected: &[f64]) {
        let calibrator = Calibrator::try_new(method, gives, row.len(), expected.len(), exclusive).unwrap();
        let mut found = vec![];
        calibrator.apply(row, &mut found);
        let close = |(found, expected): (&f32, &f64)| (f64::from(*found) - expected).abs() < 1e-6;
        assert!(found.len() == expected.len() && found.iter().zip(expected).all(close), "{found:?} {expected:?}");
    }

    fn steps() -> Isotonic {
        Isotonic { x: vec![-1.0, 0.0, 0.0, 2.0], y: vec![0.1, 0.2, 0.5, 0.9] }
    }

    #[test]
    fn one_column_is_about_the_second_of_two_labels() {
        use Gives::{Probabilities, Scores};
        check(Method::None, Probabilities, true, &[0.25], &[0.75, 0.25]);
        check(Method::None, Scores, true, &[0.0], &[0.5, 0.5]);
        let sigmoid = Method::Sigmoid { labels: vec![Sigmoid { a: -2.0, b: 1.0 }] };
        check(sigmoid, Scores, true, &[1.0], &[0.268_941_421, 0.731_058_579]);
        check(Method::Temperature { temperature: 2.0 }, Scores, true, &[2.0], &[0.268_941_421, 0.731_058_579]);
        check(Method::Temperature { temperature: 1.0 }, Probabilities, true, &[0.25], &[0.75, 0.25]);
    }

    #[test]
    fn isotonic_is_straight_between_points_and_flat_outside() {
        let isotonic = || Method::Isotonic { labels: vec![steps()] };
        for (score, expected) in
            [(-9.0, 0.1), (-1.0, 0.1), (-0.5, 0.15), (0.0, 0.5), (1.0, 0.7), (2.0, 0.9), (9.0, 0.9)]
        {
            check(isotonic(), Gives::Scores, true, &[score], &[1.0 - expected, expected]);
        }
    }

    #[test]
    fn labels_that_exclude_each_other_add_up_to_1() {
        let sigmoid = || Method::Sigmoid { labels: vec![Sigmoid { a: -1.0, b: 0.0 }; 2] };
        let [low, high] = [expit(-1.0), expit(2.0)];
        check(sigmoid(), Gives::Scores, true, &[-1.0, 2.0], &[low / (low + high), high / (low + high)]);
        check(sigmoid(), Gives::Scores, false, &[-1.0, 2.0], &[low, high]);
        check(Method::None, Gives::Scores, true, &[1000.0, 1000.0, -1000.0], &[0.5, 0.5, 0.0]);
        let never = || Isotonic { x: vec![0.0], y: vec![0.0] };
        let nothing = Method::Isotonic { labels: vec![never(), never(), never(), never()] };
        check(nothing, Gives::Scores, true, &[1.0; 4], &[0.25; 4]);
        // Far too small for 32 bits, and still apart.
        let far = Method::Sigmoid { labels: vec![Sigmoid { a: -1.0, b: 200.0 }; 2] };
        check(far, Gives::Scores, true, &[0.0, 1.0], &[0.268_941_421, 0.731_058_579]);
    }

    #[test]
    fn a_temperature_makes_less_sure() {
        let odds = (2.0_f64).exp();
        let expected = [1.0 / (1.0 + odds), odds / (1.0 + odds)];
        check(Method::Temperature { temperature: 2.0 }, Gives::Scores, true, &[0.0, 4.0], &expected);
        check(Method::Temperature { temperature: 1.0 }, Gives::Probabilities, true, &[0.25, 0.75], &[0.25, 0.75]);
    }

    #[test]
    fn rounding_past_1_is_no_probability_above_1() {
        check(Method::None, Gives::Probabilities, true, &[-1e-7, 1.000_000_1], &[0.0, 1.0]);
    }

    #[test]
    fn bad_calibrations_are_refused() {
        #[track_caller]
        fn bad(method: Method, columns: usize, labels: usize, exclusive: bool, expected: &str) {
            let error = Calibrator::try_new(method, Gives::Scores, columns, labels, exclusive).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        bad(Method::None, 3, 2, true, "gives 3 numbers a row; a model with 2 labels gives 1 or 2");
        bad(Method::None, 1, 2, false, "gives 1 numbers a row; a model with 2 labels gives 2");
        bad(Method::Sigmoid { labels: vec![] }, 2, 2, true, "0 sigmoid calibrators for the 2 numbers");
        let nan = Sigmoid { a: f64::NAN, b: 0.0 };
        bad(Method::Sigmoid { labels: vec![nan] }, 1, 2, true, "calibrator 0 is sigmoid with a = NaN");
        let (falling, close) = ((vec![1.0, 0.0], vec![0.0, 1.0]), (vec![0.0, 5e-324], vec![0.0, 1.0]));
        for (x, y) in [(vec![], vec![]), falling, (vec![0.0], vec![1.5]), (vec![0.0], vec![]), close] {
            bad(Method::Isotonic { labels: vec![Isotonic { x, y }] }, 1, 2, true, "calibrator 0 is isotonic");
        }
        bad(Method::Temperature { temperature: 0.0 }, 1, 2, true, "the temperature is 0");
    }
}
