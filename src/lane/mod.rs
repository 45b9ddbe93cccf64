//! A lane: one thread that owns one stream and one pipeline, and turns records into transactions.
//!
//! ```text
//!  ┌─► poll ──► judge chunk ──► send ──► due? ──► commit ──► identities join the window ─┐
//!  │     │                                 │         │                                   │
//!  │     │ assignment changed              │ no      │ outcome unknown: committed() decides
//!  │     ▼                                 │         ▼                                   │
//!  │   drop the batch, recover, restore    │       recover                               │
//!  └───────────────────────────────────────┴─────────────────────────────────────────────┘
//! ```
//!
//! A partition that cannot go on (a schema id that is not known yet, a storm of dead letters) is held alone.
//!
//! One value, the [`Batch`], holds offsets, identities and counts of the open transaction: whatever goes wrong, dropping
//! it forgets all of them together. (A loop that kept the offsets over an abort lost records silently.)

mod holds;
mod recovery;
mod storm;

use std::time::{Duration, Instant};

use crate::{
    clock::now_ms,
    dedup::{WindowLimits, Windows},
    failpoint,
    fault::{Action, Fault},
    ops::{
        health::LaneHealth,
        metrics::{Metrics, Rebalance, Stage},
        shutdown::Shutdown,
    },
    pipeline::{Batch, Messages, Pipeline, Tallies},
    stream::{Assignment, Chunk, Outputs, Polled, Restore},
};
use holds::Holds;

pub use recovery::Recovery;

pub use storm::StormLimits;

/// How long a lane waits for the first record when nothing is open.
const IDLE_MS: Duration = Duration::from_millis(100);
/// How often gauges are set.
const GAUGES_MS: Duration = Duration::from_millis(1_000);
/// How much a transaction gathers.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// Records of a chunk.
    pub chunk_records_max: usize,
    /// How long a transaction gathers.
    pub gather_max: Duration,
    /// Records of a transaction.
    pub records_max: usize,
    /// New producers within a minute before the lane gives up.
    pub rebuilds_per_minute_max: usize,
    /// When a partition pauses for its dead letters.
    pub storm: StormLimits,
}

/// One lane.
pub struct Lane<'a, S> {
    stream: S,
    pipeline: Pipeline,
    windows: Windows,
    holds: Holds,
    limits: BatchLimits,
    shutdown: &'a Shutdown,
    health: LaneHealth,
    metrics: &'a Metrics,
    /// Partitions whose window is not restored yet; nothing is polled while there is one.
    to_restore: Vec<i32>,
    recovery: Recovery<'a>,
    /// The last committed batch, for its memory.
    spare: Option<Batch>,
    gauges_set: Instant,
    chunk: Chunk,
    outputs: Outputs,
}

/// Whether the lane goes on.
#[derive(PartialEq, Eq)]
enum Turn {
    Again,
    Ended,
}

impl<'a, S: Restore> Lane<'a, S> {
    /// A lane over `stream`.
    pub fn new(
        stream: S,
        pipeline: Pipeline,
        window: WindowLimits,
        limits: BatchLimits,
        shutdown: &'a Shutdown,
        health: LaneHealth,
        metrics: &'a Metrics,
    ) -> Self {
        Self {
            stream,
            pipeline,
            windows: Windows::new(window),
            holds: Holds::new(limits.storm, health.clone()),
            recovery: Recovery::new(shutdown, health.clone(), limits.rebuilds_per_minute_max),
            limits,
            shutdown,
            health,
            metrics,
            to_restore: Vec::new(),
            spare: None,
            gauges_set: Instant::now(),
            chunk: Chunk::default(),
            outputs: Outputs::default(),
        }
    }

