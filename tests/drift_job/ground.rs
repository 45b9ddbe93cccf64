//! Predictions of real messages in a topic, and what the job makes of them.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use assize::{
    codec::{RecordReader, RecordWriter, wire},
    records::{DriftReport, Label, Prediction, schema::DRIFT_REPORT},
    stream::kafka,
};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer},
};
use serde_json::Value;

use crate::{
    bench::{Bench, Running},
    traffic::Random,
};

/// How long anything may take that ought to take seconds.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Partitions of the topics.
pub const PARTITIONS: i32 = 2;
/// Where event time starts, milliseconds since the epoch.
pub const START_MS: i64 = 1_790_000_000_000;
/// Length of the windows of ten seconds.
pub const WINDOW_MS: i64 = 10_000;

/// The schema ids of a configuration without a registry.
const PREDICTION_ID: u32 = 3;
const LABEL_ID: u32 = 4;

/// What `assize demo` says of the messages that the model has not learnt from.
pub fn real_predictions(bench: &Bench) -> Vec<Prediction<'static>> {
    let folder = bench.folder.join("demo");
    let demo = bench.sandbox.run(&[
        "demo",
        "--out",
        folder.to_str().unwrap(),
        "--bundle",
        &path("models/spam-sms"),
        "--messages",
        &path("data/spam-sms/messages.tsv"),
    ]);
    assert!(demo.status.success(), "{demo:?}");
    let lines = fs::read_to_string(folder.join("predictions.ndjson")).unwrap();
    lines.lines().map(|line| serde_json::from_value(bytes(serde_json::from_str(line).unwrap())).unwrap()).collect()
}

/// Hashes are in hex for people.
fn bytes(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            for (name, field) in fields {
                *field = match (name.as_str(), field.as_str()) {
                    ("digest" | "text_hash" | "user_hash", Some(hex)) => {
                        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
                        (0..hex.len()).step_by(2).map(byte).collect()
                    }
                    _ => bytes(field.take()),
                };
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = bytes(item.take())),
        _ => {}
    }
    value
}

/// Something in the repository.
pub fn path(of: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(of).display().to_string()
}

/// Writes predictions as a stream would, but for the stamps.
pub struct Writer<'b> {
    bench: &'b Bench,
    producer: ThreadedProducer<DefaultProducerContext>,
    rows: Vec<Prediction<'static>>,
    random: Random,
    /// Written so far.
    pub written: u64,
}

impl<'b> Writer<'b> {
    pub fn new(bench: &'b Bench, seed: u64) -> Self {
        let producer = kafka::base(&bench.sandbox.config.kafka).set("enable.idempotence", "true").create().unwrap();
        Self { bench, producer, rows: real_predictions(bench), random: Random::new(seed), written: 0 }
    }

    /// A row as it came out of the stream, drawn from those that `wanted` says so of.
    pub fn draw(&mut self, wanted: impl Fn(&Prediction<'_>) -> bool) -> Prediction<'static> {
        loop {
            let row = &self.rows[self.random.below(self.rows.len() as u64) as usize];
            if wanted(row) {
                return row.clone();
            }
        }
    }

    /// One more prediction, of this time.
    pub fn write(&mut self, partition: i32, mut row: Prediction<'static>, created_at: i64, decided_at: i64) {
        self.written += 1;
        row.message_id = format!("m-{}", self.written).into();
        (row.created_at, row.decided_at) = (created_at, decided_at);
        (row.source_partition, row.source_offset) = (partition, self.written as i64);
        let mut value = Vec::new();
        RecordWriter::new(PREDICTION_ID).write(&row, &mut value);
        self.write_bytes(partition, &value);
    }

    /// Anything at all.
    pub fn write_bytes(&mut self, partition: i32, value: &[u8]) {
        let record = BaseRecord::to(&self.bench.topics().predictions).partition(partition).key("k").payload(value);
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
    }

    pub fn flush(&self) {
        self.producer.flush(Duration::from_secs(30)).unwrap();
    }
}

/// Writes labels as producers do: where the partition is theirs to choose, that of the key.
pub struct Labeller<'b> {
    bench: &'b Bench,
    producer: ThreadedProducer<DefaultProducerContext>,
}

impl<'b> Labeller<'b> {
    pub fn new(bench: &'b Bench) -> Self {
        let producer = kafka::base(&bench.sandbox.config.kafka).set("partitioner", "murmur2_random").create().unwrap();
        Self { bench, producer }
    }

    pub fn write(&self, partition: Option<i32>, key: &str, label: &Label) {
        let mut value = Vec::new();
        RecordWriter::new(LABEL_ID).write(label, &mut value);
        let record = BaseRecord::to(&self.bench.topics().labels).key(key).payload(&value);
        let record = BaseRecord { partition, ..record };
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
    }

