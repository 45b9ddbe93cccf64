//! `assize audit` on a real Kafka: a right history is clean, and each fault, planted alone, is named.
//!
//! Each partition of the input holds
//!
//! ```text
//!   offset     0        1        2            3              4          5
//!   user       a        a        not Avro     a, repeats 0   b          a
//!   answer     verdict  verdict  dead letter  suppressed     verdict    not committed yet
//! ```
//!
//! and the outputs hold an aborted transaction with wrong answers first.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use std::{process::Output, time::Duration};

use assize::{
    codec::RecordWriter,
    dedup::Identity,
    records::{Message, Prediction, Verdict},
    stream::{
        Topic,
        kafka::{base, reader},
    },
};
use common::{Sandbox, text};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer, ThreadedProducer},
};
use serde_json::Value as Json;

const WAIT: Duration = Duration::from_secs(20);

/// Next offset to judge: everything before 5 is committed.
const COMMITTED: i64 = 5;

/// Users a and b of a partition.
fn users(partition: i32) -> (i64, i64) {
    (i64::from(partition) * 2 + 1, i64::from(partition) * 2 + 2)
}

/// User and message id of the input record at `offset`.
fn input(partition: i32, offset: i64) -> (i64, String) {
    let (a, b) = users(partition);
    let user = if offset == 4 { b } else { a };
    let key = if offset == 3 { 0 } else { offset };
    (user, format!("m-{partition}-{key}"))
}

/// One output record.
#[derive(Clone, Debug)]
struct Out {
    topic: Topic,
    partition: i32,
    /// Offset of its input.
    source: i64,
    /// Author and message id that it names.
    named: (i64, String),
}

/// The right outputs of `partition`, in the order of its log.
fn outputs(partition: i32) -> Vec<Out> {
    let out = |topic, source| Out { topic, partition, source, named: input(partition, source) };
    let pair = |source| [out(Topic::Verdicts, source), out(Topic::Predictions, source)];
    [pair(0), pair(1)].into_iter().flatten().chain([out(Topic::DeadLetters, 2)]).chain(pair(4)).collect()
}

/// The clients and writers of a history.
struct Scribe<'a> {
    sandbox: &'a Sandbox,
    partitions: i32,
    verdicts: RecordWriter,
    predictions: RecordWriter,
}

impl<'a> Scribe<'a> {
    fn new(sandbox: &'a Sandbox, partitions: i32) -> Self {
        let ids = &sandbox.config.schemas.ids;
        let verdicts = RecordWriter::new(ids.verdict);
        let predictions = RecordWriter::new(ids.prediction);
        Self { sandbox, partitions, verdicts, predictions }
    }

    fn write_input(&self) {
        let producer: BaseProducer = base(&self.sandbox.config.kafka).create().unwrap();
        let writer = RecordWriter::new(self.sandbox.config.schemas.ids.message);
        for partition in 0..self.partitions {
            for offset in 0..6 {
                let (user_id, message_id) = input(partition, offset);
                let (key, value) = if offset == 2 {
                    ("?".to_owned(), b"not Avro".to_vec())
                } else {
                    let example = include_str!("../schemas/examples/message.json");
                    let message = Message { message_id, user_id, ..serde_json::from_str(example).unwrap() };
                    let mut value = Vec::new();
                    writer.write(&message, &mut value);
                    (user_id.to_string(), value)
                };
                let topic = &self.sandbox.config.topics.messages;
                let record = BaseRecord::to(topic).partition(partition).key(&key).payload(&value);
                producer.send(record).map_err(|(error, _)| error).unwrap();
            }
        }
        producer.flush(WAIT).unwrap();
    }

    fn transactions(&self, id: &str) -> ThreadedProducer<DefaultProducerContext> {
        let mut client = base(&self.sandbox.config.kafka);
        client.set("transactional.id", format!("{}-{id}", self.sandbox.name));
        let producer: ThreadedProducer<_> = client.create().unwrap();
        producer.init_transactions(WAIT).unwrap();
        producer
    }

