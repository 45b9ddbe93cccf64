use serde::{Deserialize, Serialize};

use super::ModelRef;

/// What one window of predictions says of one task and arm; `schemas/drift-report.avsc` has the unit of every field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftReport {
    /// Name of the window, as configured.
    pub window: String,
    /// Event time, inclusive, milliseconds since the epoch.
    pub window_start: i64,
    /// Event time, exclusive, milliseconds since the epoch.
    pub window_end: i64,
    /// Name of the task.
    pub task: String,
    /// `live`, or another arm.
    pub arm: String,
    /// The model whose reference the window was held against.
    pub model: ModelRef<'static>,
    /// What the window says.
    pub status: DriftStatus,
    /// How many predictions, and what was not counted.
    pub predictions: PredictionCounts,
    /// Every number and category, by effect over its floor, the largest first.
    pub findings: Vec<DriftFinding>,
    /// By labels that were learnt in the window; one entry per label of the model.
    #[serde(default)]
    pub performance: Vec<Performance>,
    /// What calibrated probabilities promise; one entry per label of the model.
    #[serde(default)]
    pub estimates: Vec<EstimatedPerformance>,
    /// How many labels, and what was not counted.
    pub labels: LabelCounts,
    /// The state after this window, one entry per kind.
    pub alarms: Vec<DriftAlarm>,
    /// An incident starts with this report.
    #[serde(default)]
    pub retrain: bool,
}

/// What a window says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DriftStatus {
    /// Nothing has moved.
    Stable,
    /// Something has.
    Drifted,
    /// Nothing had enough values to be judged.
    TooFew,
}

/// How many predictions, and what was not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PredictionCounts {
    /// Of the window, task, arm and model.
    pub counted: i64,
    /// Came after their window was closed, while this one was open.
    pub late: i64,
    /// Stamped later than they were decided: counted at the time of the decision.
    pub clamped: i64,
    /// By another model or feature contract than the reference's.
    pub unlike: i64,
    /// Records that are no predictions.
    pub unreadable: i64,
}

/// One number or category, held against the reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftFinding {
    /// Of the number or category.
    pub name: String,
    /// Which of the two.
    pub kind: FeatureKind,
    /// At least one test has moved.
    pub moved: bool,
    /// Too few values to say anything.
    pub too_few: bool,
    /// Values of the reference, missing ones too.
    pub values_before: i64,
    /// Values of the window, missing ones too.
    pub values: i64,
    /// Share of missing values in the reference, 0..=1.
    pub missing_before: f64,
    /// In the window.
    pub missing: f64,
    /// Share of the window's numbers outside the reference's range, 0..=1.
    #[serde(default)]
    pub outside: f64,
    /// `mean`, or the category whose share changed most.
    #[serde(default)]
    pub of: Option<String>,
    /// In the reference: the mean in the number's unit, or a share, 0..=1.
    #[serde(default)]
    pub before: Option<f64>,
    /// In the window.
    #[serde(default)]
    pub after: Option<f64>,
    /// The statistics that there are.
    pub tests: Vec<DriftTest>,
    /// Both sides in at most 32 bins, for pictures.
    #[serde(default)]
    pub distribution: Vec<DistributionBin>,
}

/// What was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FeatureKind {
    /// Counted on edges.
    Number,
    /// Counted by name.
    Category,
}

/// One statistic of one number or category.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftTest {
    /// Which.
    pub statistic: DriftStatistic,
    /// How far apart; of a mean with its sign.
    pub effect: f64,
    /// Least effect that matters.
    pub floor: f64,
    /// How often chance alone gives as much.
    pub p_value: f64,
    /// The same, adjusted for all the tests of the window.
    pub q_value: f64,
    /// At least the floor, enough values, and not by chance.
    pub moved: bool,
}

/// How two sides are held against each other, see [`crate::drift::Statistic`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DriftStatistic {
    /// Kolmogorov-Smirnov distance.
    Ks,
    /// Shift of the mean in standard deviations.
    Mean,
    /// Population stability index.
    Psi,
    /// Jensen-Shannon distance.
    JensenShannon,
    /// Cramér's V.
    CramersV,
}

