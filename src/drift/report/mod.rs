//! From the panes of a window, added up, to what is published of it. A pure function: the same panes and the same alarms
//! before have the same report.
//!
//! ```text
//!  PredictionSeries ─► Window ──┬─► judge ─► findings, distributions ─► drifted? ──┐
//!  BundleReference ─► Baseline ─┘                                                  ├─► Alarm::after ─► Alarms
//!  PredictionSeries ─► Expected ─► estimates                                       │
//!  LabelSeries ─► Labelled ─► performance ─► off by more than chance? ─────────────┘
//! ```

mod distribution;
mod findings;
mod reliability;
#[cfg(test)]
mod tests;

pub use distribution::BINS_MAX;

use self::distribution::whole;
use super::{
    Rule, Verdict, Window,
    alarm::{Alarm, Change},
    panes::{LabelSeries, LabelledArm, PredictionSeries},
    reference::BundleReference,
};
use crate::{
    config::AlarmConfig,
    model::Digest,
    records::{
        AlarmChange, AlarmKind, AlarmState, DriftAlarm, DriftReport, DriftStatus, LabelCounts, ModelRef,
        PredictionCounts,
    },
};

/// What was gathered of one window, task and arm.
#[derive(Clone, Debug)]
pub struct Gathered<'a> {
    /// Name of the window, as configured.
    pub window: &'a str,
    /// Event time, inclusive, milliseconds since the epoch.
    pub start_ms: i64,
    /// Event time, exclusive, milliseconds since the epoch.
    pub end_ms: i64,
    /// Name of the task.
    pub task: &'a str,
    /// `live`, or another arm.
    pub arm: &'a str,
    /// The bundle that the reference is of.
    pub model: &'a ModelRef<'a>,
    /// What was normal for it.
    pub reference: &'a BundleReference,
    /// Predictions of the arm; none when there were none. Those of another bundle are left out.
    pub predictions: Option<&'a PredictionSeries>,
    /// Of predictions of any task.
    pub any_predictions: AnyPredictions,
    /// Labels of the task; none when there were none. Of arms of another bundle nothing is measured.
    pub labels: Option<&'a LabelSeries>,
    /// Of labels of any task.
    pub any_labels: AnyLabels,
}

/// What the panes of a window say of no task in particular.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnyPredictions {
    /// Came after their pane was closed.
    pub late: u64,
    /// Stamped later than they were decided.
    pub clamped: u64,
    /// Records that are no predictions.
    pub unreadable: u64,
}

/// The same of labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnyLabels {
    /// Came after their pane was closed.
    pub late: u64,
    /// Records that are no labels, or of a task that is not configured.
    pub unreadable: u64,
}

/// By what it is judged.
#[derive(Clone, Debug)]
pub struct Judging {
    /// What counts as drift.
    pub rule: Rule,
    /// When drift and calibration become an alarm.
    pub alarm: AlarmConfig,
}

/// The alarms of one window, task and arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Alarms {
    /// The traffic looks different.
    pub drift: Alarm,
    /// The probabilities do not come true.
    pub calibration: Alarm,
}

/// The report of a window, and the alarms after it. `retrain` is false: whether an incident starts, which one report alone
/// cannot know, is for the caller to say. Every number in it is finite.
pub fn build(gathered: &Gathered<'_>, judging: &Judging, before: Alarms) -> (DriftReport, Alarms) {
    let Gathered { model, reference, labels: series, .. } = *gathered;
    let digest = Digest(model.digest).to_string();
    let predictions = gathered.predictions.filter(|series| series.digest == digest);
    let labelled = series.and_then(|series| series.arms.get(gathered.arm)).filter(|arm| arm.digest == digest);
    let nothing = Window::of(&reference.baseline);
    let window = predictions.map_or(&nothing, |series| &series.window);
    let verdict = reference.baseline.judge(window, &judging.rule);
    let drifted = (!verdict.too_few).then_some(verdict.drifted);
    let (alarms, after) = ring(before, [drifted, miscalibrated(labelled, judging)], gathered.start_ms, judging);
    let expected = predictions.map_or(&[][..], |series| &series.expected);
    let measured = labelled.map_or(&[][..], |arm| &arm.labels);
    let labels = || reference.labels.iter();
    let report = DriftReport {
        window: gathered.window.to_owned(),
        window_start: gathered.start_ms,
        window_end: gathered.end_ms,
        task: gathered.task.to_owned(),
        arm: gathered.arm.to_owned(),
        model: owned(model),
        status: status(&verdict),
        predictions: prediction_counts(gathered),
        findings: findings::findings(verdict, &reference.baseline, window),
        performance: labels().zip(measured).map(|(name, of)| reliability::measured(name, of, judging)).collect(),
        estimates: labels().zip(expected).map(|(name, of)| reliability::promised(name, of)).collect(),
        labels: label_counts(gathered),
        alarms,
        retrain: false,
    };
    (report, after)
}

