//! Where each partition of a topic starts and ends.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
};

use super::{Start, TailError};
use crate::{
    config::Kafka,
    stream::kafka::{ASK_MS_MAX, Asking, asking_reader, metadata, reader},
};

/// Pause between two looks at a last stable offset.
const STABLE_MS: Duration = Duration::from_millis(20);

/// First offset and end (not inclusive) of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First offset.
    pub low: i64,
    /// The offset after the last.
    pub end: i64,
}

impl Span {
    /// How many offsets it has; not all of them hold records.
    pub fn offsets(&self) -> u64 {
        (self.end - self.low).max(0) as u64
    }
}

/// Clients that ask, join no group and commit nothing.
pub(crate) struct Log {
    /// Sees everything.
    all: BaseConsumer<Asking>,
    /// Sees what is committed.
    committed: BaseConsumer,
    /// Asks for the group's offsets.
    group: BaseConsumer,
}

impl Log {
    pub(crate) fn connect(kafka: &Kafka) -> Result<Self, TailError> {
        Ok(Self {
            all: asking_reader(kafka, "read_uncommitted")?,
            committed: reader(kafka, "read_committed").create().map_err(TailError::Client)?,
            group: reader(kafka, "read_committed").create().map_err(TailError::Client)?,
        })
    }

    /// Number of partitions of `topic`.
    pub(crate) fn partitions(&self, topic: &str) -> Result<i32, TailError> {
        let metadata = metadata(&self.all, topic)?;
        let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
        found.map(|found| found.partitions().len() as i32).ok_or_else(|| TailError::NoTopic(topic.to_owned()))
    }

    /// Everything that is in a partition now, committed or not.
    pub(crate) fn span(&self, topic: &str, partition: i32) -> Result<Span, TailError> {
        watermarks(&self.all, topic, partition)
    }

    /// Everything that is in a partition now and can be read committed.
    pub(crate) fn stable_span(&self, topic: &str, partition: i32) -> Result<Span, TailError> {
        watermarks(&self.committed, topic, partition)
    }

    /// What of each partition lies between `start` and what can be read committed now; `wanted` partitions, or all.
    pub(crate) fn spans(&self, topic: &str, wanted: &[i32], start: Start) -> Result<Vec<(i32, Span)>, TailError> {
        let partitions = self.partitions(topic)?;
        if let Some(partition) = wanted.iter().copied().find(|wanted| !(0..partitions).contains(wanted)) {
            return Err(TailError::NoPartition { topic: topic.to_owned(), partition, partitions });
        }
        let is_wanted = |partition: &i32| wanted.is_empty() || wanted.contains(partition);
        (0..partitions)
            .filter(is_wanted)
            .map(|partition| {
                let Span { low, end } = self.stable_span(topic, partition)?;
                let from = match start {
                    Start::Beginning => low,
                    Start::End => end,
                    Start::Offset(offset) => offset,
                    Start::TimeMs(time_ms) => self.offset_at(topic, partition, time_ms)?.unwrap_or(end),
                };
                Ok((partition, Span { low: from.clamp(low, end), end }))
            })
            .collect()
    }

    /// The first offset of a partition whose record is not older than `time_ms`; none when all are.
    pub(crate) fn offset_at(&self, topic: &str, partition: i32, time_ms: i64) -> Result<Option<i64>, TailError> {
        let failed = |source| TailError::Kafka { doing: "looking for a time in a partition", source };
        let mut when = TopicPartitionList::new();
        when.add_partition_offset(topic, partition, Offset::Offset(time_ms.max(0))).map_err(failed)?;
        let found = self.all.offsets_for_times(when, ASK_MS_MAX).map_err(failed)?;
        Ok(found.elements().first().and_then(|element| match element.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }))
    }

    /// Waits until everything before `end` can be read committed, or until `deadline`. Returns how far it can be.
    pub(crate) fn wait_stable(
        &self,
        topic: &str,
        partition: i32,
        end: i64,
        deadline: Instant,
    ) -> Result<i64, TailError> {
        loop {
            let stable = self.stable_span(topic, partition)?.end;
            if stable >= end || Instant::now() > deadline {
                return Ok(stable.min(end));
            }
            thread::sleep(STABLE_MS);
        }
    }

    /// The group's committed offsets; a partition without one is not there. The broker makes us wait while a
    /// transaction that holds offsets of the group is ending (KIP-447).
    pub(crate) fn committed(&self, topic: &str, partitions: i32) -> Result<BTreeMap<i32, i64>, TailError> {
        let failed = |source| TailError::Kafka { doing: "reading the group's committed offsets", source };
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions - 1);
        let offsets = self.group.committed_offsets(list, ASK_MS_MAX).map_err(failed)?;
        let mut committed = BTreeMap::new();
        for element in offsets.elements() {
            element.error().map_err(failed)?;
            if let Offset::Offset(next) = element.offset() {
                committed.insert(element.partition(), next);
            }
        }
        Ok(committed)
    }
}

fn watermarks<C: ConsumerContext>(consumer: &BaseConsumer<C>, topic: &str, partition: i32) -> Result<Span, TailError> {
    let (low, end) = consumer
        .fetch_watermarks(topic, partition, ASK_MS_MAX)
        .map_err(|source| TailError::Kafka { doing: "reading the ends of a partition", source })?;
    Ok(Span { low, end })
}
