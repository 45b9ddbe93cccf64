//! A lane of the job: one thread that owns one stream, counts its records into panes, and commits counts and offsets
//! together.
//!
//! ```text
//!  ┌─► poll ──► count into panes ──► due? ──► changed panes, progress, windows that ended ──► commit with the offsets
//!  │     │ assignment changed, fault             (no transaction is open in between)              │
//!  │     ▼                                                                                        │
//!  └── forget everything, recover, read the state back ◄──────────────────────────────────────────┘ on any fault
//! ```
//!
//! What is in memory and not committed is forgotten on any fault and counted again: there is one truth, and it is in the
//! topic.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    fold::{Fold, Partitions},
    merger::Merger,
    partition::Partition,
    state::{self, Key, Source},
    store::{self, Store},
    time::PaneClock,
};
use crate::{
    clock::now_ms,
    failpoint,
    fault::{Action, Exit, Fault},
    lane::Recovery,
    ops::{
        health::LaneHealth,
        metrics::{Metrics, TransactionResult},
        shutdown::Shutdown,
    },
    stream::{Assignment, Chunk, NextOffsets, Outputs, Polled, Stream},
};

/// How long a lane waits for records.
const IDLE_MS: Duration = Duration::from_millis(100);
/// How often the lane looks at what moves without records.
const TICK_MS: Duration = Duration::from_millis(250);
/// Pause before a pane that was closed is committed, so that those of other partitions come with it ...
const CLOSED_MS: Duration = Duration::from_millis(1_000);
/// ... unless so many wait: time goes by quickly in a backlog.
const CLOSED_PANES_MAX: usize = 256;

/// How often what happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct LaneLimits {
    /// Records of a chunk.
    pub chunk_records_max: usize,
    /// From one commit to the next.
    pub snapshot: Duration,
    /// A partition that is read to its end and silent for so long holds no window open.
    pub idle: Duration,
    /// New producers within a minute before the lane gives up.
    pub rebuilds_per_minute_max: usize,
}

/// One lane of the job.
pub(super) struct DriftLane<'a, S, F: Fold, R> {
    stream: S,
    fold: F,
    store: R,
    /// Puts the windows together; of the lane that has partition 0.
    merger: Option<Merger>,
    clock: PaneClock,
    limits: LaneLimits,
    shutdown: &'a Shutdown,
    health: LaneHealth,
    metrics: Arc<Metrics>,
    recovery: Recovery<'a>,
    assigned: BTreeSet<i32>,
    /// Whether the state of `assigned` is not here.
    must_load: bool,
    partitions: Partitions<F>,
    /// Of every partition, committed or counted.
    next: NextOffsets,
    /// Since the last commit.
    records: u64,
    snapshot_at: Instant,
    tick_at: Instant,
    /// How far silence has moved the time of a partition since the last commit, milliseconds since the epoch.
    silent_to_ms: Option<i64>,
    chunk: Chunk,
    outputs: Outputs,
}

/// What long work asks on its way: it shows that the lane lives, and ends when a stop is asked for.
fn go_on<'a>(health: &'a LaneHealth, shutdown: &'a Shutdown) -> impl Fn() -> bool + use<'a> {
    move || {
        health.progress();
        !shutdown.requested()
    }
}

impl<'a, S: Stream, F: Fold, R: Store> DriftLane<'a, S, F, R> {
    /// A lane over `stream`; `merger` for the lane of predictions.
    #[allow(clippy::too_many_arguments, reason = "each is one thing that a lane is made of")]
    pub(super) fn new(
        stream: S,
        fold: F,
        store: R,
        merger: Option<Merger>,
        clock: PaneClock,
        limits: LaneLimits,
        shutdown: &'a Shutdown,
        health: LaneHealth,
        metrics: Arc<Metrics>,
    ) -> Self {
        let now = Instant::now();
        Self {
            recovery: Recovery::new(shutdown, health.clone(), limits.rebuilds_per_minute_max),
            stream,
            fold,
            store,
            merger,
            clock,
            limits,
            shutdown,
            health,
            metrics,
            assigned: BTreeSet::new(),
            must_load: false,
            partitions: BTreeMap::new(),
            next: NextOffsets::default(),
            records: 0,
            snapshot_at: now,
            tick_at: now,
            silent_to_ms: None,
            chunk: Chunk::default(),
            outputs: Outputs::default(),
        }
    }

