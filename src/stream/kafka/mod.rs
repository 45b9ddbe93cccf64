//! The exactly-once loop on Kafka (KIP-447): one consumer and one transactional producer, on the lane's own thread.
//!
//! ```text
//! init_transactions (once, before subscribing)
//!   ─► poll ─► begin ─► send ... ─► drain deliveries ─► group_metadata() now ─► send_offsets ─► commit
//!        │                                                                          │
//!        └ epoch changed: abort, seek to the committed offsets                      └ Retry | Abort | Rebuild
//! ```

mod client;
mod connect;
mod consumer;
mod follower;
mod native;
mod place;
mod producer;
mod restore;
mod stable;
pub mod topics;

use std::{
    collections::BTreeMap,
    ffi::CString,
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::BorrowedMessage,
    types::RDKafkaErrorCode as Code,
};

use super::{Assignment, Chunk, NextOffsets, Outputs, Polled, Restore, Silence, Stream};
use crate::{
    config::{Kafka, Topics},
    dedup::{Window, WindowLimits},
    failpoint,
    fault::{Action, Exit, Fault, classify},
};
use consumer::{Membership, Starts};
use producer::Transactor;

pub use client::{ASK_MS_MAX, base, reader};
pub(crate) use client::{consumer as lane_consumer, producer as lane_producer};
pub use connect::{Asking, ConnectError, asking_reader, metadata};
pub use follower::Follower;
pub(crate) use native::{flush, for_each_header};
pub use restore::Restorer;
pub use stable::{Deadline, StableReader};

/// Bytes after which a chunk takes no further record: many large ones must not fill the memory.
const CHUNK_BYTES_MAX: usize = 8 << 20;

/// How often clients are served that are not polled otherwise.
const SERVE_MS: Duration = Duration::from_millis(1_000);

/// Pause between two questions for the ends of held partitions, and how long one may take.
const ENDS_AGAIN_MS: Duration = Duration::from_millis(5_000);
const END_MS_MAX: Duration = Duration::from_millis(200);

/// Clients that a lane has beside its stream, and reads with only now and then.
pub trait Beside {
    /// Takes what they have to tell meanwhile: left alone it would pile up while a broker is away.
    fn serve(&self);
}

/// What a stream reads, and where it writes.
#[derive(Clone, Debug)]
pub struct Route {
    /// The cluster and the consumer group.
    pub kafka: Kafka,
    /// The outputs.
    pub topics: Topics,
    /// The input topic.
    pub input: String,
    /// Its partitions when the process started; later ones wait.
    pub partitions: i32,
    /// Whether [`Stream::silence`] tells; the client then tells every end that it comes to.
    pub tells_ends: bool,
}

/// A lane's stream.
pub struct KafkaStream<B> {
    kafka: Kafka,
    topics: Topics,
    input: String,
    lane: usize,
    consumer: BaseConsumer<Membership>,
    transactor: Transactor,
    rebuilds: u64,
    beside: B,
    starts: Starts,
    /// Of every topic when the process started: an output for a later partition has nowhere to go.
    partitions: i32,
    /// What the last commits left to read.
    committed: NextOffsets,
    /// Epoch of the assignment that the open batch belongs to.
    epoch: u64,
    /// Since when each partition has been read to its end; empty when ends are not told.
    at_end: Vec<Option<Instant>>,
    /// When nothing was waiting to be polled, the last time: until then a partition at its end was silent.
    emptied: Option<Instant>,
    /// When the clients that nobody polls were served.
    served: Instant,
    /// Held partitions, with their ends: no fetch tells them.
    held: BTreeMap<i32, Option<i64>>,
    /// When those ends were asked for.
    ends_asked: Instant,
    /// The input's name as the client wants it.
    input_c: CString,
}

impl<B: Beside> KafkaStream<B> {
    /// Connects lane `lane`: fences its predecessor, then joins the group.
    ///
    /// # Errors
    /// [`Fault`], when a client cannot be built or the transactions cannot be initialised.
    pub fn connect(route: Route, lane: usize, beside: B) -> Result<Self, Fault> {
        let Route { kafka, topics, input, partitions, tells_ends } = route;
        let transactor = Transactor::new(&kafka, lane)?;
        let consumer = consumer::join(&kafka, lane, &input, tells_ends)?;
        let input_c = CString::new(input.as_str())
            .map_err(|error| Fault::caused(Action::Exit(Exit::Config), "naming the input topic", error))?;
        Ok(Self {
            kafka,
            topics,
            input,
            lane,
            consumer,
            transactor,
            rebuilds: 0,
            beside,
            starts: Starts::new(),
            committed: NextOffsets::default(),
            partitions,
            epoch: 0,
            emptied: None,
            at_end: if tells_ends { vec![None; usize::try_from(partitions).unwrap_or_default()] } else { Vec::new() },
            served: Instant::now(),
            held: BTreeMap::new(),
            ends_asked: Instant::now(),
            input_c,
        })
    }

    /// What it reads with beside its input.
    pub fn beside(&self) -> &B {
        &self.beside
    }

