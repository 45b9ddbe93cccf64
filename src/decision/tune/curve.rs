use serde::Serialize;

use super::Sample;

/// What a threshold at one of the probabilities catches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The threshold, 0..=1.
    pub threshold: f64,
    /// Samples that have the label and reach the threshold.
    pub true_positives: u64,
    /// Samples that do not have it and reach the threshold.
    pub false_positives: u64,
}

/// Every threshold that makes a difference, from the highest to the lowest; each catches more than the one before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    points: Vec<Point>,
    positives: u64,
    negatives: u64,
}

/// Right and wrong decisions at a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct At {
    /// The threshold, 0..=1.
    pub threshold: f64,
    /// Has the label, and is said to.
    pub true_positives: u64,
    /// Does not have it, and is said to.
    pub false_positives: u64,
    /// Has it, and is not said to.
    pub false_negatives: u64,
    /// Does not have it, and is not said to.
    pub true_negatives: u64,
    /// TP / (TP + FP), 0..=1; none when nothing reaches the threshold.
    pub precision: Option<f64>,
    /// TP / (TP + FN), 0..=1; none when nothing has the label.
    pub recall: Option<f64>,
    /// 2 TP / (2 TP + FP + FN), 0..=1; none when nothing has the label or reaches the threshold.
    pub f1: Option<f64>,
}

impl Curve {
    /// The curve of these samples.
    pub fn of(samples: &[Sample]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_unstable_by(|a, b| b.probability.total_cmp(&a.probability));
        let same = |a: &Sample, b: &Sample| a.probability.total_cmp(&b.probability).is_eq();
        Self::of_groups(sorted.chunk_by(same).map(|group| {
            let positives = group.iter().filter(|sample| sample.truth).count() as u64;
            (f64::from(group[0].probability), positives, group.len() as u64 - positives)
        }))
    }

    /// The curve of (probability, samples that have the label, samples that do not), from the highest probability down.
    pub(super) fn of_groups(groups: impl Iterator<Item = (f64, u64, u64)>) -> Self {
        let (mut positives, mut negatives) = (0, 0);
        let points = groups.filter(|(_, with, without)| with + without > 0).map(|(threshold, with, without)| {
            positives += with;
            negatives += without;
            Point { threshold, true_positives: positives, false_positives: negatives }
        });
        Self { points: points.collect(), positives, negatives }
    }

    /// The points, from the highest threshold to the lowest, which every sample reaches.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Samples that have the label.
    pub fn positives(&self) -> u64 {
        self.positives
    }

    /// Samples that do not.
    pub fn negatives(&self) -> u64 {
        self.negatives
    }

    /// What any threshold, 0..=1, comes to.
    pub fn at(&self, threshold: f64) -> At {
        let reached = self.points.partition_point(|point| point.threshold >= threshold);
        let (caught, wrong) = reached
            .checked_sub(1)
            .map_or((0, 0), |last| (self.points[last].true_positives, self.points[last].false_positives));
        At::new(threshold, [caught, wrong, self.positives - caught, self.negatives - wrong])
    }

    /// Area under the ROC curve, 0..=1; none when all samples are of one side.
    pub fn roc_auc(&self) -> Option<f64> {
        let (mut area, mut before) = (0.0, (0, 0));
        for point in &self.points {
            let width = (point.false_positives - before.1) as f64;
            area += width * (point.true_positives + before.0) as f64 / 2.0;
            before = (point.true_positives, point.false_positives);
        }
        share(area, self.positives as f64 * self.negatives as f64)
    }

    /// Sum over the points of precision times the step in recall, 0..=1; none when nothing has the label.
    pub fn average_precision(&self) -> Option<f64> {
        let (mut sum, mut before) = (0.0, 0);
        for point in &self.points {
            sum += (point.true_positives - before) as f64 * point.precision();
            before = point.true_positives;
        }
        share(sum, self.positives as f64)
    }
}

impl Point {
    /// TP / (TP + FP); a point catches something, so there is one.
    pub fn precision(&self) -> f64 {
        self.true_positives as f64 / (self.true_positives + self.false_positives) as f64
    }
}

impl At {
    /// Of true positives, false positives, false negatives and true negatives.
    pub fn new(threshold: f64, [caught, wrong, missed, left]: [u64; 4]) -> Self {
        let part = |part: u64, whole: u64| share(part as f64, whole as f64);
        Self {
            threshold,
            true_positives: caught,
            false_positives: wrong,
            false_negatives: missed,
            true_negatives: left,
            precision: part(caught, caught + wrong),
            recall: part(caught, caught + missed),
            f1: part(2 * caught, 2 * caught + wrong + missed),
        }
    }
}

/// None for a share of nothing.
fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(samples: &[(f32, bool)]) -> Curve {
        let sample = |&(probability, truth): &(f32, bool)| Sample { probability, truth };
        Curve::of(&samples.iter().map(sample).collect::<Vec<_>>())
    }

    #[test]
    fn equal_probabilities_are_one_point() {
        let curve = curve(&[(0.5, true), (0.25, false), (0.5, false), (0.75, true)]);
        let points: Vec<_> =
            curve.points().iter().map(|point| (point.threshold, point.true_positives, point.false_positives)).collect();
        assert_eq!(points, [(0.75, 1, 0), (0.5, 2, 1), (0.25, 2, 2)]);
        assert_eq!(curve.roc_auc(), Some(0.875));
    }

    #[test]
    fn a_threshold_catches_what_reaches_it() {
        let curve = curve(&[(0.5, true), (0.25, false), (0.5, false), (0.75, true)]);
        for (threshold, caught) in [(1.0, [0, 0, 2, 2]), (0.6, [1, 0, 1, 2]), (0.5, [2, 1, 0, 1]), (0.0, [2, 2, 0, 0])]
        {
            assert_eq!(curve.at(threshold), At::new(threshold, caught));
        }
        assert_eq!(curve.at(1.0).precision, None);
    }

    #[test]
    fn what_one_side_alone_cannot_tell_is_none() {
        let only = curve(&[(0.5, false), (0.1, false)]);
        assert_eq!((only.roc_auc(), only.average_precision(), only.at(0.3).recall), (None, None, None));
        assert_eq!(curve(&[]).roc_auc(), None);
    }
}
