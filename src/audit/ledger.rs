use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::{
    Findings, Kind,
    judge::{Bounds, Judge},
};
use crate::dedup::{Entry, Identity, Seen, Window, WindowLimits};

/// A verdict, as far as the audit needs it: 48 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// Offset of the input record that it answers.
    pub source: i64,
    /// Its `verdict_id`.
    pub identity: Identity,
    /// Hash of message id, idempotency key and revision.
    pub ids: u64,
    /// Author of the message.
    pub user_id: i64,
    /// When it was reached, milliseconds since the epoch.
    pub decided_at_ms: i64,
}

/// A prediction, as far as the audit needs it: 16 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Prediction {
    /// Offset of the input record that it is about.
    pub source: i64,
    /// Hash of message id, idempotency key and revision.
    pub ids: u64,
}

/// A dead letter, as far as the audit needs it: 24 bytes.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetter {
    /// Offset of the input record that it answers.
    pub source: i64,
    /// Hash of key and value; none when the value was left out as too large, and the headers say so.
    pub bytes: Option<u64>,
}

/// The outputs of one partition. Each topic is entered in the order of its log, the topics one after the other or
/// mixed; then [`Ledger::close`] makes them into the [`Judge`] of the input. About 65 bytes a judged message.
pub struct Ledger {
    pub(super) partition: i32,
    pub(super) limits: WindowLimits,
    pub(super) verdicts: Vec<Verdict>,
    pub(super) predictions: Vec<Prediction>,
    pub(super) dead_letters: Vec<DeadLetter>,
    pub(super) findings: Findings,
    /// The idempotency window as it was before the next verdict.
    window: Window,
    highest: i64,
    in_order: bool,
}

impl Ledger {
    /// An empty ledger of `partition`.
    pub fn new(partition: i32, limits: WindowLimits, samples_max: u64) -> Self {
        Self {
            partition,
            limits,
            verdicts: Vec::new(),
            predictions: Vec::new(),
            dead_letters: Vec::new(),
            findings: Findings::new(samples_max),
            window: Window::new(limits),
            highest: i64::MIN,
            in_order: true,
        }
    }

    /// Enters the next verdict of the log.
    pub fn verdict(&mut self, verdict: Verdict) {
        // Whose payload it was does not matter here: a conflict must not have a verdict either.
        let entry = Entry::new(verdict.identity, &[0; 16], verdict.source, verdict.decided_at_ms);
        if self.window.seen(&entry) != Seen::Fresh {
            self.findings.add(Kind::Duplicated, self.partition, verdict.source, || {
                format!("verdict_id {} has an earlier verdict inside the idempotency window", verdict.identity)
            });
        }
        self.window.admit(entry);
        self.in_order &= verdict.source >= self.highest;
        self.highest = self.highest.max(verdict.source);
        self.verdicts.push(verdict);
    }

    /// Enters the next prediction of the log.
    pub fn prediction(&mut self, prediction: Prediction) {
        self.predictions.push(prediction);
    }

    /// Enters the next dead letter of the log.
    pub fn dead_letter(&mut self, letter: DeadLetter) {
        self.dead_letters.push(letter);
    }

    /// Enters an output at `offset` of its own topic that names no input record of this partition.
    pub fn unexpected(&mut self, offset: i64, detail: impl FnOnce() -> String) {
        self.findings.add(Kind::Unexpected, self.partition, offset, detail);
    }

    /// Enters an open transaction in an output topic; readers get no further than `offset`.
    pub fn open_transaction(&mut self, offset: i64, detail: impl FnOnce() -> String) {
        self.findings.add(Kind::OpenTransaction, self.partition, offset, detail);
    }

    /// The outputs are complete: what remains is to hold the input against them.
    pub fn close(mut self, bounds: Bounds) -> Judge {
        if !self.in_order {
            self.find_disorder();
        }
        Judge::new(self, bounds)
    }

    /// Order is promised for each user, so only a user's own verdicts are compared.
    fn find_disorder(&mut self) {
        let mut highest: HashMap<i64, i64, FxBuildHasher> = HashMap::default();
        for verdict in &self.verdicts {
            let highest = highest.entry(verdict.user_id).or_insert(verdict.source);
            if verdict.source < *highest {
                self.findings.add(Kind::OutOfOrder, self.partition, verdict.source, || {
                    format!("its verdict comes after the verdict on the same user's later message at offset {highest}")
                });
            }
            *highest = verdict.source.max(*highest);
        }
    }
}
