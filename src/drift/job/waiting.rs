//! Closed panes that wait for those of other partitions, as they were written: they take less memory so. While a backlog is
//! caught up they can be many: the ones that are due last are left in the topic, and read back when it is their turn.

use std::collections::BTreeMap;

use super::state::Source;

/// Bytes of panes that wait in memory. Those of one time always do: otherwise nothing would go on.
pub(super) const WAITING_BYTES_MAX: usize = 32 << 20;

/// Panes of one time.
pub(super) type Parts = BTreeMap<Source, Vec<u8>>;

/// All panes that start before [`Waiting::left_from_ms`]. Times are milliseconds since the epoch.
#[derive(Debug)]
pub(super) struct Waiting {
    bytes_max: usize,
    bytes: usize,
    /// By their start.
    panes: BTreeMap<i64, Parts>,
    left_from_ms: Option<i64>,
}

impl Waiting {
    /// None yet, of at most so many bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, panes: BTreeMap::new(), left_from_ms: None }
    }

    /// The same, with nothing in it.
    pub(super) fn cleared(&self) -> Self {
        Self::new(self.bytes_max)
    }

    /// Panes that start here or later are in the topic alone; none when all are here.
    pub(super) fn left_from_ms(&self) -> Option<i64> {
        self.left_from_ms
    }

    /// Whether none is here.
    pub(super) fn is_empty(&self) -> bool {
        self.panes.is_empty()
    }

    /// Bytes that are here.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a pane, unless it is one of those that are left.
    pub(super) fn insert(&mut self, start_ms: i64, source: Source, value: &[u8]) {
        if self.left_from_ms.is_some_and(|from_ms| start_ms >= from_ms) {
            return;
        }
        self.bytes += value.len();
        let before = self.panes.entry(start_ms).or_default().insert(source, value.to_vec());
        self.bytes -= before.map_or(0, |before| before.len());
        while self.bytes > self.bytes_max && self.panes.len() > 1 {
            let Some((start_ms, parts)) = self.panes.pop_last() else { return };
            self.bytes -= bytes(&parts);
            self.left_from_ms = Some(start_ms);
        }
    }

    /// It is deleted.
    pub(super) fn remove(&mut self, start_ms: i64, source: Source) {
        let Some(parts) = self.panes.get_mut(&start_ms) else { return };
        self.bytes -= parts.remove(&source).map_or(0, |value| value.len());
        if parts.is_empty() {
            self.panes.remove(&start_ms);
        }
    }

    /// Start of the pane behind so many.
    pub(super) fn start_behind(&self, panes: usize) -> Option<i64> {
        self.panes.keys().nth(panes).copied()
    }

    /// Takes those out that start before this; no others of them come.
    pub(super) fn take(&mut self, before_ms: i64) -> BTreeMap<i64, Parts> {
        let later = self.panes.split_off(&before_ms);
        let taken = std::mem::replace(&mut self.panes, later);
        self.bytes -= taken.values().map(bytes).sum::<usize>();
        self.left_from_ms = self.left_from_ms.map(|from_ms| from_ms.max(before_ms));
        taken
    }

    /// From now on [`Waiting::insert`] takes those that were left, which start at or after what this returns.
    pub(super) fn read_back(&mut self) -> Option<i64> {
        self.left_from_ms.take()
    }
}

fn bytes(parts: &Parts) -> usize {
    parts.values().map(Vec::len).sum()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            assembly::{Assembly, Ended},
            state::{self, Input, Kept, Key},
            time::{PaneClock, Progress},
        },
        *,
    };
    use crate::{drift::panes::PredictionPane, stream::Outputs};

    const PANE_MS: i64 = 1_000;
    const PANES: i64 = 40;
    const PARTITIONS: i32 = 3;

    fn source(partition: i32) -> Source {
        Source { input: Input::Predictions, partition }
    }

    /// A closed pane as the topic has it; no two count the same.
    fn pane(partition: i32, number: i64) -> (Key, Vec<u8>) {
        let late = 1 << (10 * partition) | number as u64;
        let kept = Kept { closed: true, pane: PredictionPane { late, ..PredictionPane::default() } };
        (Key::Pane(source(partition), number * PANE_MS), state::json(&kept))
    }

    fn progress(partition: i32, number: i64) -> (Key, Vec<u8>) {
        let closed_to_ms = Some((number + 1) * PANE_MS);
        let progress = Progress { watermark_ms: closed_to_ms, closed_to_ms, pane_ms: PANE_MS };
        (Key::Progress(source(partition)), state::json(&progress))
    }

    /// A whole backlog of all partitions but the last, then that one; the windows with what they count, and how often panes
    /// were read back.
    fn run(bytes_max: usize) -> (Vec<(Ended, u64)>, usize) {
        let windows = ["1s", "3s"].map(|text| text.parse().unwrap());
        let clock = PaneClock { pane_ms: PANE_MS, grace_ms: 0 };
        let mut assembly = Assembly::new(&windows, clock, (0..PARTITIONS).map(source), bytes_max);
        let (mut topic, mut ends, mut readings): (Vec<(Key, Vec<u8>)>, _, _) = (Vec::new(), Vec::new(), 0);
        for partition in 0..PARTITIONS {
            for number in 0..PANES {
                for (key, value) in [pane(partition, number), progress(partition, number)] {
                    assembly.take(&key, &value).unwrap();
                    topic.push((key, value));
                }
                assert!(assembly.waiting_bytes() <= bytes_max.max(3 * (topic[0].1.len() + 20)));
                while assembly.is_due() || assembly.must_read_back() {
                    if assembly.must_read_back() {
                        readings += 1;
                        let from_ms = assembly.read_back().unwrap();
                        let is_left = |key: &Key| matches!(key, Key::Pane(_, start_ms) if *start_ms >= from_ms);
                        topic
                            .iter()
                            .filter(|(key, _)| is_left(key))
                            .for_each(|(key, value)| assembly.take(key, value).unwrap());
                        continue;
                    }
                    let ended = assembly.advance(1, &mut Outputs::default()).unwrap();
                    ends.extend(ended.into_iter().map(|ended| (ended, assembly.window(ended).predictions.late)));
                    assembly.forget(1, &mut Outputs::default());
                }
            }
        }
        (ends, readings)
    }

    #[test]
    fn a_backlog_that_does_not_fit_gives_the_same_windows() {
        let (whole, readings) = run(usize::MAX);
        assert_eq!((whole.len() as i64, readings), (PANES + PANES / 3, 0));
        let bytes = pane(0, 0).1.len();
        for panes in [0, 1, 7, 50] {
            let (windows, readings) = run(panes * bytes);
            assert_eq!(windows, whole, "{panes} panes fit");
            assert!(readings > 0, "{panes} panes fit");
        }
    }
}
