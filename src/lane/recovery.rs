//! How a lane comes back from a fault: again and again, with longer and longer pauses, from the committed offsets.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::Lane;
use crate::{
    fault::{Action, Exit, Fault},
    ops::{health::LaneHealth, metrics::TransactionResult, shutdown::Shutdown},
    pipeline::Batch,
    stream::{NextOffsets, Restore, Stream},
};

/// Pause after the first fault in a row, so that no error spins; it doubles with each ...
const PAUSE_MS_MIN: Duration = Duration::from_millis(10);
/// ... up to this.
const PAUSE_MS_MAX: Duration = Duration::from_millis(5_000);
/// Faults in a row after which the lane no longer counts as ready.
const FAULTS_READY_MAX: u32 = 5;

/// What a lane remembers of its faults.
pub struct Recovery<'a> {
    shutdown: &'a Shutdown,
    health: LaneHealth,
    /// New producers within a minute before the lane gives up.
    rebuilds_per_minute_max: usize,
    /// When new producers were built.
    rebuilds: VecDeque<Instant>,
    rebuilds_seen: u64,
    /// Faults since the last commit.
    faults: u32,
}

impl<'a> Recovery<'a> {
    /// Of a lane that had no fault yet.
    pub fn new(shutdown: &'a Shutdown, health: LaneHealth, rebuilds_per_minute_max: usize) -> Self {
        Self { shutdown, health, rebuilds_per_minute_max, rebuilds: VecDeque::new(), rebuilds_seen: 0, faults: 0 }
    }

    /// Ends the transaction as the fault asks and goes back to the committed offsets, again and again until it works;
    /// none when a stop was asked meanwhile.
    ///
    /// # Errors
    /// [`Fault`] with [`Action::Exit`].
    pub fn recover(&mut self, stream: &mut impl Stream, mut fault: Fault) -> Result<Option<NextOffsets>, Fault> {
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
            let recovered = stream.recover(&fault);
            self.limit_rebuilds(stream.rebuilds())?;
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
    pub fn settled(&mut self) {
        if self.faults > 0 {
            self.faults = 0;
            self.health.set_troubled(false);
        }
    }

    /// Two processes with one identity fence each other for ever; after so many new producers this one yields.
    fn limit_rebuilds(&mut self, rebuilds: u64) -> Result<(), Fault> {
        let now = Instant::now();
        let new = rebuilds - self.rebuilds_seen;
        self.rebuilds_seen += new;
        self.rebuilds.extend((0..new).map(|_| now));
        while self.rebuilds.front().is_some_and(|first| now.duration_since(*first) > Duration::from_secs(60)) {
            self.rebuilds.pop_front();
        }
        if self.rebuilds.len() <= self.rebuilds_per_minute_max {
            return Ok(());
        }
        Err(Fault::new(
            Action::Exit(Exit::Rebuilds),
            "too many new producers within a minute: does another process run with the same kafka.instance?",
        ))
    }
}

impl<S: Restore> Lane<'_, S> {
    /// Only the broker knows whether `batch` was committed: a transaction is whole, so its offsets say it.
    pub(super) fn settle(&mut self, batch: Batch, fault: Fault) -> Result<(), Fault> {
        let Some(committed) = self.recovery.recover(&mut self.stream, fault)? else { return Ok(()) };
        let was_committed =
            |partition: i32| batch.next.next(partition).is_some_and(|next| committed.covers(partition, next - 1));
        let any_committed = batch.next.iter().any(|(partition, _)| was_committed(partition));
        if any_committed {
            self.pipeline.committed(&batch);
        } else {
            self.holds.discarded();
            self.pipeline.discarded(TransactionResult::Rebuilt, batch.opened);
        }
        let entries = batch.pending.into_entries().into_iter().filter(|(partition, _)| was_committed(*partition));
        self.windows.admit(entries);
        if any_committed { self.pause_storms(&batch.tallies) } else { Ok(()) }
    }

    pub(super) fn discard(&mut self, batch: Option<Batch>, fault: &Fault) {
        self.holds.discarded();
        if let Some(batch) = batch {
            let result = match fault.action {
                Action::Rebuild => TransactionResult::Rebuilt,
                _ => TransactionResult::Aborted,
            };
            self.pipeline.discarded(result, batch.opened);
        }
    }
}
