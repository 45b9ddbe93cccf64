//! The topics as the audit reads them: where each partition starts and ends, and its records in between.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::BorrowedMessage,
};

use super::AuditError;
use crate::{
    config::Kafka,
    stream::kafka::{ASK_MS_MAX, reader},
};

/// One poll.
const POLL_MS: Duration = Duration::from_millis(200);
/// A partition that gives neither a record nor its end for this long cannot be read.
const SILENT_SECONDS_MAX: Duration = Duration::from_secs(30);
/// Pause between two looks at a last stable offset.
const STABLE_MS: Duration = Duration::from_millis(20);

/// First offset and end (not inclusive) of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) low: i64,
    pub(super) end: i64,
}

/// Clients that ask, join no group and commit nothing.
pub(super) struct Log {
    /// Sees everything.
    all: BaseConsumer,
    /// Sees what is committed.
    committed: BaseConsumer,
    /// Asks for the group's offsets.
    group: BaseConsumer,
}

impl Log {
    pub(super) fn connect(kafka: &Kafka) -> Result<Self, AuditError> {
        Ok(Self {
            all: reader(kafka, "read_uncommitted").create().map_err(AuditError::Client)?,
            committed: reader(kafka, "read_committed").create().map_err(AuditError::Client)?,
            group: reader(kafka, "read_committed")
                .set("group.id", &kafka.group_id)
                .create()
                .map_err(AuditError::Client)?,
        })
    }

    /// Number of partitions of `topic`.
    pub(super) fn partitions(&self, topic: &str) -> Result<i32, AuditError> {
        let ask = self.all.fetch_metadata(Some(topic), ASK_MS_MAX);
        let metadata = ask.map_err(|source| AuditError::Kafka { doing: "looking for the topics", source })?;
        let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
        found.map(|found| found.partitions().len() as i32).ok_or_else(|| AuditError::NoTopic(topic.to_owned()))
    }

    /// Everything that is in a partition now, committed or not.
    pub(super) fn span(&self, topic: &str, partition: i32) -> Result<Span, AuditError> {
        watermarks(&self.all, topic, partition)
    }

    /// Everything that is in a partition now and can be read committed.
    pub(super) fn stable_span(&self, topic: &str, partition: i32) -> Result<Span, AuditError> {
        watermarks(&self.committed, topic, partition)
    }

    /// The first offset of a partition whose record is not older than `time_ms`; none when all are.
    pub(super) fn offset_at(&self, topic: &str, partition: i32, time_ms: i64) -> Result<Option<i64>, AuditError> {
        let failed = |source| AuditError::Kafka { doing: "looking for a time in a partition", source };
        let mut when = TopicPartitionList::new();
        when.add_partition_offset(topic, partition, Offset::Offset(time_ms.max(0))).map_err(failed)?;
        let found = self.all.offsets_for_times(when, ASK_MS_MAX).map_err(failed)?;
        Ok(found.elements().first().and_then(|element| match element.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }))
    }

    /// Waits until everything before `end` can be read committed, or until `deadline`. Returns how far it can be.
    pub(super) fn wait_stable(
        &self,
        topic: &str,
        partition: i32,
        end: i64,
        deadline: Instant,
    ) -> Result<i64, AuditError> {
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
    pub(super) fn committed(&self, topic: &str, partitions: i32) -> Result<BTreeMap<i32, i64>, AuditError> {
        let failed = |source| AuditError::Kafka { doing: "reading the group's committed offsets", source };
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

/// Reads the committed records of one topic, its partitions one after the other.
pub(super) struct TopicReader<'a> {
    topic: &'a str,
    consumer: BaseConsumer,
}

impl<'a> TopicReader<'a> {
    /// One client a topic: the client reports ends by partition number alone, so that a late one could be taken for
    /// that of another topic.
    pub(super) fn connect(kafka: &Kafka, topic: &'a str) -> Result<Self, AuditError> {
        let mut client = reader(kafka, "read_committed");
        // A reader that is at the end asks again soon: most partitions are short.
        client.set("fetch.wait.max.ms", "20");
        Ok(Self { topic, consumer: client.create().map_err(AuditError::Client)? })
    }

    /// Calls `each` with every record of `span`, whose end must be stable. Offsets are sparse: the last record can lie
    /// before the end, so it is reached where the broker says so.
    pub(super) fn read(
        &self,
        partition: i32,
        span: Span,
        mut each: impl FnMut(&BorrowedMessage<'_>) -> Result<(), AuditError>,
    ) -> Result<(), AuditError> {
        if span.low >= span.end {
            return Ok(());
        }
        let failed = |source| AuditError::Kafka { doing: "reading a partition", source };
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(self.topic, partition, Offset::Offset(span.low)).map_err(failed)?;
        self.consumer.assign(&list).map_err(failed)?;
        let mut heard = Instant::now();
        while heard.elapsed() < SILENT_SECONDS_MAX {
            match self.consumer.poll(POLL_MS) {
                None => continue,
                Some(Ok(message)) if message.partition() != partition => continue,
                Some(Ok(message)) if message.offset() >= span.end => return Ok(()),
                Some(Ok(message)) => each(&message)?,
                Some(Err(KafkaError::PartitionEOF(ended))) if ended == partition => return Ok(()),
                Some(Err(KafkaError::PartitionEOF(_))) => continue,
                Some(Err(error)) => {
                    tracing::warn!(%error, self.topic, partition, "reading goes on");
                    continue;
                }
            }
            heard = Instant::now();
        }
        Err(AuditError::Silent { topic: self.topic.to_owned(), partition })
    }
}

fn watermarks(consumer: &BaseConsumer, topic: &str, partition: i32) -> Result<Span, AuditError> {
    let (low, end) = consumer
        .fetch_watermarks(topic, partition, ASK_MS_MAX)
        .map_err(|source| AuditError::Kafka { doing: "reading the ends of a partition", source })?;
    Ok(Span { low, end })
}
