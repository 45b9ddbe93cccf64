//! The reader of committed verdicts: how many there are, whether each message has one, and how late they are.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};

use super::{
    ground::Pass,
    load::{INDEX_DIGITS, Schedule},
};
use crate::{
    failure::Failure,
    fault::Exit,
    stream::kafka::{ASK_MS_MAX, reader},
};

/// Largest latency that is told apart, microseconds.
const LATENCY_US_MAX: u64 = 600_000_000;
/// One step of the timeline.
pub(super) const TICK_MS: Duration = Duration::from_millis(250);
/// One poll, at most.
const POLL_MS: Duration = Duration::from_millis(50);

/// Counts verdicts in a thread of its own.
pub(super) struct Watcher {
    shared: Arc<Shared>,
    thread: JoinHandle<Seen>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    count: AtomicU64,
}

/// What was seen.
pub(super) struct Seen {
    /// Messages with a verdict.
    pub(super) count: u64,
    /// Second verdicts.
    pub(super) duplicates: u64,
    /// Verdicts on no message of ours.
    pub(super) foreign: u64,
    /// When the first and the last came.
    pub(super) first: Instant,
    pub(super) last: Instant,
    /// Verdicts of each [`TICK_MS`], from the first on.
    pub(super) ticks: Vec<u64>,
    /// From when a message was due to when its verdict could be read, microseconds.
    pub(super) latency_us: Histogram<u64>,
}

/// What a watcher counts, and from where.
struct Watch {
    messages: u64,
    /// Messages before this index are not timed.
    timed: Option<(Schedule, u64)>,
    /// Index of the first message that counts.
    from: u64,
}

impl Watcher {
    /// From the beginning of the verdicts; with a schedule, messages from an index on are timed by it.
    pub(super) fn start(pass: &Pass, messages: u64, timed: Option<(Schedule, u64)>) -> Result<Self, Failure> {
        Self::with(pass, Watch { messages, timed, from: 0 }, Offset::Beginning)
    }

    /// Only what comes from now on: the verdict on message `index`.
    pub(super) fn start_at_end(pass: &Pass, index: u64) -> Result<Self, Failure> {
        Self::with(pass, Watch { messages: index + 1, timed: None, from: index }, Offset::End)
    }

    fn with(pass: &Pass, watch: Watch, start: Offset) -> Result<Self, Failure> {
        let unavailable =
            |error| Failure::new(Exit::Unavailable, anyhow::Error::new(error).context("reading verdicts"));
        let mut client = reader(&pass.config.kafka, "read_committed");
        // Ends are of no interest, and each would be an event.
        client.set("enable.partition.eof", "false");
        let consumer: BaseConsumer = client.create().map_err(unavailable)?;
        let topic = &pass.config.topics.verdicts;
        let mut list = TopicPartitionList::new();
        for partition in 0..pass.partitions {
            // Asked now: the end as it is when the client gets there would leave out what comes first.
            let at = match start {
                Offset::End => {
                    Offset::Offset(consumer.fetch_watermarks(topic, partition, ASK_MS_MAX).map_err(unavailable)?.1)
                }
                other => other,
            };
            list.add_partition_offset(topic, partition, at).map_err(unavailable)?;
        }
        consumer.assign(&list).map_err(unavailable)?;
        let shared = Arc::<Shared>::default();
        let told = Arc::clone(&shared);
        let thread = std::thread::spawn(move || watch.run(&consumer, &told));
        Ok(Self { shared, thread })
    }

    /// Messages with a verdict so far.
    pub(super) fn count(&self) -> u64 {
        self.shared.count.load(Ordering::Relaxed)
    }

    /// Ends it.
    ///
    /// # Errors
    /// When its thread panicked.
    pub(super) fn finish(self) -> anyhow::Result<Seen> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the reader of verdicts panicked"))
    }
}

impl Seen {
    /// Seconds from `start` to the first verdict.
    pub(super) fn first_after(&self, start: Instant) -> f64 {
        self.first.saturating_duration_since(start).as_secs_f64()
    }
}

impl Watch {
    fn run(self, consumer: &BaseConsumer, shared: &Shared) -> Seen {
        let now = Instant::now();
        // Three digits, from 1 microsecond on: these bounds are always allowed.
        #[allow(clippy::unwrap_used, reason = "constants")]
        let latency_us = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).unwrap();
        let mut seen =
            Seen { count: 0, duplicates: 0, foreign: 0, first: now, last: now, ticks: Vec::new(), latency_us };
        let mut judged = vec![0_u64; (self.messages - self.from).div_ceil(64) as usize];
        while !shared.stop.load(Ordering::Relaxed) {
            let Some(Ok(record)) = consumer.poll(POLL_MS) else { continue };
            self.take(record.payload().and_then(index), &mut judged, &mut seen);
            shared.count.store(seen.count, Ordering::Relaxed);
        }
        seen
    }

    fn take(&self, index: Option<u64>, judged: &mut [u64], seen: &mut Seen) {
        let Some(index) = index.filter(|index| (self.from..self.messages).contains(index)) else {
            seen.foreign += 1;
            return;
        };
        let (word, bit) = ((index - self.from) as usize / 64, 1 << ((index - self.from) % 64));
        if judged[word] & bit != 0 {
            seen.duplicates += 1;
            return;
        }
        judged[word] |= bit;
        let now = Instant::now();
        if seen.count == 0 {
            seen.first = now;
        }
        seen.last = now;
        seen.count += 1;
        let tick = (now - seen.first).as_millis() / TICK_MS.as_millis();
        if tick as usize >= seen.ticks.len() {
            seen.ticks.resize(tick as usize + 1, 0);
        }
        seen.ticks[tick as usize] += 1;
        if let Some((schedule, from)) = &self.timed
            && index >= *from
            && let Some(due) = schedule.due(index)
        {
            seen.latency_us.saturating_record((now.saturating_duration_since(due).as_micros() as u64).max(1));
        }
    }
}

/// The index of the message that a verdict is on: its id is the first field of the record, as of every record, behind
/// the 5 bytes of the wire header and one byte of length.
fn index(verdict: &[u8]) -> Option<u64> {
    std::str::from_utf8(verdict.get(ID_AT..ID_AT + INDEX_DIGITS)?).ok()?.parse().ok()
}

/// Where a message id starts in a value.
pub(super) const ID_AT: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bench::load::Messages, codec::RecordWriter};

    #[test]
    fn the_index_is_found_where_the_record_has_it() {
        let mut value = Vec::new();
        RecordWriter::new(7).write(&Messages::of("hello").message(1_234_567), &mut value);
        assert_eq!(index(&value), Some(1_234_567));
        assert_eq!(index(&value[..9]), None);
    }

    #[test]
    fn second_and_foreign_verdicts_are_told_apart() {
        let watch = Watch { messages: 70, timed: None, from: 65 };
        let now = Instant::now();
        let mut seen = Seen {
            count: 0,
            duplicates: 0,
            foreign: 0,
            first: now,
            last: now,
            ticks: Vec::new(),
            latency_us: Histogram::new(3).unwrap(),
        };
        let mut judged = [0];
        for found in [Some(65), Some(69), Some(65), Some(64), Some(70), None] {
            watch.take(found, &mut judged, &mut seen);
        }
        assert_eq!((seen.count, seen.duplicates, seen.foreign), (2, 1, 3));
        assert_eq!(seen.ticks.iter().sum::<u64>(), 2);
    }
}
