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

    /// Nothing is known any more.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.bytes_max);
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
    pub(super) fn take_left(&mut self) -> Option<i64> {
        self.left_from_ms.take()
    }
}

fn bytes(parts: &Parts) -> usize {
    parts.values().map(Vec::len).sum()
}