    /// Runs until the stream ends or a stop is asked for; an open transaction is then committed.
    ///
    /// # Errors
    /// [`Fault`] with [`Action::Exit`]: this process cannot go on.
    pub fn run(&mut self) -> Result<(), Fault> {
        let mut batch = None;
        loop {
            match self.turn(&mut batch) {
                Ok(Turn::Again) => {}
                Ok(Turn::Ended) => return Ok(()),
                Err(fault) => {
                    self.discard(batch.take(), &fault);
                    if self.recovery.recover(&mut self.stream, fault)?.is_none() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Its stream, when it has run.
    pub fn into_stream(self) -> S {
        self.stream
    }

    fn turn(&mut self, batch: &mut Option<Batch>) -> Result<Turn, Fault> {
        self.health.progress();
        self.restore()?;
        // A partition that is gone cannot be read again, and asking for it would keep the lane from hearing that it is gone.
        if batch.is_none() && !self.stream.has_moved() {
            self.release()?;
        }
        let (records_max, wait) = (self.limits.chunk_records_max, self.patience(batch));
        let polled = if self.shutdown.requested() {
            Polled::Ended
        } else {
            self.stream.poll(&mut self.chunk, records_max, wait)?
        };
        match &polled {
            Polled::Records => self.take(batch)?,
            Polled::Idle if batch.is_none() => self.recovery.settled(),
            Polled::Idle | Polled::Ended => {}
            Polled::Assignment(change) => self.reassign(change, batch)?,
        }
        let ended = polled == Polled::Ended;
        if let Some(due) = batch.take_if(|batch| ended || self.is_due(batch)) {
            self.commit(due)?;
        }
        self.set_gauges();
        Ok(if ended { Turn::Ended } else { Turn::Again })
    }

    /// Until the open batch is due, or a moment if there is none.
    fn patience(&self, batch: &Option<Batch>) -> Duration {
        batch.as_ref().map_or(IDLE_MS, |batch| self.limits.gather_max.saturating_sub(batch.opened.elapsed()))
    }

    fn is_due(&self, batch: &Batch) -> bool {
        batch.records >= self.limits.records_max || batch.opened.elapsed() >= self.limits.gather_max
    }

    /// What was polled, without the partitions that must wait, into the open batch.
    fn take(&mut self, batch: &mut Option<Batch>) -> Result<(), Fault> {
        if !self.holds.is_empty() {
            // Judged past one that waits, it would be committed, and the one that waits would be lost.
            self.chunk.retain(|record| !self.holds.is_held(record.partition));
        }
        let messages = self.pipeline.decode(&mut self.chunk);
        for waiting in &messages.waiting {
            self.holds.wait_for_schema(*waiting);
            self.stream.hold(waiting.partition)?;
        }
        if self.chunk.is_empty() {
            return Ok(());
        }
        for partition in self.holds.take_probes(self.chunk.records().map(|record| record.partition)) {
            self.stream.hold(partition)?;
        }
        self.judge(messages, batch)
    }

    fn judge(&mut self, messages: Messages, open: &mut Option<Batch>) -> Result<(), Fault> {
        let batch = match open {
            Some(batch) => batch,
            None => {
                self.stream.begin()?;
                open.insert(self.spare.take().map_or_else(Batch::open, Batch::reopen))
            }
        };
        self.outputs.clear();
        self.pipeline.judge(&self.chunk, messages, &self.windows, batch, &mut self.outputs)?;
        let start = Instant::now();
        self.stream.send(&self.outputs)?;
        self.pipeline.stage(Stage::Produce, start);
        Ok(())
    }

    /// Reads on in the partitions whose wait is over.
    fn release(&mut self) -> Result<(), Fault> {
        if self.holds.is_empty() {
            return Ok(());
        }
        for partition in self.holds.due(|schema_id| self.pipeline.is_settled(schema_id)) {
            self.stream.release(partition)?;
            self.holds.release(partition);
        }
        Ok(())
    }

    fn commit(&mut self, mut batch: Batch) -> Result<(), Fault> {
        let start = Instant::now();
        match self.stream.commit(&batch.next) {
            Ok(()) => {
                self.pipeline.stage(Stage::Commit, start);
                self.pipeline.committed(&batch);
                self.windows.admit(batch.pending.drain());
                self.recovery.settled();
                let paused = self.pause_storms(&batch.tallies);
                self.spare = Some(batch);
                paused
            }
            Err(fault) if fault.outcome_unknown => self.settle(batch, fault),
            Err(fault) => {
                self.discard(Some(batch), &fault);
                Err(fault)
            }
        }
    }

    /// A transaction was committed: partitions that are mostly dead letters pause.
    fn pause_storms(&mut self, tallies: &Tallies) -> Result<(), Fault> {
        for partition in self.holds.committed(tallies) {
            self.stream.hold(partition)?;
        }
        Ok(())
    }

    fn reassign(&mut self, change: &Assignment, batch: &mut Option<Batch>) -> Result<(), Fault> {
        for partition in &change.revoked {
            self.windows.remove(*partition);
            self.holds.revoke(*partition);
            self.to_restore.retain(|waiting| waiting != partition);
            self.metrics.rebalanced(Rebalance::Revoked);
            self.metrics.forget_partition(self.stream.input(), *partition);
        }
        change.assigned.iter().for_each(|partition| self.holds.assign(*partition));
        self.to_restore.extend(&change.assigned);
        self.health.set_assigned(true);
        let moved = Fault::new(Action::Abort, "partitions moved");
        if batch.is_some() && failpoint::sabotage("commit-after-revoke") {
            // The bug that this design rules out, put back by a test: the batch outlives its transaction.
            self.stream.recover(&moved)?;
            return self.stream.begin();
        }
        self.discard(batch.take(), &moved);
        self.stream.recover(&moved).map(drop)
    }

    /// Restores the windows of new partitions, after their stable committed offsets are known and before they are read.
    fn restore(&mut self) -> Result<(), Fault> {
        let start = Instant::now();
        let waiting = !self.to_restore.is_empty();
        while let Some(&partition) = self.to_restore.last() {
            let (health, shutdown) = (&self.health, self.shutdown);
            let go_on = || {
                health.progress();
                !shutdown.requested()
            };
            let window = self.stream.restore(partition, self.windows.limits(), &go_on)?;
            tracing::info!(partition, keys = window.len(), seconds = start.elapsed().as_secs_f64(), "window restored");
            self.windows.insert(partition, window);
            self.to_restore.pop();
            self.metrics.rebalanced(Rebalance::Assigned);
        }
        if waiting {
            self.metrics.restored(start.elapsed());
        }
        self.health.set_restored();
        Ok(())
    }

    fn set_gauges(&mut self) {
        if self.gauges_set.elapsed() < GAUGES_MS {
            return;
        }
        self.gauges_set = Instant::now();
        for (partition, reason) in self.holds.reasons() {
            self.metrics.set_held(self.stream.input(), partition, reason);
        }
        let now_ms = now_ms();
        self.windows.expire(now_ms);
        for (partition, window) in self.windows.iter() {
            let reach = Duration::from_secs_f64(window.reach_seconds(now_ms));
            self.metrics.set_dedup_window(partition, reach, window.len());
            if let Some(lag) = self.stream.lag(partition) {
                self.metrics.set_lag(self.stream.input(), partition, lag);
            }
        }
    }
}
