//! What is told of an alarm: the JSON that the webhook gets and the retrain command reads.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::sentence;
use crate::{
    model::Digest,
    records::{
        AlarmChange, AlarmKind, DriftAlarm, DriftFinding, DriftReport, DriftStatistic, DriftTest, FeatureKind,
        Performance,
    },
};

/// Most features that an alert lists, those with the largest effects.
pub const MOVED_MAX: usize = 20;
/// Most labels that an alert lists, those that are the furthest off.
pub const LABELS_MAX: usize = 20;

/// An alarm that was raised or cleared by a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Key of the report and what the alarm is about, such as `1h/2026-11-28T22:00:00Z/spam/live/DRIFT`; never twice.
    pub id: String,
    /// What happened, for people: names in it are plain text, without control characters.
    pub sentence: String,
    /// What it is about.
    pub about: AlarmKind,
    /// Raised or cleared.
    pub change: AlarmChange,
    /// Name of the window, as configured.
    pub window: String,
    /// Event time, inclusive.
    pub window_start: Time,
    /// Event time, exclusive.
    pub window_end: Time,
    /// Start of the first window in a row with drift, where it is known.
    pub since: Option<Time>,
    /// Name of the task.
    pub task: String,
    /// `live`, or another arm.
    pub arm: String,
    /// The model whose reference the window was held against.
    pub model: Model,
    /// Predictions of the window.
    pub predictions: i64,
    /// How many features, scores and categories have moved.
    pub features_moved: usize,
    /// Of so many.
    pub features: usize,
    /// What has moved, the largest effect first; at most [`MOVED_MAX`]. Empty for calibration.
    pub moved: Vec<Moved>,
    /// Labels whose probabilities do not come true, the furthest off first; at most [`LABELS_MAX`]. Empty for drift.
    pub miscalibrated: Vec<Miscalibrated>,
    /// An incident starts with it: true once per incident.
    pub retrain: bool,
}

/// A moment, for people and for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Time {
    /// RFC 3339, UTC.
    pub time: String,
    /// Milliseconds since the epoch.
    pub ms: i64,
}

/// Which model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Bundle name.
    pub name: String,
    /// Bundle version.
    pub version: String,
    /// SHA-256 of the bundle, 64 hex digits.
    pub digest: String,
}

/// A number or category that has moved, with its largest effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moved {
    /// Of the number or category.
    pub name: String,
    /// Which of the two.
    pub kind: FeatureKind,
    /// The statistic whose effect is the largest multiple of its floor.
    pub statistic: DriftStatistic,
    /// How far apart; of a mean with its sign.
    pub effect: f64,
    /// Least effect that matters.
    pub floor: f64,
    /// How often chance alone gives as much, adjusted for all tests of the window.
    pub q_value: f64,
    /// `mean`, or the category whose share changed most; none is those without a count of their own.
    pub of: Option<String>,
    /// In the reference: the mean in the number's unit, or a share, 0..=1.
    pub before: Option<f64>,
    /// In the window.
    pub after: Option<f64>,
}

/// A label whose probabilities do not come true.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Miscalibrated {
    /// Name of the label.
    pub label: String,
    /// Expected calibration error, 0..=1.
    pub ece: f64,
    /// What a perfectly calibrated model has with as many messages.
    pub ece_by_chance: Option<f64>,
    /// Mean probability minus the share that is so: positive is too sure.
    pub bias: Option<f64>,
    /// Labelled messages.
    pub messages: i64,
}

impl Alert {
    /// One for each alarm that the report's window has changed.
    pub fn of(report: &DriftReport) -> Vec<Self> {
        let changed = report.alarms.iter().filter(|alarm| alarm.change != AlarmChange::None);
        changed.map(|alarm| Self::new(report, alarm)).collect()
    }

    fn new(report: &DriftReport, alarm: &DriftAlarm) -> Self {
        let (moved, miscalibrated) = match alarm.about {
            AlarmKind::Drift => (moved(&report.findings), Vec::new()),
            AlarmKind::Calibration => (Vec::new(), miscalibrated(&report.performance)),
        };
        let mut alert = Self {
            id: format!("{}/{}", report_key(report), about(alarm.about)),
            sentence: String::new(),
            about: alarm.about,
            change: alarm.change,
            window: report.window.clone(),
            window_start: Time::of(report.window_start),
            window_end: Time::of(report.window_end),
            since: alarm.since.map(Time::of),
            task: report.task.clone(),
            arm: report.arm.clone(),
            model: Model {
                name: report.model.name.to_string(),
                version: report.model.version.to_string(),
                digest: Digest(report.model.digest).to_string(),
            },
            predictions: report.predictions.counted,
            features_moved: report.findings.iter().filter(|finding| finding.moved).count(),
            features: report.findings.len(),
            moved,
            miscalibrated,
            retrain: report.retrain && alarm.change == AlarmChange::Raised,
        };
        alert.sentence = sentence::of(&alert);
        alert
    }
}

impl Time {
    /// A moment as both.
    pub fn of(ms: i64) -> Self {
        // What no calendar reaches stays a number.
        let time = Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| time.to_string());
        Self { time, ms }
    }
}

/// Key of a report in its topic: window, its start, task and arm; a slash in a name is `%2F`, so no two have the same.
pub fn report_key(report: &DriftReport) -> String {
    let DriftReport { window, window_start, task, arm, .. } = report;
    let part = |name: &str| name.replace('%', "%25").replace('/', "%2F");
    format!("{window}/{}/{}/{}", Time::of(*window_start).time, part(task), part(arm))
}

/// As the records and the JSON name it.
pub(super) fn about(kind: AlarmKind) -> &'static str {
    match kind {
        AlarmKind::Drift => "DRIFT",
        AlarmKind::Calibration => "CALIBRATION",
    }
}

/// Reports list findings by effect already; what is told must not depend on it.
fn moved(findings: &[DriftFinding]) -> Vec<Moved> {
    let multiple = |test: &DriftTest| test.effect.abs() / test.floor;
    let largest = |finding: &DriftFinding| {
        // JSON has no other numbers.
        let moved = finding.tests.iter().filter(|test| test.moved && test.effect.is_finite());
        moved.max_by(|a, b| multiple(a).total_cmp(&multiple(b))).copied()
    };
    let mut found: Vec<(&DriftFinding, DriftTest)> = findings
        .iter()
        .filter(|finding| finding.moved)
        .filter_map(|finding| Some((finding, largest(finding)?)))
        .collect();
    found.sort_by(|(_, a), (_, b)| multiple(b).total_cmp(&multiple(a)));
    let told = found.into_iter().take(MOVED_MAX).map(|(finding, test)| Moved {
        name: finding.name.clone(),
        kind: finding.kind,
        statistic: test.statistic,
        effect: test.effect,
        floor: test.floor,
        q_value: test.q_value,
        of: finding.of.clone(),
        before: finding.before,
        after: finding.after,
    });
    told.collect()
}

fn miscalibrated(performance: &[Performance]) -> Vec<Miscalibrated> {
    let off = performance.iter().filter(|label| label.calibration_moved).filter_map(|label| {
        Some(Miscalibrated {
            label: label.label.clone(),
            ece: label.ece?.value,
            ece_by_chance: label.ece_by_chance,
            bias: label.bias,
            messages: label.messages,
        })
    });
    let mut off: Vec<_> = off.collect();
    off.sort_by(|a, b| b.ece.total_cmp(&a.ece));
    off.truncate(LABELS_MAX);
    off
}
