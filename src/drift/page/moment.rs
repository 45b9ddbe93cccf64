//! What stays of a report for the lines over time: its pictures are dropped, so that thousands fit in memory.

use serde::Serialize;

use crate::{
    drift::names::score_name,
    records::{
        DriftAlarm, DriftFinding, DriftReport, DriftStatus, DriftTest, FeatureKind, Figure, LabelCounts,
        PredictionCounts,
    },
};

/// Labels of a moment, and scores, and performances; further ones are left out.
pub const LABELS_MAX: usize = 64;

/// A window over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moment {
    /// Event time, inclusive, milliseconds since the epoch.
    pub window_start: i64,
    /// Event time, exclusive, milliseconds since the epoch.
    pub window_end: i64,
    /// What the window says.
    pub status: DriftStatus,
    /// As the report has them.
    pub predictions: PredictionCounts,
    /// As the report has them.
    pub labels: LabelCounts,
    /// What is furthest from the reference; none where nothing was judged.
    pub largest: Option<Largest>,
    /// How often each label was said.
    pub said: Vec<Said>,
    /// The mean score of each label.
    pub scores: Vec<Score>,
    /// F1 of each label.
    pub f1: Vec<F1>,
    /// After this window.
    pub alarms: Vec<DriftAlarm>,
    /// An incident starts with this report.
    pub retrain: bool,
}

/// The largest effect of a window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Largest {
    /// Of the number or category.
    pub name: String,
    /// A multiple of the floor: from 1 on it matters.
    pub over_floor: f64,
}

/// How often a label was said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Said {
    /// The label, several of a message joined; none is all those without a count of their own.
    pub label: Option<String>,
    /// Share of the reference's predictions, 0..=1.
    pub before: f64,
    /// Share of the window's.
    pub share: f64,
}

/// The mean calibrated probability of a label.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// The label.
    pub label: String,
    /// In the reference, 0..=1.
    pub before: Option<f64>,
    /// In the window.
    pub mean: Option<f64>,
}

/// F1 of a label, both ways of knowing it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct F1 {
    /// The label.
    pub label: String,
    /// By labels that were learnt in the window.
    pub measured: Option<Figure>,
    /// By what the probabilities promise: no measurement.
    pub estimated: Option<Figure>,
}

impl Moment {
    /// What is kept of `report`.
    pub fn of(report: &DriftReport) -> Self {
        let largest = |(finding, test): (&DriftFinding, &DriftTest)| Largest {
            name: finding.name.clone(),
            over_floor: over_floor(test),
        };
        let all = report.findings.iter().filter_map(|finding| Some((finding, largest_test(finding)?)));
        Self {
            window_start: report.window_start,
            window_end: report.window_end,
            status: report.status,
            predictions: report.predictions,
            labels: report.labels,
            largest: all.max_by(|(_, a), (_, b)| over_floor(a).total_cmp(&over_floor(b))).map(largest),
            said: said(report),
            scores: scores(report),
            f1: f1(report),
            alarms: report.alarms.clone(),
            retrain: report.retrain,
        }
    }
}

/// The effect of a test as a multiple of its floor.
pub(super) fn over_floor(test: &DriftTest) -> f64 {
    if test.floor > 0.0 { test.effect.abs() / test.floor } else { 0.0 }
}

/// The test of a finding with the largest effect over its floor.
pub(super) fn largest_test(finding: &DriftFinding) -> Option<&DriftTest> {
    finding.tests.iter().max_by(|a, b| over_floor(a).total_cmp(&over_floor(b)))
}

/// A share of `all`; 0 of nothing.
pub(super) fn share(part: i64, all: i64) -> f64 {
    if all > 0 { part as f64 / all as f64 } else { 0.0 }
}

/// Values of both sides that are in a distribution.
pub(super) fn values(finding: &DriftFinding) -> (i64, i64) {
    let bins = finding.distribution.iter();
    bins.fold((0, 0), |(before, after), bin| (before.saturating_add(bin.before), after.saturating_add(bin.after)))
}

fn said(report: &DriftReport) -> Vec<Said> {
    let category = |finding: &&DriftFinding| finding.kind == FeatureKind::Category && finding.name == "label";
    let Some(finding) = report.findings.iter().find(category) else { return Vec::new() };
    let (before, after) = values(finding);
    let said = finding.distribution.iter().map(|bin| Said {
        label: bin.name.clone(),
        before: share(bin.before, before),
        share: share(bin.after, after),
    });
    said.take(LABELS_MAX).collect()
}

fn scores(report: &DriftReport) -> Vec<Score> {
    let prefix = score_name("");
    let score = |finding: &DriftFinding| {
        let label = finding.name.strip_prefix(&prefix).filter(|_| finding.kind == FeatureKind::Number)?;
        Some(Score { label: label.to_owned(), before: finding.before, mean: finding.after })
    };
    let mut scores: Vec<_> = report.findings.iter().filter_map(score).collect();
    // Findings come by effect, which is another order in every window.
    scores.sort_by(|a, b| a.label.cmp(&b.label));
    scores.truncate(LABELS_MAX);
    scores
}

fn f1(report: &DriftReport) -> Vec<F1> {
    let labels = labels(report).take(LABELS_MAX);
    let f1 = labels.map(|label| F1 {
        label: label.to_owned(),
        measured: report.performance.iter().find(|found| found.label == label).and_then(|found| found.f1),
        estimated: report.estimates.iter().find(|found| found.label == label).and_then(|found| found.f1),
    });
    f1.collect()
}

/// The labels that something is known of, in the model's order.
pub(super) fn labels(report: &DriftReport) -> impl Iterator<Item = &str> {
    let measured = report.performance.iter().map(|found| found.label.as_str());
    let estimated = report.estimates.iter().map(|found| found.label.as_str());
    let new = |label: &&str| report.performance.iter().all(|found| found.label != *label);
    measured.chain(estimated.filter(new))
}
