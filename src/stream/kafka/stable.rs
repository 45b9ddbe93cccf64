//! Reads a partition back to what is committed, past transactions that are still ending.
//!
//! ```text
//! topic-p:  ... │ start ......... high (captured now) │ ...
//!               └──► read committed, to the end once the last stable offset has reached `high`
//! ```
//!
//! The high watermark is that of all records, committed or not: what a predecessor committed can lie behind another
//! producer's open transaction, and everything is there only when that one has ended.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaError,
    message::BorrowedMessage,
    types::RDKafkaErrorCode,
};

use super::{
    Beside,
    client::{self, ASK_MS_MAX},
};
use crate::{
    config::Kafka,
    fault::{Action, Fault, classify},
};

/// Pause between two looks at the last stable offset.
const STABLE_MS: Duration = Duration::from_millis(20);
/// One poll.
const POLL_MS: Duration = Duration::from_millis(200);

/// The end of a partition is what is looked for, no error to log.
struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
            tracing::warn!(%error, reason, "reading back");
        }
    }
}

impl ConsumerContext for Quiet {}

/// Two clients that read one topic back: one that sees everything, one that sees what is committed.
pub struct StableReader {
    all: BaseConsumer<Quiet>,
    committed: BaseConsumer<Quiet>,
    topic: String,
}

impl StableReader {
    /// Clients that connect when they are asked.
    ///
    /// # Errors
    /// When a setting of the client is refused.
    pub fn new(kafka: &Kafka, topic: &str) -> Result<Self, Fault> {
        let client = |isolation| {
            let mut client = client::reader(kafka, isolation);
            // The broker holds a question at the end of a partition back for so long, and every reading ends there.
            client.set("fetch.wait.max.ms", "20");
            client.create_with_context(Quiet).map_err(client::refused)
        };
        Ok(Self { all: client("read_uncommitted")?, committed: client("read_committed")?, topic: topic.to_owned() })
    }

    /// The first offset, and the end that everything before it can be read up to: it waits for transactions that are
    /// still open.
    ///
    /// # Errors
    /// [`Fault`] that asks to wait.
    pub fn span(&self, partition: i32, deadline: &Deadline<'_>) -> Result<(i64, i64), Fault> {
        let (low, high) = self.watermarks(&self.all, partition)?;
        while self.watermarks(&self.committed, partition)?.1 < high {
            deadline.check("waiting for an open transaction to end")?;
            std::thread::sleep(STABLE_MS);
        }
        Ok((low, high))
    }

    fn watermarks(&self, consumer: &BaseConsumer<Quiet>, partition: i32) -> Result<(i64, i64), Fault> {
        consumer.fetch_watermarks(&self.topic, partition, ASK_MS_MAX).map_err(|error| {
            // A broker that has just started may not know the topic, and librdkafka believes it until it is asked to
            // look again: the next attempt finds what this brings.
            let _ = consumer.fetch_metadata(Some(&self.topic), ASK_MS_MAX);
            Fault::caused(wait(), "reading the ends of a partition", error)
        })
    }

    /// The first offset whose record is not older than `time_ms`; none when all are.
    ///
    /// # Errors
    /// [`Fault`] that asks to wait.
    pub fn offset_at(&self, partition: i32, time_ms: i64) -> Result<Option<i64>, Fault> {
        let mut when = TopicPartitionList::new();
        when.add_partition_offset(&self.topic, partition, Offset::Offset(time_ms.max(0)))
            .and_then(|()| self.all.offsets_for_times(when, ASK_MS_MAX))
            .map_err(|error| Fault::caused(wait(), "looking for a time in a partition", error))
            .map(|found| match found.elements().first().map(|element| element.offset()) {
                Some(Offset::Offset(offset)) => Some(offset),
                _ => None,
            })
    }

    /// Calls `each` for the committed records of a partition, from `start` to its end.
    ///
    /// # Errors
    /// [`Fault`] that asks to wait, or what `each` says.
    pub fn read(
        &self,
        partition: i32,
        start: i64,
        deadline: &Deadline<'_>,
        each: &mut dyn FnMut(&BorrowedMessage<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(start))
            .and_then(|()| self.committed.assign(&list))
            .map_err(|error| Fault::caused(wait(), "reading a partition back", error))?;
        let result = loop {
            match self.read_one(partition, each) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break Ok(()),
                Err(fault) => break Err(fault),
            }
            if let Err(fault) = deadline.check("reading a partition back") {
                break Err(fault);
            }
        };
        self.committed.unassign().map_err(|error| Fault::caused(wait(), "ending a reading", error))?;
        result
    }

    fn read_one(
        &self,
        partition: i32,
        each: &mut dyn FnMut(&BorrowedMessage<'_>) -> Result<(), Fault>,
    ) -> Result<ControlFlow<()>, Fault> {
        match self.committed.poll(POLL_MS) {
            None => Ok(ControlFlow::Continue(())),
            // An end that was reported late, of a partition read before, is not ours.
            Some(Err(KafkaError::PartitionEOF(ended))) if ended != partition => Ok(ControlFlow::Continue(())),
            Some(Err(KafkaError::PartitionEOF(_))) => Ok(ControlFlow::Break(())),
            Some(Err(error)) if classify(&error) == Action::Retry => {
                tracing::warn!(%error, "reading back goes on");
                Ok(ControlFlow::Continue(()))
            }
            // Going on would leave a hole.
            Some(Err(error)) => Err(Fault::kafka("reading a partition back", error)),
            Some(Ok(message)) => each(&message).map(ControlFlow::Continue),
        }
    }

    /// Takes what the clients have to tell between two readings, mostly that a broker is away, and returns how much that
    /// was. Left alone it would pile up for as long as the broker is away.
    pub(super) fn take_events(&self) -> usize {
        client::serve(&self.all) + client::serve(&self.committed)
    }
}

impl Beside for StableReader {
    fn serve(&self) {
        self.take_events();
    }
}

/// When a reading gives up: too late, or told to.
pub struct Deadline<'a> {
    end: Instant,
    go_on: &'a dyn Fn() -> bool,
}

impl<'a> Deadline<'a> {
    /// After `wait_max`, or as soon as `go_on`, which is asked again and again, says no.
    pub fn within(wait_max: Duration, go_on: &'a dyn Fn() -> bool) -> Self {
        Self { end: Instant::now() + wait_max, go_on }
    }

    /// # Errors
    /// [`Fault`] that asks to wait, when it is past.
    pub fn check(&self, doing: &'static str) -> Result<(), Fault> {
        if (self.go_on)() && Instant::now() < self.end { Ok(()) } else { Err(Fault::new(wait(), doing)) }
    }
}

/// What a reading that failed asks for.
pub(super) fn wait() -> Action {
    Action::Wait(Duration::from_millis(500))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_tell_while_the_broker_is_away_does_not_pile_up() {
        // Nothing listens on port 1.
        let kafka = Kafka { bootstrap_servers: "127.0.0.1:1".into(), ..Kafka::default() };
        let reader = StableReader::new(&kafka, "verdicts").unwrap();
        let end = Instant::now() + Duration::from_secs(30);
        let served = |wanted: fn(usize) -> bool| {
            while !wanted(reader.take_events()) {
                assert!(Instant::now() < end, "the clients never tell that they cannot connect, or without end");
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        served(|events| events > 0);
        served(|events| events == 0);
    }
}
