//! Reports as they come in, in whatever order: the later one of the same window takes the place of the earlier.

use std::collections::{BTreeMap, BTreeSet};

use super::Moment;
use crate::records::{DriftReport, DriftStatus};

/// Tasks, arms and windows that are told apart: each keeps two whole reports.
pub const SERIES_MAX: usize = 256;

/// Which reports are meant; what is none lets all pass.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this task.
    pub task: Option<String>,
    /// Of this arm.
    pub arm: Option<String>,
    /// Of windows that end then or later, milliseconds since the epoch.
    pub from_ms: Option<i64>,
    /// Of windows that end then or earlier, milliseconds since the epoch.
    pub to_ms: Option<i64>,
}

impl Filter {
    /// Whether the report is meant.
    pub fn matches(&self, report: &DriftReport) -> bool {
        self.task.as_ref().is_none_or(|task| *task == report.task)
            && self.arm.as_ref().is_none_or(|arm| *arm == report.arm)
            && self.from_ms.is_none_or(|from_ms| report.window_end >= from_ms)
            && self.to_ms.is_none_or(|to_ms| report.window_end <= to_ms)
    }
}

/// Task, arm, and the window's name.
pub(super) type Key = (String, String, String);

/// The reports of a task, an arm and a window, by the start of the window.
#[derive(Debug, Default)]
pub(super) struct Series {
    pub(super) moments: BTreeMap<i64, Moment>,
    /// The newest one, whole.
    newest: Option<DriftReport>,
    /// The newest one that says anything.
    judged: Option<DriftReport>,
}

impl Series {
    /// What is shown: the newest report that was judged, else the newest.
    pub(super) fn shown(&self) -> Option<&DriftReport> {
        self.judged.as_ref().or(self.newest.as_ref())
    }

    fn add(&mut self, report: DriftReport) {
        let start = report.window_start;
        let is_newest = |known: &Option<DriftReport>| known.as_ref().is_none_or(|known| known.window_start <= start);
        if report.status != DriftStatus::TooFew {
            if is_newest(&self.judged) {
                self.judged = Some(report.clone());
            }
        } else if self.judged.as_ref().is_some_and(|judged| judged.window_start == start) {
            self.judged = None;
        }
        if is_newest(&self.newest) {
            self.newest = Some(report);
        }
    }
}

/// The newest reports, at most so many.
#[derive(Debug)]
pub struct Kept {
    pub(super) series: BTreeMap<Key, Series>,
    /// End and start of each window that is kept, the oldest first.
    order: BTreeSet<(i64, i64, Key)>,
    reports_max: usize,
    /// Took the place of an earlier one of the same window.
    pub(super) replaced: u64,
    /// Older than those that are kept.
    pub(super) left_out: u64,
    /// No reports, or of more series than are told apart.
    pub(super) unreadable: u64,
}

impl Kept {
    /// Nothing yet; of more than `reports_max` the newest stay.
    pub fn new(reports_max: usize) -> Self {
        let (series, order) = (BTreeMap::new(), BTreeSet::new());
        Self { series, order, reports_max, replaced: 0, left_out: 0, unreadable: 0 }
    }

    /// How many are kept.
    pub fn reports(&self) -> usize {
        self.order.len()
    }

    /// Takes note of something that cannot be read.
    pub fn unreadable(&mut self) {
        self.unreadable += 1;
    }

    /// One more report.
    ///
    /// # Errors
    /// What to do when there are too many tasks, arms and windows.
    pub fn add(&mut self, report: DriftReport) -> Result<(), String> {
        let key = (report.task.clone(), report.arm.clone(), report.window.clone());
        if !self.series.contains_key(&key) && self.series.len() == SERIES_MAX {
            self.unreadable += 1;
            return Err(format!("more than {SERIES_MAX} tasks, arms and windows; choose with --task and --arm"));
        }
        let moment = Moment::of(&report);
        let (end, start) = (moment.window_end, moment.window_start);
        let series = self.series.entry(key.clone()).or_default();
        if let Some(earlier) = series.moments.insert(start, moment) {
            self.order.remove(&(earlier.window_end, start, key.clone()));
            self.replaced += 1;
        }
        series.add(report);
        self.order.insert((end, start, key));
        if self.order.len() > self.reports_max {
            self.leave_out_oldest();
        }
        Ok(())
    }

    fn leave_out_oldest(&mut self) {
        let Some((_, start, key)) = self.order.pop_first() else { return };
        self.left_out += 1;
        let empty = self.series.get_mut(&key).is_some_and(|series| {
            series.moments.remove(&start);
            series.moments.is_empty()
        });
        if empty {
            self.series.remove(&key);
        }
    }
}