fn owned(model: &ModelRef<'_>) -> ModelRef<'static> {
    let own = |text: &str| text.to_owned().into();
    ModelRef { name: own(&model.name), version: own(&model.version), digest: model.digest, arm: own(&model.arm) }
}

fn status(verdict: &Verdict) -> DriftStatus {
    match (verdict.too_few, verdict.drifted) {
        (true, _) => DriftStatus::TooFew,
        (false, true) => DriftStatus::Drifted,
        (false, false) => DriftStatus::Stable,
    }
}

fn prediction_counts(gathered: &Gathered<'_>) -> PredictionCounts {
    let AnyPredictions { late, clamped, unreadable } = gathered.any_predictions;
    let digest = Digest(gathered.model.digest).to_string();
    // Whatever another bundle's series holds is unlike this one.
    let (counted, unlike) = match gathered.predictions {
        Some(series) if series.digest == digest => (series.counted, series.unlike),
        Some(series) => (0, series.counted + series.unlike),
        None => (0, 0),
    };
    PredictionCounts {
        counted: whole(counted),
        late: whole(late),
        clamped: whole(clamped),
        unlike: whole(unlike),
        unreadable: whole(unreadable),
    }
}

fn label_counts(gathered: &Gathered<'_>) -> LabelCounts {
    let AnyLabels { late, unreadable } = gathered.any_labels;
    let none = LabelSeries::default();
    let LabelSeries { joined, unmatched, too_old, repeated, corrected, contradicted, unknown, arms: _ } =
        gathered.labels.unwrap_or(&none);
    LabelCounts {
        joined: whole(*joined),
        unmatched: whole(*unmatched),
        too_old: whole(*too_old),
        repeated: whole(*repeated),
        corrected: whole(*corrected),
        contradicted: whole(*contradicted),
        unknown: whole(*unknown),
        late: whole(late),
        unreadable: whole(unreadable),
    }
}

/// Whether the probabilities of any label do not come true; none when no label has enough messages.
fn miscalibrated(labelled: Option<&LabelledArm>, judging: &Judging) -> Option<bool> {
    let enough = labelled?.labels.iter().filter(|labelled| reliability::is_enough(labelled, judging));
    let drifted = enough.filter_map(|labelled| labelled.report().calibration);
    drifted.map(|found| found.drifted(judging.alarm.ece_min, judging.rule.alpha)).reduce(|one, other| one || other)
}

/// Both alarms after a window, drift first, as the record has them.
fn ring(
    before: Alarms,
    [drift, calibration]: [Option<bool>; 2],
    start_ms: i64,
    judging: &Judging,
) -> (Vec<DriftAlarm>, Alarms) {
    let hysteresis = judging.alarm.hysteresis();
    let (drift, drift_change) = before.drift.after(drift, start_ms, hysteresis);
    let (calibration, calibration_change) = before.calibration.after(calibration, start_ms, hysteresis);
    let told = vec![
        told(AlarmKind::Drift, drift, drift_change),
        told(AlarmKind::Calibration, calibration, calibration_change),
    ];
    (told, Alarms { drift, calibration })
}

fn told(about: AlarmKind, alarm: Alarm, change: Option<Change>) -> DriftAlarm {
    let (state, since) = match alarm {
        Alarm::Quiet => (AlarmState::Quiet, None),
        Alarm::Rising { since_ms, .. } => (AlarmState::Rising, Some(since_ms)),
        Alarm::Raised { since_ms, .. } => (AlarmState::Raised, Some(since_ms)),
    };
    let change = match change {
        None => AlarmChange::None,
        Some(Change::Raised) => AlarmChange::Raised,
        Some(Change::Cleared) => AlarmChange::Cleared,
    };
    DriftAlarm { about, state, since, change }
}

/// JSON has no other numbers: what overflowed is the largest there is, and what is no number is 0.
fn finite(number: f64) -> f64 {
    if number.is_nan() { 0.0 } else { number.clamp(f64::MIN, f64::MAX) }
}
