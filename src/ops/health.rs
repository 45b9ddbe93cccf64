//! Is this process alive, and is it ready? Lanes tell, HTTP asks.
//!
//! Alive: every running lane made progress within [`STALL_SECONDS_MAX`]; if not, a restart is the cure.
//! Ready: the model is loaded, every lane has its assignment and has restored its dedup window, and no stop was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::clock::now_ms;

/// A running lane without progress for longer than this is taken for stuck, seconds.
pub const STALL_SECONDS_MAX: u64 = 60;

/// The health of the process. All of it is atomics: telling costs a lane nothing.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    model_loaded: AtomicBool,
    stopping: AtomicBool,
    /// Whether the drift job beside the stream has ended.
    drift_down: AtomicBool,
    lanes: Vec<Lane>,
    /// Changed when a partition comes, goes, is held or released: never per message.
    partitions: Mutex<BTreeMap<i32, PartitionHealth>>,
    /// Whether an operator asked for anything: what lanes look at instead of the lock.
    resumes_asked: AtomicBool,
}

/// How a partition of this process is doing.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PartitionHealth {
    /// Its number.
    pub partition: i32,
    /// The lane that owns it.
    pub lane: usize,
    /// What it does.
    #[serde(flatten)]
    pub state: PartitionState,
    /// Since when, milliseconds since the epoch.
    pub since_ms: i64,
    #[serde(skip)]
    resume_asked: bool,
}

/// What a partition does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PartitionState {
    /// Its records are judged as they come.
    Reading,
    /// Its next record has a schema id that the registry has not told yet.
    WaitingForSchema {
        /// The id.
        schema_id: u32,
    },
    /// It was mostly dead letters, and pauses.
    Paused {
        /// For so long.
        seconds: u64,
    },
    /// The pause is over; its next records decide whether it pauses again.
    Probing,
}

impl PartitionState {
    /// Stable name, as metrics and JSON carry it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::WaitingForSchema { .. } => "waiting_for_schema",
            Self::Paused { .. } => "paused",
            Self::Probing => "probing",
        }
    }
}

/// What became of an operator's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Its lane will read it again within a moment.
    Asked,
    /// It does not pause.
    NotPaused,
    /// Another process has it, or none.
    NotHere,
}

#[derive(Debug, Default)]
struct Lane {
    progress_ms: AtomicU64,
    assigned: AtomicBool,
    restored: AtomicBool,
    troubled: AtomicBool,
    stopped: AtomicBool,
}

/// One lane's end of [`Health`].
#[derive(Clone, Debug)]
pub struct LaneHealth {
    health: Arc<Health>,
    lane: usize,
}

impl Health {
    /// Health of a process with that many lanes: alive, not ready.
    pub fn new(lanes: usize) -> Arc<Self> {
        Self::started_at(lanes, Instant::now())
    }

    /// As if the process had started then.
    pub(super) fn started_at(lanes: usize, started: Instant) -> Arc<Self> {
        Arc::new(Self {
            started,
            model_loaded: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            drift_down: AtomicBool::new(false),
            lanes: std::iter::repeat_with(Lane::default).take(lanes).collect(),
            partitions: Mutex::default(),
            resumes_asked: AtomicBool::new(false),
        })
    }

    /// The handle of lane `lane`, counted from 0.
    pub fn lane(self: &Arc<Self>, lane: usize) -> LaneHealth {
        assert!(lane < self.lanes.len(), "lane {lane} of {}", self.lanes.len());
        LaneHealth { health: Arc::clone(self), lane }
    }

    /// Tells whether a model is loaded and reproduced its golden vectors.
    pub fn set_model_loaded(&self, loaded: bool) {
        self.model_loaded.store(loaded, Ordering::Relaxed);
    }

    /// Tells that a stop was asked: the process is no longer ready.
    pub fn set_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Tells whether the drift job beside the stream has ended. The process is ready without it.
    pub fn set_drift_down(&self, is_down: bool) {
        self.drift_down.store(is_down, Ordering::Relaxed);
    }

    /// What the process does without, in words.
    pub fn down(&self) -> Option<&'static str> {
        self.drift_down.load(Ordering::Relaxed).then_some("drift job: ended, see the log")
    }

    /// What is stuck, in words; empty means alive.
    pub fn stuck(&self) -> Vec<String> {
        self.stuck_at(self.elapsed_ms())
    }

    /// What is not ready, in words; empty means ready.
    pub fn not_ready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.stopping.load(Ordering::Relaxed) {
            reasons.push("process: stopping".into());
        }
        if !self.model_loaded.load(Ordering::Relaxed) {
            reasons.push("model: not loaded".into());
        }
        for (number, lane) in self.lanes.iter().enumerate() {
            if lane.stopped.load(Ordering::Relaxed) {
                reasons.push(format!("lane {number}: stopped"));
            } else if !lane.assigned.load(Ordering::Relaxed) {
                reasons.push(format!("lane {number}: no assignment from the group yet"));
            } else if !lane.restored.load(Ordering::Relaxed) {
                reasons.push(format!("lane {number}: restoring its dedup window"));
            } else if lane.troubled.load(Ordering::Relaxed) {
                reasons.push(format!("lane {number}: transactions fail one after another, see the log"));
            }
        }
        reasons
    }

    /// The partitions of this process.
    pub fn partitions(&self) -> Vec<PartitionHealth> {
        self.board().values().copied().collect()
    }

    /// An operator wants a paused partition to be read again.
    pub fn resume(&self, partition: i32) -> Resume {
        let mut board = self.board();
        match board.get_mut(&partition) {
            None => Resume::NotHere,
            Some(PartitionHealth { state: PartitionState::Paused { .. }, resume_asked, .. }) => {
                *resume_asked = true;
                self.resumes_asked.store(true, Ordering::Relaxed);
                Resume::Asked
            }
            Some(_) => Resume::NotPaused,
        }
    }

    fn board(&self) -> MutexGuard<'_, BTreeMap<i32, PartitionHealth>> {
        // Nothing panics while it is held.
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stuck_at(&self, now_ms: u64) -> Vec<String> {
        let silent_seconds = |lane: &Lane| now_ms.saturating_sub(lane.progress_ms.load(Ordering::Relaxed)) / 1000;
        self.lanes
            .iter()
            .enumerate()
            .filter(|(_, lane)| !lane.stopped.load(Ordering::Relaxed))
            .map(|(number, lane)| (number, silent_seconds(lane)))
            .filter(|(_, seconds)| *seconds > STALL_SECONDS_MAX)
            .map(|(number, seconds)| format!("lane {number}: no progress for {seconds} s"))
            .collect()
    }

    fn elapsed_ms(&self) -> u64 {
        let elapsed: Duration = self.started.elapsed();
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }
}

