//! Where the job reads its state back from: the topic `drift-state`.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rdkafka::Message as _;

use super::state::Key;
use crate::{
    config::Kafka,
    fault::Fault,
    stream::kafka::{Beside, Deadline, Follower, StableReader},
};

/// A record of the state: its key and its value, none when it is deleted.
pub(super) type Each<'a> = &'a mut dyn FnMut(&[u8], Option<&[u8]>) -> Result<(), Fault>;

/// The committed records of the state.
pub(super) trait Store {
    /// Its partitions.
    fn partitions(&self) -> i32;

    /// Of everything that is read at one go: the lane polls nothing meanwhile, and would lose its partitions. `go_on` is
    /// asked again and again.
    fn deadline<'a>(&self, go_on: &'a dyn Fn() -> bool) -> Deadline<'a>;

    /// Calls `each` for the records of a partition up to everything that was written before the call, waiting for open
    /// transactions to end. Returns where [`Store::follow`] goes on.
    ///
    /// # Errors
    /// [`Fault`], which may ask to come again.
    fn read(&self, partition: i32, deadline: &Deadline<'_>, each: Each<'_>) -> Result<i64, Fault>;

    /// From now on, [`Store::next`] gives what is committed from these offsets on; nothing when there are none.
    ///
    /// # Errors
    /// [`Fault`].
    fn follow(&self, starts: &[(i32, i64)]) -> Result<(), Fault>;

    /// Calls `each` for the next record, if there is one already. Records may come twice.
    ///
    /// # Errors
    /// [`Fault`].
    fn next(&self, each: Each<'_>) -> Result<bool, Fault>;
}

/// What a partition of the state comes to: the last value of each key, where `keeps` says so of it; it sees every record,
/// so it may take them itself. With where [`Store::follow`] goes on.
///
/// # Errors
/// [`Fault`], which may ask to come again, or what `keeps` says.
pub(super) fn latest(
    store: &impl Store,
    partition: i32,
    deadline: &Deadline<'_>,
    mut keeps: impl FnMut(&Key, Option<&[u8]>) -> Result<bool, Fault>,
) -> Result<(BTreeMap<Key, Vec<u8>>, i64), Fault> {
    let mut kept = BTreeMap::new();
    let end = store.read(partition, deadline, &mut |key, value| {
        let Some(key) = Key::parse(key) else { return Ok(()) };
        match (keeps(&key, value)?, value) {
            (true, Some(value)) => drop(kept.insert(key, value.to_vec())),
            _ => drop(kept.remove(&key)),
        }
        Ok(())
    })?;
    Ok((kept, end))
}

/// The state in Kafka.
pub struct KafkaStore {
    reader: StableReader,
    follower: Follower,
    /// Whether somebody polls the follower.
    follows: AtomicBool,
    partitions: i32,
    wait_max: Duration,
}

impl KafkaStore {
    /// Clients for `topic`, which has so many partitions; all of one reading takes `wait_max` at most.
    ///
    /// # Errors
    /// When a setting of the client is refused.
    pub fn new(kafka: &Kafka, topic: &str, partitions: i32, wait_max: Duration) -> Result<Self, Fault> {
        let (reader, follower) = (StableReader::new(kafka, topic)?, Follower::new(kafka, topic)?);
        Ok(Self { reader, follower, follows: AtomicBool::new(false), partitions, wait_max })
    }
}

impl Store for Arc<KafkaStore> {
    fn partitions(&self) -> i32 {
        self.partitions
    }

    fn deadline<'a>(&self, go_on: &'a dyn Fn() -> bool) -> Deadline<'a> {
        Deadline::within(self.wait_max, go_on)
    }

    fn read(&self, partition: i32, deadline: &Deadline<'_>, each: Each<'_>) -> Result<i64, Fault> {
        let (low, high) = self.reader.span(partition, deadline)?;
        if low < high {
            // What is committed while this reads is told when it is followed: nothing comes twice.
            self.reader.read(partition, low, deadline, &mut |message| match message.key() {
                Some(key) if message.offset() < high => each(key, message.payload()),
                _ => Ok(()),
            })?;
        }
        Ok(high)
    }

    fn follow(&self, starts: &[(i32, i64)]) -> Result<(), Fault> {
        self.follows.store(!starts.is_empty(), Ordering::Relaxed);
        self.follower.start(starts.iter().copied())
    }

    fn next(&self, each: Each<'_>) -> Result<bool, Fault> {
        let Some(message) = self.follower.next(Duration::ZERO)? else { return Ok(false) };
        if let Some(key) = message.key() {
            each(key, message.payload())?;
        }
        Ok(true)
    }
}

impl Beside for Arc<KafkaStore> {
    fn serve(&self) {
        self.reader.serve();
        if !self.follows.load(Ordering::Relaxed) {
            self.follower.serve();
        }
    }
}
