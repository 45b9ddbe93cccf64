//! Predictions that the index does not have, from their topic.
//!
//! ```text
//!  wanted ─► by partition ─┬─ when: decided_at ± tolerance ─► runs of time ─► offsets_for_times ─┬─► spans ─► read, one
//!                          └─ where: source offset ─► Search, by reading single records ─────────┘    after the other
//! ```
//!
//! An attempt goes on where the last one ended: with the predictions that it had heard, and with the places that it had seen.
//! So every attempt gets on, and no label is given up for lack of time: what is found depends on the predictions alone.
//! Clients live as long as one attempt: between two, nobody takes what they have to tell.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    DECIDED_MS_TOLERANCE, Found, Models, Wanted,
    heard::Heard,
    plan::{Run, Search, Seen, merge},
};
use crate::{
    codec::{Lookup, Schemas, wire},
    config::Kafka,
    fault::{Action, Fault, classify},
    records::PredictionView,
    tail::{Log, POLL_MS, Polled, Span, TailError, TopicReader},
};

/// A broker that stamps records itself may have a clock that is so far behind, milliseconds.
const BEFORE_MS: i64 = 10_000;
/// From a decision to its record's timestamp: no transaction is longer, and clocks differ, milliseconds.
const AFTER_MS: i64 = 60_000;
/// Longest time that is read at once for several labels, milliseconds.
const RUN_MS_MAX: i64 = 600_000;
/// Offsets that are read rather than searched.
const BRACKET_OFFSETS_MAX: u64 = 2_000;
/// Offsets that are read at once for several labels.
const RUN_OFFSETS_MAX: i64 = 100_000;
const READING: &str = "reading predictions back";
/// Labels that something is kept of for the next attempt.
const HEARD_MAX: usize = 10_000;
/// Places in the topic that are.
const SEEN_MAX: usize = 100_000;

