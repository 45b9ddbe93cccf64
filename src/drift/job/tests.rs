//! Whatever happens on the way, the job comes to the same state: killed, moved, with commits that fail or whose answer is
//! lost, late and far-future records among the others.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use super::{
    fold::{Fold, Partitions},
    lane::{DriftLane, LaneLimits},
    partition::Table,
    state::{self, Input, Kept, Key, Source},
    store::{self, Each, Store},
    time::PaneClock,
};
use crate::{
    decision::tune::Random,
    drift::panes::Place,
    fault::{Action, Fault},
    ops::{health::Health, metrics::Metrics, shutdown::Shutdown},
    stream::{Assignment, Chunk, NextOffsets, Outputs, Polled, Stream, kafka::Deadline},
};

const PARTITIONS: i32 = 3;
const STATE_PARTITIONS: i32 = 2;
const CLOCK: PaneClock = PaneClock { pane_ms: 100, grace_ms: 30 };
const HISTORY_MAX: usize = 5;

/// Key and value of a record of the state.
type Stored = (Vec<u8>, Option<Vec<u8>>);

/// What Kafka has.
#[derive(Default)]
struct Cluster {
    /// By partition, the stamps of its records, in milliseconds.
    input: BTreeMap<i32, Vec<i64>>,
    committed: BTreeMap<i32, i64>,
    /// By partition, in the order of their commits.
    state: BTreeMap<i32, Vec<Stored>>,
}

impl Cluster {
    fn compacted(&self) -> BTreeMap<String, String> {
        let mut kept = BTreeMap::new();
        for (key, value) in self.state.values().flatten() {
            let key = String::from_utf8(key.clone()).unwrap();
            match value {
                Some(value) => drop(kept.insert(key, String::from_utf8(value.clone()).unwrap())),
                None => drop(kept.remove(&key)),
            }
        }
        kept
    }

    fn is_done(&self) -> bool {
        self.input.iter().all(|(partition, records)| self.committed.get(partition) == Some(&(records.len() as i64)))
    }
}

/// A member of the group for a while.
struct Member {
    cluster: Rc<RefCell<Cluster>>,
    random: Random,
    /// Of a hundred steps, so many go wrong.
    trouble: usize,
    assigned: BTreeSet<i32>,
    change: Option<Assignment>,
    position: BTreeMap<i32, i64>,
    staged: Vec<(i32, Vec<u8>, Option<Vec<u8>>)>,
    /// Steps until it is killed.
    life: usize,
}

impl Member {
    fn goes_wrong(&mut self) -> bool {
        self.random.below(100) < self.trouble
    }

    fn rewind(&mut self) -> NextOffsets {
        let cluster = self.cluster.borrow();
        let mut offsets = NextOffsets::default();
        self.position.clear();
        for partition in &self.assigned {
            if let Some(&next) = cluster.committed.get(partition) {
                offsets.set_next(*partition, next);
            }
            self.position.insert(*partition, cluster.committed.get(partition).copied().unwrap_or_default());
        }
        offsets
    }
}

impl Stream for Member {
    fn poll(&mut self, chunk: &mut Chunk, records_max: usize, _: Duration) -> Result<Polled, Fault> {
        chunk.clear();
        if let Some(change) = self.change.take() {
            self.assigned.extend(&change.assigned);
            self.assigned.retain(|partition| !change.revoked.contains(partition));
            return Ok(Polled::Assignment(change));
        }
        self.life = self.life.saturating_sub(1);
        if self.life == 0 || self.cluster.borrow().is_done() {
            return Ok(Polled::Ended);
        }
        if self.goes_wrong() {
            return Err(Fault::new(Action::Abort, "a test wants it"));
        }
        if self.goes_wrong() {
            // All go away and come back: as a rebalance with another member does.
            let all: Vec<i32> = self.assigned.iter().copied().collect();
            self.change = Some(Assignment { assigned: all.clone(), revoked: Vec::new() });
            self.assigned.clear();
            return Ok(Polled::Assignment(Assignment { assigned: Vec::new(), revoked: all }));
        }
        let cluster = self.cluster.borrow();
        for _ in 0..1 + self.random.below(records_max) {
            let Some(&partition) = self.assigned.iter().nth(self.random.below(self.assigned.len().max(1))) else {
                break;
            };
            let position = self.position.entry(partition).or_default();
            if let Some(stamp) = cluster.input[&partition].get(*position as usize) {
                chunk.push(partition, *position, None, Some(&stamp.to_le_bytes()));
                *position += 1;
            }
        }
        Ok(if chunk.is_empty() { Polled::Idle } else { Polled::Records })
    }

