//! Readers beside the processes under test: one that sees what is committed, one that sees everything.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use assize::{
    codec::{RecordReader, wire},
    records::{Verdict, schema::VERDICT},
};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::BorrowedMessage,
};

use crate::bench::Bench;

/// How often each source record had a verdict.
pub type Seen = HashMap<(i32, i64), usize>;

/// Collects verdicts while the experiment runs.
pub struct Reader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

impl Reader {
    /// Starts reading all partitions from the beginning.
    pub fn start(bench: &Bench, isolation: &str) -> Self {
        let consumer = assigned(bench, &bench.topics().verdicts, isolation);
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        Self { stop, thread: std::thread::spawn(move || collect(&consumer, &asked)) }
    }

    /// Reads on until nothing comes for a second, and gives what was seen.
    pub fn finish(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn collect(consumer: &BaseConsumer, stop: &AtomicBool) -> Seen {
    let reader = RecordReader::try_new(VERDICT).unwrap();
    let mut seen = Seen::new();
    loop {
        match consumer.poll(Duration::from_secs(1)) {
            Some(Ok(message)) => {
                let (_, datum) = wire::split(message.payload().unwrap()).unwrap();
                let verdict: Verdict<'_> = reader.read(datum).unwrap();
                assert_eq!(verdict.source_partition, message.partition(), "verdicts stay in their partition");
                *seen.entry((verdict.source_partition, verdict.source_offset)).or_default() += 1;
            }
            Some(Err(_)) => {}
            None if stop.load(Ordering::Relaxed) => return seen,
            None => {}
        }
    }
}

/// All committed records of one output topic.
pub fn read_all<T: serde::de::DeserializeOwned>(bench: &Bench, topic: &str, schema: &str) -> Vec<T> {
    let reader = RecordReader::try_new(schema).unwrap();
    let mut records = Vec::new();
    for_each(bench, topic, |message| {
        records.push(reader.read(wire::split(message.payload().unwrap()).unwrap().1).unwrap());
    });
    records
}

/// How many committed records an output topic has.
pub fn count(bench: &Bench, topic: &str) -> usize {
    let mut records = 0;
    for_each(bench, topic, |_| records += 1);
    records
}

/// Calls `each` with every committed record of an output topic.
pub fn for_each(bench: &Bench, topic: &str, mut each: impl FnMut(&BorrowedMessage<'_>)) {
    let consumer = assigned(bench, topic, "read_committed");
    let mut ended = 0;
    while ended < bench.partitions {
        match consumer.poll(Duration::from_secs(10)).expect("the topic is complete") {
            Ok(message) => each(&message),
            Err(KafkaError::PartitionEOF(_)) => ended += 1,
            Err(error) => panic!("{error}"),
        }
    }
}

/// A consumer of all partitions of a topic, from the beginning.
pub fn assigned(bench: &Bench, topic: &str, isolation: &str) -> BaseConsumer {
    let consumer = bench.reader(isolation);
    let mut list = TopicPartitionList::new();
    for partition in 0..bench.partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    consumer
}

/// Verdicts seen twice or more.
pub fn duplicates(seen: &Seen) -> usize {
    seen.values().filter(|&&times| times > 1).count()
}
