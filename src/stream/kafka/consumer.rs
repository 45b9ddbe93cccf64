//! The member of the consumer group. The rebalance callback runs inside `poll` on the lane's own thread; it only takes
//! or gives up the partitions and bumps an epoch. The lane sees the epoch after `poll` and before every commit.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
    types::RDKafkaRespErr,
};

use super::client::{self, ASK_MS_MAX};
use crate::{
    config::{AutoOffsetReset, Kafka},
    fault::{Action, Fault},
    stream::{Assignment, NextOffsets},
};

/// What the callback leaves for the lane.
#[derive(Default)]
struct State {
    epoch: u64,
    change: Option<Assignment>,
    error: Option<KafkaError>,
}

/// The context of the lane's consumer.
#[derive(Default)]
pub(super) struct Membership {
    state: Mutex<State>,
}

impl Membership {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; a poisoned state is still a valid state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of assignment changes so far.
    pub(super) fn epoch(&self) -> u64 {
        self.state().epoch
    }

    /// What changed since the last call.
    pub(super) fn take_change(&self) -> Result<Option<Assignment>, Fault> {
        let mut state = self.state();
        match state.error.take() {
            Some(error) => Err(Fault::kafka("taking or giving up partitions", error)),
            None => Ok(state.change.take()),
        }
    }

    /// Takes the place of `old`, whose consumer had `partitions`: all that the lane has or was about to get is given up.
    pub(super) fn inherit(&self, old: &Self, partitions: impl Iterator<Item = i32>) {
        let (mut old, mut new) = (old.state(), self.state());
        new.epoch = old.epoch + 1;
        let change = old.change.take().unwrap_or_default();
        let mut revoked: Vec<i32> = change.revoked.into_iter().chain(change.assigned).chain(partitions).collect();
        revoked.sort_unstable();
        revoked.dedup();
        new.change = Some(Assignment { assigned: Vec::new(), revoked });
    }

    /// A change that could not be acted on yet: the next look finds it again.
    pub(super) fn put_back(&self, change: Assignment) {
        self.state().change.get_or_insert(change);
    }
}

impl ClientContext for Membership {
    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition is told to whoever polls, and is no error.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
            tracing::warn!(%error, reason, "consumer");
        }
    }
}

impl ConsumerContext for Membership {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions: Vec<i32> = list.elements().iter().map(|element| element.partition()).collect();
        let assigned = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let result = if assigned { consumer.incremental_assign(list) } else { consumer.incremental_unassign(list) };
        tracing::info!(?partitions, assigned, "partitions {}", if assigned { "assigned" } else { "revoked" });

        let mut state = self.state();
        state.epoch += 1;
        if let Err(error) = result {
            state.error = Some(error);
        }
        let change = state.change.get_or_insert_default();
        if assigned {
            change.assigned.extend(partitions);
        } else {
            change.assigned.retain(|partition| !partitions.contains(partition));
            change.revoked.extend(partitions);
        }
    }
}

/// A consumer of `topic` for `lane`, which joins the group when it is polled.
pub(super) fn join(
    kafka: &Kafka,
    lane: usize,
    topic: &str,
    tells_ends: bool,
) -> Result<BaseConsumer<Membership>, Fault> {
    let mut client = client::consumer(kafka, lane);
    client.set("enable.partition.eof", tells_ends.to_string());
    let consumer: BaseConsumer<Membership> =
        client.create_with_context(Membership::default()).map_err(client::refused)?;
    consumer.subscribe(&[topic]).map_err(|error| Fault::kafka("subscribing", error))?;
    Ok(consumer)
}

/// Where each partition starts that has no committed offset: found out once, so that a rewind comes back to it.
pub(super) type Starts = BTreeMap<i32, i64>;

/// Seeks `partitions` to their committed offsets, or to where they were assigned if they have none, and so discards
/// everything polled after them. Returns the committed offsets.
pub(super) fn rewind(
    consumer: &BaseConsumer<Membership>,
    partitions: TopicPartitionList,
    reset: AutoOffsetReset,
    starts: &mut Starts,
) -> Result<NextOffsets, Fault> {
    let mut committed = NextOffsets::default();
    if partitions.count() == 0 {
        return Ok(committed);
    }
    // Stable offsets only: the broker makes us wait while a predecessor's transaction is pending (KIP-447).
    let offsets = consumer
        .committed_offsets(partitions, ASK_MS_MAX)
        .map_err(|error| Fault::kafka("reading the committed offsets", error))?;
    let mut targets = TopicPartitionList::new();
    for element in offsets.elements() {
        let (topic, partition) = (element.topic(), element.partition());
        element.error().map_err(|error| Fault::kafka("reading a committed offset", error))?;
        let target = match element.offset() {
            Offset::Offset(next) => {
                committed.set_next(partition, next);
                next
            }
            _ => start_of(consumer, topic, partition, reset, starts)?,
        };
        targets
            .add_partition_offset(topic, partition, Offset::Offset(target))
            .map_err(|error| Fault::kafka("naming an offset", error))?;
    }
    let sought = consumer.seek_partitions(targets, ASK_MS_MAX).map_err(|error| Fault::kafka("going back", error))?;
    for element in sought.elements() {
        // A partition that was assigned a moment ago cannot be sought yet: the fault asks for another attempt.
        element.error().map_err(|error| {
            Fault::caused(Action::Wait(std::time::Duration::from_millis(50)), "going back in a partition", error)
        })?;
    }
    Ok(committed)
}

fn start_of(
    consumer: &BaseConsumer<Membership>,
    topic: &str,
    partition: i32,
    reset: AutoOffsetReset,
    starts: &mut Starts,
) -> Result<i64, Fault> {
    if let Some(&start) = starts.get(&partition) {
        return Ok(start);
    }
    let (low, end) = consumer
        .fetch_watermarks(topic, partition, ASK_MS_MAX)
        .map_err(|error| Fault::kafka("reading the ends of a partition", error))?;
    let start = match reset {
        AutoOffsetReset::Earliest => low,
        AutoOffsetReset::Latest => end,
    };
    starts.insert(partition, start);
    Ok(start)
}
