use serde::Serialize;

use super::{DeadLetter, Findings, Kind, Ledger, Prediction, Verdict};
use crate::dedup::{Entry, Identity, Seen, Window, WindowLimits};

/// A repeat is given the benefit of this much disagreement between the clocks of two hosts, milliseconds.
const CLOCK_SKEW_MS_MAX: i64 = 60_000;

/// Which input records must have an answer.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The first offset that the input still has.
    pub low: i64,
    /// From here on verdicts and dead letters are complete: those of earlier records may be past their retention.
    pub answers_from: i64,
    /// From here on verdicts and predictions are complete.
    pub pairs_from: i64,
    /// Up to here, not inclusive: the group's committed offset, or less behind an open transaction.
    pub until: i64,
    /// The group's committed offset, read when the outputs had come to rest: nothing at or behind it can have an
    /// answer. None when the group has none.
    pub committed: Option<i64>,
    /// Records of an open transaction do not count as keys of the window yet, so it may reach back further by these.
    pub transaction_records_max: usize,
}

/// What an input record says it is.
#[derive(Clone, Copy, Debug)]
pub struct Ids {
    /// Of user id, idempotency key and revision.
    pub identity: Identity,
    /// Hash of message id, idempotency key and revision.
    pub ids: u64,
}

/// How the input records of a partition ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Input records.
    pub input: u64,
    /// Verdicts.
    pub verdicts: u64,
    /// Predictions.
    pub predictions: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Input records that repeat a verdict inside the window and have no answer of their own.
    pub suppressed: u64,
    /// Input records that are not answered yet.
    pub pending: u64,
    /// Input records without an answer whose answer may be past its retention.
    pub not_judged: u64,
}

impl Tally {
    /// Input records that must have had an answer.
    pub fn judged(&self) -> u64 {
        self.input - self.pending - self.not_judged
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.input += other.input;
        self.verdicts += other.verdicts;
        self.predictions += other.predictions;
        self.dead_letters += other.dead_letters;
        self.suppressed += other.suppressed;
        self.pending += other.pending;
        self.not_judged += other.not_judged;
    }
}

/// Holds the input, in offset order, against the outputs, sorted by the input offset that they name.
pub struct Judge {
    partition: i32,
    bounds: Bounds,
    verdicts: Sorted<Verdict>,
    predictions: Sorted<Prediction>,
    dead_letters: Sorted<DeadLetter>,
    /// The idempotency window as it was when the record at hand was judged.
    window: Window,
    /// When the last verdict before the record at hand was reached.
    decided_at_ms: i64,
    tally: Tally,
    findings: Findings,
}

impl Judge {
    pub(super) fn new(ledger: Ledger, bounds: Bounds) -> Self {
        let Ledger { partition, limits, verdicts, predictions, dead_letters, findings, .. } = ledger;
        let tally = Tally {
            verdicts: verdicts.len() as u64,
            predictions: predictions.len() as u64,
            dead_letters: dead_letters.len() as u64,
            ..Tally::default()
        };
        let window = Window::new(WindowLimits {
            age_ms_max: limits.age_ms_max + CLOCK_SKEW_MS_MAX,
            keys_max: limits.keys_max + bounds.transaction_records_max,
        });
        Self {
            partition,
            bounds,
            verdicts: Sorted::new(verdicts, |verdict| verdict.source),
            predictions: Sorted::new(predictions, |prediction| prediction.source),
            dead_letters: Sorted::new(dead_letters, |letter| letter.source),
            window,
            decided_at_ms: i64::MIN / 2,
            tally,
            findings,
        }
    }

    /// Judges the next input record. `bytes` is the hash of its key and value; `ids` reads the record, is asked only
    /// if needed, and gives none for a record that cannot be read.
    ///
    /// # Errors
    /// Those of `ids`.
    pub fn input<E>(&mut self, offset: i64, bytes: u64, ids: impl FnOnce() -> Result<Option<Ids>, E>) -> Result<(), E> {
        self.pass_over(offset);
        self.tally.input += 1;
        let verdicts = self.verdicts.take(offset);
        let predictions = self.predictions.take(offset);
        let letters = self.dead_letters.take(offset);
        let judged = (self.bounds.answers_from..self.bounds.until).contains(&offset);
        let paired = (self.bounds.pairs_from..self.bounds.until).contains(&offset);

        match (verdicts.first, predictions.first, letters.first) {
            (None, None, None) if judged => {
                let ids = ids()?;
                self.unanswered(offset, ids);
            }
            (None, None, None) if offset < self.bounds.until => self.tally.not_judged += 1,
            (None, None, None) => self.tally.pending += 1,
            (Some(verdict), prediction, _) => {
                self.check_pair(offset, verdict, prediction, paired);
                if ids()?.is_none_or(|ids| ids.identity != verdict.identity || ids.ids != verdict.ids) {
                    self.add(Kind::Unexpected, offset, "its verdict names another message".into());
                }
                self.admit(verdict);
            }
            (None, Some(_), _) if paired => self.add(Kind::Torn, offset, "a prediction without a verdict".into()),
            (None, ..) => {}
        }
        if letters.first.and_then(|letter| letter.bytes).is_some_and(|letter| letter != bytes) {
            self.add(Kind::Unexpected, offset, "its dead letter holds another key or value".into());
        }
        self.count_answers(offset, verdicts.count, predictions.count, letters.count);
        Ok(())
    }

