use std::borrow::Cow;

use serde::Serialize;

use crate::decision::tune::{At, Curve, Sample, Tally};

/// Probabilities that are kept to be ranked, over all labels: 32 MB. Beyond, ROC AUC and average precision are those of
/// the first messages; every other figure is of all.
pub const RANKED_MAX: usize = 4_000_000;

/// Decisions and probabilities held against the truth, as they come.
#[derive(Clone, Debug)]
pub struct Marks {
    labels: Vec<Mark>,
    messages: u64,
    exact: u64,
    ranked_max: usize,
}

#[derive(Clone, Debug)]
struct Mark {
    label: String,
    /// True positives, false positives, false negatives, true negatives.
    counts: [u64; 4],
    tally: Tally,
    ranked: Vec<Sample>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MarksReport {
    /// Messages with labels.
    pub messages: u64,
    /// Share of them with exactly the true labels, 0..=1.
    pub accuracy: Option<f64>,
    /// F1 of all decisions together, 0..=1.
    pub micro_f1: Option<f64>,
    /// Mean F1 of the labels, 0..=1; of a label that neither is nor was said, 0, as scikit-learn has it.
    pub macro_f1: Option<f64>,
    /// The first messages, of which ROC AUC and average precision are.
    pub ranked: u64,
    /// Each label against the rest.
    pub labels: Vec<LabelReport>,
}

/// One label against the rest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelReport {
    /// The label.
    pub label: String,
    /// Has the label, and was said to.
    pub true_positives: u64,
    /// Does not have it, and was said to.
    pub false_positives: u64,
    /// Has it, and was not said to.
    pub false_negatives: u64,
    /// Does not have it, and was not said to.
    pub true_negatives: u64,
    /// 0..=1; none when it was never said.
    pub precision: Option<f64>,
    /// 0..=1; none when it never is.
    pub recall: Option<f64>,
    /// 0..=1.
    pub f1: Option<f64>,
    /// 0..=1.
    pub roc_auc: Option<f64>,
    /// 0..=1.
    pub average_precision: Option<f64>,
    /// 0..=1.
    pub brier: Option<f64>,
    /// In nats.
    pub log_loss: Option<f64>,
    /// Expected calibration error, 0..=1, see [`Tally::calibration_error`].
    pub ece: Option<f64>,
}

impl Marks {
    /// For a model with these labels.
    pub fn new(labels: &[String]) -> Self {
        let mark =
            |label: &String| Mark { label: label.clone(), counts: [0; 4], tally: Tally::default(), ranked: Vec::new() };
        let ranked_max = RANKED_MAX / labels.len().max(1);
        Self { labels: labels.iter().map(mark).collect(), messages: 0, exact: 0, ranked_max }
    }

    /// One message: what is so, what was decided, and the probabilities in the order of the labels.
    pub fn add(&mut self, truth: &[String], decided: &[Cow<'_, str>], probabilities: &[f32]) {
        let mut exact = true;
        for (mark, &probability) in self.labels.iter_mut().zip(probabilities) {
            let is = truth.contains(&mark.label);
            let said = decided.iter().any(|label| *label == mark.label);
            exact &= is == said;
            mark.counts[match (is, said) {
                (true, true) => 0,
                (false, true) => 1,
                (true, false) => 2,
                (false, false) => 3,
            }] += 1;
            let sample = Sample { probability: probability.clamp(0.0, 1.0), truth: is };
            mark.tally.add(sample);
            if mark.ranked.len() < self.ranked_max {
                mark.ranked.push(sample);
            }
        }
        self.messages += 1;
        self.exact += u64::from(exact);
    }

    /// Messages so far.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// The figures.
    pub fn report(&self) -> MarksReport {
        let labels: Vec<LabelReport> = self.labels.iter().map(Mark::report).collect();
        let sum = |index: usize| self.labels.iter().map(|mark| mark.counts[index]).sum();
        let share = |part: f64, whole: usize| (whole > 0).then(|| part / whole as f64);
        MarksReport {
            messages: self.messages,
            accuracy: share(self.exact as f64, self.messages as usize),
            micro_f1: At::new(0.0, [sum(0), sum(1), sum(2), sum(3)]).f1,
            macro_f1: share(labels.iter().map(|label| label.f1.unwrap_or_default()).sum(), labels.len()),
            ranked: self.messages.min(self.ranked_max as u64),
            labels,
        }
    }
}

impl Mark {
    fn report(&self) -> LabelReport {
        let At { true_positives, false_positives, false_negatives, true_negatives, precision, recall, f1, .. } =
            At::new(0.0, self.counts);
        let curve = Curve::of(&self.ranked);
        LabelReport {
            label: self.label.clone(),
            true_positives,
            false_positives,
            false_negatives,
            true_negatives,
            precision,
            recall,
            f1,
            roc_auc: curve.roc_auc(),
            average_precision: curve.average_precision(),
            brier: self.tally.brier(),
            log_loss: self.tally.log_loss(),
            ece: self.tally.calibration_error(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|&label| label.to_owned()).collect()
    }

    #[test]
    fn each_label_is_held_against_the_rest() {
        let mut marks = Marks::new(&names(&["a", "b", "c"]));
        for (truth, decided, probabilities) in [
            (&["a"][..], &["a"][..], [0.8, 0.1, 0.1]),
            (&["b"], &["a"], [0.6, 0.3, 0.1]),
            (&["b", "c"], &["b", "c"], [0.1, 0.9, 0.7]),
            (&[], &[], [0.1, 0.1, 0.1]),
        ] {
            let decided: Vec<_> = decided.iter().map(|&label| Cow::Borrowed(label)).collect();
            marks.add(&names(truth), &decided, &probabilities);
        }
        let report = marks.report();
        assert_eq!((report.messages, report.accuracy, report.micro_f1), (4, Some(0.75), Some(0.75)));
        let a = &report.labels[0];
        assert_eq!((a.true_positives, a.false_positives, a.false_negatives, a.true_negatives), (1, 1, 0, 2));
        assert_eq!((a.precision, a.recall, a.roc_auc), (Some(0.5), Some(1.0), Some(1.0)));
        assert!((report.macro_f1.unwrap() - (2.0 / 3.0 + 2.0 / 3.0 + 1.0) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn only_so_many_are_kept_to_be_ranked() {
        let mut marks = Marks { ranked_max: 2, ..Marks::new(&names(&["a"])) };
        // The third would spoil the order.
        for (probability, truth) in [(0.9, true), (0.1, false), (1.0, false)] {
            let truth = if truth { names(&["a"]) } else { Vec::new() };
            marks.add(&truth, &[], &[probability]);
        }
        let report = marks.report();
        assert_eq!((report.ranked, report.labels[0].roc_auc), (2, Some(1.0)));
        assert_eq!(report.labels[0].true_negatives, 2);
    }
}
