//! Holds the outputs against the input: is every message accounted for exactly once?
//!
//! ```text
//!   1 the group's committed offsets          what lies before them must be answered
//!   2 the ends of the outputs                what was answered by then
//!   3 the ends of the input                  behind everything that those answers can be about
//!   4 wait until 2 can be read committed     else: open transaction
//!   5 the committed offsets again            nothing at or behind them can be answered in 2
//!
//!   per partition:   verdicts, predictions, dead-letters ──► Ledger ──► Judge ◄── messages, in offset order
//!                                                                         └──► Tally, Findings
//! ```
//!
//! The order of the questions lets an audit run beside a live stream: whatever is committed in between falls behind
//! what was captured. One partition is held in memory at a time: about 65 bytes for each of its judged messages, and
//! its idempotency window.
//!
//! What it does not see: whether a suppressed repeat had the same text as its first (that needs the hash key), and how a
//! message should have been judged.

mod capture;
mod finding;
mod heads;
mod judge;
mod ledger;
#[cfg(test)]
mod tests;

use std::time::Duration;

use rdkafka::Message as _;
use serde::Serialize;

use crate::{
    codec::Schemas,
    config::{AutoOffsetReset, Config, Topics},
    dedup::WindowLimits,
    stream::kafka::topics::TopicsError,
    tail::{Log, TailError, TopicReader},
};
use capture::{Captured, CapturedOutput, capture};
use heads::{Heads, Output, dead_letter, hash_bytes};

pub use finding::{Counts, Finding, Findings, Kind};
pub use judge::{Bounds, Ids, Judge, Tally};
pub use ledger::{DeadLetter, Ledger, Prediction, Verdict};

/// How to audit.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long a transaction in the outputs may stay open before it is a finding.
    pub open_wait: Duration,
    /// Findings of each kind that are told one by one; all are counted.
    pub samples_max: u64,
}

/// One partition, as the report tells it.
#[derive(Clone, Debug, Serialize)]
pub struct Partition {
    /// Its number.
    pub partition: i32,
    /// The group's committed offset; none when it has none, and then nothing is judged yet.
    pub committed: Option<i64>,
    /// How its records ended.
    #[serde(flatten)]
    pub tally: Tally,
    /// What is wrong with it.
    pub findings: Counts,
}

/// The whole report.
#[derive(Clone, Debug)]
pub struct Report {
    /// Every partition in order.
    pub partitions: Vec<Partition>,
    /// How all records ended.
    pub total: Tally,
    /// All findings, the first of each kind one by one.
    pub findings: Findings,
}

/// Why the audit cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A topic.
    #[error(transparent)]
    Tail(#[from] TailError),
    /// The settings of the topics.
    #[error(transparent)]
    Topics(#[from] TopicsError),
    /// The registry is away.
    #[error("the schema registry did not give schema {0} within 60 s; check schemas.registry")]
    Registry(u32),
}

/// Audits every partition. `progress` is told the offsets read so far and how many there are. Joins no group and
/// commits nothing. Blocks; not to be called from a runtime's thread.
///
/// # Errors
/// [`AuditError`] when the topics or the registry cannot be read; what is wrong in the topics is in the report.
pub fn audit(
    config: &Config,
    schemas: &Schemas,
    options: Options,
    mut progress: impl FnMut(u64, u64),
) -> Result<Report, AuditError> {
    let log = Log::connect(&config.kafka)?;
    let captured = capture(config, &log, options.open_wait)?;
    let offsets: u64 = captured.iter().map(Captured::offsets).sum();
    let mut done = 0;
    let mut report =
        Report { partitions: Vec::new(), total: Tally::default(), findings: Findings::new(options.samples_max) };
    let readers = Readers::connect(config)?;
    for captured in &captured {
        let auditor = Auditor { config, readers: &readers, heads: Heads(schemas), captured };
        let (tally, findings) = auditor.audit(options.samples_max, |read| progress(done + read, offsets))?;
        done += captured.offsets();
        let (partition, committed) = (captured.partition, captured.committed);
        report.partitions.push(Partition { partition, committed, tally, findings: findings.counts });
        report.total.add(&tally);
        report.findings.merge(findings);
    }
    Ok(report)
}

/// A reader of each topic.
struct Readers<'a> {
    messages: TopicReader<'a>,
    verdicts: TopicReader<'a>,
    predictions: TopicReader<'a>,
    dead_letters: TopicReader<'a>,
}

impl<'a> Readers<'a> {
    fn connect(config: &'a Config) -> Result<Self, AuditError> {
        let Topics { messages, verdicts, predictions, dead_letters, .. } = &config.topics;
        let connect = |topic: &'a String| TopicReader::connect(&config.kafka, topic);
        Ok(Self {
            messages: connect(messages)?,
            verdicts: connect(verdicts)?,
            predictions: connect(predictions)?,
            dead_letters: connect(dead_letters)?,
        })
    }
}

/// Audits one partition.
struct Auditor<'a> {
    config: &'a Config,
    readers: &'a Readers<'a>,
    heads: Heads<'a>,
    captured: &'a Captured,
}

