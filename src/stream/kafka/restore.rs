//! Reads the idempotency window of a partition back from the verdicts.
//!
//! ```text
//! verdicts-p:  ... │ start = max(24 h ago, high - 2 keys or further back) ......... high (captured now) │ ...
//!                  └──► read committed, to the end once the last stable offset has reached `high` ──► Window
//! ```
//!
//! The high watermark is that of all records, committed or not: a verdict that a predecessor committed can lie behind
//! another producer's open transaction, and the window is complete only when that one has ended.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use super::client::{self, ASK_MS_MAX};
use crate::{
    clock,
    codec::{Lookup, Schemas, wire},
    config::Kafka,
    dedup::{Entry, Identity, Window, WindowLimits},
    fault::{Action, Fault, classify},
};
use rdkafka::{
    ClientContext, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaError,
    message::BorrowedMessage,
    types::RDKafkaErrorCode,
};
use serde::Deserialize;

/// Pause between two looks at the last stable offset.
const STABLE_MS: Duration = Duration::from_millis(20);
/// One poll.
const POLL_MS: Duration = Duration::from_millis(200);
/// How long the registry may take over one schema id before the restore starts anew.
const REGISTRY_MS_MAX: Duration = Duration::from_millis(5_000);

/// What the window needs of a verdict.
#[derive(Deserialize)]
#[serde(rename = "Verdict")]
struct Head {
    verdict_id: String,
    #[serde(with = "apache_avro::serde::fixed")]
    payload_hash: [u8; 16],
    source_offset: i64,
    decided_at: i64,
}

/// The end of a partition is what a restore looks for, no error to log.
struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
            tracing::warn!(%error, reason, "restore");
        }
    }
}

impl ConsumerContext for Quiet {}

/// The two clients of a lane that read back: one that sees everything, one that sees what is committed.
pub(super) struct Restorer {
    all: BaseConsumer<Quiet>,
    committed: BaseConsumer<Quiet>,
    topic: String,
    wait_ms_max: Duration,
}

impl Restorer {
    pub(super) fn new(kafka: &Kafka, topic: &str, wait_ms_max: u64) -> Result<Self, KafkaError> {
        let client = |isolation| {
            let mut client = client::reader(kafka, isolation);
            // The broker holds a question at the end of a partition back for so long, and every restore ends there.
            client.set("fetch.wait.max.ms", "20");
            client
        };
        Ok(Self {
            all: client("read_uncommitted").create_with_context(Quiet)?,
            committed: client("read_committed").create_with_context(Quiet)?,
            topic: topic.to_owned(),
            wait_ms_max: Duration::from_millis(wait_ms_max),
        })
    }

    /// Takes what the clients have to tell between two restores, mostly that a broker is away, and returns how much that
    /// was. Left alone it would pile up for as long as the broker is away.
    pub(super) fn serve(&self) -> usize {
        client::serve(&self.all) + client::serve(&self.committed)
    }

