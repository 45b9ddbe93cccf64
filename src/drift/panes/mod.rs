//! What is kept of a pane: the part of event time that windows are put together from (Li et al. 2005, "No pane, no gain").
//! Integers only: panes of partitions and of times add up in any order, to the same bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Window,
    reliability::{Expected, Labelled},
};

/// Something of each task and arm.
pub type ByArm<T> = BTreeMap<String, BTreeMap<String, T>>;

/// Where a record counts, by the start of a pane that is open, milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the pane of its time.
    Open(i64),
    /// That pane is closed: it counts as late, in the oldest pane that is open.
    Late(i64),
}

/// Predictions of a pane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredictionPane {
    /// Came after their pane was closed, while this one was the oldest that was open.
    pub late: u64,
    /// Stamped later than they were decided.
    pub clamped: u64,
    /// Records that are no predictions.
    pub unreadable: u64,
    /// By task and arm.
    pub tasks: ByArm<PredictionSeries>,
}

/// Predictions of a task and arm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredictionSeries {
    /// Digest of the bundle whose reference they are counted on, 64 hex digits.
    pub digest: String,
    /// How many.
    pub counted: u64,
    /// How many of another model or feature contract: not counted.
    pub unlike: u64,
    /// Their numbers and categories.
    pub window: Window,
    /// Per label of the model.
    pub expected: Vec<Expected>,
}

/// Labels of a pane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelPane {
    /// Came after their pane was closed, while this one was the oldest that was open.
    pub late: u64,
    /// Records that are no labels, or of a task that is not configured.
    pub unreadable: u64,
    /// By task.
    pub tasks: BTreeMap<String, LabelSeries>,
}

/// Labels of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelSeries {
    /// The first for its message.
    pub joined: u64,
    /// No prediction was found.
    pub unmatched: u64,
    /// Learnt too long after the decision.
    pub too_old: u64,
    /// Says what is known already.
    pub repeated: u64,
    /// By a source at least as strong: took the place of what was known.
    pub corrected: u64,
    /// By a weaker source, or after the pane of the first was closed.
    pub contradicted: u64,
    /// Names a label that the model does not have.
    pub unknown: u64,
    /// By arm: the digest of the bundle, and one per label of the model.
    pub arms: BTreeMap<String, LabelledArm>,
}

/// Labelled predictions of an arm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelledArm {
    /// Digest of the bundle that predicted, 64 hex digits.
    pub digest: String,
    /// Per label of the model.
    pub labels: Vec<Labelled>,
}

/// What adds up.
pub trait Merge {
    /// Adds another part.
    fn merge(&mut self, other: &Self);
}

impl Merge for PredictionPane {
    fn merge(&mut self, other: &Self) {
        self.late += other.late;
        self.clamped += other.clamped;
        self.unreadable += other.unreadable;
        for (task, arms) in &other.tasks {
            let ours = self.tasks.entry(task.clone()).or_default();
            for (arm, series) in arms {
                match ours.get_mut(arm) {
                    Some(known) => known.merge(series),
                    None => drop(ours.insert(arm.clone(), series.clone())),
                }
            }
        }
    }
}

impl Merge for PredictionSeries {
    /// What was counted on the reference of another bundle cannot be added: it is unlike.
    fn merge(&mut self, other: &Self) {
        let is_like = self.digest == other.digest && self.expected.len() == other.expected.len();
        if !is_like || self.window.merge(&other.window).is_err() {
            self.unlike += other.counted + other.unlike;
            return;
        }
        self.counted += other.counted;
        self.unlike += other.unlike;
        self.expected.iter_mut().zip(&other.expected).for_each(|(ours, theirs)| ours.merge(theirs));
    }
}

impl Merge for LabelPane {
    fn merge(&mut self, other: &Self) {
        self.late += other.late;
        self.unreadable += other.unreadable;
        other.tasks.iter().for_each(|(task, series)| self.tasks.entry(task.clone()).or_default().merge(series));
    }
}

impl Merge for LabelSeries {
    fn merge(&mut self, other: &Self) {
        let Self { joined, unmatched, too_old, repeated, corrected, contradicted, unknown, arms } = other;
        self.joined += joined;
        self.unmatched += unmatched;
        self.too_old += too_old;
        self.repeated += repeated;
        self.corrected += corrected;
        self.contradicted += contradicted;
        self.unknown += unknown;
        for (arm, theirs) in arms {
            match self.arms.get_mut(arm) {
                Some(ours) => ours.merge(theirs),
                None => drop(self.arms.insert(arm.clone(), theirs.clone())),
            }
        }
    }
}

impl Merge for LabelledArm {
    /// What another bundle said is left out.
    fn merge(&mut self, other: &Self) {
        if self.digest == other.digest && self.labels.len() == other.labels.len() {
            self.labels.iter_mut().zip(&other.labels).for_each(|(ours, theirs)| ours.merge(theirs));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_bundle_of_one_task_takes_nothing_from_the_others() {
        let series = |digest: &str| PredictionSeries {
            digest: digest.to_owned(),
            counted: 3,
            unlike: 1,
            window: Window { numbers: Vec::new(), categories: Vec::new() },
            expected: Vec::new(),
        };
        let pane = |digest: &str| PredictionPane {
            late: 1,
            tasks: [("spam", digest), ("topics", "same")]
                .map(|(task, digest)| (task.to_owned(), [("live".to_owned(), series(digest))].into()))
                .into(),
            ..PredictionPane::default()
        };
        let mut merged = pane("new");
        merged.merge(&pane("old"));
        let counts = |task: &str| (merged.tasks[task]["live"].counted, merged.tasks[task]["live"].unlike);
        assert_eq!((merged.late, counts("spam"), counts("topics")), (2, (3, 5), (6, 2)));
    }
}
