//! Everything that a producer may get wrong, or do on purpose, sent to a real `assize run` between good records: each
//! has its documented end, dead letters carry the bytes as they came, the process lives, and the audit finds nothing.

mod cases;
mod datum;
mod schemas;

use std::{collections::BTreeMap, time::Duration};

use rdkafka::{
    ClientConfig, Message as _,
    admin::{AlterConfig, ResourceSpecifier},
    message::{BorrowedMessage, Header, Headers as _, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};

use assize::{
    pipeline::ERROR_HEADERS,
    records::{Verdict, schema},
};

use super::{
    bench::{Bench, SPAM},
    readers,
};
use crate::common::kafka;
use cases::{Case, End};

const PARTITIONS: i32 = 2;

/// Where a record lies, and what must become of it.
type Sent = BTreeMap<(i32, i64), Case>;

#[test]
#[ignore = "needs Kafka and a schema registry; run ./dev test"]
fn everything_bad_has_its_documented_end() {
    let registry =
        std::env::var("ASSIZE_TEST_REGISTRY").unwrap_or_else(|_| "http://127.0.0.1:18081/apis/ccompat/v7".into());
    let bench = Bench::new("hostile", PARTITIONS, &format!("[schemas]\nregistry = \"{registry}\"\n{SPAM}"));
    let messages = bench.topics().messages.clone();
    bench.admin(async |admin, options| {
        // Else the broker refuses a record of tomorrow.
        let topic = AlterConfig::new(ResourceSpecifier::Topic(&messages));
        let topic = topic.set("message.timestamp.after.max.ms", "9223372036854775807");
        admin.alter_configs([&topic], &options).await.unwrap();
    });
    let ids = schemas::register(&registry, &messages);
    let mut process = bench.start("a", None);
    let sent = send(&messages, &ids);
    bench.wait_until_drained();
    assert!(process.is_running(), "no record ends the process; logs: {}", bench.folder.display());
    assert_eq!(process.stop(), Some(0));

    let mut ends = dead_letters(&bench, &sent);
    let verdicts: Vec<Verdict<'_>> = readers::read_all(&bench, &bench.topics().verdicts, schema::VERDICT);
    for verdict in &verdicts {
        let place = (verdict.source_partition, verdict.source_offset);
        assert_eq!(ends.insert(place, End::Judged), None, "two answers to {:?}", sent[&place].name);
    }
    let wrong: Vec<_> = sent
        .iter()
        .map(|(place, case)| (&case.name, case.end, ends.get(place).copied().unwrap_or(End::Repeat)))
        .filter(|(_, wanted, found)| wanted != found)
        .collect();
    assert!(wrong.is_empty(), "name, wanted, found: {wrong:#?}\nlogs: {}", bench.folder.display());
    let report = bench.assert_clean();
    println!("{} records: {report}", sent.len());
}

/// Sends the cases in turn to the partitions, each followed by a good record.
fn send(topic: &str, ids: &schemas::Ids) -> Sent {
    let mut producers = BTreeMap::<&str, BaseProducer>::new();
    let mut sent = Sent::new();
    let (mut ends, mut last) = ([0_i64; PARTITIONS as usize], "none");
    for (number, case) in cases::all(ids).into_iter().enumerate() {
        let good = cases::good(ids, number);
        for case in [case, good] {
            let codec = case.compression;
            if codec != last {
                // One producer after the other, so that offsets can be counted.
                producers[last].flush(Duration::from_secs(10)).unwrap();
                last = codec;
            }
            let producer = producers.entry(codec).or_insert_with(|| producer(codec));
            let partition = case.partition.unwrap_or(number % PARTITIONS as usize);
            deliver(producer, topic, i32::try_from(partition).unwrap(), &case);
            sent.insert((i32::try_from(partition).unwrap(), ends[partition]), case);
            ends[partition] += 1;
        }
    }
    producers[last].flush(Duration::from_secs(10)).unwrap();
    sent
}

fn producer(compression: &str) -> BaseProducer {
    ClientConfig::new()
        .set("bootstrap.servers", kafka())
        .set("compression.type", compression)
        .set("message.max.bytes", "4000000")
        .set("enable.idempotence", "true")
        .create()
        .unwrap()
}

fn deliver(producer: &BaseProducer, topic: &str, partition: i32, case: &Case) {
    let headers = case
        .headers
        .iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: value.as_deref() }));
    let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(partition).headers(headers);
    (record.key, record.payload, record.timestamp) = (case.key.as_deref(), case.value.as_deref(), case.timestamp);
    producer.send(record).map_err(|(error, _)| error).unwrap();
}

/// What each dead letter says of its record, after its bytes were held against what was sent.
fn dead_letters(bench: &Bench, sent: &Sent) -> BTreeMap<(i32, i64), End> {
    let mut ends = BTreeMap::new();
    readers::for_each(bench, &bench.topics().dead_letters, |message| {
        let (ours, original): (Vec<_>, Vec<_>) =
            headers(message).into_iter().partition(|(name, _)| name.starts_with(ERROR_HEADERS));
        let ours: BTreeMap<String, String> = ours
            .into_iter()
            .map(|(name, value)| (name[ERROR_HEADERS.len()..].to_owned(), String::from_utf8(value.unwrap()).unwrap()))
            .collect();
        let place = (ours["partition"].parse().unwrap(), ours["offset"].parse().unwrap());
        let case = &sent[&place];
        assert_eq!(message.key(), case.key.as_deref(), "key of {}", case.name);
        assert!(message.payload() == case.value.as_deref(), "value of {}", case.name);
        assert!(original == case.headers, "headers of {}: {original:?}", case.name);
        assert_eq!((ours["topic"].as_str(), message.partition()), (bench.topics().messages.as_str(), place.0));
        let end = End::of(&ours["stage"], &ours["class.name"], &ours["exception.message"]);
        assert_eq!(ends.insert(place, end), None, "two dead letters for {}", case.name);
    });
    ends
}

fn headers(message: &BorrowedMessage<'_>) -> Vec<(String, Option<Vec<u8>>)> {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    headers.map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
}
