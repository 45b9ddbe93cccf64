//! What a page shows, as data. This is the JSON twin; the page is made of nothing else.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::Value;

use super::{
    Kept, Moment,
    kept::Series,
    lanes::{Lane, lanes},
    totals::Totals,
    words,
};
use crate::{
    model::Digest,
    records::{AlarmState, DriftAlarm, DriftReport, DriftStatus},
};

/// The format of the twin: a later one may have more fields, under other numbers other ones.
pub const FORMAT: u32 = 1;

/// The whole page. Times are milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page {
    /// [`FORMAT`].
    pub format: u32,
    /// When the page was made.
    pub made_at: i64,
    /// The file or topic that the reports come from.
    pub source: String,
    /// How many reports.
    pub reports: ReportCounts,
    /// What needs a look first; then by name.
    pub tasks: Vec<TaskPage>,
}

/// How many reports, and what is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ReportCounts {
    /// Those that the page is made of.
    pub kept: u64,
    /// Took the place of an earlier one of the same window.
    pub replaced: u64,
    /// Older than the newest that are kept.
    pub left_out: u64,
    /// No reports.
    pub unreadable: u64,
}

/// A task and arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskPage {
    /// Name of the task.
    pub task: String,
    /// `live`, or another arm.
    pub arm: String,
    /// How it stands, in words.
    pub says: Vec<String>,
    /// The newest report of every window, the shortest window first.
    pub windows: Vec<WindowNow>,
    /// The newest report of the chosen window that was judged, else its newest: as `assize watch` shows it.
    #[serde(serialize_with = "with_hex_digest")]
    pub report: DriftReport,
    /// Sums of all reports of that window.
    pub counts: Totals,
    /// All reports of that window, in order of time.
    pub over_time: Vec<Moment>,
    /// What was said and which alarms stood, of every window.
    pub lanes: Vec<Lane>,
}

/// How a window stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowNow {
    /// Its name.
    pub window: String,
    /// Event time, inclusive.
    pub window_start: i64,
    /// Event time, exclusive.
    pub window_end: i64,
    /// What the newest report says.
    pub status: DriftStatus,
    /// After it.
    pub alarms: Vec<DriftAlarm>,
    /// Predictions that it counted.
    pub predictions: i64,
    /// Labels that it counted.
    pub labels: i64,
}

/// Why there is no page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPage {
    /// There is nothing to show.
    #[error("{0} has no drift report that is meant; check --from, --to, --task and --arm, and that the drift job runs")]
    NoReport(String),
    /// There are other windows.
    #[error("no report of window {wanted}; give --window one of {}", there.join(", "))]
    NoWindow {
        /// What was asked for.
        wanted: String,
        /// What there is.
        there: Vec<String>,
    },
}

impl Page {
    /// A page of what was kept. Tables and lines are those of `window`, or of each task's shortest one.
    ///
    /// # Errors
    /// [`NoPage`], when nothing is left to show.
    pub fn of(kept: &Kept, window: Option<&str>, source: String, made_at: i64) -> Result<Self, NoPage> {
        let mut arms: BTreeMap<(&str, &str), Vec<(&str, &Series)>> = BTreeMap::new();
        for ((task, arm, window), series) in &kept.series {
            arms.entry((task, arm)).or_default().push((window, series));
        }
        let task = |((task, arm), windows)| task_page(task, arm, windows, window);
        let mut tasks: Vec<_> = arms.into_iter().filter_map(task).collect();
        tasks.sort_by_key(|task| std::cmp::Reverse(task.urgency()));
        if let (true, Some(wanted)) = (tasks.is_empty(), window.filter(|_| !kept.series.is_empty())) {
            let mut there: Vec<_> = kept.series.keys().map(|(_, _, window)| window.clone()).collect();
            there.sort_unstable();
            there.dedup();
            return Err(NoPage::NoWindow { wanted: wanted.to_owned(), there });
        }
        if tasks.is_empty() {
            return Err(NoPage::NoReport(source));
        }
        let Kept { replaced, left_out, unreadable, .. } = *kept;
        let reports = ReportCounts { kept: kept.reports() as u64, replaced, left_out, unreadable };
        Ok(Self { format: FORMAT, made_at, source, reports, tasks })
    }
}

impl TaskPage {
    /// Alarms that stand in any window.
    pub fn raised(&self) -> impl Iterator<Item = (&WindowNow, &DriftAlarm)> {
        let alarms = self.windows.iter().flat_map(|now| now.alarms.iter().map(move |alarm| (now, alarm)));
        alarms.filter(|(_, alarm)| alarm.state == AlarmState::Raised)
    }

    /// The newest report of the window that is shown.
    pub fn now(&self) -> Option<&WindowNow> {
        self.windows.iter().find(|now| now.window == self.report.window)
    }

    fn urgency(&self) -> (bool, bool) {
        (self.raised().next().is_some(), self.report.status == DriftStatus::Drifted)
    }
}

fn task_page(task: &str, arm: &str, mut windows: Vec<(&str, &Series)>, wanted: Option<&str>) -> Option<TaskPage> {
    let length = |series: &Series| {
        let newest = series.moments.last_key_value();
        newest.map_or(0, |(start, moment)| moment.window_end.saturating_sub(*start))
    };
    windows.sort_by_key(|(name, series)| (length(series), *name));
    let (_, shown) = windows.iter().find(|(name, _)| wanted.is_none_or(|wanted| *name == wanted))?;
    let over_time: Vec<_> = shown.moments.values().cloned().collect();
    let mut page = TaskPage {
        task: task.to_owned(),
        arm: arm.to_owned(),
        says: Vec::new(),
        windows: windows.iter().filter_map(|(name, series)| now(name, series)).collect(),
        report: shown.shown()?.clone(),
        counts: Totals::of(&over_time),
        over_time,
        lanes: windows.iter().flat_map(|(name, series)| lanes(name, series.moments.values())).collect(),
    };
    page.says = words::says(&page);
    Some(page)
}

fn now(window: &str, series: &Series) -> Option<WindowNow> {
    let (_, moment) = series.moments.last_key_value()?;
    Some(WindowNow {
        window: window.to_owned(),
        window_start: moment.window_start,
        window_end: moment.window_end,
        status: moment.status,
        alarms: moment.alarms.clone(),
        predictions: moment.predictions.counted,
        labels: moment.labels.joined,
    })
}

/// Bytes are hex digits for people.
fn with_hex_digest<S: Serializer>(report: &DriftReport, serializer: S) -> Result<S::Ok, S::Error> {
    let mut value = serde_json::to_value(report).map_err(S::Error::custom)?;
    if let Some(digest) = value.pointer_mut("/model/digest") {
        *digest = Value::String(Digest(report.model.digest).to_string());
    }
    value.serialize(serializer)
}
