//! The figures of the last window of each length, task and arm. They stay until the next; what that one lacks is removed.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use prometheus_client::metrics::{counter::Counter, family::Family};

use super::{Catalogue, Labels, Seconds, labels};
use crate::records::{AlarmKind, AlarmState, DriftFinding, DriftReport, EstimatedPerformance, Figure, Performance};

/// At most so many windows, tasks and arms together are exposed. One more drops the series of the oldest.
pub const DRIFT_SERIES_MAX: usize = 32;
/// Features whose effect is exposed, those with the largest.
pub const DRIFT_FEATURES_MAX: usize = 50;
/// Labels whose performance is exposed, the first of the model.
pub const DRIFT_LABELS_MAX: usize = 20;

/// What a window says in numbers; see [`FIGURES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Figures {
    WindowEnd,
    Effect,
    AlarmRaised,
    Performance,
    Ece,
}

/// Name and help of each of [`Figures`].
const FIGURES: [(&str, &str); 5] = [
    ("drift_window_end_timestamp_seconds", "End of the last window that was reported, since the epoch"),
    ("drift_effect_ratio", "Largest effect of a feature over its floor; the 50 largest"),
    ("drift_alarm_raised", "1 while an alarm is raised, by what it is about"),
    ("drift_performance_ratio", "Precision, recall and F1 of a label, by labels or as estimated without them"),
    ("drift_ece_ratio", "Expected calibration error of a label, by labels"),
];

type Series = (Figures, Labels);

/// What reports say.
pub(super) struct Reports {
    predictions: Family<Labels, Counter>,
    /// By [`Figures`].
    figures: [Family<Labels, Seconds>; 5],
    /// What is exposed of each window, task and arm, oldest first; at most [`DRIFT_SERIES_MAX`].
    exposed: Mutex<Vec<(Labels, BTreeSet<Series>)>>,
}

impl Reports {
    pub(super) fn register(all: &mut Catalogue) -> Self {
        Self {
            predictions: all.add("drift_predictions", "Predictions of reported windows", Family::default()),
            figures: FIGURES.map(|(name, help)| all.add(name, help, Family::default())),
            exposed: Mutex::default(),
        }
    }

    /// A report was committed.
    pub(super) fn reported(&self, report: &DriftReport) {
        let DriftReport { task, arm, window, .. } = report;
        let key = labels([("task", task), ("arm", arm), ("window", window)]);
        let counted = u64::try_from(report.predictions.counted).unwrap_or_default();
        self.predictions.get_or_create(&key).inc_by(counted);
        let figures = figures(&key, report);
        self.expose(key, &figures);
    }

    /// Until the first report, these alone are exposed.
    pub(super) fn alarms_known(&self, task: &str, arm: &str, window: &str, raised: [(AlarmKind, bool); 2]) {
        let key = labels([("task", task), ("arm", arm), ("window", window)]);
        let figures = raised.map(|(about, is_raised)| alarm_raised(&key, about, is_raised));
        self.expose(key, &figures);
    }

    fn expose(&self, key: Labels, figures: &[(Series, f64)]) {
        let named: BTreeSet<Series> = figures.iter().map(|(series, _)| series.clone()).collect();
        let mut exposed = self.exposed();
        if let Some(index) = exposed.iter().position(|(known, _)| *known == key) {
            exposed.remove(index).1.difference(&named).for_each(|series| self.remove(series));
        }
        for ((kind, labels), value) in figures {
            self.figures[*kind as usize].get_or_create(labels).set(*value);
        }
        exposed.push((key, named));
        if exposed.len() > DRIFT_SERIES_MAX {
            let (key, series) = exposed.remove(0);
            self.predictions.remove(&key);
            series.iter().for_each(|series| self.remove(series));
        }
    }

    /// Another process reports from now on: what is exposed here would stay as it is for ever.
    pub(super) fn forget(&self) {
        for (key, series) in self.exposed().drain(..) {
            self.predictions.remove(&key);
            series.iter().for_each(|series| self.remove(series));
        }
    }

    fn remove(&self, (kind, labels): &Series) {
        self.figures[*kind as usize].remove(labels);
    }

    fn exposed(&self) -> MutexGuard<'_, Vec<(Labels, BTreeSet<Series>)>> {
        // Names stay names whatever panicked while they were held.
        self.exposed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All figures of a report.
fn figures(key: &Labels, report: &DriftReport) -> Vec<(Series, f64)> {
    let mut all = vec![((Figures::WindowEnd, key.clone()), report.window_end as f64 / 1000.0)];
    let with = |pairs: &[(&'static str, &str)]| -> Labels {
        key.iter().cloned().chain(pairs.iter().map(|(name, value)| (*name, (*value).to_owned()))).collect()
    };
    for alarm in &report.alarms {
        all.push(alarm_raised(key, alarm.about, alarm.state == AlarmState::Raised));
    }
    for (feature, effect) in effects(&report.findings) {
        all.push(((Figures::Effect, with(&[("feature", feature)])), effect));
    }
    let mut performance = |label: &str, source, [precision, recall, f1]: [Option<Figure>; 3]| {
        for (name, figure) in [("precision", precision), ("recall", recall), ("f1", f1)] {
            let Some(figure) = figure else { continue };
            let labels = with(&[("label", label), ("figure", name), ("source", source)]);
            all.push(((Figures::Performance, labels), figure.value));
        }
    };
    for EstimatedPerformance { label, precision, recall, f1, .. } in report.estimates.iter().take(DRIFT_LABELS_MAX) {
        performance(label, "estimated", [*precision, *recall, *f1]);
    }
    for Performance { label, precision, recall, f1, .. } in report.performance.iter().take(DRIFT_LABELS_MAX) {
        performance(label, "measured", [*precision, *recall, *f1]);
    }
    for Performance { label, ece, .. } in report.performance.iter().take(DRIFT_LABELS_MAX) {
        all.extend(ece.map(|ece| ((Figures::Ece, with(&[("label", label)])), ece.value)));
    }
    all
}

fn alarm_raised(key: &Labels, about: AlarmKind, is_raised: bool) -> (Series, f64) {
    let about = match about {
        AlarmKind::Drift => "drift",
        AlarmKind::Calibration => "calibration",
    };
    let labels = key.iter().cloned().chain([("about", about.to_owned())]).collect();
    ((Figures::AlarmRaised, labels), f64::from(u8::from(is_raised)))
}

/// The features with the largest effects, as multiples of their floors.
fn effects(findings: &[DriftFinding]) -> Vec<(&str, f64)> {
    let largest =
        |finding: &DriftFinding| finding.tests.iter().map(|test| test.effect.abs() / test.floor).max_by(f64::total_cmp);
    let mut effects: Vec<_> =
        findings.iter().filter_map(|finding| Some((finding.name.as_str(), largest(finding)?))).collect();
    effects.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    effects.truncate(DRIFT_FEATURES_MAX);
    effects
}
