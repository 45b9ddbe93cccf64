//! A line of the prediction log, as much of it as is compared.

use std::{io, path::Path};

use serde::Deserialize;
use serde_json::Value;

use super::names::{CATEGORIES, category_of};
use crate::rows::{BadRow, Format, Rows};

/// Scores of a task; a bundle has fewer labels.
const SCORES_MAX: usize = 1_024;

/// As `assize demo` and `assize classify --predictions` write it, or `assize watch predictions --format ndjson`, which
/// wraps it in `value`.
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
    /// Of the first task, as writers before it stood with each task have it.
    unknown_term_ratio: Option<f64>,
    text_chars: Option<u32>,
    tasks: Option<Vec<Task>>,
}

/// What one task's model said.
#[derive(Debug, Deserialize)]
pub(super) struct Task {
    pub(super) task: String,
    pub(super) labels: Vec<String>,
    /// One per label of the model.
    pub(super) calibrated: Vec<Option<f64>>,
    pub(super) model: Model,
    #[serde(default)]
    unknown_term_ratio: Option<f64>,
}

/// Which model that was.
#[derive(Debug, Deserialize)]
pub(super) struct Model {
    pub(super) name: String,
    #[serde(default)]
    pub(super) version: String,
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
    /// None where it is not known: a file of messages has no store.
    user_features: Option<String>,
    pub(super) features: Vec<Option<f64>>,
    pub(super) contract: String,
    text_chars: Option<f64>,
    pub(super) tasks: Vec<Task>,
}

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
        if let Some(first) = line.tasks.as_mut().and_then(|tasks| tasks.first_mut()) {
            first.unknown_term_ratio = first.unknown_term_ratio.or(line.unknown_term_ratio);
        }
        let missing = |field: &str| format!("no field {field:?}: is this a prediction?");
        let row = Self {
            language: line.language.ok_or_else(|| missing("language"))?,
            action: line.action.ok_or_else(|| missing("action"))?,
            degraded: category_of(line.degraded.iter().map(String::as_str)),
            user_features: line.user_features,
            features: line.features.ok_or_else(|| missing("features"))?,
            contract: line.feature_contract.ok_or_else(|| missing("feature_contract"))?,
            text_chars: line.text_chars.map(f64::from),
            tasks: line.tasks.ok_or_else(|| missing("tasks"))?,
        };
        let features_max = crate::features::contract::FEATURES_MAX;
        if row.features.len() > features_max || row.tasks.iter().any(|task| task.calibrated.len() > SCORES_MAX) {
            return Err(format!("more than {features_max} features or {SCORES_MAX} scores"));
        }
        Ok(row)
    }

    /// The fields of a prediction record.
    pub(super) fn of_record(fields: Value) -> Result<Self, String> {
        serde_json::from_value(fields).map_err(|error| error.to_string()).and_then(Self::of)
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

    /// Features, unknown-term ratio, length of the text, scores.
    pub(super) fn numbers<'a>(&'a self, task: &'a Task) -> impl Iterator<Item = Option<f64>> + 'a {
        self.numbers_of(task, self.features.iter().copied())
    }

    /// The same with some of the features.
    pub(super) fn numbers_of<'a>(
        &'a self,
        task: &'a Task,
        features: impl Iterator<Item = Option<f64>> + 'a,
    ) -> impl Iterator<Item = Option<f64>> + 'a {
        features.chain([task.unknown_term_ratio, self.text_chars]).chain(task.calibrated.iter().copied())
    }

    /// As [`CATEGORIES`] names them; none where it is not known.
    pub(super) fn categories(&self, task: &Task) -> [Option<String>; CATEGORIES.len()] {
        let Self { language, action, user_features, degraded, .. } = self;
        let label = category_of(task.labels.iter().map(String::as_str));
        [Some(language.clone()), Some(label), Some(action.clone()), user_features.clone(), Some(degraded.clone())]
    }
}

impl Task {
    /// Task and arm.
    pub(super) fn key(&self) -> (&str, &str) {
        (&self.task, &self.model.arm)
    }
}

/// Calls `with` for every line of an NDJSON file, or of standard input: the prediction, or what is wrong with the line.
///
/// # Errors
/// The file cannot be read, or not on.
pub(super) fn each_line(file: Option<&Path>, mut with: impl FnMut(u64, Result<Row, String>)) -> io::Result<()> {
    let mut rows = Rows::open(file, Format::Ndjson)?;
    while let Some(row) = rows.next_row::<Line>() {
        match row {
            Ok((line, found)) => with(line, Row::of(found)),
            Err(BadRow::Bad { line, problem }) => with(line, Err(problem)),
            Err(BadRow::Read(error)) => return Err(error),
        }
    }
    Ok(())
}
