//! What a lane knows of one partition of its input: how far it has come, its open panes, and the small things that it
//! remembers. Everything comes from the records and their order, so a lane that starts again from its last commit knows
//! the same.

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};

use super::{
    state::{self, Kept, Key, Source},
    time::{PaneClock, Progress},
};
use crate::{drift::panes::Place, fault::Fault, stream::Outputs};

/// Small things that a partition remembers beside its panes.
pub(super) trait Table {
    /// What is new since the last call, and what is gone: none.
    fn take_changes(&mut self) -> Vec<(String, Option<Vec<u8>>)>;

    /// Everything that was remembered, before the first record: names with their values.
    ///
    /// # Errors
    /// [`Fault`], when it cannot be read.
    fn restore(&mut self, entries: Vec<(Key, Vec<u8>)>) -> Result<(), Fault>;
}

/// Nothing is remembered.
impl Table for () {
    fn take_changes(&mut self) -> Vec<(String, Option<Vec<u8>>)> {
        Vec::new()
    }

    fn restore(&mut self, _: Vec<(Key, Vec<u8>)>) -> Result<(), Fault> {
        Ok(())
    }
}

/// One partition of an input.
#[derive(Debug)]
pub(super) struct Partition<P, T> {
    source: Source,
    clock: PaneClock,
    progress: Progress,
    /// By their start: the open ones, and closed ones that are not committed yet.
    panes: BTreeMap<i64, Tracked<P>>,
    /// What it remembers.
    pub table: T,
    /// What of the progress is committed.
    committed: Progress,
}

#[derive(Debug)]
struct Tracked<P> {
    pane: P,
    changed: bool,
}

impl<P: Default + Serialize + DeserializeOwned, T: Table> Partition<P, T> {
    /// One that nothing is known of, with an empty table.
    pub(super) fn new(source: Source, clock: PaneClock, table: T) -> Self {
        let progress = Progress::default();
        Self { source, clock, progress, panes: BTreeMap::new(), table, committed: progress }
    }

    /// Takes back everything that was written, before the first record.
    ///
    /// # Errors
    /// [`Fault`], when it cannot be read.
    pub(super) fn restore(&mut self, kept: BTreeMap<Key, Vec<u8>>) -> Result<(), Fault> {
        let mut entries = Vec::new();
        for (key, value) in kept {
            match key {
                Key::Progress(_) => {
                    self.progress = state::parse(&key, &value)?;
                    self.progress.check(&self.clock)?;
                    self.committed = self.progress;
                }
                Key::Pane(_, start_ms) => {
                    let Kept { closed, pane } = state::parse(&key, &value)?;
                    if !closed {
                        self.panes.insert(start_ms, Tracked { pane, changed: false });
                    }
                }
                Key::Entry(..) => entries.push((key, value)),
                _ => {}
            }
        }
        self.table.restore(entries)
    }

    /// Where a record of this time counts; it moves the watermark. Milliseconds since the epoch.
    pub(super) fn place(&mut self, time_ms: i64) -> Place {
        self.progress.advance(time_ms, &self.clock);
        let start_ms = self.clock.start_of(time_ms);
        match self.progress.is_closed(start_ms, &self.clock) {
            false => Place::Open(start_ms),
            true => Place::Late(self.oldest_ms()),
        }
    }

    /// Start of the oldest pane that is open, milliseconds since the epoch: where records count that have no time. Before the
    /// first record that is the epoch's.
    fn oldest_ms(&self) -> i64 {
        self.progress.closed_to_ms.unwrap_or_default()
    }

    /// That pane.
    pub(super) fn oldest(&mut self) -> &mut P {
        self.pane(self.oldest_ms())
    }

    /// The pane that starts here, when it is open.
    pub(super) fn open_pane(&mut self, start_ms: i64) -> Option<&mut P> {
        (!self.progress.is_closed(start_ms, &self.clock)).then(|| self.pane(start_ms))
    }

    /// It has been read to its end and is silent: time goes on to `time_ms` without a record.
    pub(super) fn silent(&mut self, time_ms: i64) {
        self.progress.advance(time_ms, &self.clock);
    }

    /// How far it has come.
    pub(super) fn progress(&self) -> Progress {
        self.progress
    }

    /// The pane that starts at a [`Place`].
    pub(super) fn pane(&mut self, start_ms: i64) -> &mut P {
        let tracked = self.panes.entry(start_ms).or_insert_with(|| Tracked { pane: P::default(), changed: true });
        tracked.changed = true;
        &mut tracked.pane
    }

    /// Whether there is something that others wait for: a pane was closed.
    pub(super) fn has_closed(&self) -> bool {
        self.progress.closed_to_ms != self.committed.closed_to_ms
    }

