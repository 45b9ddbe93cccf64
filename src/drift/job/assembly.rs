//! Closed panes of all partitions, put together into windows. Pure: the same panes give the same windows, in whatever
//! order they come.
//!
//! ```text
//! closed panes of each partition ──► waiting ──► every partition has come so far ──► merged ──► windows that end
//!                                     │   ▲
//!                           too many: └───┴── left in the topic, and read back
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    state::{self, Input, Kept, Key, Source},
    time::{PaneClock, Progress, ends},
    waiting::{Parts, Waiting},
};
use crate::{
    config::WindowSize,
    drift::panes::{LabelPane, Merge, PredictionPane},
    fault::Fault,
    stream::Outputs,
};

/// Panes that are merged in one transaction.
const PANES_MAX: usize = 64;

/// What all partitions counted in a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counted {
    /// What the models said.
    pub predictions: PredictionPane,
    /// What was true.
    pub labels: LabelPane,
}

impl Counted {
    fn merge(&mut self, other: &Self) {
        self.predictions.merge(&other.predictions);
        self.labels.merge(&other.labels);
    }
}

/// A window that has ended; milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ended {
    /// Its end, exclusive: first, so that windows sort by it.
    pub end_ms: i64,
    /// Its start.
    pub start_ms: i64,
    /// Which of the configured windows.
    pub index: usize,
}

/// The panes on their way into windows.
pub(super) struct Assembly {
    windows: Vec<WindowSize>,
    clock: PaneClock,
    /// Of every partition of the inputs: up to where its panes are closed.
    closed_to_ms: BTreeMap<Source, Option<i64>>,
    waiting: Waiting,
    merged: BTreeMap<i64, Counted>,
    /// Records of the state that are of no use any more: panes that came when their time was reported already, and what the
    /// merger finds.
    pub stale: Vec<Key>,
    /// Every window that ends here or before is reported.
    reported_to_ms: Option<i64>,
}

impl Assembly {
    /// Of the partitions of all inputs; so many bytes of panes wait in memory.
    pub(super) fn new(
        windows: &[WindowSize],
        clock: PaneClock,
        sources: impl Iterator<Item = Source>,
        waiting_bytes_max: usize,
    ) -> Self {
        Self {
            windows: windows.to_vec(),
            clock,
            closed_to_ms: sources.map(|source| (source, None)).collect(),
            waiting: Waiting::new(waiting_bytes_max),
            merged: BTreeMap::new(),
            stale: Vec::new(),
            reported_to_ms: None,
        }
    }

    /// Nothing is known any more.
    pub(super) fn reset(&mut self) {
        self.closed_to_ms.values_mut().for_each(|known| *known = None);
        self.waiting.clear();
        self.merged.clear();
        self.stale.clear();
        self.reported_to_ms = None;
    }

    /// Takes a record of the state; those about something else are passed over.
    ///
    /// # Errors
    /// [`Fault`], when it cannot be read.
    pub(super) fn take(&mut self, key: &Key, value: &[u8]) -> Result<(), Fault> {
        match key {
            Key::Progress(source) => {
                let progress: Progress = state::parse(key, value)?;
                progress.check(&self.clock)?;
                if let Some(known) = self.closed_to_ms.get_mut(source) {
                    *known = progress.closed_to_ms;
                }
            }
            // Told twice, or of a time that nobody waited for: its windows are reported.
            Key::Pane(_, start_ms)
                if self.reported_to_ms.is_some_and(|to_ms| start_ms + self.clock.pane_ms <= to_ms) =>
            {
                self.stale.push(key.clone());
            }
            // Also of an input that is not read any more: it is merged, or found to be stale.
            Key::Pane(source, start_ms) if state::is_closed(key, Some(value))? => {
                self.waiting.insert(*start_ms, *source, value);
            }
            Key::Merged(start_ms) => drop(self.merged.insert(*start_ms, state::parse(key, value)?)),
            Key::Reported => {
                self.reported_to_ms = state::parse(key, value)?;
                let reported = self.waiting.take(self.reported_to_ms.unwrap_or(i64::MIN));
                let keys =
                    |(start_ms, parts): (i64, Parts)| parts.into_keys().map(move |source| Key::Pane(source, start_ms));
                self.stale.extend(reported.into_iter().flat_map(keys));
            }
            _ => {}
        }
        Ok(())
    }

    /// A record of the state was deleted.
    pub(super) fn deleted(&mut self, key: &Key) {
        if let Key::Pane(source, start_ms) = key {
            self.waiting.remove(*start_ms, *source);
        }
    }

