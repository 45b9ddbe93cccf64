//! The ends of every partition, captured before any record is read: the five questions of the module's drawing.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::AuditError;
use crate::{
    config::Config,
    stream::kafka::topics::{self, Role},
    tail::{Log, Span},
};

/// What was captured of one partition.
#[derive(Debug)]
pub(super) struct Captured {
    pub(super) partition: i32,
    pub(super) input: Span,
    /// Verdicts, predictions, dead letters.
    pub(super) outputs: [CapturedOutput; 3],
    /// The group's committed offset, asked for first.
    pub(super) committed: Option<i64>,
    /// The same, asked for last.
    pub(super) committed_after: Option<i64>,
    /// The first input record that is too young for its dead letter to be past its retention.
    pub(super) letters_kept_from: Option<i64>,
}

/// What was captured of a partition of an output topic.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CapturedOutput {
    pub(super) span: Span,
    /// As far as it can be read committed; less than the end when a transaction stayed open.
    pub(super) stable: i64,
}

impl CapturedOutput {
    pub(super) fn is_open(&self) -> bool {
        self.stable < self.span.end
    }

    pub(super) fn readable(&self) -> Span {
        Span { low: self.span.low, end: self.stable }
    }
}

impl Captured {
    /// Offsets to read.
    pub(super) fn offsets(&self) -> u64 {
        let spans = self.outputs.iter().map(CapturedOutput::readable).chain([self.input]);
        spans.map(|span| span.offsets()).sum()
    }
}

/// Asks the five questions in their order.
pub(super) fn capture(config: &Config, log: &Log, open_wait: Duration) -> Result<Vec<Captured>, AuditError> {
    let topics = &config.topics;
    let input = topics.messages.as_str();
    let names = [&topics.verdicts, &topics.predictions, &topics.dead_letters].map(String::as_str);
    let input_partitions = log.partitions(input)?;
    let mut counts = [0; 3];
    for (count, topic) in counts.iter_mut().zip(names) {
        *count = log.partitions(topic)?;
    }
    // An output in a partition that the input does not have is read too: it is unexpected.
    let partitions = counts.iter().copied().fold(input_partitions, i32::max);

    let committed = log.committed(input, input_partitions)?;
    let mut captured = Vec::new();
    for partition in 0..partitions {
        let mut outputs = [CapturedOutput::default(); 3];
        for ((output, topic), count) in outputs.iter_mut().zip(names).zip(counts) {
            if partition < count {
                output.span = log.span(topic, partition)?;
            }
        }
        captured.push(Captured {
            partition,
            input: Span::default(),
            outputs,
            committed: committed.get(&partition).copied(),
            committed_after: None,
            letters_kept_from: None,
        });
    }
    for captured in captured.iter_mut().take(input_partitions as usize) {
        captured.input = log.stable_span(input, captured.partition)?;
    }
    let deadline = Instant::now() + open_wait;
    for captured in &mut captured {
        for ((output, topic), count) in captured.outputs.iter_mut().zip(names).zip(counts) {
            if captured.partition < count {
                output.stable = log.wait_stable(topic, captured.partition, output.span.end, deadline)?;
            }
        }
    }
    let after = log.committed(input, input_partitions)?;
    for captured in &mut captured {
        captured.committed_after = after.get(&captured.partition).copied();
    }
    letters_kept_from(config, log, &mut captured)?;
    Ok(captured)
}

/// Dead letters are few, so that what a shortened topic still holds says little about what it has lost. The age of the
/// input does: a dead letter is younger than its message.
fn letters_kept_from(config: &Config, log: &Log, captured: &mut [Captured]) -> Result<(), AuditError> {
    if captured.iter().all(|captured| captured.outputs[2].span.low == 0) {
        return Ok(());
    }
    let found = topics::describe(config, &Role::STREAM)?;
    let letters = found.iter().find(|topic| topic.role == Role::DeadLetters && topic.retention_bytes < 0);
    let Some(letters) = letters.filter(|letters| letters.retention_ms >= 0) else { return Ok(()) };
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    for captured in captured.iter_mut().filter(|captured| captured.input.end > captured.input.low) {
        let oldest_ms = now_ms - letters.retention_ms;
        captured.letters_kept_from = log.offset_at(&config.topics.messages, captured.partition, oldest_ms)?;
    }
    Ok(())
}