impl Auditor<'_> {
    fn audit(&self, samples_max: u64, mut progress: impl FnMut(u64)) -> Result<(Tally, Findings), AuditError> {
        let dedup = &self.config.dedup;
        let limits = WindowLimits { age_ms_max: dedup.window_seconds as i64 * 1_000, keys_max: dedup.window_keys_max };
        let mut ledger = Ledger::new(self.captured.partition, limits, samples_max);
        let mut read = 0;
        let mut progress = || {
            read += 1;
            progress(read);
        };
        let sources = self.outputs(&mut ledger, &mut progress)?;
        let mut judge = ledger.close(self.bounds(sources));
        let Captured { partition, input, .. } = *self.captured;
        let mut messages = self.readers.messages.read(&[(partition, input)])?;
        while let Some(message) = messages.next()? {
            progress();
            judge.input(message.offset(), hash_bytes(&message), || self.heads.message(&message))?;
        }
        Ok(judge.finish())
    }

    /// Enters the outputs. Returns the first and last input offset that each topic names.
    fn outputs(&self, ledger: &mut Ledger, progress: &mut impl FnMut()) -> Result<[Option<(i64, i64)>; 3], AuditError> {
        let Captured { partition, outputs: [verdicts, predictions, letters], .. } = self.captured;
        let topics = &self.config.topics;
        let mut sources = [Sources::default(); 3];

        self.open_transaction(ledger, &topics.verdicts, verdicts);
        let mut records = self.readers.verdicts.read(&[(*partition, verdicts.readable())])?;
        while let Some(message) = records.next()? {
            progress();
            if let Some(verdict) = self.mine(ledger, "verdict", message.offset(), self.heads.verdict(&message)?) {
                sources[0].add(verdict.source);
                ledger.verdict(verdict);
            }
        }
        self.open_transaction(ledger, &topics.predictions, predictions);
        let mut records = self.readers.predictions.read(&[(*partition, predictions.readable())])?;
        while let Some(message) = records.next()? {
            progress();
            let output = self.heads.prediction(&message)?;
            if let Some(prediction) = self.mine(ledger, "prediction", message.offset(), output) {
                sources[1].add(prediction.source);
                ledger.prediction(prediction);
            }
        }
        self.open_transaction(ledger, &topics.dead_letters, letters);
        let mut records = self.readers.dead_letters.read(&[(*partition, letters.readable())])?;
        while let Some(message) = records.next()? {
            progress();
            let output = dead_letter(&message, &topics.messages);
            if let Some(letter) = self.mine(ledger, "dead letter", message.offset(), output) {
                sources[2].add(letter.source);
                ledger.dead_letter(letter);
            }
        }
        Ok(sources.map(|sources| sources.0))
    }

    fn open_transaction(&self, ledger: &mut Ledger, topic: &str, output: &CapturedOutput) {
        if output.is_open() {
            ledger.open_transaction(output.stable, || {
                let behind = output.span.end - output.stable;
                format!("readers of {topic} wait here for a transaction to end; {behind} offsets lie behind")
            });
        }
    }

    /// An output that is one, and lies in the partition of its input.
    fn mine<T>(&self, ledger: &mut Ledger, what: &str, offset: i64, output: Output<T>) -> Option<T> {
        match output {
            Ok((partition, output)) if partition == self.captured.partition => Some(output),
            Ok((partition, _)) => {
                ledger.unexpected(offset, || format!("the {what} here answers a message of partition {partition}"));
                None
            }
            Err(problem) => {
                ledger.unexpected(offset, || format!("in the place of a {what}: {problem}"));
                None
            }
        }
    }

    fn bounds(&self, [verdicts, predictions, letters]: [Option<(i64, i64)>; 3]) -> Bounds {
        let Captured { input, outputs, committed, committed_after, letters_kept_from, .. } = self.captured;
        let mut until = committed.unwrap_or(i64::MIN);
        for (output, sources) in outputs.iter().zip([verdicts, predictions, letters]) {
            if output.is_open() {
                // Answers to what comes after may lie behind the open transaction.
                until = until.min(sources.map_or(i64::MIN, |(_, last)| last + 1));
            }
        }
        // What an output that lost records to its retention names first; answers to what comes before may be gone.
        let first = |output: &CapturedOutput, sources: Option<(i64, i64)>| match sources {
            _ if output.span.low == 0 => input.low,
            Some((first, _)) => first,
            None => i64::MAX,
        };
        let verdicts_from = first(&outputs[0], verdicts).max(input.low);
        let letters_from = first(&outputs[2], letters).min(letters_kept_from.unwrap_or(i64::MAX));
        let mut answers_from = verdicts_from.max(letters_from);
        if self.config.kafka.auto_offset_reset == AutoOffsetReset::Latest {
            // The group began somewhere in the log: where its first answer is.
            let first = [verdicts, letters].into_iter().flatten().map(|(first, _)| first).min();
            answers_from = answers_from.max(first.unwrap_or(i64::MAX));
        }
        Bounds {
            low: input.low,
            answers_from,
            pairs_from: verdicts_from.max(first(&outputs[1], predictions)),
            until,
            committed: *committed_after,
            transaction_records_max: self.config.stream.transaction_records_max,
        }
    }
}

/// First and last input offset that a topic names.
#[derive(Clone, Copy, Default)]
struct Sources(Option<(i64, i64)>);

impl Sources {
    fn add(&mut self, source: i64) {
        let (first, last) = self.0.unwrap_or((source, source));
        self.0 = Some((first.min(source), last.max(source)));
    }
}
