//! Calibrated probabilities are those of scikit-learn. `parity/calibration.py` says how the expected values come about.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is that test's failure, also in what tests share")]

use assize::decision::{Calibrator, Gives, Method};
use serde::Deserialize;

/// Probabilities have 32 bits here.
const TOLERANCE: f64 = 1e-6;
/// How far the training's own fit may be from scikit-learn's: another minimiser, and seven digits in a manifest.
const FIT_TOLERANCE: f64 = 1e-6;

#[derive(Deserialize)]
struct Case {
    name: String,
    exclusive: bool,
    /// Largest difference of a probability; none where the two are not the same thing.
    training_differs: Option<f64>,
    calibration: Method,
    scores: Vec<Vec<f32>>,
    expected: Vec<Vec<f64>>,
}

fn cases() -> Vec<Case> {
    let cases: Vec<Case> = serde_json::from_str(include_str!("parity/calibration.json")).unwrap();
    assert_eq!(cases.len(), 8);
    cases
}

#[test]
fn probabilities_are_those_of_scikit_learn() {
    for Case { name, exclusive, calibration, scores, expected, .. } in cases() {
        let (columns, labels) = (scores[0].len(), expected[0].len());
        let calibrator = Calibrator::try_new(calibration, Gives::Scores, columns, labels, exclusive).unwrap();
        for (scores, expected) in scores.iter().zip(&expected) {
            let mut found = Vec::new();
            calibrator.apply(scores, &mut found);
            let near = |(found, expected): (&f32, &f64)| (f64::from(*found) - expected).abs() < TOLERANCE;
            assert!(found.iter().zip(expected).all(near), "{name}: {scores:?} give {found:?}, not {expected:?}");
        }
    }
}

#[test]
fn the_training_fits_what_scikit_learn_fits() {
    let differ: Vec<f64> = cases().iter().filter_map(|case| case.training_differs).collect();
    assert_eq!(differ.len(), 7);
    assert!(differ.iter().all(|&differ| differ < FIT_TOLERANCE), "{differ:?}");
}