    /// What is to be closed once it has ended. What it showed of its partitions is no longer true.
    pub(super) fn into_clients(self) -> (S, R) {
        self.assigned.iter().for_each(|&partition| self.forget_watermark(partition));
        (self.stream, self.store)
    }

    /// Runs until the stream ends or a stop is asked for; what was counted is then committed.
    ///
    /// # Errors
    /// [`Fault`] with [`Action::Exit`]: the job cannot go on.
    pub(super) fn run(&mut self) -> Result<(), Fault> {
        loop {
            match self.turn() {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(fault) => {
                    if self.records > 0 {
                        let result = if fault.action == Action::Rebuild {
                            TransactionResult::Rebuilt
                        } else {
                            TransactionResult::Aborted
                        };
                        self.metrics.drift().snapshot(result, Duration::ZERO, 0);
                    }
                    self.forget();
                    let Some(committed) = self.recovery.recover(&mut self.stream, fault)? else { return Ok(()) };
                    self.next = committed;
                }
            }
        }
    }

    /// Once around; false at the end.
    fn turn(&mut self) -> Result<bool, Fault> {
        self.health.progress();
        // What comes next is then another assignment.
        if !self.stream.has_moved() {
            self.load()?;
        }
        let polled = match self.shutdown.requested() {
            true => Polled::Ended,
            false => self.stream.poll(&mut self.chunk, self.limits.chunk_records_max, IDLE_MS)?,
        };
        match &polled {
            Polled::Records => self.count()?,
            Polled::Assignment(change) => return self.reassign(change).map(|()| true),
            Polled::Idle | Polled::Ended => {}
        }
        if self.tick_at.elapsed() >= TICK_MS {
            self.tick()?;
        }
        let ended = polled == Polled::Ended;
        if ended || self.is_due() {
            self.snapshot()?;
        }
        Ok(!ended)
    }

    fn count(&mut self) -> Result<(), Fault> {
        self.fold.fold(&self.chunk, &mut self.partitions, &go_on(&self.health, self.shutdown))?;
        self.chunk.records().for_each(|record| self.next.advance_past(record.partition, record.offset));
        self.records += self.chunk.len() as u64;
        Ok(())
    }

    /// What moves without records: time in silent partitions, and what other lanes closed.
    fn tick(&mut self) -> Result<(), Fault> {
        self.tick_at = Instant::now();
        for (&number, partition) in &mut self.partitions {
            let Some(silence) = self.stream.silence(number) else { continue };
            if silence.lasted() >= self.limits.idle {
                // What has come since then is not known yet.
                let behind = self.limits.idle.saturating_add(silence.until.elapsed());
                let silent_to_ms = now_ms().saturating_sub(i64::try_from(behind.as_millis()).unwrap_or(i64::MAX));
                partition.silent(silent_to_ms);
                self.silent_to_ms = self.silent_to_ms.max(Some(silent_to_ms));
            }
        }
        if let Some(merger) = &mut self.merger {
            merger.follow(&self.store, &go_on(&self.health, self.shutdown))?;
        }
        Ok(())
    }

    fn is_due(&self) -> bool {
        let has_closed = || self.partitions.values().any(Partition::has_closed);
        let merger_waits = || self.merger.as_ref().is_some_and(Merger::is_due);
        let closed_panes = || self.partitions.values().map(Partition::closed_panes).sum::<usize>();
        let elapsed = self.snapshot_at.elapsed();
        elapsed >= self.limits.snapshot
            || (elapsed >= CLOSED_MS.min(self.limits.snapshot) && (has_closed() || merger_waits()))
            || closed_panes() > CLOSED_PANES_MAX
    }