    /// Whether panes that were left in the topic are due: all from [`Self::take_left`] on are to be taken once more.
    pub(super) fn must_read_back(&self) -> bool {
        let left_from_ms = self.waiting.left_from_ms();
        self.waiting.is_empty() && left_from_ms.is_some_and(|from_ms| self.complete_to_ms() > Some(from_ms))
    }

    /// Panes that start at or after what this returns are taken again; none when all are here.
    pub(super) fn take_left(&mut self) -> Option<i64> {
        self.waiting.take_left()
    }

    #[cfg(test)]
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting.bytes()
    }

    /// Up to where every partition is closed; none while one of them has not begun.
    fn complete_to_ms(&self) -> Option<i64> {
        self.closed_to_ms.values().copied().min().flatten()
    }

    /// Up to where every partition is closed and its panes are here.
    fn here_to_ms(&self) -> Option<i64> {
        let left_from_ms = self.waiting.left_from_ms().unwrap_or(i64::MAX);
        self.complete_to_ms().map(|complete_to_ms| complete_to_ms.min(left_from_ms))
    }

    /// Whether [`Self::advance`] would find something.
    pub(super) fn is_due(&self) -> bool {
        self.here_to_ms().is_some_and(|here_to_ms| self.reported_to_ms.is_none_or(|known| here_to_ms > known))
            && !(self.waiting.is_empty() && self.merged.is_empty())
    }

    /// Merges the panes that every partition has closed, and says which windows have ended, in their order. What changed
    /// is written.
    ///
    /// # Errors
    /// [`Fault`], when a pane cannot be read.
    pub(super) fn advance(&mut self, partitions: i32, outputs: &mut Outputs) -> Result<Vec<Ended>, Fault> {
        let Some(here_to_ms) = self.here_to_ms() else { return Ok(Vec::new()) };
        // The rest comes in the next transactions.
        let complete_to_ms = here_to_ms.min(self.waiting.start_behind(PANES_MAX).unwrap_or(here_to_ms));
        let from_ms = self.reported_to_ms.unwrap_or(i64::MIN / 2);
        for (start_ms, parts) in self.waiting.take(complete_to_ms.saturating_sub(self.clock.pane_ms - 1)) {
            self.merge(start_ms, parts, partitions, outputs)?;
        }
        let mut ended = BTreeSet::new();
        for (index, &window) in self.windows.iter().enumerate() {
            let found = ends(window, self.merged.keys().copied(), from_ms, complete_to_ms);
            ended.extend(found.into_iter().map(|end_ms| Ended { end_ms, start_ms: end_ms - window.size_ms, index }));
        }
        self.reported_to_ms = Some(complete_to_ms.max(from_ms));
        state::write(outputs, partitions, &Key::Reported, Some(&state::json(&self.reported_to_ms)));
        Ok(ended.into_iter().collect())
    }

    /// One pane of all partitions, in place of theirs.
    fn merge(&mut self, start_ms: i64, parts: Parts, partitions: i32, outputs: &mut Outputs) -> Result<(), Fault> {
        let counted = self.merged.entry(start_ms).or_default();
        for (source, value) in parts {
            let key = Key::Pane(source, start_ms);
            let part = match source.input {
                Input::Predictions => {
                    Counted { predictions: state::parse::<Kept<_>>(&key, &value)?.pane, ..Counted::default() }
                }
                Input::Labels => Counted { labels: state::parse::<Kept<_>>(&key, &value)?.pane, ..Counted::default() },
            };
            counted.merge(&part);
            state::write(outputs, partitions, &key, None);
        }
        state::write(outputs, partitions, &Key::Merged(start_ms), Some(&state::json(counted)));
        Ok(())
    }

    /// Everything in a window.
    pub(super) fn window(&self, ended: Ended) -> Counted {
        let mut whole = Counted::default();
        // The newest first: where a bundle was replaced, its reference is the one that counts.
        self.merged.range(ended.start_ms..ended.end_ms).rev().for_each(|(_, part)| whole.merge(part));
        whole
    }

    /// Forgets panes that no window to come holds.
    pub(super) fn forget(&mut self, partitions: i32, outputs: &mut Outputs) {
        let longest_ms = self.windows.iter().map(|window| window.size_ms).max().unwrap_or_default();
        let Some(reported_to_ms) = self.reported_to_ms else { return };
        let kept = self.merged.split_off(&(reported_to_ms - longest_ms + 1));
        for start_ms in std::mem::replace(&mut self.merged, kept).into_keys() {
            state::write(outputs, partitions, &Key::Merged(start_ms), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: PaneClock = PaneClock { pane_ms: 1_000, grace_ms: 0 };

    fn source(input: Input, partition: i32) -> Source {
        Source { input, partition }
    }

    fn assembly() -> Assembly {
        let windows = ["1s", "3s"].map(|text| text.parse().unwrap());
        let sources = [source(Input::Predictions, 0), source(Input::Predictions, 1), source(Input::Labels, 0)];
        Assembly::new(&windows, CLOCK, sources.into_iter(), usize::MAX)
    }

    fn closes(assembly: &mut Assembly, source: Source, closed_to_ms: i64) {
        let progress = Progress { watermark_ms: Some(closed_to_ms), closed_to_ms: Some(closed_to_ms), pane_ms: 1_000 };
        assembly.take(&Key::Progress(source), &state::json(&progress)).unwrap();
    }

    fn pane(assembly: &mut Assembly, partition: i32, start_ms: i64, late: u64, closed: bool) {
        let kept = Kept { closed, pane: PredictionPane { late, ..PredictionPane::default() } };
        let key = Key::Pane(source(Input::Predictions, partition), start_ms);
        assembly.take(&key, &state::json(&kept)).unwrap();
    }

    /// Start and end of the windows that ended, and the keys that were written, `false` where deleted.
    type Advanced = (Vec<(i64, i64)>, Vec<(Key, bool)>);

    fn advance(assembly: &mut Assembly) -> Advanced {
        let mut outputs = Outputs::default();
        let ended = assembly.advance(1, &mut outputs).unwrap();
        assembly.forget(1, &mut outputs);
        let written = outputs.iter().map(|output| (Key::parse(output.key.unwrap()).unwrap(), output.value.is_some()));
        (ended.iter().map(|ended| (ended.start_ms, ended.end_ms)).collect(), written.collect())
    }

    #[test]
    fn a_window_waits_for_every_partition_and_input() {
        let mut assembly = assembly();
        pane(&mut assembly, 0, 0, 1, true);
        pane(&mut assembly, 1, 0, 10, true);
        pane(&mut assembly, 1, 0, 10, true);
        pane(&mut assembly, 1, 1_000, 100, false);
        closes(&mut assembly, source(Input::Predictions, 0), 2_000);
        closes(&mut assembly, source(Input::Predictions, 1), 1_000);
        assert!(!assembly.is_due());
        assert_eq!(advance(&mut assembly), (vec![], vec![]));
        closes(&mut assembly, source(Input::Labels, 0), 5_000);
        assert!(assembly.is_due());
        let (ended, written) = advance(&mut assembly);
        assert_eq!(ended, [(0, 1_000)]);
        let parts = [0, 1].map(|partition| (Key::Pane(source(Input::Predictions, partition), 0), false));
        assert_eq!(written, [&parts[..], &[(Key::Merged(0), true), (Key::Reported, true)]].concat());
        assert_eq!(assembly.window(Ended { start_ms: 0, end_ms: 1_000, index: 0 }).predictions.late, 11);
        assert!(!assembly.is_due());
    }

    #[test]
    fn a_pane_of_an_input_that_is_not_read_any_more_does_not_stay() {
        let mut assembly = assembly();
        pane(&mut assembly, 7, 0, 1, true);
        for source in [source(Input::Predictions, 0), source(Input::Predictions, 1), source(Input::Labels, 0)] {
            closes(&mut assembly, source, 1_000);
        }
        let (ended, written) = advance(&mut assembly);
        assert_eq!(ended, [(0, 1_000)]);
        assert!(written.contains(&(Key::Pane(source(Input::Predictions, 7), 0), false)));
    }

    #[test]
    fn longer_windows_are_put_together_and_forgotten() {
        let mut assembly = assembly();
        for (start_ms, late) in [(0, 1), (2_000, 10), (9_000, 100)] {
            pane(&mut assembly, 0, start_ms, late, true);
        }
        for source in [source(Input::Predictions, 0), source(Input::Predictions, 1), source(Input::Labels, 0)] {
            closes(&mut assembly, source, 11_000);
        }
        let (ended, written) = advance(&mut assembly);
        assert_eq!(ended, [(0, 1_000), (0, 3_000), (2_000, 3_000), (9_000, 10_000)]);
        assert!(written.contains(&(Key::Merged(0), false)) && written.contains(&(Key::Merged(2_000), false)));
        assert_eq!(assembly.merged.keys().collect::<Vec<_>>(), [&9_000]);
    }
}
