//! Thresholds and metrics are those of scikit-learn. `parity/thresholds.py` says how the expected values come about.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is that test's failure, also in what tests share")]

use assize::decision::tune::{Aim, Bin, Curve, Sample, Tally, choose};
use serde::Deserialize;

/// Sums of up to 300 numbers in another order.
const TOLERANCE: f64 = 1e-12;

#[derive(Deserialize)]
struct Case {
    name: String,
    samples: Vec<(f32, bool)>,
    /// Threshold, precision, recall.
    curve: Vec<(f64, f64, f64)>,
    roc_auc: Option<f64>,
    average_precision: Option<f64>,
    brier: f64,
    log_loss: f64,
    /// Mean probability, share that has the label.
    calibration: Vec<(f64, f64)>,
    ece: f64,
    /// Target, true positives, false positives, fell back.
    precision: Vec<(f64, u64, u64, bool)>,
    /// Of a false positive, of a false negative, least sum.
    cost: Vec<(f64, f64, f64)>,
}

impl Case {
    fn samples(&self) -> Vec<Sample> {
        self.samples.iter().map(|&(probability, truth)| Sample { probability, truth }).collect()
    }

    #[track_caller]
    fn near(&self, what: &str, ours: Option<f64>, theirs: Option<f64>) {
        let near = match (ours, theirs) {
            (Some(ours), Some(theirs)) => (ours - theirs).abs() <= TOLERANCE,
            (ours, theirs) => ours == theirs,
        };
        assert!(near, "{}: {what} is {ours:?}, of scikit-learn {theirs:?}", self.name);
    }
}

fn cases() -> Vec<Case> {
    let cases: Vec<Case> = serde_json::from_str(include_str!("parity/thresholds.json")).unwrap();
    assert_eq!(cases.len(), 9);
    cases
}

#[test]
fn every_point_of_the_curve_is_that_of_scikit_learn() {
    for case in cases().iter().filter(|case| !case.curve.is_empty()) {
        let curve = Curve::of(&case.samples());
        assert_eq!(curve.points().len(), case.curve.len(), "{}", case.name);
        for (point, &(threshold, precision, recall)) in curve.points().iter().zip(&case.curve) {
            case.near("a threshold", Some(point.threshold), Some(threshold));
            let at = curve.at(point.threshold);
            case.near("a precision", at.precision, Some(precision));
            case.near("a recall", at.recall, Some(recall));
        }
    }
}

#[test]
fn metrics_are_those_of_scikit_learn() {
    for case in &cases() {
        let (curve, tally) = (Curve::of(&case.samples()), Tally::of(&case.samples()));
        case.near("ROC AUC", curve.roc_auc(), case.roc_auc);
        case.near("average precision", curve.average_precision(), case.average_precision);
        case.near("Brier", tally.brier(), Some(case.brier));
        case.near("log loss", tally.log_loss(), Some(case.log_loss));
        case.near("ECE", tally.calibration_error(), Some(case.ece));
        let bins: Vec<_> = tally.bins().iter().filter_map(Bin::point).collect();
        assert_eq!(bins.len(), case.calibration.len(), "{}", case.name);
        for ((mean, share), &(their_mean, their_share)) in bins.into_iter().zip(&case.calibration) {
            case.near("a bin's mean", Some(mean), Some(their_mean));
            case.near("a bin's share", Some(share), Some(their_share));
        }
    }
}

#[test]
fn choices_are_the_best_of_all_thresholds() {
    for case in &cases() {
        let curve = Curve::of(&case.samples());
        for &(target, caught, wrong, fell_back) in &case.precision {
            let choice = choose(&curve, Aim::Precision(target)).unwrap();
            let found = (choice.at.true_positives, choice.at.false_positives, choice.fell_back);
            assert_eq!(found, (caught, wrong, fell_back), "{} at precision {target}", case.name);
        }
        for &(false_positive, false_negative, least) in &case.cost {
            let choice = choose(&curve, Aim::Cost { false_positive, false_negative }).unwrap();
            case.near("the least cost", choice.cost, Some(least));
        }
    }
}