    /// The window of `partition`; never an empty one in place of one that cannot be read.
    pub(super) fn restore(
        &self,
        partition: i32,
        limits: WindowLimits,
        schemas: &Schemas,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Window, Fault> {
        let end = Instant::now() + self.wait_ms_max;
        let deadline = Deadline { end, go_on };
        let (low, high) = self.watermarks(&self.all, partition)?;
        while self.watermarks(&self.committed, partition)?.1 < high {
            deadline.check("waiting for an open transaction in the verdicts to end")?;
            std::thread::sleep(STABLE_MS);
        }
        let oldest = self.oldest(partition, low, high, limits)?;
        // Commit markers and aborted records take offsets too: how far back the keys reach shows when they are read.
        let mut span = i64::try_from(limits.keys_max).unwrap_or(i64::MAX).saturating_mul(2);
        loop {
            let start = high.saturating_sub(span).max(oldest);
            let mut window = Window::new(limits);
            if start < high {
                self.read(partition, start, &deadline, schemas, &mut window)?;
            }
            if start == oldest || window.len() >= limits.keys_max {
                return Ok(window);
            }
            span = span.saturating_mul(4);
        }
    }

    fn watermarks(&self, consumer: &BaseConsumer<Quiet>, partition: i32) -> Result<(i64, i64), Fault> {
        consumer.fetch_watermarks(&self.topic, partition, ASK_MS_MAX).map_err(|error| {
            // A broker that has just started may not know the topic, and librdkafka believes it until it is asked to
            // look again: the next attempt finds what this brings.
            let _ = consumer.fetch_metadata(Some(&self.topic), ASK_MS_MAX);
            Fault::caused(wait(), "reading the ends of the verdicts", error)
        })
    }

    /// Where the window starts by time.
    fn oldest(&self, partition: i32, low: i64, high: i64, limits: WindowLimits) -> Result<i64, Fault> {
        let mut when = TopicPartitionList::new();
        let oldest = clock::now_ms() - limits.age_ms_max;
        when.add_partition_offset(&self.topic, partition, Offset::Offset(oldest.max(0)))
            .and_then(|()| self.all.offsets_for_times(when, ASK_MS_MAX))
            .map_err(|error| Fault::caused(wait(), "finding where the window starts", error))
            .map(|found| {
                let by_time = match found.elements().first().map(|element| element.offset()) {
                    Some(Offset::Offset(offset)) => offset,
                    // Every verdict is older than the window.
                    _ => high,
                };
                by_time.max(low)
            })
    }

    fn read(
        &self,
        partition: i32,
        start: i64,
        deadline: &Deadline<'_>,
        schemas: &Schemas,
        window: &mut Window,
    ) -> Result<(), Fault> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(start))
            .and_then(|()| self.committed.assign(&list))
            .map_err(|error| Fault::caused(wait(), "reading the verdicts back", error))?;
        let mut foreign = 0;
        let result = loop {
            match self.read_one(partition, schemas, window, &mut foreign) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break Ok(()),
                Err(fault) => break Err(fault),
            }
            if let Err(fault) = deadline.check("reading the verdicts back") {
                break Err(fault);
            }
        };
        if foreign > 0 {
            tracing::warn!(
                partition,
                foreign,
                "values in the verdicts topic are no verdicts; the window passes them over"
            );
        }
        self.committed.unassign().map_err(|error| Fault::caused(wait(), "ending the restore", error))?;
        result
    }

    fn read_one(
        &self,
        partition: i32,
        schemas: &Schemas,
        window: &mut Window,
        foreign: &mut u64,
    ) -> Result<ControlFlow<()>, Fault> {
        match self.committed.poll(POLL_MS) {
            None => Ok(ControlFlow::Continue(())),
            // An end that was reported late, of a partition restored before, is not ours.
            Some(Err(KafkaError::PartitionEOF(ended))) if ended != partition => Ok(ControlFlow::Continue(())),
            Some(Err(KafkaError::PartitionEOF(_))) => Ok(ControlFlow::Break(())),
            Some(Err(error)) if classify(&error) == Action::Retry => {
                tracing::warn!(%error, "restore goes on");
                Ok(ControlFlow::Continue(()))
            }
            // Going on would leave a hole in the window.
            Some(Err(error)) => Err(Fault::kafka("reading the verdicts back", error)),
            Some(Ok(message)) => {
                match entry(&message, schemas)? {
                    Some(entry) => window.admit(entry),
                    None => *foreign += 1,
                }
                Ok(ControlFlow::Continue(()))
            }
        }
    }
}

/// A verdict that cannot be read yet: passed over, it would make the window silently incomplete.
#[derive(Debug, thiserror::Error)]
#[error("schema id {id} of the verdict at partition {partition}, offset {offset}")]
struct NotYet {
    id: u32,
    partition: i32,
    offset: i64,
}

/// None for a value that is no verdict of ours: somebody else wrote into the topic.
fn entry(message: &BorrowedMessage<'_>, schemas: &Schemas) -> Result<Option<Entry>, Fault> {
    let Ok((id, datum)) = wire::split(message.payload().unwrap_or_default()) else { return Ok(None) };
    let not_yet = |doing| {
        let verdict = NotYet { id, partition: message.partition(), offset: message.offset() };
        Fault::caused(wait(), doing, verdict)
    };
    let reader = match schemas.reader(id, &mut REGISTRY_MS_MAX.clone()) {
        Lookup::Known(reader) => reader,
        Lookup::Unknown | Lookup::Unreadable => {
            return Err(not_yet("reading the window back: nobody knows the id; is schemas.* right?"));
        }
        Lookup::Away => return Err(not_yet("reading the window back: waiting for the registry")),
    };
    Ok(reader.read::<Head>(datum).ok().and_then(|head| {
        let identity = Identity::from_hex(&head.verdict_id)?;
        Some(Entry::new(identity, &head.payload_hash, head.source_offset, head.decided_at))
    }))
}

/// When a restore gives up: too late, or told to.
struct Deadline<'a> {
    end: Instant,
    go_on: &'a dyn Fn() -> bool,
}

impl Deadline<'_> {
    fn check(&self, doing: &'static str) -> Result<(), Fault> {
        if (self.go_on)() && Instant::now() < self.end { Ok(()) } else { Err(Fault::new(wait(), doing)) }
    }
}

fn wait() -> Action {
    Action::Wait(Duration::from_millis(500))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_tell_while_the_broker_is_away_does_not_pile_up() {
        // Nothing listens on port 1.
        let kafka = Kafka { bootstrap_servers: "127.0.0.1:1".into(), ..Kafka::default() };
        let restorer = Restorer::new(&kafka, "verdicts", 1_000).unwrap();
        let end = Instant::now() + Duration::from_secs(30);
        let served = |wanted: fn(usize) -> bool| {
            while !wanted(restorer.serve()) {
                assert!(Instant::now() < end, "the clients never tell that they cannot connect, or without end");
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        served(|events| events > 0);
        served(|events| events == 0);
    }
}