    /// Ends the open transaction as `fault` asks; a producer whose state is unknown is replaced, which fences it and
    /// lets the broker finish or abort what it left.
    fn end_transaction(&mut self, fault: &Fault) -> Result<(), Fault> {
        let rebuild = fault.action == Action::Rebuild || fault.outcome_unknown || self.transactor.is_doubtful();
        if !rebuild && !self.transactor.is_open() {
            return Ok(());
        }
        if !rebuild {
            match self.transactor.abort() {
                Ok(()) => return Ok(()),
                Err(fault) if matches!(fault.action, Action::Exit(_)) => return Err(fault),
                Err(fault) => tracing::warn!(%fault, "abort failed; building a new producer"),
            }
        }
        // Should building it fail, the next attempt must not fall back to aborting with the old one.
        self.transactor.doubt();
        self.give_way()?;
        self.rebuild("the state of the last one is unknown")
    }

    fn rebuild(&mut self, why: &'static str) -> Result<(), Fault> {
        self.transactor = Transactor::new(&self.kafka, self.lane)?;
        self.rebuilds += 1;
        tracing::warn!(lane = self.lane, why, "new producer");
        Ok(())
    }

    /// Partitions that were added to the input since the start wait: the outputs may not have them yet, and whoever
    /// adds partitions moves users to others, which only an operator can judge.
    fn hold_added(&self, mut change: Assignment) -> Result<Assignment, Fault> {
        let added: Vec<i32> = change.assigned.extract_if(.., |partition| *partition >= self.partitions).collect();
        // librdkafka keeps a partition paused that went away and came back.
        let resumed = self.consumer.resume(&self.list(change.assigned.iter().copied()));
        resumed.map_err(|error| Fault::kafka("reading new partitions", error))?;
        if added.is_empty() {
            return Ok(change);
        }
        tracing::error!(
            partitions = ?added,
            topic = self.input,
            "partitions were added while running and wait: give the output topics as many, then restart every process"
        );
        let held = self.consumer.pause(&self.list(added));
        held.map_err(|error| Fault::kafka("holding added partitions", error))?;
        Ok(change)
    }

    /// How far the held partitions go on growing: what is not fetched has to be asked for.
    fn ask_ends(&mut self) {
        if self.held.is_empty() || self.ends_asked.elapsed() < ENDS_AGAIN_MS {
            return;
        }
        self.ends_asked = Instant::now();
        for (partition, end) in &mut self.held {
            match self.consumer.fetch_watermarks(&self.input, *partition, END_MS_MAX) {
                Ok((_, high)) => *end = Some(high),
                // The next one would wait as long for the same broker.
                Err(_) => return,
            }
        }
    }

    /// A partition has been read to its end, or has a record again.
    fn set_end(&mut self, partition: i32, now: Option<Instant>) {
        let place = usize::try_from(partition).ok().and_then(|partition| self.at_end.get_mut(partition));
        if let Some(since) = place {
            *since = now.map(|now| since.unwrap_or(now));
        }
    }

    fn list(&self, partitions: impl IntoIterator<Item = i32>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.input, partition);
        }
        list
    }

    fn offsets(&self, offsets: &NextOffsets) -> Result<TopicPartitionList, Fault> {
        let mut list = TopicPartitionList::new();
        for (partition, next) in offsets.iter() {
            list.add_partition_offset(&self.input, partition, Offset::Offset(next))
                .map_err(|error| Fault::kafka("naming an offset", error))?;
        }
        Ok(list)
    }

    /// The batch belongs to an assignment; after a change its offsets are no longer ours to commit.
    fn check_assignment(&self) -> Result<(), Fault> {
        if self.consumer.context().epoch() == self.epoch && !self.consumer.assignment_lost() {
            return Ok(());
        }
        Err(Fault::new(Action::Abort, "the assignment changed under an open transaction"))
    }
}

