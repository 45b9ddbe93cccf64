//! `assize send` and `assize topics` on a real Kafka.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
    time::Duration,
};

use assize::{
    codec::{RecordReader, wire},
    records::{Message, schema},
    stream::kafka::reader,
};
use common::{Sandbox, jars, kafka, python_client, text};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    admin::{AlterConfig, NewPartitions, ResourceSpecifier},
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::{BorrowedMessage, Headers as _},
};

/// A record of the input topic, read back.
#[derive(Debug)]
struct Sent {
    partition: i32,
    key: String,
    headers: BTreeMap<String, String>,
    message: Message,
}

fn read_back(sandbox: &Sandbox, partitions: i32) -> Vec<Sent> {
    let records = RecordReader::try_new(schema::MESSAGE).unwrap();
    let mut sent = Vec::new();
    for_each(sandbox, &sandbox.config.topics.messages, partitions, |record| {
        let utf8 = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers = record.headers().into_iter().flat_map(|headers| headers.iter());
        sent.push(Sent {
            partition: record.partition(),
            key: utf8(record.key().unwrap()),
            headers: headers.map(|header| (header.key.into(), utf8(header.value.unwrap()))).collect(),
            message: records.read(wire::split(record.payload().unwrap()).unwrap().1).unwrap(),
        });
    });
    sent
}