    /// Panes that are closed and not committed.
    pub(super) fn closed_panes(&self) -> usize {
        self.panes.keys().take_while(|start_ms| self.progress.is_closed(**start_ms, &self.clock)).count()
    }

    /// Writes what has changed since the last commit. The progress comes last: who reads it knows that the panes that it
    /// closes have been read.
    pub(super) fn write(&mut self, partitions: i32, outputs: &mut Outputs) {
        let before = outputs.len();
        for (name, value) in self.table.take_changes() {
            state::write(outputs, partitions, &Key::Entry(self.source, name), value.as_deref());
        }
        for (&start_ms, tracked) in &self.panes {
            let closed = self.progress.is_closed(start_ms, &self.clock);
            if tracked.changed || closed {
                let kept = Kept { closed, pane: &tracked.pane };
                state::write(outputs, partitions, &Key::Pane(self.source, start_ms), Some(&state::json(&kept)));
            }
        }
        // Silence moves the watermark all the time, and nobody needs to know.
        if outputs.len() > before || self.has_closed() {
            state::write(outputs, partitions, &Key::Progress(self.source), Some(&state::json(&self.progress)));
        }
    }

    /// What was written is committed; `closed` is told each pane that is done with.
    pub(super) fn committed(&mut self, mut closed: impl FnMut(&P)) {
        let Self { panes, progress, clock, .. } = self;
        panes.retain(|start_ms, tracked| {
            let is_closed = progress.is_closed(*start_ms, clock);
            if is_closed {
                closed(&tracked.pane);
            }
            !is_closed
        });
        panes.values_mut().for_each(|tracked| tracked.changed = false);
        self.committed = self.progress;
    }
}

#[cfg(test)]
mod tests {
    use super::{super::state::Input, *};

    const SOURCE: Source = Source { input: Input::Predictions, partition: 2 };
    const CLOCK: PaneClock = PaneClock { pane_ms: 10, grace_ms: 2 };

    fn partition() -> Partition<Vec<i64>, ()> {
        Partition::new(SOURCE, CLOCK, ())
    }

    fn count(partition: &mut Partition<Vec<i64>, ()>, time_ms: i64) {
        match partition.place(time_ms) {
            Place::Open(start_ms) => partition.pane(start_ms).push(time_ms),
            Place::Late(start_ms) => partition.pane(start_ms).push(-time_ms),
        }
    }

    fn written(partition: &mut Partition<Vec<i64>, ()>) -> Vec<(Key, String)> {
        let mut outputs = Outputs::default();
        partition.write(4, &mut outputs);
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        outputs.iter().map(|output| (Key::parse(output.key.unwrap()).unwrap(), text(output.value))).collect()
    }

    #[test]
    fn what_is_late_counts_in_the_oldest_open_pane() {
        let mut partition = partition();
        for time_ms in [5, 11, 9, 12, 8] {
            count(&mut partition, time_ms);
        }
        let written = written(&mut partition);
        assert_eq!(
            written,
            [
                (Key::Pane(SOURCE, 0), r#"{"closed":true,"pane":[5,9]}"#.to_owned()),
                (Key::Pane(SOURCE, 10), r#"{"closed":false,"pane":[11,12,-8]}"#.to_owned()),
                (Key::Progress(SOURCE), r#"{"watermark_ms":12,"closed_to_ms":10,"pane_ms":10}"#.to_owned()),
            ]
        );
    }

    #[test]
    fn only_changes_are_written_and_closed_panes_once() {
        let mut partition = partition();
        count(&mut partition, 5);
        written(&mut partition);
        partition.committed(|_| ());
        assert_eq!(written(&mut partition), []);
        partition.silent(11);
        assert_eq!(written(&mut partition), [], "nobody waits for it");
        partition.silent(30);
        assert_eq!(written(&mut partition).len(), 2);
        partition.committed(|_| ());
        assert_eq!(written(&mut partition), []);
    }

    #[test]
    fn restored_it_goes_on_as_if_nothing_had_happened() {
        let times = [5, 1, 14, 9, 25, 13, 30, 31, 28, 2, 55];
        let mut whole = partition();
        times.iter().for_each(|&time_ms| count(&mut whole, time_ms));
        let whole = written(&mut whole);
        for cut in 0..times.len() {
            let mut before = partition();
            times[..cut].iter().for_each(|&time_ms| count(&mut before, time_ms));
            let mut kept: BTreeMap<_, _> = written(&mut before).into_iter().collect();
            let mut after = partition();
            after.restore(kept.iter().map(|(key, value)| (key.clone(), value.clone().into_bytes())).collect()).unwrap();
            times[cut..].iter().for_each(|&time_ms| count(&mut after, time_ms));
            kept.extend(written(&mut after));
            assert_eq!(kept, whole.iter().cloned().collect(), "cut at {cut}");
        }
    }
}