    /// The input has been read to its end: outputs that are left name records that it does not have.
    pub fn finish(mut self) -> (Tally, Findings) {
        self.pass_over(i64::MAX);
        (self.tally, self.findings)
    }

    fn unanswered(&mut self, offset: i64, ids: Option<Ids>) {
        match ids {
            Some(ids) if self.is_repeat(offset, ids.identity) => self.tally.suppressed += 1,
            Some(_) => self.add(Kind::Lost, offset, "neither verdict nor dead letter, and no repeat".into()),
            None => self.add(Kind::Lost, offset, "cannot be decoded and has no dead letter".into()),
        }
    }

    /// When the record was judged is not known; it was not before the verdict before it.
    fn is_repeat(&self, offset: i64, identity: Identity) -> bool {
        self.window.seen(&Entry::new(identity, &[0; 16], offset, self.decided_at_ms)) != Seen::Fresh
    }

    fn check_pair(&mut self, offset: i64, verdict: Verdict, prediction: Option<Prediction>, paired: bool) {
        match prediction {
            None if paired => self.add(Kind::Torn, offset, "a verdict without a prediction".into()),
            Some(prediction) if prediction.ids != verdict.ids => {
                self.add(Kind::Torn, offset, "verdict and prediction name different messages".into());
            }
            _ => {}
        }
    }

    fn count_answers(&mut self, offset: i64, verdicts: usize, predictions: usize, letters: usize) {
        if verdicts + letters > 1 || predictions > 1 {
            let detail = format!("{verdicts} verdicts, {predictions} predictions, {letters} dead letters");
            self.add(Kind::Duplicated, offset, detail);
        }
        let answered = verdicts + predictions + letters > 0;
        if let Some(committed) = self.bounds.committed.filter(|committed| answered && offset >= *committed) {
            self.add(Kind::Unexpected, offset, format!("answered, but the group's committed offset is {committed}"));
        }
    }

    fn admit(&mut self, verdict: Verdict) {
        self.decided_at_ms = verdict.decided_at_ms;
        self.window.admit(Entry::new(verdict.identity, &[0; 16], verdict.source, verdict.decided_at_ms));
    }

    /// Outputs that name an offset before `offset` name no record, unless it is past its retention.
    fn pass_over(&mut self, offset: i64) {
        while let Some(verdict) = self.verdicts.next_if(|source| source < offset) {
            self.no_such_record(verdict.source, "a verdict");
            self.admit(verdict);
        }
        while let Some(prediction) = self.predictions.next_if(|source| source < offset) {
            self.no_such_record(prediction.source, "a prediction");
        }
        while let Some(letter) = self.dead_letters.next_if(|source| source < offset) {
            self.no_such_record(letter.source, "a dead letter");
        }
    }

    fn no_such_record(&mut self, source: i64, what: &str) {
        if !(0..self.bounds.low).contains(&source) {
            self.add(Kind::Unexpected, source, format!("{what} names this offset, where the input has no record"));
        }
    }

    fn add(&mut self, kind: Kind, offset: i64, detail: String) {
        self.findings.add(kind, self.partition, offset, || detail);
    }
}

/// Outputs sorted by the input offset that they name, taken from the front.
struct Sorted<T> {
    entries: Vec<T>,
    source: fn(&T) -> i64,
    next: usize,
}

/// The outputs that name one input record.
struct Answers<T> {
    first: Option<T>,
    count: usize,
}

impl<T: Copy> Sorted<T> {
    fn new(mut entries: Vec<T>, source: fn(&T) -> i64) -> Self {
        // Nearly always in order already, which a stable sort finds out in one pass.
        entries.sort_by_key(source);
        Self { entries, source, next: 0 }
    }

    fn next_if(&mut self, wanted: impl Fn(i64) -> bool) -> Option<T> {
        let next = self.entries.get(self.next).copied().filter(|entry| wanted((self.source)(entry)))?;
        self.next += 1;
        Some(next)
    }

    fn take(&mut self, offset: i64) -> Answers<T> {
        let first = self.next_if(|source| source == offset);
        let mut count = usize::from(first.is_some());
        while self.next_if(|source| source == offset).is_some() {
            count += 1;
        }
        Answers { first, count }
    }
}
