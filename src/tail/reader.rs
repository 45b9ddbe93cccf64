//! The committed records of a topic, between the ends of its partitions.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::BorrowedMessage,
};

use super::{Span, TailError};
use crate::{config::Kafka, stream::kafka::reader};

/// One poll, at most.
pub(crate) const POLL_MS: Duration = Duration::from_millis(200);
/// A partition that gives neither a record nor its end for this long cannot be read.
const SILENT_SECONDS_MAX: Duration = Duration::from_secs(30);

/// Reads the committed records of one topic.
pub(crate) struct TopicReader<'t> {
    topic: &'t str,
    consumer: BaseConsumer,
}

impl<'t> TopicReader<'t> {
    /// One client a topic: the client reports ends by partition number alone, so that a late one could be taken for
    /// that of another topic.
    pub(crate) fn connect(kafka: &Kafka, topic: &'t str) -> Result<Self, TailError> {
        let mut client = reader(kafka, "read_committed");
        // A reader that is at the end asks again soon: most partitions are short.
        client.set("fetch.wait.max.ms", "20");
        Self::with(topic, &client)
    }

    /// The same for a reader that stays at the end: it lets the broker wait for records.
    pub(crate) fn connect_to_follow(kafka: &Kafka, topic: &'t str) -> Result<Self, TailError> {
        Self::with(topic, &reader(kafka, "read_committed"))
    }

    fn with(topic: &'t str, client: &rdkafka::ClientConfig) -> Result<Self, TailError> {
        Ok(Self { topic, consumer: client.create().map_err(TailError::Client)? })
    }

    /// Starts to read every record of `spans`, whose ends must be stable; one reading at a time. Partitions come
    /// interleaved, the records of each in their order.
    pub(crate) fn read(&self, spans: &[(i32, Span)]) -> Result<Reading<'_>, TailError> {
        let spans = spans.iter().filter(|(_, span)| span.low < span.end);
        self.start(spans.clone().map(|(partition, span)| (*partition, span.low)))?;
        let ends = spans.map(|(partition, span)| (*partition, span.end)).collect();
        Ok(Reading { reader: self, ends: Some(ends), heard: Instant::now() })
    }

    /// Starts to read from the beginnings of `spans`, on and on.
    pub(crate) fn follow(&self, spans: &[(i32, Span)]) -> Result<Reading<'_>, TailError> {
        self.start(spans.iter().map(|(partition, span)| (*partition, span.low)))?;
        Ok(Reading { reader: self, ends: None, heard: Instant::now() })
    }

    fn start(&self, starts: impl Iterator<Item = (i32, i64)>) -> Result<(), TailError> {
        let failed = |source| TailError::Kafka { doing: "reading a partition", source };
        let mut list = TopicPartitionList::new();
        for (partition, offset) in starts {
            list.add_partition_offset(self.topic, partition, Offset::Offset(offset)).map_err(failed)?;
        }
        self.consumer.assign(&list).map_err(failed)
    }
}

/// Records on their way.
pub(crate) struct Reading<'r> {
    reader: &'r TopicReader<'r>,
    /// Of the partitions that are not read yet; none when it goes on and on.
    ends: Option<BTreeMap<i32, i64>>,
    heard: Instant,
}

/// What a poll found.
pub(crate) enum Polled<'r> {
    /// The next record.
    Record(BorrowedMessage<'r>),
    /// Nothing yet.
    Quiet,
    /// The client says that something is wrong, and goes on.
    Trouble(KafkaError),
    /// Every partition is read to its end.
    End,
}

impl<'r> Reading<'r> {
    /// The next record; none after the last.
    ///
    /// # Errors
    /// [`TailError::Silent`].
    pub(crate) fn next(&mut self) -> Result<Option<BorrowedMessage<'r>>, TailError> {
        loop {
            match self.poll(POLL_MS)? {
                Polled::Record(message) => return Ok(Some(message)),
                Polled::End => return Ok(None),
                Polled::Quiet => {}
                Polled::Trouble(error) => tracing::warn!(%error, topic = self.reader.topic, "reading goes on"),
            }
        }
    }

    /// Waits at most `wait` for the next record. Offsets are sparse: the last record can lie before the end, so the
    /// end is where the broker says that it is.
    ///
    /// # Errors
    /// [`TailError::Silent`], never when it goes on and on.
    pub(crate) fn poll(&mut self, wait: Duration) -> Result<Polled<'r>, TailError> {
        if self.ends.as_ref().is_some_and(BTreeMap::is_empty) {
            return Ok(Polled::End);
        }
        let polled = self.reader.consumer.poll(wait);
        if let Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) = &polled {
            self.heard = Instant::now();
        }
        let Some(ends) = &mut self.ends else {
            return Ok(match polled {
                Some(Ok(message)) => Polled::Record(message),
                None | Some(Err(KafkaError::PartitionEOF(_))) => Polled::Quiet,
                Some(Err(error)) => Polled::Trouble(error),
            });
        };
        match polled {
            Some(Ok(message)) => {
                let (partition, next) = (message.partition(), message.offset() + 1);
                let Some(end) = ends.get(&partition).copied() else { return Ok(Polled::Quiet) };
                if next >= end {
                    ends.remove(&partition);
                }
                Ok(if next <= end { Polled::Record(message) } else { Polled::Quiet })
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                ends.remove(&partition);
                Ok(Polled::Quiet)
            }
            Some(Err(error)) => Ok(Polled::Trouble(error)),
            None => match ends.keys().next() {
                Some(&partition) if self.heard.elapsed() > SILENT_SECONDS_MAX => {
                    Err(TailError::Silent { topic: self.reader.topic.to_owned(), partition })
                }
                _ => Ok(Polled::Quiet),
            },
        }
    }
}
