//! Puts the windows together and says what they say. It belongs to the lane that has partition 0 of the predictions, and
//! writes in that lane's transactions: whoever loses the partition cannot commit any more.
//!
//! ```text
//! drift-state ─► Assembly ─► windows that ended ─► report ─┬─► drift-reports  ┐
//!                                                          ├─► alarms         ├ one transaction
//!                                                          └─► alerts, retrain┘
//!  after the commit: alerts are told (at least once), a retraining is started (at most once)
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    alarms::AlarmBook,
    assembly::{Assembly, Counted, Ended},
    reporter::Reporter,
    state::{self, Key},
    store::{self, Store},
};
use crate::{
    codec::RecordWriter,
    config::WindowSize,
    drift::{
        alert::{Alert, Alerts, report_key},
        report::Alarms,
    },
    fault::Fault,
    ops::metrics::Metrics,
    records::{AlarmKind, DriftReport},
    stream::{Outputs, Topic, kafka::Deadline},
};

/// Records of the state that are taken at once.
const FOLLOW_RECORDS_MAX: usize = 10_000;

/// Puts the windows together.
pub(super) struct Merger {
    assembly: Assembly,
    windows: Vec<WindowSize>,
    reporter: Reporter,
    writer: RecordWriter,
    alerts: Arc<Alerts>,
    metrics: Arc<Metrics>,
    book: AlarmBook,
    /// Whether the state is here: only then does it write.
    is_loaded: bool,
    /// Alerts with which nothing is left to do, to be taken out of the state. Kept over [`Self::forget`]: told is told.
    done: BTreeSet<String>,
    /// Retrainings that are to be started, by their id.
    retrainings: BTreeMap<String, Alert>,
    /// Those that were taken out of the state when a transaction failed: it may have been committed all the same.
    unsure: Vec<Alert>,
    /// What the open transaction holds.
    staged: Staged,
}

/// What happens once a transaction is committed.
#[derive(Default)]
struct Staged {
    reports: Vec<DriftReport>,
    alerts: Vec<Alert>,
    /// Taken out of the state, so that they are started once.
    retrainings: Vec<Alert>,
    /// Taken out of the state.
    done: BTreeSet<String>,
}

