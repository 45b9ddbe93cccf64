//! The limit: a loop on the same client library, with the same settings, that only consumes, hashes, and produces twice
//! the bytes that the engine wrote, exactly once. What the engine does beyond it is the cost of judging.
//!
//! It recovers from nothing: at any error it ends.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use rdkafka::{
    ClientContext, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    producer::{BaseRecord, NoCustomPartitioner, Producer, ProducerContext, ThreadedProducer},
    types::RDKafkaErrorCode as Code,
};
use sha2::{Digest, Sha256};

use super::{ground::Pass, load::INDEX_DIGITS, watcher::ID_AT};
use crate::{
    config::{Config, Topics},
    failure::Failure,
    fault::Exit,
    ops::shutdown::Shutdown,
    service,
    stream::kafka::{flush, lane_consumer, lane_producer},
    tail::{Log, Start, TopicReader},
};

/// Values that the engine wrote: verdict, prediction, verdict, ...
pub(super) const SAMPLES_FILE: &str = "samples.json";
/// Pairs of them: their texts are as mixed as the messages'.
const SAMPLES: usize = 4_096;
/// Any call to the broker.
const CALL_SECONDS_MAX: Duration = Duration::from_secs(30);
/// One poll, at most.
const POLL_MS: Duration = Duration::from_millis(100);

/// One verdict and one prediction.
type Sample = (Vec<u8>, Vec<u8>);

/// Writes what the engine wrote in `pass` to a file of `folder`.
pub(super) fn take_samples(pass: &Pass, folder: &Path) -> Result<(), Failure> {
    let topics = &pass.config.topics;
    let verdicts = values(pass, &topics.verdicts)?;
    let predictions = values(pass, &topics.predictions)?;
    let samples: Vec<Sample> = verdicts.into_iter().zip(predictions).collect();
    let file = folder.join(SAMPLES_FILE);
    let text = serde_json::to_vec(&samples).context("samples")?;
    fs::write(&file, text).with_context(|| format!("samples {}", file.display()))?;
    Ok(())
}

fn values(pass: &Pass, topic: &str) -> Result<Vec<Vec<u8>>, Failure> {
    let failed = |error| Failure::new(Exit::Unavailable, error);
    let log = Log::connect(&pass.config.kafka).map_err(failed)?;
    let partitions: Vec<i32> = (0..pass.partitions).collect();
    let spans = log.spans(topic, &partitions, Start::Beginning).map_err(failed)?;
    let reader = TopicReader::connect(&pass.config.kafka, topic).map_err(failed)?;
    let mut reading = reader.read(&spans).map_err(failed)?;
    let mut values = Vec::new();
    while values.len() < SAMPLES
        && let Some(record) = reading.next().map_err(failed)?
    {
        values.push(record.payload().unwrap_or_default().to_vec());
    }
    Ok(values)
}

/// Runs as many loops as the engine has lanes, until SIGTERM.
///
/// # Errors
/// [`Failure`]: anything.
pub fn run(config: &Config, samples: &Path) -> Result<Exit, Failure> {
    let text = fs::read(samples).with_context(|| format!("samples {}", samples.display()))?;
    let samples: Vec<Sample> = serde_json::from_slice(&text).context("samples")?;
    if samples.is_empty() {
        return Err(anyhow::anyhow!("no samples").into());
    }
    let runtime = service::runtime()?;
    let shutdown = Shutdown::new(Duration::from_millis(config.stream.shutdown_ms_max));
    shutdown.on_signals(runtime.handle()).context("signals")?;
    let ended: anyhow::Result<()> = std::thread::scope(|scope| {
        let loops: Vec<_> = (0..config.stream.lanes())
            .map(|lane| {
                let (samples, shutdown) = (&samples, &shutdown);
                let run = move || {
                    let ended = Loop::connect(config, lane).and_then(|bare| bare.run(samples, shutdown));
                    shutdown.request();
                    ended
                };
                // Named as the engine's, to be compared thread by thread.
                std::thread::Builder::new().name(format!("lane-{lane}")).spawn_scoped(scope, run)
            })
            .collect();
        loops.into_iter().try_for_each(|each| each?.join().unwrap_or_else(|_| Err(anyhow::anyhow!("panicked"))))
    });
    shutdown.drained();
    ended?;
    Ok(Exit::Done)
}

/// Nothing is told of deliveries: the commit fails if one did.
struct Silent;

