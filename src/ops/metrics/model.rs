//! Predictions and confidence of one model, counted by one lane.

use std::sync::PoisonError;

use prometheus_client::metrics::counter::Counter;

use crate::decision::NO_LABEL;

use super::{Histogram, Labels, LocalHistogram, Metrics, labels};

/// At most so many models are exposed, all tasks and versions together. One more drops the series of the oldest.
pub const MODEL_SERIES_MAX: usize = 32;

/// The handles of one model in one lane. Kept beside the model; a swap makes a new one.
#[derive(Debug)]
pub struct ModelMetrics {
    /// One a label, and one for none.
    predictions: Vec<Counter>,
    /// What is to be added to `predictions` on commit.
    pending: Vec<u64>,
    confidence: Histogram,
    local_confidence: LocalHistogram,
}

/// The series that one model has: one prediction counter a label, one confidence histogram.
#[derive(Debug, PartialEq)]
pub(super) struct ModelSeries {
    model: Labels,
    predictions: Vec<Labels>,
}

impl Metrics {
    /// The metrics of a model of a task, for one lane; `classes` are the model's labels, in its order.
    pub fn model(&self, task: &str, model: &str, version: &str, classes: &[String]) -> ModelMetrics {
        let series = ModelSeries::new(task, model, version, classes);
        let confidence = self.confidence.get_or_create_owned(&series.model);
        let metrics = ModelMetrics {
            predictions: series.predictions.iter().map(|labels| self.predictions.get_or_create_owned(labels)).collect(),
            pending: vec![0; series.predictions.len()],
            local_confidence: confidence.local(),
            confidence,
        };
        self.expose(series);
        metrics
    }

    /// Notes a model as the newest, and drops the series of the oldest past the limit.
    fn expose(&self, series: ModelSeries) {
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        models.retain(|known| *known != series);
        models.push(series);
        if models.len() > MODEL_SERIES_MAX {
            let oldest = models.remove(0);
            self.confidence.remove(&oldest.model);
            for labels in &oldest.predictions {
                self.predictions.remove(labels);
            }
        }
    }
}

impl ModelSeries {
    fn new(task: &str, model: &str, version: &str, classes: &[String]) -> Self {
        let model = labels([("task", task), ("model", model), ("version", version)]);
        let with_label = |class: &str| [model.clone(), labels([("label", class)])].concat();
        let classes = classes.iter().map(String::as_str);
        Self { predictions: classes.chain([NO_LABEL]).map(with_label).collect(), model }
    }
}

impl ModelMetrics {
    /// The model chose the labels with these indices for a message.
    #[inline]
    pub fn predicted(&mut self, chosen: impl Iterator<Item = usize>) {
        let mut labels = 0;
        for class in chosen {
            self.pending[class] += 1;
            labels += 1;
        }
        if labels == 0
            && let Some(unlabelled) = self.pending.last_mut()
        {
            *unlabelled += 1;
        }
    }

    /// The calibrated confidence of a decision, 0..=1.
    #[inline]
    pub fn confidence(&mut self, confidence: f64) {
        self.local_confidence.observe(confidence);
    }

    /// The transaction committed: what it counted becomes public.
    pub fn publish(&mut self) {
        for (counter, count) in self.predictions.iter().zip(&mut self.pending) {
            counter.inc_by(std::mem::take(count));
        }
        self.confidence.absorb(&mut self.local_confidence);
    }

    /// The transaction was aborted: what it counted never happened.
    pub fn discard(&mut self) {
        self.pending.fill(0);
        self.local_confidence.clear();
    }
}