/// Who answers for predictions of any time: their topic, and in tests a list.
pub trait Past {
    /// The best answer to each label; none where there is no such prediction. `go_on` is asked on the way.
    ///
    /// # Errors
    /// [`Fault`] when not all could be read: the labels wait, and it is tried again.
    fn find(&mut self, wanted: &[Wanted<'_>], go_on: &dyn Fn() -> bool) -> Result<Vec<Option<Found>>, Fault>;
}

/// Reads predictions back from Kafka.
pub struct ReadBack {
    kafka: Kafka,
    topic: String,
    schemas: Arc<Schemas>,
    models: Arc<Models>,
    wait_ms_max: Duration,
    /// What was found out before the last attempt ended early.
    heard: Heard,
    /// The same, by partition.
    seen: BTreeMap<i32, Seen>,
}

impl ReadBack {
    /// From `topic`. One attempt takes at most `wait_ms_max`, milliseconds.
    pub fn new(kafka: &Kafka, topic: &str, schemas: Arc<Schemas>, models: Arc<Models>, wait_ms_max: u64) -> Self {
        let wait_ms_max = Duration::from_millis(wait_ms_max);
        let (heard, seen) = (Heard::default(), BTreeMap::new());
        Self { kafka: kafka.clone(), topic: topic.to_owned(), schemas, models, wait_ms_max, heard, seen }
    }

    /// Reads what was not heard yet.
    fn read(&mut self, wanted: &[Wanted<'_>], go_on: &dyn Fn() -> bool) -> Result<(), Fault> {
        let mut by_partition: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
        for (number, wanted) in wanted.iter().enumerate() {
            if let Some(partition) = wanted.hints.read_back().filter(|_| !self.heard.is_all(wanted)) {
                by_partition.entry(partition).or_default().push(number);
            }
        }
        if by_partition.is_empty() {
            return Ok(());
        }
        let end = Instant::now() + self.wait_ms_max;
        let topic = self.topic.clone();
        let pass = Pass {
            log: Log::connect(&self.kafka).map_err(not_read)?,
            reader: TopicReader::connect(&self.kafka, &topic).map_err(not_read)?,
            topic: &topic,
            schemas: &self.schemas,
            models: &self.models,
            wanted,
            end,
            go_on,
        };
        let partitions = pass.log.partitions(&topic).map_err(not_read)?;
        for (&partition, numbers) in by_partition.range(0..partitions) {
            let span = pass.stable(partition)?;
            for run in pass.times(numbers) {
                let run = pass.at_times(partition, span, run)?;
                pass.read(partition, run, &mut self.heard)?;
            }
            for run in pass.places(partition, span, numbers, self.seen.entry(partition).or_default())? {
                pass.read(partition, run, &mut self.heard)?;
            }
        }
        Ok(())
    }
}

impl Past for ReadBack {
    fn find(&mut self, wanted: &[Wanted<'_>], go_on: &dyn Fn() -> bool) -> Result<Vec<Option<Found>>, Fault> {
        if self.heard.len() > HEARD_MAX || self.seen.values().map(BTreeMap::len).sum::<usize>() > SEEN_MAX {
            (self.heard, self.seen) = (Heard::default(), BTreeMap::new());
        }
        self.read(wanted, go_on)?;
        self.seen.clear();
        Ok(std::mem::take(&mut self.heard).into_found(wanted))
    }
}

/// One attempt.
struct Pass<'a> {
    log: Log,
    reader: TopicReader<'a>,
    topic: &'a str,
    schemas: &'a Schemas,
    models: &'a Models,
    wanted: &'a [Wanted<'a>],
    end: Instant,
    go_on: &'a dyn Fn() -> bool,
}

impl Pass<'_> {
    /// The runs of time that answer those of `numbers` that say when.
    fn times(&self, numbers: &[usize]) -> Vec<Run> {
        let time = |&number: &usize| self.wanted[number].hints.decided_at.map(|time| (near(time), number));
        merge(numbers.iter().filter_map(time).collect(), RUN_MS_MAX)
    }

    /// The offsets of a run of time.
    fn at_times(&self, partition: i32, span: Span, Run { range, members }: Run) -> Result<Run, Fault> {
        let offset = |time_ms| self.log.offset_at(self.topic, partition, time_ms).map_err(not_read);
        let at = |offset: Option<i64>| offset.unwrap_or(span.end).clamp(span.low, span.end);
        self.check()?;
        Ok(Run { range: at(offset(range.start)?)..at(offset(range.end)?), members })
    }

    /// The runs of offsets that answer those of `numbers` that say where alone.
    fn places(&self, partition: i32, span: Span, numbers: &[usize], seen: &mut Seen) -> Result<Vec<Run>, Fault> {
        let mut search = Search::new(span, seen);
        let mut brackets = Vec::new();
        for &number in numbers.iter().filter(|number| self.wanted[**number].hints.decided_at.is_none()) {
            let Some(source) = self.wanted[number].hints.offset else { continue };
            let found = search.bracket(source, BRACKET_OFFSETS_MAX, |at| self.probe(partition, at, span.end))?;
            brackets.push((found.low..found.end, number));
        }
        Ok(merge(brackets, RUN_OFFSETS_MAX))
    }

    /// What of a partition can be read: everything that is in it now, once the transactions that are open in it have ended.
    fn stable(&self, partition: i32) -> Result<Span, Fault> {
        let Span { low, end } = self.log.span(self.topic, partition).map_err(not_read)?;
        let wait = |until| self.log.wait_stable(self.topic, partition, end, until).map_err(not_read);
        while wait(Instant::now() + POLL_MS)? < end {
            self.check()?;
        }
        Ok(Span { low, end })
    }

    /// The first prediction from `at` on, before `end`: its offset and that of its message.
    fn probe(&self, partition: i32, at: i64, end: i64) -> Result<Option<(i64, i64)>, Fault> {
        let mut found = None;
        let mut left = Span { low: at, end };
        self.each(partition, &mut left, |offset, prediction| {
            found = Some((offset, prediction.source_offset));
            false
        })?;
        Ok(found)
    }

    /// Hears what is left of a run for all that want it.
    fn read(&self, partition: i32, Run { range, members }: Run, heard: &mut Heard) -> Result<(), Fault> {
        let wanted: Vec<_> = members.into_iter().map(|number| &self.wanted[number]).collect();
        heard.hear(self.models, &wanted, range.start, |low, answers| {
            let mut left = Span { low, end: range.end };
            let result = self.each(partition, &mut left, |_, prediction| {
                answers.hear(prediction);
                answers.are_open()
            });
            (left.low, result)
        })
    }

    /// Calls `with` for every prediction of what is `left` of a span, with its offset, until it says so. Other records are
    /// none of ours.
    fn each(
        &self,
        partition: i32,
        left: &mut Span,
        mut with: impl FnMut(i64, &PredictionView<'_>) -> bool,
    ) -> Result<(), Fault> {
        let (mut patience, mut resolved) = (self.schemas.chunk_patience(), Vec::new());
        let mut reading = self.reader.read(&[(partition, *left)]).map_err(not_read)?;
        loop {
            self.check()?;
            let message = match reading.poll(POLL_MS).map_err(not_read)? {
                Polled::End => return Ok(()),
                Polled::Quiet => continue,
                Polled::Trouble(error) if classify(&error) == Action::Retry => {
                    tracing::warn!(%error, "reading predictions back goes on");
                    continue;
                }
                // Going on would leave a hole.
                Polled::Trouble(error) => return Err(Fault::kafka(READING, error)),
                Polled::Record(message) => message,
            };
            left.low = rdkafka::Message::offset(&message);
            let payload = rdkafka::Message::payload(&message).unwrap_or_default();
            let Ok((id, datum)) = wire::split(payload) else { continue };
            let reader = match self.schemas.reader(id, &mut patience) {
                Lookup::Known(reader) => reader,
                Lookup::Unknown | Lookup::Unreadable => continue,
                Lookup::Away => return Err(Fault::new(wait(), "reading predictions back: waiting for the registry")),
            };
            let prediction = reader.read_prediction(datum, &mut resolved);
            if prediction.is_ok_and(|prediction| !with(left.low, &prediction)) {
                return Ok(());
            }
        }
    }

    fn check(&self) -> Result<(), Fault> {
        match (self.go_on)() {
            false => Err(Fault::new(wait(), READING)),
            true if Instant::now() < self.end => Ok(()),
            true => Err(Fault::new(wait(), "reading predictions back: it goes on after drift.labels.read_back_ms_max")),
        }
    }
}

/// When a prediction that was decided about then can have been written.
fn near(decided_at: i64) -> Range<i64> {
    let from = decided_at.saturating_sub(DECIDED_MS_TOLERANCE + BEFORE_MS);
    from..decided_at.saturating_add(DECIDED_MS_TOLERANCE + AFTER_MS + 1)
}

fn not_read(error: TailError) -> Fault {
    Fault::caused(wait(), READING, error)
}

fn wait() -> Action {
    Action::Wait(Duration::from_millis(500))
}