/// Calls `each` with all records of a topic.
fn for_each(sandbox: &Sandbox, topic: &str, partitions: i32, mut each: impl FnMut(&BorrowedMessage<'_>)) {
    let consumer: BaseConsumer = reader(&sandbox.config.kafka, "read_committed").create().unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let mut ends = 0;
    while ends < partitions {
        match consumer.poll(Duration::from_secs(10)).expect("a record or the end of a partition") {
            Err(KafkaError::PartitionEOF(_)) => ends += 1,
            Err(error) => panic!("{error}"),
            Ok(record) => each(&record),
        }
    }
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn messages_arrive_as_a_java_producer_would_send_them() {
    let sandbox = Sandbox::new("send", 8);
    let rows = br#"{"user_id":21,"text":"one","message_id":"m1","created_at":5,"idempotency_key":"k","revision":2}
{"user_id":4711,"text":"two","language":"de","metadata":{"channel":"sms"}}
"#;
    sandbox.write("rows.ndjson", rows);
    let output = sandbox.run(&["send", "rows.ndjson", "--repeat", "2"]);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout.is_empty() && text(&output).starts_with("sent 4 messages to "), "{output:?}");

    let sent = read_back(&sandbox, 8);
    // Partitions as murmur2 of the key gives them, computed apart from any client.
    let of = |user: i64| sent.iter().filter(move |sent| sent.message.user_id == user);
    assert!(of(21).all(|sent| sent.partition == 4 && sent.key == "21"), "{sent:?}");
    assert!(of(4711).all(|sent| sent.partition == 2 && sent.key == "4711"), "{sent:?}");

    let headers: Vec<_> = of(21).map(|sent| sent.headers.clone()).collect();
    let both = |key: &str| {
        BTreeMap::from([("idempotency-key".to_owned(), key.to_owned()), ("assize-revision".into(), "2".into())])
    };
    assert_eq!(headers, [both("k"), both("k-r2")], "a second round is no repeat of the first");
    let messages: Vec<_> = of(21).map(|sent| (sent.message.message_id.as_str(), sent.message.created_at)).collect();
    assert_eq!(messages, [("m1", 5), ("m1-r2", 5)]);

    let generated: Vec<_> = of(4711).map(|sent| sent.message.message_id.as_str()).collect();
    assert_eq!(generated[1], format!("{}-r2", generated[0]));
    let Message { language, metadata, text, .. } = &of(4711).next().unwrap().message;
    assert_eq!((language.as_deref(), text.as_str()), (Some("de"), "two"));
    assert_eq!(metadata, &BTreeMap::from([("channel".into(), "sms".into())]));
}

/// Where each key of a topic lies.
fn places(sandbox: &Sandbox, topic: &str, partitions: i32) -> BTreeMap<String, i32> {
    let mut places = BTreeMap::new();
    for_each(sandbox, topic, partitions, |record| {
        let key = String::from_utf8(record.key().expect("a key").to_vec()).unwrap();
        let partition = record.partition();
        assert_eq!(*places.entry(key).or_insert(partition), partition, "one key in two partitions");
    });
    places
}

/// Runs a client that reads lines KEY<tab>VALUE.
fn feed(command: &mut Command, lines: &str) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

fn keys_lie_where_java_puts_them(partitions: u32) {
    let sandbox = Sandbox::new("partitions", partitions);
    let (topics, count) = (sandbox.config.topics.clone(), partitions.cast_signed());
    let users = (1..=2_000).chain((1..=1_000).map(|number: i64| number.pow(5) * 7_919)).chain([i64::MAX]);
    let users: Vec<String> = users.map(|user| user.to_string()).collect();
    let others = ["", "a", "ab", "abc", "ключ", "鍵", "\u{1f511}\u{1f511}", "a b", "-1", "007", "\u{80}\u{ff}"];
    let keys: Vec<&str> = users.iter().map(String::as_str).chain(others).collect();
    let lines = keys.iter().fold(String::new(), |lines, key| lines + key + "\tvalue\n");

    let classes = jars().join("*");
    let mut java = Command::new("java");
    java.args(["-Xmx256m", "-Dfile.encoding=UTF-8", "-cp", classes.to_str().unwrap()])
        .args(["org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", &kafka(), "--topic", &topics.verdicts])
        .args(["--property", "parse.key=true"]);
    feed(&mut java, &lines);
    feed(python_client("send").args([&kafka(), &topics.predictions, "partitioner=murmur2_random"]), &lines);
    feed(python_client("send").args([&kafka(), &topics.dead_letters]), &lines);
    let mut rows = String::new();
    users.iter().for_each(|user| writeln!(rows, r#"{{"user_id":{user},"text":"hello"}}"#).unwrap());
    sandbox.write("users.ndjson", rows);
    let output = sandbox.run(&["send", "users.ndjson"]);
    assert!(output.status.success(), "{output:?}");

    let java = places(&sandbox, &topics.verdicts, count);
    assert_eq!(java.len(), keys.len());
    assert_eq!(java.values().collect::<std::collections::BTreeSet<_>>().len(), partitions as usize);
    let of_users: BTreeMap<_, _> = users.iter().map(|user| (user.clone(), java[user])).collect();
    assert!(places(&sandbox, &topics.messages, count) == of_users, "`assize send` and Java differ");
    assert!(places(&sandbox, &topics.predictions, count) == java, "murmur2_random and Java differ");
    // So the README says that clients of librdkafka must set it.
    assert!(places(&sandbox, &topics.dead_letters, count) != java, "librdkafka's own default is Java's by now");
}

#[test]
#[ignore = "needs Kafka, Java and Python; run ./dev test"]
fn eight_partitions_are_chosen_as_java_does() {
    keys_lie_where_java_puts_them(8);
}

#[test]
#[ignore = "needs Kafka, Java and Python; run ./dev test"]
fn seven_partitions_are_chosen_as_java_does() {
    keys_lie_where_java_puts_them(7);
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn a_bad_line_stops_or_is_counted() {
    let sandbox = Sandbox::new("send-bad", 1);
    sandbox.write("rows.csv", "user_id,text\n7,a\nseven,b\n8,c\n");
    let output = sandbox.run(&["send", "rows.csv"]);
    assert_eq!(output.status.code(), Some(1));
    let expected = "assize: rows.csv:3: user_id: invalid digit found in string (1 messages before it were sent; ";
    assert!(text(&output).starts_with(expected), "{output:?}");

    let mut child = sandbox.assize(&["send", "-", "--format", "tsv", "--skip-bad", "--rate", "50"]);
    let mut child = child.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"user_id\ttext\n7\ta\nseven\tb\n8\tc\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output).contains("sent 2 messages") && text(&output).contains("1 bad lines"), "{output:?}");
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn topics_are_made_once_and_every_fault_is_found() {
    let sandbox = Sandbox::without_topics("topics");
    let topics = sandbox.config.topics.clone();
    let missing = sandbox.run(&["topics", "check"]);
    assert_eq!(missing.status.code(), Some(69));
    assert_eq!(text(&missing).matches("does not exist; make it with `assize topics create`").count(), 4);
    let refused =
        sandbox.run(&["send", &sandbox.write("one.ndjson", "{\"user_id\":7,\"text\":\"a\"}").display().to_string()]);
    assert_eq!(refused.status.code(), Some(69), "{refused:?}");

    assert!(sandbox.run(&["topics", "create", "--partitions", "2"]).status.success());
    let again = sandbox.run(&["topics", "create"]);
    assert!(again.status.success() && !text(&again).contains("made"), "{again:?}");
    let other = sandbox.run(&["topics", "create", "--partitions", "3"]);
    assert_eq!(other.status.code(), Some(69), "{other:?}");

    sandbox.admin(async |admin, options| {
        let verdicts = AlterConfig::new(ResourceSpecifier::Topic(&topics.verdicts))
            .set("cleanup.policy", "compact,delete")
            .set("retention.ms", "3600000");
        let dead = AlterConfig::new(ResourceSpecifier::Topic(&topics.dead_letters)).set("max.message.bytes", "1000");
        admin.alter_configs([&verdicts, &dead], &options).await.unwrap();
        admin.create_partitions([&NewPartitions::new(&topics.predictions, 5)], &options).await.unwrap();
    });
    let check = sandbox.run(&["topics", "check"]);
    assert_eq!(check.status.code(), Some(69));
    for finding in [
        format!("topic {} is compacted", topics.verdicts),
        format!("topic {} has retention.ms 3600000, less than", topics.verdicts),
        format!("topic {} has 5 partitions and {} has 2", topics.predictions, topics.messages),
        format!("topic {} has max.message.bytes 1000", topics.dead_letters),
    ] {
        assert!(text(&check).contains(&finding), "{finding}: {}", text(&check));
    }
}