    pub fn flush(&self) {
        self.producer.flush(Duration::from_secs(30)).unwrap();
    }
}

/// Topics and a group of one run of the job over the same predictions.
pub struct Run<'b> {
    bench: &'b Bench,
    name: String,
}

impl<'b> Run<'b> {
    pub fn new(bench: &'b Bench, name: &str) -> Self {
        let run = Self { bench, name: format!("{}-{name}", bench.sandbox.name) };
        let partitions = bench.partitions.to_string();
        let args = ["topics", "create", "--drift", "--partitions", &partitions];
        let made = bench.sandbox.assize(&args).envs(run.environment()).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        run
    }

    /// That of a stream which has the job beside it.
    pub fn of_stream(bench: &'b Bench) -> Self {
        let partitions = bench.partitions.to_string();
        let made = bench.sandbox.run(&["topics", "create", "--drift", "--partitions", &partitions]);
        assert!(made.status.success(), "{made:?}");
        Self { bench, name: bench.sandbox.name.clone() }
    }

    /// Another one than that of the stream.
    fn group(&self) -> String {
        format!("{}-job", self.name)
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ASSIZE_DRIFT__GROUP_ID", self.group()),
            ("ASSIZE_TOPICS__DRIFT_STATE", format!("{}-state", self.name)),
            ("ASSIZE_TOPICS__DRIFT_REPORTS", format!("{}-reports", self.name)),
        ]
    }

    /// Starts the job.
    pub fn start(&self, instance: &str, more: &[(&str, &str)]) -> Running {
        let environment = self.environment();
        let mut all: Vec<_> = environment.iter().map(|(key, value)| (*key, value.as_str())).collect();
        all.extend(more);
        self.bench.start_drift(&format!("{}-{instance}", self.name), instance, &all)
    }

    /// The reports so far, by their key, as bytes.
    pub fn reports(&self) -> BTreeMap<String, Vec<u8>> {
        let mut reports = BTreeMap::new();
        for (key, value) in self.records(&format!("{}-reports", self.name), 1) {
            let again = reports.insert(key.clone(), value.unwrap());
            assert!(again.is_none(), "{key} is reported twice");
        }
        reports
    }

    /// What the state comes to.
    pub fn state(&self) -> BTreeMap<String, String> {
        let mut state = BTreeMap::new();
        for (key, value) in self.records(&format!("{}-state", self.name), self.bench.partitions) {
            match value {
                Some(value) => drop(state.insert(key, String::from_utf8(value).unwrap())),
                None => drop(state.remove(&key)),
            }
        }
        state
    }

    /// Waits until so many reports are there.
    pub fn wait_for_reports(&self, wanted: usize) -> BTreeMap<String, Vec<u8>> {
        let start = Instant::now();
        loop {
            let reports = self.reports();
            if reports.len() >= wanted {
                return reports;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{} of {wanted} reports; logs: {}",
                reports.len(),
                self.bench.folder.display()
            );
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    fn records(&self, topic: &str, partitions: i32) -> Vec<(String, Option<Vec<u8>>)> {
        let consumer: BaseConsumer = self.bench.reader("read_committed");
        let mut list = TopicPartitionList::new();
        (0..partitions).for_each(|partition| {
            list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        });
        consumer.assign(&list).unwrap();
        let (mut records, mut ended) = (Vec::new(), 0);
        while ended < partitions {
            match consumer.poll(Duration::from_secs(10)).expect("the topic is complete") {
                Ok(message) => {
                    let key = String::from_utf8(message.key().unwrap().to_vec()).unwrap();
                    records.push((key, message.payload().map(<[u8]>::to_vec)));
                }
                Err(KafkaError::PartitionEOF(_)) => ended += 1,
                Err(error) => panic!("{error}"),
            }
        }
        records
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        let topics = [format!("{}-state", self.name), format!("{}-reports", self.name)];
        let group = self.group();
        self.bench.admin(async |admin, options| {
            let _ = admin.delete_topics(&topics.each_ref().map(String::as_str), &options).await;
            let _ = admin.delete_groups(&[group.as_str(), &format!("{group}-labels")], &options).await;
        });
    }
}

/// A report as it was written.
pub fn report(value: &[u8]) -> DriftReport {
    let reader = RecordReader::try_new(DRIFT_REPORT).unwrap();
    reader.read(wire::split(value).unwrap().1).unwrap()
}

/// Where nobody listens, for a moment.
pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Status and body.
fn get(address: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// Waits until the metrics say whether the job is up, and returns what /readyz says then.
pub fn ready_when_up(address: &str, up: u8) -> (u16, String) {
    let (start, wanted) = (Instant::now(), format!("\nassize_drift_up{{}} {up}\n"));
    while !get(address, "/metrics").is_some_and(|(_, body)| body.contains(&wanted)) {
        assert!(start.elapsed() < PATIENCE, "no {wanted}");
        std::thread::sleep(Duration::from_millis(20));
    }
    get(address, "/readyz").unwrap()
}