    /// Writes what changed and commits it with the offsets.
    fn snapshot(&mut self) -> Result<(), Fault> {
        let start = Instant::now();
        failpoint::reached("drift-snapshot");
        // The broker refuses stamps that are too far ahead: those of a clock that was wrong until a moment ago as well.
        if self.silent_to_ms > Some(now_ms()) {
            return Err(Fault::new(Action::Abort, "letting time go on in silent partitions: the clock was set back"));
        }
        self.snapshot_at = start;
        self.outputs.clear();
        let state_partitions = self.store.partitions();
        for partition in self.partitions.values_mut() {
            partition.write(state_partitions, &mut self.outputs);
        }
        if let Some(merger) = &mut self.merger {
            merger.write(state_partitions, &mut self.outputs, self.shutdown.requested())?;
        }
        if self.outputs.is_empty() && self.records == 0 {
            self.show_watermarks();
            self.recovery.settled();
            return Ok(());
        }
        let bytes = self.outputs.bytes();
        self.stream.begin()?;
        self.stream.send(&self.outputs)?;
        self.stream.commit(&self.offsets())?;
        for (&number, partition) in &mut self.partitions {
            partition.committed(|pane| self.fold.closed(number, pane));
        }
        self.show_watermarks();
        if let Some(merger) = &mut self.merger {
            merger.committed();
        }
        self.metrics.drift().snapshot(TransactionResult::Committed, start.elapsed(), bytes);
        self.records = 0;
        self.silent_to_ms = None;
        self.recovery.settled();
        Ok(())
    }

    /// Of every partition: committing them again shows the broker that they are still ours.
    fn offsets(&self) -> NextOffsets {
        let mut offsets = NextOffsets::default();
        for &partition in self.partitions.keys() {
            offsets.set_next(partition, self.next.next(partition).unwrap_or_default());
        }
        offsets
    }

    fn reassign(&mut self, change: &Assignment) -> Result<(), Fault> {
        for partition in &change.revoked {
            self.assigned.remove(partition);
            self.forget_watermark(*partition);
            if let Some(merger) = self.merger.as_mut().filter(|_| *partition == 0) {
                merger.lost();
            }
        }
        self.assigned.extend(&change.assigned);
        self.health.set_assigned(true);
        self.forget();
        self.next = self.stream.recover(&Fault::new(Action::Abort, "partitions moved"))?;
        Ok(())
    }

    /// When all of it is committed.
    fn show_watermarks(&self) {
        for (&number, partition) in &self.partitions {
            if let Some(watermark_ms) = partition.progress().watermark_ms {
                self.metrics.drift().set_watermark(F::INPUT.name(), number, watermark_ms);
            }
        }
    }

    fn forget_watermark(&self, partition: i32) {
        self.metrics.drift().forget_watermark(F::INPUT.name(), partition);
    }

    /// Nothing in memory is true any more.
    fn forget(&mut self) {
        self.partitions.clear();
        self.records = 0;
        self.silent_to_ms = None;
        self.must_load = true;
        if let Some(merger) = &mut self.merger {
            merger.forget();
            // Left alone it would read on and on.
            if let Err(fault) = self.store.follow(&[]) {
                tracing::warn!(%fault, "the state is followed on");
            }
        }
    }

    /// Reads the state of the assigned partitions back, after their stable offsets are known and before they are read.
    fn load(&mut self) -> Result<(), Fault> {
        if !self.must_load {
            return Ok(());
        }
        let go_on = go_on(&self.health, self.shutdown);
        let deadline = self.store.deadline(&go_on);
        let state_partitions = self.store.partitions();
        for &number in &self.assigned {
            let source = Source { input: F::INPUT, partition: number };
            // Closed panes are the merger's.
            let is_ours =
                |key: &Key, value: Option<&[u8]>| Ok(key.source() == Some(source) && !state::is_closed(key, value)?);
            let place = Key::Progress(source).partition(state_partitions);
            let (kept, _) = store::latest(&self.store, place, &deadline, is_ours)?;
            check_known(source, self.next.next(number), kept.contains_key(&Key::Progress(source)))?;
            let mut partition = Partition::new(source, self.clock, self.fold.table());
            partition.restore(kept)?;
            self.partitions.insert(number, partition);
        }
        self.show_watermarks();
        if let Some(merger) = self.merger.as_mut().filter(|_| self.assigned.contains(&0)) {
            merger.load(&self.store, &deadline)?;
        }
        self.must_load = false;
        self.health.set_restored();
        Ok(())
    }
}

/// Going on from an offset without what was counted before it would report parts of windows as whole ones.
fn check_known(source: Source, committed: Option<i64>, is_known: bool) -> Result<(), Fault> {
    if is_known || committed.is_none_or(|next| next == 0) {
        return Ok(());
    }
    let doing = "reading the drift state back: topics.drift_state knows nothing of what the group has read; name another \
                 drift.group_id as well, and it counts from the start";
    Err(Fault::caused(Action::Exit(Exit::Config), doing, format!("{source:?}")))
}