    fn send(&self, producer: &ThreadedProducer<DefaultProducerContext>, out: &Out) {
        let topics = &self.sandbox.config.topics;
        let (topic, value) = match out.topic {
            Topic::Verdicts => (&topics.verdicts, self.verdict(out)),
            Topic::Predictions => (&topics.predictions, self.prediction(out)),
            Topic::DeadLetters => (&topics.dead_letters, b"not Avro".to_vec()),
            Topic::DriftReports | Topic::DriftState => panic!("the stream does not write there"),
        };
        let key = if out.topic == Topic::DeadLetters { "?".to_owned() } else { out.named.0.to_string() };
        let mut record = BaseRecord::to(topic).partition(out.partition).key(&key).payload(&value);
        if out.topic == Topic::DeadLetters {
            let header = |headers: OwnedHeaders, key, value: &str| headers.insert(Header { key, value: Some(value) });
            let mut headers = header(OwnedHeaders::new(), "__connect.errors.topic", &topics.messages);
            headers = header(headers, "__connect.errors.partition", &out.partition.to_string());
            headers = header(headers, "__connect.errors.offset", &out.source.to_string());
            record = record.headers(headers);
        }
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }

    fn verdict(&self, out: &Out) -> Vec<u8> {
        let example = include_str!("../schemas/examples/verdict.json");
        let (user_id, message_id) = out.named.clone();
        let verdict = Verdict {
            verdict_id: Identity::new(user_id, 0, &message_id).to_string().into(),
            message_id: message_id.into(),
            user_id,
            idempotency_key: None,
            source_partition: source_partition(out),
            source_offset: out.source,
            ..serde_json::from_str(example).unwrap()
        };
        let mut value = Vec::new();
        self.verdicts.write(&verdict, &mut value);
        value
    }

    fn prediction(&self, out: &Out) -> Vec<u8> {
        let example = include_str!("../schemas/examples/prediction.json");
        let prediction = Prediction {
            message_id: out.named.1.clone().into(),
            idempotency_key: None,
            source_partition: source_partition(out),
            source_offset: out.source,
            ..serde_json::from_str(example).unwrap()
        };
        let mut value = Vec::new();
        self.predictions.write(&prediction, &mut value);
        value
    }

    /// Input, an aborted transaction with wrong answers, then `outputs` in one transaction with the offsets.
    fn write(&self, outputs: &[Out], committed: i64) {
        self.write_input();
        let producer = self.transactions("history");
        producer.begin_transaction().unwrap();
        for mut out in (0..self.partitions).flat_map(crate::outputs) {
            out.source += 1;
            self.send(&producer, &out);
        }
        producer.flush(WAIT).unwrap();
        producer.abort_transaction(WAIT).unwrap();

        producer.begin_transaction().unwrap();
        outputs.iter().for_each(|out| self.send(&producer, out));
        let mut offsets = TopicPartitionList::new();
        for partition in 0..self.partitions {
            let topic = &self.sandbox.config.topics.messages;
            offsets.add_partition_offset(topic, partition, Offset::Offset(committed)).unwrap();
        }
        let kafka = &self.sandbox.config.kafka;
        let group: BaseConsumer = reader(kafka, "read_committed").set("group.id", &kafka.group_id).create().unwrap();
        producer.send_offsets_to_transaction(&offsets, &group.group_metadata().unwrap(), WAIT).unwrap();
        producer.commit_transaction(WAIT).unwrap();
    }
}

/// The partition that an output names is that of its user, wherever it was put.
fn source_partition(out: &Out) -> i32 {
    ((out.named.0 - 1) / 2) as i32
}

fn run(sandbox: &Sandbox) -> Output {
    sandbox.run(&["audit", "--format", "json", "--open-wait", "1"])
}

