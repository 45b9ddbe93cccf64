//! Readers beside the run: one of what is committed, which knows a duplicate when it comes and notes when a partition
//! was silent, and one of everything, which sees the aborted copies too.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use assize::{
    codec::{RecordReader, wire},
    records::{Verdict, schema::VERDICT},
};
use rdkafka::{Message as _, consumer::BaseConsumer};

use crate::{bench::Bench, readers::assigned};

/// A partition that is silent for longer has a gap; commits come ten times a second.
const GAP_MS_MIN: Duration = Duration::from_millis(400);
/// A reader has seen everything when nothing came for so long: longer than the open transaction of a process that is gone
/// (a drain cut short) can hide what was committed behind it, its timeout of 5 s and the second until the broker looks.
const QUIET_MS: Duration = Duration::from_millis(8_000);

/// Between two verdicts of a partition.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    pub from: Instant,
    pub to: Instant,
}

/// What a reader saw.
#[derive(Default)]
pub struct Seen {
    pub verdicts: u64,
    /// Verdicts on a record that had one.
    pub duplicates: u64,
    /// The first of them.
    pub examples: Vec<String>,
    pub gaps: Vec<Gap>,
}

/// A reader in a thread of its own.
pub struct Witness {
    stop: Arc<AtomicBool>,
    verdicts: Arc<AtomicU64>,
    thread: JoinHandle<Seen>,
}

impl Witness {
    /// Reads from the beginning. `isolation` is `read_committed` or `read_uncommitted`.
    pub fn start(bench: &Bench, isolation: &str) -> Self {
        let consumer = assigned(bench, &bench.topics().verdicts, isolation);
        let (stop, verdicts) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (asked, count) = (Arc::clone(&stop), Arc::clone(&verdicts));
        Self { stop, verdicts, thread: std::thread::spawn(move || watch(&consumer, &asked, &count)) }
    }

    /// Verdicts so far.
    pub fn verdicts(&self) -> u64 {
        self.verdicts.load(Ordering::Relaxed)
    }

    /// Reads on until nothing comes any more.
    pub fn finish(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// One partition, as its reader knows it.
#[derive(Default)]
struct Partition {
    /// The next offset: a client that reconnects may read again what it has read.
    next: i64,
    /// Source offsets with a verdict.
    judged: Vec<bool>,
    last: Option<Instant>,
}

fn watch(consumer: &BaseConsumer, stop: &AtomicBool, count: &AtomicU64) -> Seen {
    let reader = RecordReader::try_new(VERDICT).unwrap();
    let (mut seen, mut partitions) = (Seen::default(), BTreeMap::<i32, Partition>::new());
    let mut heard = Instant::now();
    loop {
        match consumer.poll(Duration::from_millis(500)) {
            Some(Ok(message)) => {
                heard = Instant::now();
                let (_, datum) = wire::split(message.payload().unwrap()).unwrap();
                let verdict: Verdict<'_> = reader.read(datum).unwrap();
                assert_eq!(verdict.source_partition, message.partition(), "verdicts stay in their partition");
                let partition = partitions.entry(message.partition()).or_default();
                if message.offset() >= partition.next {
                    partition.next = message.offset() + 1;
                    partition.see(&mut seen, verdict.source_offset, &message);
                    count.store(seen.verdicts, Ordering::Relaxed);
                }
            }
            // A broker is away.
            Some(Err(_)) => {}
            None if stop.load(Ordering::Relaxed) && heard.elapsed() > QUIET_MS => return seen,
            None => {}
        }
    }
}

impl Partition {
    fn see(&mut self, seen: &mut Seen, source_offset: i64, message: &impl rdkafka::Message) {
        let now = Instant::now();
        if let Some(from) = self.last.replace(now).filter(|last| now - *last >= GAP_MS_MIN) {
            seen.gaps.push(Gap { from, to: now });
        }
        seen.verdicts += 1;
        let index = usize::try_from(source_offset).unwrap();
        if self.judged.len() <= index {
            self.judged.resize(index + 1, false);
        }
        if std::mem::replace(&mut self.judged[index], true) {
            seen.duplicates += 1;
            if seen.examples.len() < 20 {
                let (partition, offset) = (message.partition(), message.offset());
                seen.examples
                    .push(format!("verdict {offset} of partition {partition} is a second one on {source_offset}"));
            }
        }
    }
}
