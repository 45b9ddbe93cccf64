//! One classifier of the stream: its bundle, shared, and a lane's working memory for it.

use std::sync::Arc;

use super::Judged;
use crate::{
    fault::{Action, Fault},
    features::{
        contract::{Contract, ContractError},
        tfidf::Terms,
        vector::{self, Rows},
    },
    model::{Bundle, Model},
    ops::metrics::{Metrics, ModelMetrics},
};

/// Arm of every verdict until there are experiments.
const ARM: &str = "live";
/// Pause before rows are scored again that a graph failed on.
const SCORE_AGAIN_MS: std::time::Duration = std::time::Duration::from_millis(1_000);

/// A classifier by its name in verdicts.
#[derive(Clone)]
pub struct Task {
    /// Name of the task.
    pub name: String,
    /// Its model.
    pub bundle: Arc<Bundle>,
}

/// What several tasks together read of text and user: every feature once, in the order of the tasks.
///
/// # Errors
/// [`ContractError`], when two tasks read one feature in different units, or from different origins.
pub fn union(tasks: &[Task]) -> Result<Contract, ContractError> {
    let mut features = Vec::new();
    for feature in tasks.iter().flat_map(|task| task.bundle.transformer().contract().features()) {
        let known = features.iter().any(|known: &crate::features::contract::Feature| {
            (&known.name, known.origin, &known.unit) == (&feature.name, feature.origin, &feature.unit)
        });
        if !known {
            features.push(feature.clone());
        }
    }
    Contract::try_new(features)
}

/// A lane's working memory for one task.
pub(super) struct TaskLane {
    name: String,
    model: Model,
    /// Per feature of the bundle's contract, its place in the union.
    columns: Vec<usize>,
    width: usize,
    raw: Vec<Option<f64>>,
    scratch: vector::Scratch,
    rows: Rows,
    terms: Vec<Terms>,
    metrics: ModelMetrics,
}

impl TaskLane {
    pub(super) fn try_new(task: &Task, union: &Contract, metrics: &Metrics) -> Result<Self, Fault> {
        let bundle = &task.bundle;
        let features = bundle.transformer().contract().features();
        let place = |name: &str| union.features().iter().position(|feature| feature.name == name);
        let manifest = bundle.manifest();
        Ok(Self {
            name: task.name.clone(),
            model: Model::new(Arc::clone(bundle)).map_err(failed)?,
            columns: features.iter().filter_map(|feature| place(&feature.name)).collect(),
            width: union.features().len(),
            raw: Vec::new(),
            scratch: vector::Scratch::default(),
            rows: Rows::default(),
            terms: Vec::new(),
            metrics: metrics.model(&task.name, &manifest.name, &manifest.version, bundle.policy().labels()),
        })
    }

    /// Makes one row per case; `raw` has `width` numbers per case, in the order of the union.
    pub(super) fn gather<'t>(&mut self, texts: impl Iterator<Item = &'t str>, raw: &[Option<f64>]) {
        self.rows.clear();
        self.terms.clear();
        for (case, text) in texts.enumerate() {
            self.raw.clear();
            self.raw.extend(self.columns.iter().map(|&column| raw[case * self.width + column]));
            let transformer = self.model.bundle().transformer();
            self.terms.push(transformer.push(&self.raw, text, &mut self.scratch, &mut self.rows));
        }
    }

    /// Scores the rows.
    pub(super) fn score(&mut self) -> Result<(), Fault> {
        self.model.score(&self.rows).map_err(failed)
    }

    /// Decides on each scored row.
    pub(super) fn decide(&mut self) {
        self.model.decide();
    }

    /// What this task made of a case.
    pub(super) fn judged(&self, case: usize) -> Judged<'_> {
        let bundle = self.model.bundle();
        Judged {
            task: &self.name,
            policy: bundle.policy(),
            outcome: self.model.outcomes()[case],
            raw: self.model.raw(case),
            probabilities: self.model.probabilities(case),
            unknown_term_ratio: self.terms[case].unknown_ratio(),
            model: bundle.reference(ARM),
        }
    }

    /// Counts what was decided.
    pub(super) fn count(&mut self) {
        let policy = self.model.bundle().policy();
        for (case, &outcome) in self.model.outcomes().iter().enumerate() {
            self.metrics.predicted(policy.chosen(outcome, self.model.probabilities(case)));
            if let Some(confidence) = outcome.confidence {
                self.metrics.confidence(confidence);
            }
        }
    }

    pub(super) fn publish(&mut self) {
        self.metrics.publish();
    }

    pub(super) fn discard(&mut self) {
        self.metrics.discard();
    }
}

/// A graph that reproduced its golden vectors and fails now is no fault of the messages: they are judged again.
fn failed(error: crate::model::ScoreError) -> Fault {
    Fault::caused(Action::Wait(SCORE_AGAIN_MS), "scoring", error)
}