/// A part of a distribution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DistributionBin {
    /// A number lies above it; none: no bound.
    #[serde(default)]
    pub low: Option<f64>,
    /// Up to it; none: no bound.
    #[serde(default)]
    pub high: Option<f64>,
    /// Of a category.
    #[serde(default)]
    pub name: Option<String>,
    /// Values of the reference.
    pub before: i64,
    /// Values of the window.
    pub after: i64,
}

/// A figure with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The figure.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// One label against the rest, measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Performance {
    /// Name of the label.
    pub label: String,
    /// Messages whose truth was learnt.
    pub messages: i64,
    /// Said and so.
    pub true_positives: i64,
    /// Said and not so.
    pub false_positives: i64,
    /// Not said and so.
    pub false_negatives: i64,
    /// Not said and not so.
    pub true_negatives: i64,
    /// None of nothing, as all figures.
    #[serde(default)]
    pub precision: Option<Figure>,
    /// TP / (TP + FN).
    #[serde(default)]
    pub recall: Option<Figure>,
    /// 2 TP / (2 TP + FP + FN).
    #[serde(default)]
    pub f1: Option<Figure>,
    /// Mean square of probability minus truth.
    #[serde(default)]
    pub brier: Option<Figure>,
    /// Natural logarithm.
    #[serde(default)]
    pub log_loss: Option<Figure>,
    /// Expected calibration error.
    #[serde(default)]
    pub ece: Option<Figure>,
    /// What a perfectly calibrated model has with as many messages.
    #[serde(default)]
    pub ece_by_chance: Option<f64>,
    /// Mean probability minus the share that is so: positive is too sure.
    #[serde(default)]
    pub bias: Option<f64>,
    /// How often a perfectly calibrated model is as far off.
    #[serde(default)]
    pub p_value: Option<f64>,
    /// Off by more than its floor and more than chance.
    #[serde(default)]
    pub calibration_moved: bool,
    /// Bins of probability that have messages.
    #[serde(default)]
    pub diagram: Vec<ReliabilityBin>,
}

/// Messages of similar probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// How many.
    pub messages: i64,
    /// Mean probability, 0..=1.
    pub probability: f64,
    /// Share that is so, 0..=1.
    pub share: f64,
}

/// One label against the rest, as the probabilities promise: no measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Estimate")]
pub struct EstimatedPerformance {
    /// Name of the label.
    pub label: String,
    /// Messages.
    pub messages: i64,
    /// None of nothing, as all figures.
    #[serde(default)]
    pub precision: Option<Figure>,
    /// Expected TP / (TP + FN).
    #[serde(default)]
    pub recall: Option<Figure>,
    /// Expected 2 TP / (2 TP + FP + FN).
    #[serde(default)]
    pub f1: Option<Figure>,
    /// Expected (TP + TN) / all.
    #[serde(default)]
    pub accuracy: Option<Figure>,
    /// Expected share that has the label.
    #[serde(default)]
    pub prevalence: Option<Figure>,
}

/// How many labels, and what was not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LabelCounts {
    /// The first for its message.
    pub joined: i64,
    /// No prediction was found.
    pub unmatched: i64,
    /// Learnt later than the configured delay after the decision.
    pub too_old: i64,
    /// Says what is known already.
    pub repeated: i64,
    /// By a source at least as strong: took the place of what was known.
    pub corrected: i64,
    /// By a weaker source, or after the window of the first was closed.
    pub contradicted: i64,
    /// Names a label that the model does not have.
    pub unknown: i64,
    /// Came after their window was closed, while this one was open.
    pub late: i64,
    /// Records that are no labels.
    pub unreadable: i64,
}

/// The state of an alarm after a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftAlarm {
    /// What it is about.
    pub about: AlarmKind,
    /// After this window.
    pub state: AlarmState,
    /// Start of the first window in a row, milliseconds since the epoch.
    #[serde(default)]
    pub since: Option<i64>,
    /// By this window.
    #[serde(default)]
    pub change: AlarmChange,
}

/// What an alarm is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmKind {
    /// Features, scores, labels: the traffic looks different.
    Drift,
    /// The probabilities do not come true.
    Calibration,
}

/// See [`crate::drift::alarm::Alarm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    /// No drift in the last window.
    Quiet,
    /// Drift, not for long enough yet.
    Rising,
    /// Raised.
    Raised,
}

/// What a window changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmChange {
    /// Nothing.
    #[default]
    None,
    /// The start of an incident.
    Raised,
    /// Its end.
    Cleared,
}