impl<B: Beside> Stream for KafkaStream<B> {
    fn poll(&mut self, chunk: &mut Chunk, records_max: usize, mut wait: Duration) -> Result<Polled, Fault> {
        chunk.clear();
        if self.served.elapsed() > SERVE_MS {
            self.beside.serve();
            self.served = Instant::now();
            self.ask_ends();
            self.keep_place()?;
        }
        while chunk.len() < records_max
            && chunk.bytes() < CHUNK_BYTES_MAX
            && self.consumer.context().epoch() == self.epoch
        {
            match self.consumer.poll(wait) {
                None => {
                    self.emptied = Some(Instant::now());
                    break;
                }
                Some(Ok(message)) => {
                    push(chunk, &message);
                    let partition = message.partition();
                    drop(message);
                    self.set_end(partition, None);
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => self.set_end(partition, Some(Instant::now())),
                Some(Err(KafkaError::MessageConsumptionFatal(Code::FencedInstanceId))) => {
                    self.keep_place()?;
                }
                Some(Err(error)) => match classify(&error) {
                    Action::Retry => tracing::warn!(%error, "consumer goes on"),
                    _ => return Err(Fault::kafka("polling", error)),
                },
            }
            wait = Duration::ZERO;
        }
        match self.consumer.context().take_change()? {
            Some(change) => {
                // Records that were polled before the change may belong to partitions that are gone.
                chunk.clear();
                self.epoch = self.consumer.context().epoch();
                for partition in &change.revoked {
                    self.starts.remove(partition);
                    self.held.remove(partition);
                }
                let again = change.clone();
                let held = self.hold_added(change).inspect_err(|_| self.consumer.context().put_back(again));
                held.map(Polled::Assignment)
            }
            None if chunk.is_empty() => Ok(Polled::Idle),
            None => Ok(Polled::Records),
        }
    }

    fn begin(&mut self) -> Result<(), Fault> {
        if self.transactor.is_doubtful() {
            self.rebuild("a call timed out")?;
        }
        failpoint::reached("before-begin");
        self.transactor.begin()
    }

    fn send(&mut self, outputs: &Outputs) -> Result<(), Fault> {
        outputs.iter().try_for_each(|output| self.transactor.send(&self.topics, &output))
    }

    fn commit(&mut self, offsets: &NextOffsets) -> Result<(), Fault> {
        failpoint::reached("after-produce");
        self.check_assignment()?;
        let list = self.offsets(offsets)?;
        self.transactor.drain()?;
        // Taken now: any change of the group since the batch began bumps the generation, and a stale one is refused.
        let group = self
            .consumer
            .group_metadata()
            .ok_or_else(|| Fault::new(Action::Abort, "the consumer has no group metadata"))?;
        failpoint::reached("before-send-offsets");
        self.transactor.send_offsets(list, group)?;
        failpoint::reached("after-send-offsets");
        if failpoint::loses_result("no-commit") {
            return Err(Fault::new(Action::Rebuild, "the commit was lost on its way").with_outcome_unknown());
        }
        self.transactor.commit()?;
        failpoint::reached("after-commit");
        offsets.iter().for_each(|(partition, next)| self.committed.set_next(partition, next));
        if failpoint::loses_result("commit") {
            return Err(Fault::new(Action::Rebuild, "the commit's result was lost").with_outcome_unknown());
        }
        Ok(())
    }

    fn recover(&mut self, fault: &Fault) -> Result<NextOffsets, Fault> {
        // This is the loop that a lane is in while the broker is away. Records are read again: the rewind seeks.
        self.beside.serve();
        client::serve(&self.consumer);
        self.keep_place()?;
        self.end_transaction(fault)?;
        if failpoint::sabotage("commit-after-revoke") {
            // The other half of that bug: the loop went on where it was, and never read the aborted records again.
            return Ok(self.committed.clone());
        }
        self.at_end.fill(None);
        let reset = self.kafka.auto_offset_reset;
        let assignment = self.consumer.assignment().map_err(|error| Fault::kafka("reading the assignment", error))?;
        self.committed = consumer::rewind(&self.consumer, assignment, reset, &mut self.starts)?;
        Ok(self.committed.clone())
    }

    fn hold(&mut self, partition: i32) -> Result<(), Fault> {
        self.held.entry(partition).or_default();
        self.consumer.pause(&self.list([partition])).map_err(|error| Fault::kafka("pausing a partition", error))
    }

    fn has_moved(&self) -> bool {
        self.consumer.context().epoch() != self.epoch
    }

    fn release(&mut self, partition: i32) -> Result<(), Fault> {
        let list = self.list([partition]);
        // Resumed first: the seek then discards whatever was fetched from the old position.
        self.consumer.resume(&list).map_err(|error| Fault::kafka("resuming a partition", error))?;
        self.held.remove(&partition);
        consumer::rewind(&self.consumer, list, self.kafka.auto_offset_reset, &mut self.starts).map(drop)
    }

    fn rebuilds(&self) -> u64 {
        self.rebuilds
    }

    fn silence(&self, partition: i32) -> Option<Silence> {
        let since = (*self.at_end.get(usize::try_from(partition).ok()?)?)?;
        Some(Silence { since, until: self.emptied? })
    }

    fn input(&self) -> &str {
        &self.input
    }

    fn lag(&self, partition: i32) -> Option<i64> {
        let cached = || native::cached_high_watermark(&self.consumer, &self.input_c, partition);
        let high = self.held.get(&partition).copied().flatten().or_else(cached)?;
        let next = self.committed.next(partition).or_else(|| self.starts.get(&partition).copied())?;
        Some((high - next).max(0))
    }
}

impl Restore for KafkaStream<Restorer> {
    fn restore(&mut self, partition: i32, limits: WindowLimits, go_on: &dyn Fn() -> bool) -> Result<Window, Fault> {
        self.beside.restore(partition, limits, go_on)
    }
}

fn push(chunk: &mut Chunk, message: &BorrowedMessage<'_>) {
    chunk.push(message.partition(), message.offset(), message.key(), message.payload());
    chunk.stamp(message.timestamp().to_millis());
    if let Some(headers) = message.headers() {
        native::for_each_header(headers, |name, value| chunk.push_header(name, value));
    }
}