    fn begin(&mut self) -> Result<(), Fault> {
        self.staged.clear();
        Ok(())
    }

    fn send(&mut self, outputs: &Outputs) -> Result<(), Fault> {
        let copy = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        self.staged
            .extend(outputs.iter().map(|output| (output.partition, copy(output.key).unwrap(), copy(output.value))));
        Ok(())
    }

    fn commit(&mut self, offsets: &NextOffsets) -> Result<(), Fault> {
        if self.goes_wrong() {
            return Err(Fault::new(Action::Abort, "a test wants it"));
        }
        let mut cluster = self.cluster.borrow_mut();
        for (partition, key, value) in self.staged.drain(..) {
            cluster.state.entry(partition).or_default().push((key, value));
        }
        cluster.committed.extend(offsets.iter());
        drop(cluster);
        if self.goes_wrong() {
            return Err(Fault::new(Action::Rebuild, "a test wants it").with_outcome_unknown());
        }
        Ok(())
    }

    fn recover(&mut self, _: &Fault) -> Result<NextOffsets, Fault> {
        self.staged.clear();
        Ok(self.rewind())
    }

    fn hold(&mut self, _: i32) -> Result<(), Fault> {
        Ok(())
    }

    fn release(&mut self, _: i32) -> Result<(), Fault> {
        Ok(())
    }

    fn rebuilds(&self) -> u64 {
        0
    }

    fn input(&self) -> &str {
        "memory"
    }

    fn lag(&self, _: i32) -> Option<i64> {
        None
    }
}

struct MemoryStore(Rc<RefCell<Cluster>>);

impl Store for MemoryStore {
    fn partitions(&self) -> i32 {
        STATE_PARTITIONS
    }

    fn deadline<'a>(&self, go_on: &'a dyn Fn() -> bool) -> Deadline<'a> {
        Deadline::within(Duration::from_secs(60), go_on)
    }

    fn read(&self, partition: i32, _: &Deadline<'_>, each: Each<'_>) -> Result<i64, Fault> {
        let cluster = self.0.borrow();
        let records = cluster.state.get(&partition).map_or(&[][..], Vec::as_slice);
        records.iter().try_for_each(|(key, value)| each(key, value.as_deref()))?;
        Ok(records.len() as i64)
    }

    fn follow(&self, _: &[(i32, i64)]) -> Result<(), Fault> {
        Ok(())
    }

    fn next(&self, _: Each<'_>) -> Result<bool, Fault> {
        Ok(false)
    }
}

/// Writes down what came, and remembers the last stamps of each partition.
struct WritesDown;

#[derive(Default)]
struct History(Vec<i64>, bool);

impl Table for History {
    fn take_changes(&mut self) -> Vec<(String, Option<Vec<u8>>)> {
        match std::mem::take(&mut self.1) {
            true => vec![("last".into(), Some(super::state::json(&self.0)))],
            false => Vec::new(),
        }
    }

    fn restore(&mut self, entries: Vec<(Key, Vec<u8>)>) -> Result<(), Fault> {
        entries.iter().for_each(|(_, value)| self.0 = serde_json::from_slice(value).unwrap());
        Ok(())
    }
}

impl Fold for WritesDown {
    const INPUT: Input = Input::Predictions;
    type Pane = Vec<i64>;
    type Table = History;

    fn table(&self) -> History {
        History::default()
    }

    fn fold(&mut self, chunk: &Chunk, partitions: &mut Partitions<Self>, _: &dyn Fn() -> bool) -> Result<(), Fault> {
        for record in chunk.records() {
            let partition = partitions.get_mut(&record.partition).expect("a record of a partition that is not ours");
            let stamp = i64::from_le_bytes(record.value.unwrap().try_into().unwrap());
            let last: i64 = partition.table.0.iter().sum();
            partition.table.0.push(stamp);
            let over = partition.table.0.len().saturating_sub(HISTORY_MAX);
            partition.table.0.drain(..over);
            partition.table.1 = true;
            match partition.place(stamp) {
                Place::Open(start_ms) => partition.pane(start_ms).extend([stamp, last]),
                Place::Late(start_ms) => partition.pane(start_ms).extend([-stamp, last]),
            }
        }
        Ok(())
    }

