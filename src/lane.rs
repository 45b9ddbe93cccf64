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
//! One value, the [`Batch`], holds offsets, identities and counts of the open transaction: whatever goes wrong, dropping
//! it forgets all of them together. (A loop that kept the offsets over an abort lost records silently.)

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    clock::now_ms,
    dedup::{WindowLimits, Windows},
    failpoint,
    fault::{Action, Exit, Fault},
    ops::{
        health::LaneHealth,
        metrics::{Metrics, Rebalance, Stage, TransactionResult},
        shutdown::Shutdown,
    },
    pipeline::{Batch, Pipeline},
    stream::{Assignment, Chunk, NextOffsets, Outputs, Polled, Stream},
};

/// How long a lane waits for the first record when nothing is open.
const IDLE_MS: Duration = Duration::from_millis(100);
/// How often gauges are set.
const GAUGES_MS: Duration = Duration::from_millis(1_000);
/// Pause after the first fault in a row, so that no error spins; it doubles with each ...
const PAUSE_MS_MIN: Duration = Duration::from_millis(10);
/// ... up to this.
const PAUSE_MS_MAX: Duration = Duration::from_millis(5_000);
/// Faults in a row after which the lane no longer counts as ready.
const FAULTS_READY_MAX: u32 = 5;

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
}

/// One lane.
pub struct Lane<'a, S> {
    stream: S,
    pipeline: Pipeline,
    windows: Windows,
    limits: BatchLimits,
    shutdown: &'a Shutdown,
    health: LaneHealth,
    metrics: &'a Metrics,
    /// Partitions whose window is not restored yet; nothing is polled while there is one.
    to_restore: Vec<i32>,
    /// When new producers were built.
    rebuilds: VecDeque<Instant>,
    rebuilds_seen: u64,
    /// Faults since the last commit.
    faults: u32,
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

impl<'a, S: Stream> Lane<'a, S> {
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
            limits,
            shutdown,
            health,
            metrics,
            to_restore: Vec::new(),
            rebuilds: VecDeque::new(),
            rebuilds_seen: 0,
            faults: 0,
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
                    if self.recover(fault)?.is_none() {
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
        let (records_max, wait) = (self.limits.chunk_records_max, self.patience(batch));
        let polled = if self.shutdown.requested() {
            Polled::Ended
        } else {
            self.stream.poll(&mut self.chunk, records_max, wait)?
        };
        match &polled {
            Polled::Records => self.judge(batch)?,
            Polled::Idle if batch.is_none() => self.settled(),
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

    fn judge(&mut self, open: &mut Option<Batch>) -> Result<(), Fault> {
        let batch = match open {
            Some(batch) => batch,
            None => {
                self.stream.begin()?;
                open.insert(Batch::open())
            }
        };
        self.outputs.clear();
        self.pipeline.judge(&self.chunk, &self.windows, batch, &mut self.outputs)?;
        let start = Instant::now();
        self.stream.send(&self.outputs)?;
        self.pipeline.stage(Stage::Produce, start);
        Ok(())
    }

    fn commit(&mut self, batch: Batch) -> Result<(), Fault> {
        let start = Instant::now();
        match self.stream.commit(&batch.next) {
            Ok(()) => {
                self.pipeline.stage(Stage::Commit, start);
                self.pipeline.committed(&batch);
                self.windows.admit(batch.pending.into_entries());
                self.settled();
                Ok(())
            }
            Err(fault) if fault.outcome_unknown => self.settle(batch, fault),
            Err(fault) => {
                self.discard(Some(batch), &fault);
                Err(fault)
            }
        }
    }

    /// Only the broker knows whether `batch` was committed: a transaction is whole, so its offsets say it.
    fn settle(&mut self, batch: Batch, fault: Fault) -> Result<(), Fault> {
        let Some(committed) = self.recover(fault)? else { return Ok(()) };
        let was_committed =
            |partition: i32| batch.next.next(partition).is_some_and(|next| committed.covers(partition, next - 1));
        if batch.next.iter().any(|(partition, _)| was_committed(partition)) {
            self.pipeline.committed(&batch);
        } else {
            self.pipeline.discarded(TransactionResult::Rebuilt, batch.opened);
        }
        let entries = batch.pending.into_entries().into_iter().filter(|(partition, _)| was_committed(*partition));
        self.windows.admit(entries);
        Ok(())
    }

    fn reassign(&mut self, change: &Assignment, batch: &mut Option<Batch>) -> Result<(), Fault> {
        for partition in &change.revoked {
            self.windows.remove(*partition);
            self.to_restore.retain(|waiting| waiting != partition);
            self.metrics.rebalanced(Rebalance::Revoked);
            self.metrics.forget_partition(self.stream.input(), *partition);
        }
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

    /// Ends the transaction as the fault asks and goes back to the committed offsets, again and again until it works;
    /// none when a stop was asked meanwhile.
    fn recover(&mut self, mut fault: Fault) -> Result<Option<NextOffsets>, Fault> {
        loop {
            let asked = match fault.action {
                Action::Exit(_) => return Err(fault),
                Action::Wait(pause) => pause,
                Action::Retry | Action::Abort | Action::Rebuild => Duration::ZERO,
            };
            tracing::warn!(%fault, action = ?fault.action, "going back to the committed offsets");
            self.health.progress();
            if self.shutdown.sleep(asked.max(self.back_off())) {
                return Ok(None);
            }
            let recovered = self.stream.recover(&fault);
            self.limit_rebuilds()?;
            match recovered {
                Ok(committed) => return Ok(Some(committed)),
                Err(next) => fault = next,
            }
        }
    }

    /// The pause after one more fault in a row.
    fn back_off(&mut self) -> Duration {
        self.faults = self.faults.saturating_add(1);
        self.health.set_troubled(self.faults > FAULTS_READY_MAX);
        PAUSE_MS_MAX.min(PAUSE_MS_MIN * 2_u32.saturating_pow(self.faults - 1))
    }

    /// A transaction was committed, or there is nothing to do: what was wrong is over.
    fn settled(&mut self) {
        if self.faults > 0 {
            self.faults = 0;
            self.health.set_troubled(false);
        }
    }

    /// Two processes with one identity fence each other for ever; after so many new producers this one yields.
    fn limit_rebuilds(&mut self) -> Result<(), Fault> {
        let now = Instant::now();
        let new = self.stream.rebuilds() - self.rebuilds_seen;
        self.rebuilds_seen += new;
        self.rebuilds.extend((0..new).map(|_| now));
        while self.rebuilds.front().is_some_and(|first| now.duration_since(*first) > Duration::from_secs(60)) {
            self.rebuilds.pop_front();
        }
        if self.rebuilds.len() <= self.limits.rebuilds_per_minute_max {
            return Ok(());
        }
        Err(Fault::new(
            Action::Exit(Exit::Rebuilds),
            "too many new producers within a minute: does another process run with the same kafka.instance?",
        ))
    }

    fn discard(&mut self, batch: Option<Batch>, fault: &Fault) {
        if let Some(batch) = batch {
            let result = match fault.action {
                Action::Rebuild => TransactionResult::Rebuilt,
                _ => TransactionResult::Aborted,
            };
            self.pipeline.discarded(result, batch.opened);
        }
    }

    fn set_gauges(&mut self) {
        if self.gauges_set.elapsed() < GAUGES_MS {
            return;
        }
        self.gauges_set = Instant::now();
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