impl LaneHealth {
    /// The lane went once around: a poll returned (also an empty one), or a restore read on.
    pub fn progress(&self) {
        self.state().progress_ms.store(self.health.elapsed_ms(), Ordering::Relaxed);
    }

    /// The group gave the lane its partitions (maybe none), or took them all. A new assignment is not restored yet.
    pub fn set_assigned(&self, assigned: bool) {
        self.state().restored.store(false, Ordering::Relaxed);
        self.state().assigned.store(assigned, Ordering::Relaxed);
    }

    /// The dedup windows of the assigned partitions are restored.
    pub fn set_restored(&self) {
        self.state().restored.store(true, Ordering::Relaxed);
    }

    /// Whether transactions fail one after another.
    pub fn set_troubled(&self, troubled: bool) {
        self.state().troubled.store(troubled, Ordering::Relaxed);
    }

    /// The lane ended on purpose: it is not stuck.
    pub fn set_stopped(&self) {
        self.state().stopped.store(true, Ordering::Relaxed);
    }

    /// What a partition of this lane does now.
    pub fn set_partition(&self, partition: i32, state: PartitionState) {
        let health = PartitionHealth { partition, lane: self.lane, state, since_ms: now_ms(), resume_asked: false };
        self.health.board().insert(partition, health);
    }

    /// The partition went to another lane or process. One that this process's other lane took meanwhile stays.
    pub fn forget_partition(&self, partition: i32) {
        let mut board = self.health.board();
        if board.get(&partition).is_some_and(|health| health.lane == self.lane) {
            board.remove(&partition);
        }
    }

    /// Takes the partitions of this lane that an operator wants to be read again.
    pub fn take_resumes(&self) -> BTreeSet<i32> {
        if !self.health.resumes_asked.load(Ordering::Relaxed) {
            return BTreeSet::new();
        }
        let mut board = self.health.board();
        let mut asked = BTreeSet::new();
        for health in board.values_mut().filter(|health| health.lane == self.lane && health.resume_asked) {
            health.resume_asked = false;
            asked.insert(health.partition);
        }
        let others = board.values().any(|health| health.resume_asked);
        self.health.resumes_asked.store(others, Ordering::Relaxed);
        asked
    }

    fn state(&self) -> &Lane {
        &self.health.lanes[self.lane]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_names_each_thing_that_is_missing() {
        let health = Health::new(2);
        assert_eq!(
            health.not_ready(),
            [
                "model: not loaded",
                "lane 0: no assignment from the group yet",
                "lane 1: no assignment from the group yet"
            ]
        );
        health.set_model_loaded(true);
        health.lane(0).set_assigned(true);
        health.lane(1).set_assigned(true);
        health.lane(1).set_restored();
        assert_eq!(health.not_ready(), ["lane 0: restoring its dedup window"]);
        health.lane(0).set_restored();
        assert!(health.not_ready().is_empty());
    }

    #[test]
    fn a_new_assignment_is_not_restored() {
        let health = Health::new(1);
        health.set_model_loaded(true);
        let lane = health.lane(0);
        lane.set_assigned(true);
        lane.set_restored();
        lane.set_assigned(true);
        assert_eq!(health.not_ready(), ["lane 0: restoring its dedup window"]);
    }

    #[test]
    fn a_stop_ends_readiness_not_liveness() {
        let health = Health::new(1);
        health.set_model_loaded(true);
        health.lane(0).set_assigned(true);
        health.lane(0).set_restored();
        health.set_stopping();
        assert_eq!(health.not_ready(), ["process: stopping"]);
        assert!(health.stuck().is_empty());
    }

    #[test]
    fn a_silent_lane_is_stuck_until_it_moves_or_ends() {
        let health = Health::new(2);
        let limit_ms = (STALL_SECONDS_MAX + 1) * 1000;
        assert!(health.stuck_at(limit_ms - 1).is_empty());
        assert_eq!(health.stuck_at(limit_ms), ["lane 0: no progress for 61 s", "lane 1: no progress for 61 s"]);
        health.lane(0).set_stopped();
        health.lanes[1].progress_ms.store(5_000, Ordering::Relaxed);
        assert!(health.stuck_at(limit_ms).is_empty());
    }

    #[test]
    fn progress_moves_the_instant() {
        let health = Health::new(1);
        std::thread::sleep(Duration::from_millis(3));
        health.lane(0).progress();
        assert!(health.lanes[0].progress_ms.load(Ordering::Relaxed) >= 3);
    }
}
