//! A line of the prediction log, as much of it as is compared.

use serde::Deserialize;

/// Scores of a task; a bundle has fewer labels.
const SCORES_MAX: usize = 1_024;

/// As `assize demo` writes it, or `assize watch predictions --format ndjson`, which wraps it in `value`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Line {
    value: Option<Box<Line>>,
    language: Option<String>,
    action: Option<String>,
    degraded: Vec<String>,
    user_features: Option<String>,
    features: Option<Vec<Option<f64>>>,
    feature_contract: Option<String>,
    unknown_term_ratio: Option<f64>,
    tasks: Option<Vec<Task>>,
}

/// What one task's model said.
#[derive(Debug, Deserialize)]
pub(super) struct Task {
    pub(super) task: String,
    labels: Vec<String>,
    calibrated: Vec<Option<f64>>,
    model: Model,
}

#[derive(Debug, Deserialize)]
struct Model {
    name: String,
    #[serde(default = "live")]
    arm: String,
}

fn live() -> String {
    "live".into()
}

/// A line that has everything.
#[derive(Debug)]
pub(super) struct Row {
    language: String,
    action: String,
    degraded: String,
    user_features: String,
    features: Vec<Option<f64>>,
    contract: String,
    unknown_term_ratio: Option<f64>,
    pub(super) tasks: Vec<Task>,
}

/// The categories of a task, in the order of [`Row::categories`].
pub(super) const CATEGORIES: [&str; 5] = ["language", "label", "action", "user_features", "degraded"];

/// What two rows of a task must share to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) contract: String,
    pub(super) features: usize,
    pub(super) model: String,
    pub(super) scores: usize,
}

impl Row {
    pub(super) fn of(mut line: Line) -> Result<Self, String> {
        if let Some(value) = line.value.take() {
            line = *value;
        }
        let missing = |field: &str| format!("no field {field:?}: is this a prediction?");
        let row = Self {
            language: line.language.ok_or_else(|| missing("language"))?,
            action: line.action.ok_or_else(|| missing("action"))?,
            degraded: set(line.degraded),
            user_features: line.user_features.ok_or_else(|| missing("user_features"))?,
            features: line.features.ok_or_else(|| missing("features"))?,
            contract: line.feature_contract.ok_or_else(|| missing("feature_contract"))?,
            unknown_term_ratio: line.unknown_term_ratio,
            tasks: line.tasks.ok_or_else(|| missing("tasks"))?,
        };
        let features_max = crate::features::contract::FEATURES_MAX;
        if row.features.len() > features_max || row.tasks.iter().any(|task| task.calibrated.len() > SCORES_MAX) {
            return Err(format!("more than {features_max} features or {SCORES_MAX} scores"));
        }
        Ok(row)
    }

    pub(super) fn shape(&self, task: &Task) -> Shape {
        Shape {
            contract: self.contract.clone(),
            features: self.features.len(),
            model: task.model.name.clone(),
            scores: task.calibrated.len(),
        }
    }

    pub(super) fn is_like(&self, task: &Task, shape: &Shape) -> bool {
        self.contract == shape.contract
            && self.features.len() == shape.features
            && task.calibrated.len() == shape.scores
            && task.model.name == shape.model
    }

    /// Features, unknown-term ratio, scores.
    pub(super) fn numbers<'a>(&'a self, task: &'a Task) -> impl Iterator<Item = Option<f64>> + 'a {
        let features = self.features.iter().copied();
        features.chain([self.unknown_term_ratio]).chain(task.calibrated.iter().copied())
    }

    /// As [`CATEGORIES`] names them. Several labels of a message are one category: rows stay independent.
    pub(super) fn categories(&self, task: &Task) -> [String; CATEGORIES.len()] {
        let Self { language, action, user_features, degraded, .. } = self;
        let label = set(task.labels.clone());
        [language.clone(), label, action.clone(), user_features.clone(), degraded.clone()]
    }
}

impl Task {
    /// Task and arm.
    pub(super) fn key(&self) -> (&str, &str) {
        (&self.task, &self.model.arm)
    }
}

fn set(mut names: Vec<String>) -> String {
    names.sort_unstable();
    if names.is_empty() { "(none)".into() } else { names.join("|") }
}
