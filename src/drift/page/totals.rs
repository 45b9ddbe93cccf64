//! How many predictions and labels, and what was not counted, added up.

use serde::Serialize;

use super::Moment;
use crate::records::{LabelCounts, PredictionCounts};

/// Sums over reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// How many reports.
    pub reports: u64,
    /// Windows that slide lie on each other, and count the same predictions again.
    pub predictions: PredictionCounts,
    /// As they do labels.
    pub labels: LabelCounts,
}

impl Totals {
    /// The sums of all moments.
    pub fn of(moments: &[Moment]) -> Self {
        let mut all = Self { reports: moments.len() as u64, ..Self::default() };
        for Moment { predictions, labels, .. } in moments {
            let ours = all.predictions;
            all.predictions = PredictionCounts {
                counted: ours.counted.saturating_add(predictions.counted),
                late: ours.late.saturating_add(predictions.late),
                clamped: ours.clamped.saturating_add(predictions.clamped),
                unlike: ours.unlike.saturating_add(predictions.unlike),
                unreadable: ours.unreadable.saturating_add(predictions.unreadable),
            };
            let ours = all.labels;
            all.labels = LabelCounts {
                joined: ours.joined.saturating_add(labels.joined),
                unmatched: ours.unmatched.saturating_add(labels.unmatched),
                too_old: ours.too_old.saturating_add(labels.too_old),
                repeated: ours.repeated.saturating_add(labels.repeated),
                corrected: ours.corrected.saturating_add(labels.corrected),
                contradicted: ours.contradicted.saturating_add(labels.contradicted),
                unknown: ours.unknown.saturating_add(labels.unknown),
                late: ours.late.saturating_add(labels.late),
                unreadable: ours.unreadable.saturating_add(labels.unreadable),
            };
        }
        all
    }
}
