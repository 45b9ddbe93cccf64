//! A partition that cannot go on waits alone: for a schema id that is not known yet, or because it is mostly dead
//! letters. The others do not notice, and nothing of it is lost.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use assize::{codec::RecordWriter, records::Message};
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};

use super::{
    bench::{Bench, Running, SPAM},
    readers,
};
use crate::common::kafka;

/// Nobody registers it.
const UNKNOWN_ID: [u8; 5] = [0, 0x7f, 0xff, 0xff, 0xfe];
/// How long anything may take that ought to take seconds.
const PATIENCE: Duration = Duration::from_secs(90);
/// Short pauses, so that a test sees several.
const SHORT: &str = "[dead_letters]\npause_seconds = 2\npause_seconds_max = 4\n";

#[test]
#[ignore = "needs Kafka and a schema registry; run ./dev test"]
fn an_id_that_is_not_known_yet_holds_its_partition_alone() {
    let registry =
        std::env::var("ASSIZE_TEST_REGISTRY").unwrap_or_else(|_| "http://127.0.0.1:18081/apis/ccompat/v7".into());
    let bench = Bench::new("holds", 2, &format!("[schemas]\nregistry = \"{registry}\"\n{SPAM}"));
    let mut process = bench.start("a", None);
    let (file, counts) = super::traffic::write(&bench.folder, "m", 2_000, 5);
    produce(&bench, 0, [UNKNOWN_ID.to_vec()]);
    bench.wait_for_log("a", "partition waits for a schema id");
    // Found when the first is settled: a minute for what is looked at meanwhile, on a machine that does much else.
    let mut another_id = UNKNOWN_ID.to_vec();
    another_id[4] ^= 1;
    produce(&bench, 0, [another_id]);
    assert_eq!(bench.send(&file, &[]).wait(), Some(0));

    wait_until("partition 1 is drained", || bench.lag_of(1) == 0);
    assert!(bench.lag_of(0) > 900, "half a minute is not over, so nothing behind the record may be judged");
    assert_eq!(state(&bench, 0), "waiting_for_schema");
    wait_until("the metric says so", || http(&bench, "GET /metrics").contains(r#"reason="schema"} 1"#));

    // A partition that is not fetched still has a lag, for whoever is alarmed by it.
    wait_until("its lag grows", || lag_shown(&bench, 0).is_some_and(|lag| lag > 900));

    bench.wait_until_drained();
    assert_eq!(state(&bench, 0), "reading");
    assert_eq!(process.stop(), Some(0));
    let report = bench.assert_clean();
    assert_eq!(readers::count(&bench, &bench.topics().dead_letters), counts.rejected + 2, "{report}");
    assert_eq!(readers::count(&bench, &bench.topics().verdicts), counts.judged, "{report}");
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn up_to_half_of_dead_letters_pause_nothing() {
    for (name, bad_in) in [("one percent", 100), ("half", 2)] {
        let bench = Bench::new("mild", 2, &format!("{SHORT}{SPAM}"));
        produce(&bench, 0, (0..4_000).map(|n| if n % bad_in == 0 { bad(n) } else { good(n) }));
        let mut process = bench.start("a", None);
        bench.wait_until_drained();
        assert_eq!(process.stop(), Some(0));
        assert!(!log(&bench).contains("partition pauses"), "{name}");
        bench.assert_clean();
        assert_eq!(readers::count(&bench, &bench.topics().dead_letters), 4_000 / bad_in, "{name}");
    }
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn a_storm_pauses_its_partition_until_its_records_are_good_again() {
    let bench = Bench::new("storm", 2, &format!("{SHORT}{SPAM}"));
    produce(&bench, 0, (0..1_500).map(bad));
    let mut process = bench.start("a", None);
    bench.wait_for_log("a", "partition pauses");
    produce(&bench, 0, (0..600).map(bad));
    produce(&bench, 0, (0..5_000).map(good));
    produce(&bench, 1, (5_000..9_000).map(good));

    wait_until("the other partition is drained", || bench.lag_of(1) == 0);
    assert!(bench.lag_of(0) >= 5_000, "a probe takes one chunk of it at most");
    wait_until("a probe found bad ones again", || log(&bench).matches("partition pauses").count() == 2);
    bench.wait_until_drained();
    assert_eq!(state(&bench, 0), "reading");
    assert_eq!(process.stop(), Some(0));
    bench.assert_clean();
    assert_eq!(readers::count(&bench, &bench.topics().dead_letters), 2_100);
    assert_eq!(readers::count(&bench, &bench.topics().verdicts), 9_000);
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn a_storm_of_large_records_takes_no_memory_and_an_operator_resumes_it() {
    const RECORDS: usize = 1_200;
    let bench =
        Bench::new("flood", 2, &format!("[dead_letters]\npause_seconds = 3600\npause_seconds_max = 3600\n{SPAM}"));
    // 600 MB of garbage, twice what the process may take.
    let large: Vec<u8> = (0..500_000_u32).map(|n| 1 + (n.wrapping_mul(2_654_435_761) >> 24) as u8 / 2).collect();
    produce(&bench, 0, std::iter::repeat_n(large.clone(), RECORDS));
    let mut process = bench.start("a", None);
    bench.wait_for_log("a", "partition pauses");
    produce(&bench, 1, (0..2_000).map(good));
    wait_until("the other partition is drained", || bench.lag_of(1) == 0);
    assert_eq!(http(&bench, "POST /partitions/1/resume").lines().next(), Some("HTTP/1.1 409 Conflict"));
    assert_eq!(http(&bench, "POST /partitions/9/resume").lines().next(), Some("HTTP/1.1 404 Not Found"));

    produce(&bench, 0, (2_000..4_000).map(good));
    let resumed = http(&bench, "POST /partitions/0/resume");
    assert_eq!(resumed.lines().next(), Some("HTTP/1.1 202 Accepted"), "{resumed}");
    bench.wait_until_drained();
    let peak = peak_memory_mib(&process);
    assert!(peak < 400, "{peak} MiB");
    assert_eq!(process.stop(), Some(0));
    bench.assert_clean();
    assert_eq!(readers::count(&bench, &bench.topics().dead_letters), RECORDS);
    assert_eq!(readers::count(&bench, &bench.topics().verdicts), 4_000);
}

fn bad(number: usize) -> Vec<u8> {
    format!("no record of ours: {number}").into_bytes()
}

fn good(number: usize) -> Vec<u8> {
    let message = Message {
        message_id: format!("m{number}"),
        user_id: 1 + number as i64 % 50,
        text: format!("see you at lunch, number {number}"),
        language: None,
        metadata: Default::default(),
        created_at: 1_700_000_000_000,
    };
    let mut value = Vec::new();
    RecordWriter::new(1).write(&message, &mut value);
    value
}

fn produce(bench: &Bench, partition: i32, values: impl IntoIterator<Item = Vec<u8>>) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", kafka()).set("compression.type", "lz4").create().unwrap();
    for value in values {
        let mut record = BaseRecord::<(), _>::to(&bench.topics().messages).partition(partition).payload(&value);
        while let Err((_full, again)) = producer.send(record) {
            producer.poll(Duration::from_millis(10));
            record = again;
        }
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}

#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not seen: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn log(bench: &Bench) -> String {
    fs::read_to_string(bench.folder.join("a.log")).unwrap()
}

/// The answer of process `a`'s endpoint.
fn http(bench: &Bench, what: &str) -> String {
    let log = log(bench);
    let (_, address) = log.split_once("address=").expect("it says where it listens");
    let address = address.split_whitespace().next().unwrap().replace("\u{1b}[0m", "");
    let mut stream = TcpStream::connect(&address).unwrap();
    let body = "connection: close\r\ncontent-length: 0\r\n\r\n";
    write!(stream, "{what} HTTP/1.1\r\nhost: {address}\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// What `/partitions` says of a partition.
fn state(bench: &Bench, partition: usize) -> String {
    let answer = http(bench, "GET /partitions");
    let body: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    body["partitions"][partition]["state"].as_str().unwrap().to_owned()
}

/// What the metrics say of a partition's lag.
fn lag_shown(bench: &Bench, partition: i32) -> Option<i64> {
    let metrics = http(bench, "GET /metrics");
    let label = format!("partition=\"{partition}\"");
    let line = metrics.lines().find(|line| line.starts_with("assize_kafka_consumer_lag{") && line.contains(&label))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// The most memory that a process had resident so far.
fn peak_memory_mib(process: &Running) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}
