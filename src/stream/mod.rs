//! The one edge with transactions: Kafka, memory or files.
//!
//! ```text
//!            ┌────────────────────────── Stream ──────────────────────────┐
//!   poll ──► │ Chunk of records │ Assignment changed │ idle │ ended       │
//!            │                                                            │
//!   begin ─► send(Outputs) ... ─► commit(NextOffsets)   outputs and input │
//!            │                 └► abort                 offsets: all or   │
//!            │                                          nothing           │
//!            └────────────────────────────────────────────────────────────┘
//! ```
//!
//! One trait and not a source and a sink, because a transaction ties input offsets to outputs and two traits cannot
//! say it.

mod chunk;
pub mod file;
pub mod kafka;
pub mod memory;
mod offsets;
mod outputs;

use std::time::{Duration, Instant};

use crate::{
    dedup::{Window, WindowLimits},
    fault::Fault,
};

pub use chunk::{Chunk, Record};
pub use offsets::NextOffsets;
pub use outputs::{Header, Output, Outputs, Topic};

/// What `poll` found.
#[derive(Debug, PartialEq, Eq)]
pub enum Polled {
    /// The chunk holds at least one record.
    Records,
    /// Nothing arrived within the wait.
    Idle,
    /// Partitions came or went. The open transaction must be aborted, and the chunk is empty.
    Assignment(Assignment),
    /// There will be no more records (files and memory only).
    Ended,
}

/// A change of the partitions that this lane holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// New partitions, whose idempotency windows must be restored before they are judged.
    pub assigned: Vec<i32>,
    /// Partitions that are no longer ours.
    pub revoked: Vec<i32>,
}

/// The silence of a partition.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    /// When its end was read.
    pub since: Instant,
    /// Up to when nothing was waiting to be polled: what has come since then is not known.
    pub until: Instant,
}

impl Silence {
    /// How long it lasted for sure.
    pub fn lasted(self) -> Duration {
        self.until.saturating_duration_since(self.since)
    }
}

/// Input records, and outputs that are committed together with the input offsets.
pub trait Stream {
    /// Fills `chunk` with at most `records_max` records, waiting at most `wait` for the first.
    ///
    /// # Errors
    /// [`Fault`], when reading cannot go on as it is.
    fn poll(&mut self, chunk: &mut Chunk, records_max: usize, wait: Duration) -> Result<Polled, Fault>;

    /// Opens a transaction. Called before the first `send` of a batch.
    ///
    /// # Errors
    /// [`Fault`], when the transaction cannot be opened.
    fn begin(&mut self) -> Result<(), Fault>;

    /// Writes into the open transaction.
    ///
    /// # Errors
    /// [`Fault`], when this transaction cannot proceed.
    fn send(&mut self, outputs: &Outputs) -> Result<(), Fault>;

    /// Commits outputs and `offsets` together.
    ///
    /// # Errors
    /// [`Fault`]; with [`Fault::outcome_unknown`] only [`Stream::recover`] knows whether it was committed.
    fn commit(&mut self, offsets: &NextOffsets) -> Result<(), Fault>;

    /// Ends the open transaction, if any, as `fault` asks (abort, or a new producer), goes back to the committed
    /// offsets and discards everything polled after them.
    ///
    /// Returns the committed offset of every partition that has one: what lies before it is committed.
    ///
    /// # Errors
    /// [`Fault`], when this attempt failed too.
    fn recover(&mut self, fault: &Fault) -> Result<NextOffsets, Fault>;

    /// Reads nothing more of `partition` until [`Stream::release`]; the others go on.
    ///
    /// # Errors
    /// [`Fault`], when the partition could not be held.
    fn hold(&mut self, partition: i32) -> Result<(), Fault>;

    /// Whether the next poll tells a change of the assignment: until then nothing may be released.
    fn has_moved(&self) -> bool {
        false
    }

    /// Reads `partition` again from its committed offset. Only between two transactions.
    ///
    /// # Errors
    /// [`Fault`], when this attempt failed; the partition may be held or not.
    fn release(&mut self, partition: i32) -> Result<(), Fault>;

    /// How many new producers this stream built after its first.
    fn rebuilds(&self) -> u64;

    /// The silence of a partition that was read to its end, without a further record; none of another one, or when the
    /// stream does not tell.
    fn silence(&self, partition: i32) -> Option<Silence> {
        let _ = partition;
        None
    }

    /// Name of the input topic.
    fn input(&self) -> &str;

    /// Records of `partition` that are not committed yet, as far as is known without asking anyone.
    fn lag(&self, partition: i32) -> Option<i64>;
}

/// A stream whose outputs hold the idempotency windows.
pub trait Restore: Stream {
    /// Reads the idempotency window of `partition` back from the verdicts, for as long as `go_on` says so; it is asked
    /// again and again meanwhile.
    ///
    /// # Errors
    /// [`Fault`]; a window that cannot be restored is never taken for an empty one.
    fn restore(&mut self, partition: i32, limits: WindowLimits, go_on: &dyn Fn() -> bool) -> Result<Window, Fault>;
}