/// Kind, partition and offset of every finding.
fn findings(output: &Output) -> Vec<(String, i64, i64)> {
    let lines = String::from_utf8(output.stdout.clone()).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    lines
        .filter(|line| line["type"] == "finding")
        .map(|line| {
            let number = |key: &str| line[key].as_i64().unwrap();
            (line["kind"].as_str().unwrap().to_owned(), number("partition"), number("offset"))
        })
        .collect()
}

/// A history of two partitions after `change` of the right outputs has exactly the `expected` findings.
fn planted(fault: &str, change: impl FnOnce(&mut Vec<Out>), expected: &[(&str, i64, i64)]) {
    let sandbox = Sandbox::new(&format!("audit-{fault}"), 2);
    let mut changed: Vec<_> = (0..2).flat_map(outputs).collect();
    change(&mut changed);
    Scribe::new(&sandbox, 2).write(&changed, COMMITTED);
    let output = run(&sandbox);
    let named = |(kind, partition, offset): &(&str, i64, i64)| (kind.to_string(), *partition, *offset);
    let expected: Vec<_> = expected.iter().map(named).collect();
    assert_eq!(findings(&output), expected, "{fault}: {}", text(&output));
    assert_eq!(output.status.code(), Some(1), "{fault}");
}

/// Position of the output on `source` in partition 1.
fn position(outs: &[Out], topic: Topic, source: i64) -> usize {
    outs.iter().position(|out| (out.topic, out.partition, out.source) == (topic, 1, source)).unwrap()
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn a_right_history_is_clean() {
    let sandbox = Sandbox::new("audit-clean", 8);
    Scribe::new(&sandbox, 8).write(&(0..8).flat_map(outputs).collect::<Vec<_>>(), COMMITTED);
    let output = run(&sandbox);
    assert!(output.status.success(), "{}", text(&output));
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Json> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 9, "eight partitions and a summary");
    let total = ["input", "verdicts", "predictions", "dead_letters", "suppressed", "pending", "not_judged"]
        .map(|key| lines[8][key].as_i64().unwrap());
    assert_eq!(total, [48, 24, 24, 8, 8, 8, 0]);
    let table = text(&sandbox.run(&["audit"]));
    assert!(table.contains("clean: each of the 40 judged messages is accounted for exactly once"), "{table}");
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn lost_messages_are_found() {
    let lost = |outs: &mut Vec<Out>| outs.retain(|out| (out.partition, out.source) != (1, 4));
    planted("lost", lost, &[("lost", 1, 4)]);
    let letter = |outs: &mut Vec<Out>| outs.retain(|out| (out.partition, out.source) != (1, 2));
    planted("lost-letter", letter, &[("lost", 1, 2)]);
    let first = |outs: &mut Vec<Out>| outs.retain(|out| (out.partition, out.source) != (1, 0));
    planted("lost-first", first, &[("lost", 1, 0), ("lost", 1, 3)]);
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn duplicates_are_found() {
    let verdict = |outs: &mut Vec<Out>| outs.push(outs[position(outs, Topic::Verdicts, 4)].clone());
    planted("duplicated", verdict, &[("duplicated", 1, 4)]);
    let identity = |outs: &mut Vec<Out>| {
        // The repeat at offset 3 was judged again, before 4.
        let at = position(outs, Topic::Verdicts, 4);
        for topic in [Topic::Verdicts, Topic::Predictions] {
            outs.insert(at, Out { topic, partition: 1, source: 3, named: input(1, 3) });
        }
    };
    planted("duplicated-identity", identity, &[("duplicated", 1, 3)]);
    let both = |outs: &mut Vec<Out>| {
        outs.push(Out { topic: Topic::Verdicts, ..outs[position(outs, Topic::DeadLetters, 2)].clone() });
        outs.push(Out { topic: Topic::Predictions, ..outs[position(outs, Topic::DeadLetters, 2)].clone() });
    };
    // What cannot be decoded cannot have a verdict; and it came after 4, of another user.
    planted("verdict-and-letter", both, &[("unexpected", 1, 2), ("duplicated", 1, 2)]);
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn unexpected_outputs_are_found() {
    let stray = |outs: &mut Vec<Out>| {
        for topic in [Topic::Verdicts, Topic::Predictions] {
            outs.push(Out { topic, partition: 1, source: 99, named: (4, "m-1-99".into()) });
        }
    };
    // At or behind the committed offset nothing is there, and nothing can be.
    planted("unexpected", stray, &[("unexpected", 1, 99), ("unexpected", 1, 99)]);
    let other = |outs: &mut Vec<Out>| {
        for topic in [Topic::Verdicts, Topic::Predictions] {
            let at = position(outs, topic, 4);
            outs[at].named.1 = "another".into();
        }
    };
    planted("unexpected-identity", other, &[("unexpected", 1, 4)]);
    let elsewhere = |outs: &mut Vec<Out>| {
        for topic in [Topic::Verdicts, Topic::Predictions] {
            let at = position(outs, topic, 4);
            outs[at].partition = 0;
        }
    };
    // Offsets of the outputs in partition 0: 3 + 1 aborted, 3 right, then this one.
    planted("wrong-partition", elsewhere, &[("unexpected", 0, 7), ("unexpected", 0, 7), ("lost", 1, 4)]);
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn torn_pairs_are_found() {
    let verdict = |outs: &mut Vec<Out>| drop(outs.remove(position(outs, Topic::Verdicts, 4)));
    planted("torn-prediction", verdict, &[("torn", 1, 4)]);
    let prediction = |outs: &mut Vec<Out>| drop(outs.remove(position(outs, Topic::Predictions, 4)));
    planted("torn-verdict", prediction, &[("torn", 1, 4)]);
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn verdicts_out_of_order_are_found() {
    let swap = |outs: &mut Vec<Out>| {
        let (first, second) = (position(outs, Topic::Verdicts, 0), position(outs, Topic::Verdicts, 1));
        outs.swap(first, second);
    };
    planted("reordered", swap, &[("out_of_order", 1, 0)]);
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn an_open_transaction_is_found_and_hides_nothing_as_lost() {
    let sandbox = Sandbox::new("audit-open", 2);
    let scribe = Scribe::new(&sandbox, 2);
    let open = scribe.transactions("open");
    open.begin_transaction().unwrap();
    scribe.send(&open, &Out { topic: Topic::Verdicts, partition: 1, source: 5, named: input(1, 5) });
    open.flush(WAIT).unwrap();
    scribe.write(&(0..2).flat_map(outputs).collect::<Vec<_>>(), COMMITTED);

    let output = run(&sandbox);
    assert_eq!(findings(&output), [("open_transaction".to_owned(), 1, 0)], "{}", text(&output));
    assert_eq!(output.status.code(), Some(1));
    open.abort_transaction(WAIT).unwrap();
    let output = run(&sandbox);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn an_offset_committed_without_its_answer_is_a_loss() {
    let sandbox = Sandbox::new("audit-committed", 2);
    Scribe::new(&sandbox, 2).write(&(0..2).flat_map(outputs).collect::<Vec<_>>(), COMMITTED + 1);
    let output = run(&sandbox);
    assert_eq!(findings(&output), [("lost".to_owned(), 0, 5), ("lost".to_owned(), 1, 5)], "{}", text(&output));
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn an_answer_before_its_offset_is_committed_is_unexpected() {
    let sandbox = Sandbox::new("audit-early", 2);
    Scribe::new(&sandbox, 2).write(&(0..2).flat_map(outputs).collect::<Vec<_>>(), 4);
    let output = run(&sandbox);
    assert_eq!(findings(&output), [("unexpected".to_owned(), 0, 4), ("unexpected".to_owned(), 1, 4)]);
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn topics_that_are_not_there_are_no_finding() {
    let sandbox = Sandbox::without_topics("audit-none");
    let output = run(&sandbox);
    assert_eq!(output.status.code(), Some(69));
    assert!(text(&output).contains("does not exist; see `assize topics check`"), "{}", text(&output));
}
