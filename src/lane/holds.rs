//! Partitions that wait while the others go on.
//!
//! ```text
//!             ┌─ a record has a schema id that is not known yet ─► held until it is known, or confirmed unknown ─┐
//!  reading ───┤                                                                                                  ├─► reading
//!             └─ mostly dead letters ─► held 30 s ─► probe: one chunk ─ good ────────────────────────────────────┘
//!                                          ▲            │ mostly dead letters again
//!                                          └─ twice as long, at most 5 min
//! ```
//!
//! Nothing is remembered of where a partition stopped: a release goes back to its committed offset, as every recovery
//! does, and so it comes between two transactions.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::storm::{Storm, StormLimits};
use crate::{
    ops::health::{LaneHealth, PartitionState},
    pipeline::{Tallies, Waiting},
};

/// Why a partition is held, and until when.
#[derive(Debug)]
enum Hold {
    /// Until this schema id is known, or known not to exist.
    Schema(u32),
    /// It was mostly dead letters.
    DeadLetters { until: Instant },
    /// Its probe is in the open transaction.
    Probe,
    /// To be released at the next chance.
    Over,
}

#[derive(Debug)]
struct Partition {
    storm: Storm,
    hold: Option<Hold>,
}

/// The partitions of one lane.
#[derive(Debug)]
pub(super) struct Holds {
    limits: StormLimits,
    partitions: BTreeMap<i32, Partition>,
    health: LaneHealth,
}

impl Holds {
    pub(super) fn new(limits: StormLimits, health: LaneHealth) -> Self {
        Self { limits, partitions: BTreeMap::new(), health }
    }

    pub(super) fn assign(&mut self, partition: i32) {
        self.partitions.insert(partition, Partition { storm: Storm::new(self.limits), hold: None });
        self.health.set_partition(partition, PartitionState::Reading);
    }

    pub(super) fn revoke(&mut self, partition: i32) {
        self.partitions.remove(&partition);
        self.health.forget_partition(partition);
    }

    /// Whether no partition is held: the usual case.
    pub(super) fn is_empty(&self) -> bool {
        self.partitions.values().all(|partition| partition.hold.is_none())
    }

    pub(super) fn is_held(&self, partition: i32) -> bool {
        self.partitions.get(&partition).is_some_and(|partition| partition.hold.is_some())
    }

    /// The lane cannot judge the partition's next record yet.
    pub(super) fn wait_for_schema(&mut self, Waiting { partition, schema_id }: Waiting) {
        tracing::warn!(partition, schema_id, "partition waits for a schema id; the others go on");
        self.hold(partition, Hold::Schema(schema_id), PartitionState::WaitingForSchema { schema_id });
    }

    /// Every partition, with the reason why it is held, as metrics name it.
    pub(super) fn reasons(&self) -> impl Iterator<Item = (i32, Option<&'static str>)> {
        self.partitions.iter().map(|(partition, state)| {
            let reason = match state.hold {
                Some(Hold::Schema(_)) => Some("schema"),
                Some(Hold::DeadLetters { .. }) => Some("dead_letters"),
                Some(Hold::Probe | Hold::Over) | None => None,
            };
            (*partition, reason)
        })
    }

    /// Of `judged`, those whose probe is taken now: one chunk decides, so they are held until it is committed.
    pub(super) fn take_probes(&mut self, judged: impl Iterator<Item = i32>) -> Vec<i32> {
        let mut taken = Vec::new();
        // Nearly always none does, and then nothing is done per record.
        if !self.partitions.values().any(|state| state.storm.is_probing()) {
            return taken;
        }
        for partition in judged {
            let probes =
                self.partitions.get(&partition).is_some_and(|state| state.storm.is_probing() && state.hold.is_none());
            if probes {
                self.hold(partition, Hold::Probe, PartitionState::Probing);
                taken.push(partition);
            }
        }
        taken
    }

    /// A transaction was committed: returns the partitions that it shows to be a storm of dead letters.
    pub(super) fn committed(&mut self, tallies: &Tallies) -> Vec<i32> {
        let mut stormy = Vec::new();
        for (partition, tally) in tallies.iter() {
            let Some(state) = self.partitions.get_mut(&partition) else { continue };
            match state.storm.count(tally) {
                Some(pause) => {
                    self.pause(partition, pause);
                    stormy.push(partition);
                }
                None if matches!(state.hold, Some(Hold::Probe)) => state.hold = Some(Hold::Over),
                None => {}
            }
        }
        stormy
    }

    /// The open transaction never happened: what it probed is probed again.
    pub(super) fn discarded(&mut self) {
        for partition in self.partitions.values_mut() {
            if matches!(partition.hold, Some(Hold::Probe)) {
                partition.hold = Some(Hold::Over);
            }
        }
    }

    /// Partitions to be read again now, because their wait is over or an operator says so; `is_settled` tells whether a
    /// schema id is known, or known not to exist.
    pub(super) fn due(&mut self, mut is_settled: impl FnMut(u32) -> bool) -> Vec<i32> {
        for partition in self.health.take_resumes() {
            let Some(state) = self.partitions.get_mut(&partition) else { continue };
            if matches!(state.hold, Some(Hold::DeadLetters { .. })) {
                tracing::info!(partition, "an operator resumes the partition");
                state.storm.reset();
                state.hold = Some(Hold::Over);
            }
        }
        let now = Instant::now();
        let mut due = Vec::new();
        for (&partition, state) in &mut self.partitions {
            let is_due = match &state.hold {
                None | Some(Hold::Probe) => false,
                Some(Hold::Over) => true,
                Some(Hold::Schema(id)) => is_settled(*id),
                Some(Hold::DeadLetters { until }) if now >= *until => {
                    state.storm.probe();
                    true
                }
                Some(Hold::DeadLetters { .. }) => false,
            };
            if is_due {
                due.push(partition);
            }
        }
        due
    }

    /// The partition is read again.
    pub(super) fn release(&mut self, partition: i32) {
        if let Some(state) = self.partitions.get_mut(&partition) {
            state.hold = None;
            let probes = state.storm.is_probing();
            tracing::info!(partition, probes, "partition is read again");
            self.health
                .set_partition(partition, if probes { PartitionState::Probing } else { PartitionState::Reading });
        }
    }

    fn pause(&mut self, partition: i32, pause: Duration) {
        let seconds = pause.as_secs();
        tracing::error!(
            partition,
            seconds,
            "partition pauses: too many of its records are dead letters; see what upstream sends (assize dlq stats), \
             resume it sooner with POST /partitions/{partition}/resume"
        );
        let hold = Hold::DeadLetters { until: Instant::now() + pause };
        self.hold(partition, hold, PartitionState::Paused { seconds });
    }

    fn hold(&mut self, partition: i32, hold: Hold, shown: PartitionState) {
        if let Some(state) = self.partitions.get_mut(&partition) {
            state.hold = Some(hold);
            self.health.set_partition(partition, shown);
        }
    }
}
