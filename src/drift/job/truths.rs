//! The lane of labels: what it counts, and what it remembers.

use std::sync::Arc;

use super::{
    fold::{Fold, Partitions},
    partition::{self, Partition},
    state::{self, Input, Key},
};
use crate::{
    drift::{
        labels::{Changes, Labels, Lane, Past, Remembered, Table},
        panes::{LabelPane, LabelSeries, Place},
    },
    fault::Fault,
    intake::CREATED_AT_MS,
    ops::metrics::Metrics,
    records::LabelCounts,
    stream::Chunk,
};

/// Counts labels.
pub(super) struct CountsLabels<P> {
    labels: Labels<P>,
    remembered_max: usize,
    metrics: Arc<Metrics>,
}

impl<P> CountsLabels<P> {
    pub(super) fn new(labels: Labels<P>, remembered_max: usize, metrics: Arc<Metrics>) -> Self {
        Self { labels, remembered_max, metrics }
    }
}

impl<P: Past> Fold for CountsLabels<P> {
    const INPUT: Input = Input::Labels;
    type Pane = LabelPane;
    type Table = Truths;

    fn table(&self) -> Truths {
        Truths { table: Table::new(self.remembered_max), entries_max: self.remembered_max }
    }

    fn fold(
        &mut self,
        chunk: &Chunk,
        partitions: &mut Partitions<Self>,
        go_on: &dyn Fn() -> bool,
    ) -> Result<(), Fault> {
        let nobody = self.table().table;
        self.labels.fold(chunk, &mut Ours { partitions, nobody }, go_on)
    }

    fn closed(&self, _: i32, pane: &LabelPane) {
        let of = |count: fn(&LabelSeries) -> u64| whole(pane.tasks.values().map(count).sum());
        self.metrics.drift().count_labels(&LabelCounts {
            joined: of(|series| series.joined),
            unmatched: of(|series| series.unmatched),
            too_old: of(|series| series.too_old),
            repeated: of(|series| series.repeated),
            corrected: of(|series| series.corrected),
            contradicted: of(|series| series.contradicted),
            unknown: of(|series| series.unknown),
            late: whole(pane.late),
            unreadable: whole(pane.unreadable),
        });
    }
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What is known of the messages of a partition of labels.
pub(super) struct Truths {
    table: Table,
    entries_max: usize,
}

impl partition::Table for Truths {
    fn take_changes(&mut self) -> Vec<(String, Option<Vec<u8>>)> {
        let Changes { changed, dropped } = self.table.take_changes();
        let changed = changed.iter().map(|entry| (name(&entry.message_id, &entry.task), Some(state::json(entry))));
        let dropped = dropped.iter().map(|(message_id, task)| (name(message_id, task), None));
        changed.chain(dropped).collect()
    }

    fn restore(&mut self, entries: Vec<(Key, Vec<u8>)>) -> Result<(), Fault> {
        let parse = |(key, value): &(Key, Vec<u8>)| state::parse(key, value);
        let entries: Vec<Remembered> = entries.iter().map(parse).collect::<Result<_, _>>()?;
        self.table = Table::restore(self.entries_max, entries);
        Ok(())
    }
}

/// No two messages and tasks have the same.
fn name(message_id: &str, task: &str) -> String {
    format!("{}:{message_id}{task}", message_id.len())
}

/// The partitions, as labels see them.
struct Ours<'a> {
    partitions: &'a mut std::collections::BTreeMap<i32, Partition<LabelPane, Truths>>,
    /// Of a partition that is not here: nothing of it comes into a chunk.
    nobody: Table,
}

impl Lane for Ours<'_> {
    fn place(&mut self, partition: i32, time_ms: i64) -> Place {
        let Some(partition) = self.partitions.get_mut(&partition) else { return Place::Late(i64::MIN) };
        partition.place(time_ms.clamp(*CREATED_AT_MS.start(), *CREATED_AT_MS.end()))
    }

    fn oldest(&mut self, partition: i32) -> Option<&mut LabelPane> {
        self.partitions.get_mut(&partition).map(Partition::oldest)
    }

    fn pane(&mut self, partition: i32, start_ms: i64) -> Option<&mut LabelPane> {
        self.partitions.get_mut(&partition)?.open_pane(start_ms)
    }

    fn table(&mut self, partition: i32) -> &mut Table {
        match self.partitions.get_mut(&partition) {
            Some(partition) => &mut partition.table.table,
            None => &mut self.nobody,
        }
    }
}