impl Merger {
    /// One that knows nothing yet.
    pub(super) fn new(
        assembly: Assembly,
        windows: &[WindowSize],
        reporter: Reporter,
        writer: RecordWriter,
        alerts: Arc<Alerts>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            assembly,
            windows: windows.to_vec(),
            reporter,
            writer,
            alerts,
            metrics,
            book: AlarmBook::default(),
            is_loaded: false,
            done: BTreeSet::new(),
            retrainings: BTreeMap::new(),
            unsure: Vec::new(),
            staged: Staged::default(),
        }
    }

    /// Another process reports from now on, and tells.
    pub(super) fn lost(&mut self) {
        self.metrics.drift().forget_reports();
        self.alerts.forget();
        let staged = std::mem::take(&mut self.staged).retrainings;
        self.unsure.drain(..).chain(staged).for_each(|alert| self.alerts.retrain_unsure(&alert));
    }

    /// Nothing in memory is true any more.
    pub(super) fn forget(&mut self) {
        self.assembly.reset();
        self.book = AlarmBook::default();
        self.is_loaded = false;
        self.retrainings.clear();
        self.unsure.extend(std::mem::take(&mut self.staged).retrainings);
    }

    /// Reads the whole state back, tells what nobody was told for sure, and follows the state from there.
    ///
    /// # Errors
    /// [`Fault`], which may ask to come again.
    pub(super) fn load(&mut self, store: &impl Store, deadline: &Deadline<'_>) -> Result<(), Fault> {
        let (mut kept, mut ends) = (BTreeMap::new(), Vec::new());
        for partition in 0..store.partitions() {
            let assembly = &mut self.assembly;
            let (of_partition, end) = store::latest(store, partition, deadline, |key, value| match (key, value) {
                // What partitions remember is not needed here, and can be much.
                (Key::Entry(..), _) => Ok(false),
                // They can be more than fit.
                (Key::Pane(..), Some(value)) => assembly.take(key, value).map(|()| false),
                (Key::Pane(..), None) => {
                    assembly.deleted(key);
                    Ok(false)
                }
                _ => Ok(true),
            })?;
            kept.extend(of_partition);
            ends.push((partition, end));
        }
        let names: Vec<_> = self.windows.iter().map(ToString::to_string).collect();
        let mut alerts = Vec::new();
        for (key, value) in kept {
            match key {
                Key::Alarms(ref window, ref task, ref arm) => {
                    let alarms: Alarms = state::parse(&key, &value)?;
                    if names.contains(window) {
                        let Alarms { drift, calibration } = alarms;
                        let raised = [(AlarmKind::Drift, drift), (AlarmKind::Calibration, calibration)]
                            .map(|(about, alarm)| (about, alarm.is_raised()));
                        self.metrics.drift().alarms_known(task, arm, window, raised);
                        self.book.set((window.clone(), task.clone(), arm.clone()), alarms);
                    } else {
                        // No window would ever clear them.
                        tracing::warn!(
                            window,
                            task,
                            arm,
                            ?alarms,
                            "forgetting the alarms of a window that is no longer configured"
                        );
                        self.assembly.stale.push(key);
                    }
                }
                Key::Alert(_) => alerts.push(state::parse(&key, &value)?),
                Key::Retrain(ref id) => drop(self.retrainings.insert(id.clone(), state::parse(&key, &value)?)),
                _ => self.assembly.take(&key, &value)?,
            }
        }
        store.follow(&ends)?;
        self.is_loaded = true;
        self.tell(alerts);
        // What is still in the state was not committed. What is not was, or another process has it: twice is worse than not
        // at all.
        for alert in std::mem::take(&mut self.unsure) {
            if !self.retrainings.contains_key(&alert.id) {
                self.alerts.retrain_unsure(&alert);
            }
        }
        Ok(())
    }

    /// Takes what other lanes have committed meanwhile, and what became of alerts.
    ///
    /// # Errors
    /// [`Fault`], which may ask to come again.
    pub(super) fn follow(&mut self, store: &impl Store, go_on: &dyn Fn() -> bool) -> Result<(), Fault> {
        self.done.extend(self.alerts.done());
        if !self.is_loaded {
            return Ok(());
        }
        for _ in 0..FOLLOW_RECORDS_MAX {
            let assembly = &mut self.assembly;
            let found = store.next(&mut |key, value| match (Key::parse(key), value) {
                (Some(key), Some(value)) if key.source().is_some() => assembly.take(&key, value),
                // Its own words.
                _ => Ok(()),
            })?;
            if !found {
                break;
            }
        }
        let deadline = store.deadline(go_on);
        if self.alerts.has_room() {
            self.tell_again(store, &deadline)?;
        }
        if self.assembly.must_read_back() { self.read_back(store, &deadline) } else { Ok(()) }
    }

    /// In their order, those that are not done.
    fn tell(&self, mut alerts: Vec<Alert>) {
        alerts.retain(|alert| !self.done.contains(&alert.id));
        alerts.sort_by_key(|alert| alert.window_end.ms);
        alerts.into_iter().for_each(|alert| self.alerts.tell(alert));
    }

    /// Alerts that had no room were left in the topic.
    fn tell_again(&self, store: &impl Store, deadline: &Deadline<'_>) -> Result<(), Fault> {
        let (kept, _) = store::latest(store, 0, deadline, |key, _| Ok(matches!(key, Key::Alert(_))))?;
        let alerts = kept.iter().map(|(key, value)| state::parse(key, value));
        self.tell(alerts.collect::<Result<_, _>>()?);
        Ok(())
    }

    /// Panes that were left in the topic are due: as many as fit are taken.
    fn read_back(&mut self, store: &impl Store, deadline: &Deadline<'_>) -> Result<(), Fault> {
        let from_ms = self.assembly.take_left();
        for partition in 0..store.partitions() {
            let assembly = &mut self.assembly;
            store.read(partition, deadline, &mut |key, value| match (Key::parse(key), value) {
                (Some(key @ Key::Pane(_, start_ms)), Some(value)) if Some(start_ms) >= from_ms => {
                    assembly.take(&key, value)
                }
                _ => Ok(()),
            })?;
        }
        Ok(())
    }

    /// Whether [`Self::write`] would find something.
    pub(super) fn is_due(&self) -> bool {
        self.is_loaded
            && (self.assembly.is_due()
                || !self.retrainings.is_empty()
                || !self.done.is_empty()
                || !self.assembly.stale.is_empty())
    }

    /// Writes the reports of windows that have ended, with everything that they change.
    ///
    /// # Errors
    /// [`Fault`], when a pane cannot be read.
    pub(super) fn write(&mut self, partitions: i32, outputs: &mut Outputs, is_stopping: bool) -> Result<(), Fault> {
        if !self.is_due() {
            return Ok(());
        }
        for key in std::mem::take(&mut self.assembly.stale) {
            state::write(outputs, partitions, &key, None);
        }
        // Started now they would be ended at once, and be gone: the next process starts them.
        let retrainings = if is_stopping { BTreeMap::new() } else { std::mem::take(&mut self.retrainings) };
        for (id, alert) in retrainings {
            state::write(outputs, partitions, &Key::Retrain(id), None);
            self.staged.retrainings.push(alert);
        }
        for id in &self.done {
            state::write(outputs, partitions, &Key::Alert(id.clone()), None);
        }
        self.staged.done = self.done.clone();
        if self.assembly.is_due() {
            for ended in self.assembly.advance(partitions, outputs)? {
                let counted = self.assembly.window(ended);
                self.report(ended, &counted, partitions, outputs);
            }
            self.assembly.forget(partitions, outputs);
        }
        Ok(())
    }

    fn report(&mut self, ended: Ended, counted: &Counted, partitions: i32, outputs: &mut Outputs) {
        let window = self.windows[ended.index].to_string();
        for (task, arm) in self.reporter.series(counted) {
            let series = (window.clone(), task, arm);
            let before = self.book.get(&series);
            let Some((mut report, after)) = self.reporter.report(&series, ended, counted, before) else { continue };
            report.retrain = self.book.set(series.clone(), after);
            let (writer, key) = (&self.writer, report_key(&report));
            let value = |bytes: &mut Vec<u8>| writer.write(&report, bytes);
            outputs.write(Topic::DriftReports, 0, |bytes| bytes.extend_from_slice(key.as_bytes()), value);
            if after != before {
                let (window, task, arm) = series;
                state::write(outputs, partitions, &Key::Alarms(window, task, arm), Some(&state::json(&after)));
            }
            self.stage_alerts(&report, partitions, outputs);
            self.staged.reports.push(report);
        }
    }

    fn stage_alerts(&mut self, report: &DriftReport, partitions: i32, outputs: &mut Outputs) {
        // Two alarms of one report are one incident.
        let mut starts = report.retrain && self.alerts.retrains();
        for alert in Alert::of(report) {
            let (id, value) = (alert.id.clone(), state::json(&alert));
            state::write(outputs, partitions, &Key::Alert(id.clone()), Some(&value));
            if std::mem::take(&mut starts) {
                state::write(outputs, partitions, &Key::Retrain(id.clone()), Some(&value));
                // For the next transaction.
                self.retrainings.insert(id, alert.clone());
            }
            self.staged.alerts.push(alert);
        }
    }

    /// What was written is committed: now it may be told.
    pub(super) fn committed(&mut self) {
        let Staged { reports, alerts, retrainings, done } = std::mem::take(&mut self.staged);
        self.done.retain(|id| !done.contains(id));
        reports.iter().for_each(|report| self.metrics.drift().reported(report));
        self.tell(alerts);
        retrainings.into_iter().for_each(|alert| self.alerts.retrain(alert));
    }
}

/// The job ended: another process may have the partition before it starts again.
impl Drop for Merger {
    fn drop(&mut self) {
        self.lost();
    }
}

#[cfg(test)]
mod tests;
