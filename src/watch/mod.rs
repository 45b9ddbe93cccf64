//! Records of a topic decoded, as they come or from earlier on.
//!
//! ```text
//!  tail ─► Record ─► decode with its writer's schema ─► Filter ─► a line for people, or everything as JSON
//!                    └ what does not decode is shown as such    └ message texts only when asked for
//! ```

mod filter;
mod line;

pub use filter::{Filter, Unseen, Where};
pub use line::View;

use std::{
    io::{self, Write},
    ops::ControlFlow,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use rdkafka::error::KafkaError;

use crate::{
    config::{Kafka, Topics},
    ops::shutdown::Shutdown,
    tail::{Log, POLL_MS, Polled, Reading, Record, Span, Start, TailError, TopicReader},
};

/// Pause between two words about a broker that is away.
const TROUBLE_SECONDS_MIN: Duration = Duration::from_secs(10);

/// What to watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// One verdict per message.
    Verdicts,
    /// The prediction log.
    Predictions,
    /// Rejected records.
    DeadLetters,
    /// The input.
    Messages,
    /// What messages truly were.
    Labels,
    /// What windows of predictions say.
    DriftReports,
}

impl What {
    /// The name of its topic.
    pub fn topic(self, topics: &Topics) -> &str {
        match self {
            Self::Verdicts => &topics.verdicts,
            Self::Predictions => &topics.predictions,
            Self::DeadLetters => &topics.dead_letters,
            Self::Messages => &topics.messages,
            Self::Labels => &topics.labels,
            Self::DriftReports => &topics.drift_reports,
        }
    }
}

/// Where to start and when to stop.
#[derive(Clone, Copy, Debug)]
pub struct Range<'a> {
    /// These partitions, or all.
    pub partitions: &'a [i32],
    /// Where to start in each.
    pub start: Start,
    /// Stop at the ends as they are now; else go on until the stop is asked.
    pub until_end: bool,
}

/// Why watching ended early.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The topic.
    #[error(transparent)]
    Tail(#[from] TailError),
    /// What was found could not be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// Calls `each` with every record of `range` until it breaks off, or `stop` is requested. `output` is what `each`
/// writes to: it is flushed before a wait. `head` stands before everything, once Kafka has answered.
///
/// # Errors
/// [`WatchError`]: the topic, or what `each` returns.
pub fn watch<W: Write>(
    kafka: &Kafka,
    topic: &str,
    range: Range<'_>,
    stop: &Shutdown,
    output: &mut W,
    head: &str,
    mut each: impl FnMut(&Record<'_>, &mut W) -> io::Result<ControlFlow<()>>,
) -> Result<(), WatchError> {
    let log = Log::connect(kafka)?;
    let spans = log.spans(topic, range.partitions, range.start)?;
    if let Start::Offset(offset) = range.start {
        tell_outside(&log, topic, offset, &spans)?;
    }
    let reader = match range.until_end {
        true => TopicReader::connect(kafka, topic)?,
        false => TopicReader::connect_to_follow(kafka, topic)?,
    };
    let mut reading: Reading<'_> = if range.until_end { reader.read(&spans)? } else { reader.follow(&spans)? };
    output.write_all(head.as_bytes())?;
    output.flush()?;
    let (mut flushed, mut told) = (true, None);
    while !stop.requested() {
        match reading.poll(if flushed { POLL_MS } else { Duration::ZERO })? {
            Polled::Record(message) => {
                flushed = false;
                if each(&Record::of(&message), output)?.is_break() {
                    break;
                }
            }
            Polled::Quiet => {
                output.flush()?;
                flushed = true;
            }
            Polled::Trouble(error) => tell(&error, &mut told),
            Polled::End => break,
        }
    }
    Ok(output.flush()?)
}

/// Says where it starts instead, when no such offset is there.
fn tell_outside(log: &Log, topic: &str, offset: i64, spans: &[(i32, Span)]) -> Result<(), TailError> {
    for (partition, span) in spans.iter().filter(|(_, span)| span.low != offset) {
        let Span { low, end } = log.stable_span(topic, *partition)?;
        let start = span.low;
        eprintln!("assize: offset {offset} lies outside {low}..{end} of partition {partition}; starting at {start}");
    }
    Ok(())
}

fn tell(error: &KafkaError, told: &mut Option<Instant>) {
    if told.is_none_or(|told| told.elapsed() > TROUBLE_SECONDS_MIN) {
        eprintln!("assize: {error}; watching goes on");
        *told = Some(Instant::now());
    }
}