impl ClientContext for Silent {}

impl ProducerContext<NoCustomPartitioner> for Silent {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &rdkafka::message::DeliveryResult<'_>, (): ()) {}
}

struct Loop<'a> {
    topics: &'a Topics,
    consumer: BaseConsumer,
    producer: ThreadedProducer<Silent>,
    gather_max: Duration,
    records_max: usize,
}

impl<'a> Loop<'a> {
    fn connect(config: &'a Config, lane: usize) -> anyhow::Result<Self> {
        let producer: ThreadedProducer<Silent> = lane_producer(&config.kafka, lane).create_with_context(Silent)?;
        producer.init_transactions(CALL_SECONDS_MAX)?;
        let consumer: BaseConsumer = lane_consumer(&config.kafka, lane).create()?;
        // Its share, without a group to wait for.
        let metadata = consumer.fetch_metadata(Some(&config.topics.messages), CALL_SECONDS_MAX)?;
        let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        let mut share = TopicPartitionList::new();
        for partition in (lane..partitions).step_by(config.stream.lanes()) {
            share.add_partition_offset(&config.topics.messages, i32::try_from(partition)?, Offset::Beginning)?;
        }
        consumer.assign(&share)?;
        Ok(Self {
            topics: &config.topics,
            consumer,
            producer,
            gather_max: Duration::from_millis(config.stream.transaction_ms_max),
            records_max: config.stream.transaction_records_max,
        })
    }

    fn run(&self, samples: &[Sample], shutdown: &Shutdown) -> anyhow::Result<()> {
        let mut next = vec![Offset::Invalid; 0];
        let (mut records, mut opened) = (0, Instant::now());
        let (mut verdict, mut hash) = (Vec::new(), Sha256::new());
        for (sample_verdict, prediction) in samples.iter().cycle() {
            let message = loop {
                if records > 0 && (records >= self.records_max || opened.elapsed() >= self.gather_max) {
                    self.commit(&mut next)?;
                    records = 0;
                }
                if shutdown.requested() {
                    return Ok(());
                }
                let wait = if records > 0 { self.gather_max.saturating_sub(opened.elapsed()) } else { POLL_MS };
                if let Some(message) = self.consumer.poll(wait) {
                    break message?;
                }
            };
            if records == 0 {
                self.producer.begin_transaction()?;
                opened = Instant::now();
            }
            let value = message.payload().unwrap_or_default();
            hash.update(value);
            let digest = hash.finalize_reset();
            verdict.clear();
            verdict.extend_from_slice(sample_verdict);
            let id = ID_AT..ID_AT + INDEX_DIGITS;
            if let (Some(to), Some(from)) = (verdict.get_mut(id.clone()), value.get(id)) {
                to.copy_from_slice(from);
            }
            if let Some(end) = verdict.last_chunk_mut::<16>() {
                end.copy_from_slice(&digest[..16]);
            }
            let (partition, key) = (message.partition(), message.key().unwrap_or_default());
            self.produce(&self.topics.verdicts, partition, key, &verdict)?;
            self.produce(&self.topics.predictions, partition, &digest, prediction)?;
            let partition = usize::try_from(partition)?;
            if next.len() <= partition {
                next.resize(partition + 1, Offset::Invalid);
            }
            next[partition] = Offset::Offset(message.offset() + 1);
            records += 1;
        }
        Ok(())
    }

    fn produce(&self, topic: &str, partition: i32, key: &[u8], value: &[u8]) -> anyhow::Result<()> {
        let mut record = BaseRecord::to(topic).partition(partition).key(key).payload(value);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(Code::QueueFull), again)) => {
                    record = again;
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }

    fn commit(&self, next: &mut [Offset]) -> anyhow::Result<()> {
        let mut offsets = TopicPartitionList::new();
        for (partition, offset) in next.iter_mut().enumerate() {
            if *offset != Offset::Invalid {
                offsets.add_partition_offset(&self.topics.messages, i32::try_from(partition)?, *offset)?;
                *offset = Offset::Invalid;
            }
        }
        anyhow::ensure!(flush(&self.producer, CALL_SECONDS_MAX), "deliveries take too long");
        let group = self.consumer.group_metadata().context("no group")?;
        self.producer.send_offsets_to_transaction(&offsets, &group, CALL_SECONDS_MAX)?;
        self.producer.commit_transaction(CALL_SECONDS_MAX)?;
        Ok(())
    }
}
