//! What labels measure and what probabilities promise, as the record has it.

use super::{Judging, distribution::whole, finite};
use crate::{
    drift::reliability::{self, Expected, Labelled},
    records::{EstimatedPerformance, Figure, Performance, ReliabilityBin},
};

fn figure(figure: Option<reliability::Figure>) -> Option<Figure> {
    figure.map(|reliability::Figure { value, interval }| Figure {
        value: finite(value),
        low: finite(interval.low),
        high: finite(interval.high),
    })
}

/// One label, measured; its calibration has moved only with enough messages.
pub(super) fn measured(label: &str, labelled: &Labelled, judging: &Judging) -> Performance {
    let report = labelled.report();
    let calibration = report.calibration;
    let enough = is_enough(labelled, judging);
    Performance {
        label: label.to_owned(),
        messages: whole(report.messages),
        true_positives: whole(labelled.true_positives),
        false_positives: whole(labelled.false_positives),
        false_negatives: whole(labelled.false_negatives),
        true_negatives: whole(labelled.true_negatives),
        precision: figure(report.precision),
        recall: figure(report.recall),
        f1: figure(report.f1),
        brier: figure(report.brier),
        log_loss: figure(report.log_loss),
        ece: figure(calibration.map(|found| found.ece)),
        ece_by_chance: calibration.map(|found| finite(found.ece_by_chance)),
        bias: calibration.map(|found| finite(found.bias)),
        p_value: calibration.map(|found| finite(found.p_value)),
        calibration_moved: enough
            && calibration.is_some_and(|found| found.drifted(judging.alarm.ece_min, judging.rule.alpha)),
        diagram: labelled.diagram().map(bin).collect(),
    }
}

fn bin((messages, probability, share): (u64, f64, f64)) -> ReliabilityBin {
    ReliabilityBin { messages: whole(messages), probability: finite(probability), share: finite(share) }
}

/// Whether there are enough messages to say something of calibration.
pub(super) fn is_enough(labelled: &Labelled, judging: &Judging) -> bool {
    labelled.messages() >= judging.alarm.labels_min
}

/// One label, as its probabilities promise.
pub(super) fn promised(label: &str, expected: &Expected) -> EstimatedPerformance {
    let estimate = expected.estimate();
    EstimatedPerformance {
        label: label.to_owned(),
        messages: whole(estimate.messages),
        precision: figure(estimate.precision),
        recall: figure(estimate.recall),
        f1: figure(estimate.f1),
        accuracy: figure(estimate.accuracy),
        prevalence: figure(estimate.prevalence),
    }
}