    fn closed(&self, _: i32, _: &Vec<i64>) {}
}

/// Stamps as they come: a bit out of order, some late, some far away.
fn input(random: &mut Random) -> BTreeMap<i32, Vec<i64>> {
    let mut stamps = |partition: i32| {
        let mut now = 0;
        let records = (0..120 + 40 * partition).map(|_| {
            now += random.below(20) as i64;
            match random.below(20) {
                0 => now - 200,
                1 => now + 90,
                _ => now - random.below(40) as i64,
            }
        });
        records.collect()
    };
    (0..PARTITIONS).map(|partition| (partition, stamps(partition))).collect()
}

fn run_member(cluster: &Rc<RefCell<Cluster>>, seed: u64, trouble: usize, life: usize, partitions: Vec<i32>) {
    let member = Member {
        cluster: Rc::clone(cluster),
        random: Random::new(seed),
        trouble,
        assigned: BTreeSet::new(),
        change: Some(Assignment { assigned: partitions, revoked: Vec::new() }),
        position: BTreeMap::new(),
        staged: Vec::new(),
        life,
    };
    let shutdown = Shutdown::new(Duration::from_secs(60));
    let limits = LaneLimits {
        chunk_records_max: 16,
        snapshot: Duration::ZERO,
        idle: Duration::from_secs(3_600),
        rebuilds_per_minute_max: 1_000,
    };
    let health = Health::new(1).lane(0);
    let store = MemoryStore(Rc::clone(cluster));
    let metrics = Metrics::new();
    let mut lane = DriftLane::new(member, WritesDown, store, None, CLOCK, limits, &shutdown, health, metrics);
    lane.run().unwrap();
}

fn final_state(seed: u64, trouble: usize) -> BTreeMap<String, String> {
    let mut random = Random::new(seed);
    let cluster = Rc::new(RefCell::new(Cluster { input: input(&mut random), ..Cluster::default() }));
    if trouble == 0 {
        run_member(&cluster, 0, 0, usize::MAX, (0..PARTITIONS).collect());
    }
    while !cluster.borrow().is_done() {
        // Each life has other partitions: what one counted the next one goes on with.
        let first = random.below(PARTITIONS as usize) as i32;
        let partitions = (first..(first + 1 + random.below(2) as i32).min(PARTITIONS)).collect();
        run_member(&cluster, random.below(1 << 40) as u64, trouble, 2 + random.below(30), partitions);
    }
    Rc::into_inner(cluster).unwrap().into_inner().compacted()
}

#[test]
fn a_pane_that_is_closed_is_not_kept_as_it_was_when_open() {
    let source = Source { input: Input::Predictions, partition: 0 };
    let pane = |closed| Some(state::json(&Kept { closed, pane: () }));
    let records = [(0, pane(false)), (0, pane(true)), (100, pane(false)), (200, pane(false)), (200, None)];
    let records = records.map(|(start_ms, value)| (Key::Pane(source, start_ms).bytes(), value));
    let cluster = Cluster { state: [(0, records.to_vec())].into(), ..Cluster::default() };
    let store = MemoryStore(Rc::new(RefCell::new(cluster)));
    let is_open = |key: &Key, value: Option<&[u8]>| Ok(!state::is_closed(key, value)?);
    let (kept, end) = store::latest(&store, 0, &store.deadline(&|| true), is_open).unwrap();
    assert_eq!((kept.into_keys().collect::<Vec<_>>(), end), (vec![Key::Pane(source, 100)], 5));
}

#[test]
fn whatever_goes_wrong_the_state_is_that_of_an_uninterrupted_run() {
    let mut keys = BTreeSet::new();
    for seed in 0..20 {
        let whole = final_state(seed, 0);
        assert_eq!(final_state(seed, 6), whole, "seed {seed}");
        keys.extend(whole.into_keys());
    }
    let panes = keys.iter().filter(|key| matches!(Key::parse(key.as_bytes()), Some(Key::Pane(..)))).count();
    assert!(panes > 20, "{panes} panes");
}
