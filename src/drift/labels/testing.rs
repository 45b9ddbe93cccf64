//! Models, predictions and labels of tests, and a lane in memory.

use std::{collections::BTreeMap, sync::Arc};

use super::{Found, Judged, Lane, Model, Models, Past, Table, Wanted, answers::Answers};
use crate::{
    codec::{Datum, RecordWriter},
    config,
    drift::panes::{LabelPane, Place},
    fault::Fault,
    model::Digest,
    records::{Action, Label, LabelSource, ModelRef, Prediction, PredictionView, TaskPrediction, UserFeatures},
    stream::Chunk,
};

pub(super) const PANE_MS: i64 = 1_000;
pub(super) const REMEMBERED_MAX: usize = 2;

pub(super) fn models() -> Arc<Models> {
    let model = |task: &str, digest: u8, labels: &[&str], is_exclusive| Model {
        task: task.into(),
        digest: Digest([digest; 32]),
        labels: labels.iter().map(|&label| label.into()).collect(),
        is_exclusive,
    };
    Arc::new(Models::new(vec![
        model("spam", 1, &["ham", "spam"], true),
        model("spam", 2, &["ham", "spam", "scam"], true),
        model("topic", 3, &["a", "b", "c", "d", "e", "f", "g", "h"], false),
    ]))
}

/// A prediction, as it lies in its topic.
#[derive(Clone, Debug)]
pub(super) struct Predicted(Vec<u8>);

impl Predicted {
    pub(super) fn view(&self) -> PredictionView<'_> {
        PredictionView::of(&self.0).unwrap()
    }
}

pub(super) fn judged(partition: i32, offset: i64, decided_at: i64) -> Judged {
    Judged { partition, offset, decided_at }
}

pub(super) fn predicted(message_id: &str, judged: Judged, tasks: Vec<TaskPrediction<'static>>) -> Predicted {
    let mut datum = Vec::new();
    let prediction = Prediction {
        message_id: message_id.into(),
        idempotency_key: None,
        revision: 0,
        user_hash: [0; 16],
        text_hash: [0; 32],
        hash_key_id: "k".into(),
        source_partition: judged.partition,
        source_offset: judged.offset,
        created_at: judged.decided_at,
        decided_at: judged.decided_at,
        language: "en".into(),
        action: Action::Allow,
        degraded: Vec::new(),
        user_features: UserFeatures::Unused,
        user_features_age_ms: None,
        features: Vec::new(),
        feature_contract: "c".into(),
        unknown_term_ratio: None,
        text_chars: None,
        tasks,
    };
    prediction.encode(&mut datum);
    Predicted(datum)
}

pub(super) fn said(
    task: &'static str,
    arm: &'static str,
    digest: u8,
    labels: &[&'static str],
    calibrated: &[f64],
) -> TaskPrediction<'static> {
    TaskPrediction {
        task: task.into(),
        labels: labels.iter().map(|&label| label.into()).collect(),
        raw: calibrated.to_vec(),
        calibrated: calibrated.to_vec(),
        model: ModelRef { name: "n".into(), version: "1".into(), digest: [digest; 32], arm: arm.into() },
        shadow: arm != "live",
        unknown_term_ratio: None,
    }
}

/// Says spam with this probability.
pub(super) fn spam(probability: f64) -> Vec<TaskPrediction<'static>> {
    let label = if probability >= 0.5 { "spam" } else { "ham" };
    vec![said("spam", "live", 1, &[label], &[1.0 - probability, probability])]
}

pub(super) fn label(message_id: &str, labels: &[&str], labelled_at: i64) -> Label {
    Label {
        message_id: message_id.into(),
        task: "spam".into(),
        labels: labels.iter().map(|&label| label.into()).collect(),
        source: LabelSource::Moderator,
        labelled_at,
        source_partition: None,
        source_offset: None,
        decided_at: None,
    }
}

/// With everything that its verdict says.
pub(super) fn about(predicted: &Predicted, labels: &[&str], labelled_at: i64) -> Label {
    let view = predicted.view();
    let Judged { partition, offset, decided_at } = Judged::from(&view);
    let label = label(view.message_id, labels, labelled_at);
    Label { source_partition: Some(partition), source_offset: Some(offset), decided_at: Some(decided_at), ..label }
}

/// Labels of partitions, from an offset on, written when they were learnt.
pub(super) fn chunk(labels: &[(i32, Label)], first: i64) -> Chunk {
    let writer = RecordWriter::new(config::SchemaIds::default().label);
    let mut chunk = Chunk::default();
    for ((partition, label), offset) in labels.iter().zip(first..) {
        let mut value = Vec::new();
        writer.write(label, &mut value);
        chunk.push(*partition, offset, None, Some(&value));
        chunk.stamp(Some(label.labelled_at));
    }
    chunk
}

/// All predictions, as their topic would have them; asked as often as it says.
#[derive(Default)]
pub(super) struct Log {
    pub(super) predictions: Vec<Predicted>,
    pub(super) asked: usize,
    pub(super) fault: Option<Fault>,
}

impl Past for Log {
    fn find(&mut self, wanted: &[Wanted<'_>], _: &dyn Fn() -> bool) -> Result<Vec<Option<Found>>, Fault> {
        self.asked += wanted.len();
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let models = models();
        let mut answers = Answers::new(&models, wanted.iter().map(|wanted| (wanted, None)));
        self.predictions.iter().for_each(|predicted| answers.hear(&predicted.view()));
        Ok(answers.into_best().into_iter().map(|best| best.map(|(_, found)| found)).collect())
    }
}

#[derive(Clone, Debug)]
pub(super) struct Partition {
    pub(super) panes: BTreeMap<i64, LabelPane>,
    pub(super) table: Table,
    watermark: i64,
}

/// Panes close without grace.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    pub(super) partitions: BTreeMap<i32, Partition>,
    remembered_max: usize,
}

impl Memory {
    pub(super) fn new(remembered_max: usize) -> Self {
        Self { partitions: BTreeMap::new(), remembered_max }
    }

    fn partition(&mut self, partition: i32) -> &mut Partition {
        let table = Table::new(self.remembered_max);
        let new = || Partition { panes: BTreeMap::new(), table, watermark: 0 };
        self.partitions.entry(partition).or_insert_with(new)
    }
}

impl Lane for Memory {
    fn place(&mut self, partition: i32, time_ms: i64) -> Place {
        let of = self.partition(partition);
        of.watermark = of.watermark.max(time_ms);
        let start = |time_ms: i64| time_ms - time_ms.rem_euclid(PANE_MS);
        let (newest, own) = (start(of.watermark), start(time_ms));
        of.panes.entry(newest).or_default();
        if own + PANE_MS <= of.watermark {
            return Place::Late(newest);
        }
        of.panes.entry(own).or_default();
        Place::Open(own)
    }

    fn oldest(&mut self, partition: i32) -> Option<&mut LabelPane> {
        let of = self.partition(partition);
        Some(of.panes.entry(of.watermark - of.watermark.rem_euclid(PANE_MS)).or_default())
    }

    fn pane(&mut self, partition: i32, start_ms: i64) -> Option<&mut LabelPane> {
        let of = self.partition(partition);
        if start_ms + PANE_MS <= of.watermark { None } else { of.panes.get_mut(&start_ms) }
    }

    fn table(&mut self, partition: i32) -> &mut Table {
        &mut self.partition(partition).table
    }
}
