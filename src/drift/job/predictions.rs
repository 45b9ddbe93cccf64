//! Predictions, counted into the panes of their partitions.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    fold::{Fold, Partitions},
    state::Input,
};
use crate::{
    drift::{
        labels::Index,
        observe::{Observer, PredictionReader, Read, event_ms, is_sampled},
        panes::{Place, PredictionPane},
    },
    fault::{Action, Fault},
    intake::CREATED_AT_MS,
    ops::metrics::Metrics,
    stream::{Chunk, Record},
};

/// Pause before a chunk is read again whose schema is not known yet.
const SCHEMA_AGAIN_MS: Duration = Duration::from_millis(1_000);

/// Counts predictions.
pub(super) struct CountsPredictions {
    pub(super) reader: PredictionReader,
    pub(super) observer: Observer,
    /// How far a stamp may lie behind its decision.
    pub(super) future_ms_max: i64,
    /// Share of the predictions that is counted, 0..=1.
    pub(super) sample_ratio: f64,
    /// What labels are looked up in; none when they are not read.
    pub(super) index: Option<Index>,
    pub(super) metrics: Arc<Metrics>,
}

/// Nor later than it was written to its topic: what a stranger wrote there must not end every window to come. Not before
/// the year 1 either.
fn clamped((time_ms, is_clamped): (i64, bool), record: &Record<'_>, future_ms_max: i64) -> (i64, bool) {
    let written_ms = record.timestamp_ms.unwrap_or(*CREATED_AT_MS.end());
    let limit_ms = written_ms.saturating_add(future_ms_max).min(*CREATED_AT_MS.end());
    let within_ms = time_ms.min(limit_ms).max(*CREATED_AT_MS.start());
    (within_ms, is_clamped || within_ms != time_ms)
}

impl Fold for CountsPredictions {
    const INPUT: Input = Input::Predictions;
    type Pane = PredictionPane;
    type Table = ();

    fn table(&self) -> Self::Table {}

    fn fold(&mut self, chunk: &Chunk, partitions: &mut Partitions<Self>, _: &dyn Fn() -> bool) -> Result<(), Fault> {
        let Self { reader, observer, future_ms_max, sample_ratio, index, .. } = self;
        reader.start_chunk();
        let mut recent = index.as_ref().map(Index::writer);
        for record in chunk.records() {
            let Some(partition) = partitions.get_mut(&record.partition) else { continue };
            let view = match reader.read(&record) {
                Read::Prediction(view) => view,
                Read::Unreadable => {
                    partition.oldest().unreadable += 1;
                    continue;
                }
                Read::Away(_) => {
                    let doing = "reading predictions: their schema is not known yet";
                    return Err(Fault::new(Action::Wait(SCHEMA_AGAIN_MS), doing));
                }
            };
            // Labels of late predictions, and of those that are not sampled, are good labels.
            if let Some(recent) = &mut recent {
                recent.insert(&view);
            }
            let (time_ms, is_clamped) = clamped(event_ms(&view, *future_ms_max), &record, *future_ms_max);
            // Time goes on with those that are not counted, too.
            match partition.place(time_ms) {
                Place::Late(start_ms) => partition.pane(start_ms).late += 1,
                Place::Open(start_ms) => {
                    let pane = partition.pane(start_ms);
                    pane.clamped += u64::from(is_clamped);
                    if is_sampled(view.message_id, *sample_ratio) {
                        observer.observe(&view, pane);
                    }
                }
            }
        }
        Ok(())
    }

    fn closed(&self, partition: i32, pane: &PredictionPane) {
        let metrics = self.metrics.drift().partition(partition);
        metrics.late(pane.late);
        metrics.clamped(pane.clamped);
        metrics.unreadable(pane.unreadable);
        metrics.unlike(pane.tasks.values().flat_map(BTreeMap::values).map(|series| series.unlike).sum());
    }
}
