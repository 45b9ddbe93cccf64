use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext,
    error::KafkaError,
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseRecord, NoCustomPartitioner, Producer, ProducerContext, ThreadedProducer},
    types::RDKafkaErrorCode as Code,
};

use crate::{
    codec::{CodecError, RecordWriter, Schemas},
    config::Kafka,
    records::Message,
    stream::kafka::{ASK_MS_MAX, ConnectError, asking_reader, base, metadata},
};

/// A message that is not acknowledged by then has failed.
const DELIVERY_SECONDS_MAX: Duration = Duration::from_secs(60);
/// Pause while the client's queue is full.
const QUEUE_FULL_MS: Duration = Duration::from_millis(1);

/// Why nothing can be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A setting was refused.
    #[error("the Kafka client cannot be built; check the section [kafka.librdkafka] of the config")]
    Client(#[source] KafkaError),
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No such topic.
    #[error("topic {0} does not exist; make it with `assize topics create`")]
    NoTopic(String),
    /// No schema id.
    #[error("the message schema is not to be had")]
    Schema(#[source] CodecError),
    /// The client gave up.
    #[error("the Kafka client cannot go on")]
    Stopped(#[source] KafkaError),
}

/// Counts what the broker did not take.
#[derive(Default)]
struct Deliveries {
    failed: AtomicU64,
    first_failure: OnceLock<String>,
}

impl Deliveries {
    fn add(&self, error: &KafkaError) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.first_failure.get_or_init(|| error.to_string());
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext<NoCustomPartitioner> for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.add(error);
        }
    }
}

/// The producer of the input topic; its buffers are reused.
pub(crate) struct Publisher {
    producer: ThreadedProducer<Deliveries>,
    writer: RecordWriter,
    topic: String,
    key: String,
    value: Vec<u8>,
}

impl Publisher {
    /// Connects and makes sure that `topic` is there. A message waits at most `linger_ms` for others to travel with,
    /// unless the configuration says otherwise.
    pub(crate) fn connect(
        kafka: &Kafka,
        topic: &str,
        schemas: &Schemas,
        linger_ms: &str,
    ) -> Result<Self, PublishError> {
        look_for(kafka, topic)?;
        let writer = schemas.message_writer(topic).map_err(PublishError::Schema)?;
        let producer =
            client(kafka, linger_ms).create_with_context(Deliveries::default()).map_err(PublishError::Client)?;
        Ok(Self { producer, writer, topic: topic.to_owned(), key: String::new(), value: Vec::new() })
    }

    /// Hands `message` to the client, which sends it in the background; waits only while the client's queue is full.
    pub(crate) fn publish(
        &mut self,
        message: &Message,
        idempotency_key: Option<&str>,
        revision: Option<i64>,
    ) -> Result<(), PublishError> {
        use std::fmt::Write as _;
        self.key.clear();
        // Writing to a String cannot fail.
        let _ = write!(self.key, "{}", message.user_id);
        self.value.clear();
        self.writer.write(message, &mut self.value);

        let mut record = BaseRecord::<str, [u8]>::to(&self.topic).key(&self.key).payload(&self.value);
        record.headers = headers(idempotency_key, revision);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(Code::QueueFull), again)) => {
                    record = again;
                    thread::sleep(QUEUE_FULL_MS);
                }
                Err((error @ KafkaError::MessageProduction(Code::MessageSizeTooLarge), _)) => {
                    self.producer.context().add(&error);
                    return Ok(());
                }
                Err((error, _)) => return Err(PublishError::Stopped(error)),
            }
        }
    }

    /// Waits for the acknowledgements. Returns how many messages failed, and why the first did.
    pub(crate) fn finish(self) -> (u64, Option<String>) {
        // Every message is acknowledged or has failed by its delivery timeout.
        if let Err(error) = self.producer.flush(DELIVERY_SECONDS_MAX + ASK_MS_MAX) {
            let open = self.producer.in_flight_count().max(1) as u64;
            self.producer.context().failed.fetch_add(open, Ordering::Relaxed);
            self.producer.context().first_failure.get_or_init(|| error.to_string());
        }
        let deliveries = self.producer.context();
        (deliveries.failed.load(Ordering::Relaxed), deliveries.first_failure.get().cloned())
    }
}

fn headers(idempotency_key: Option<&str>, revision: Option<i64>) -> Option<OwnedHeaders> {
    if idempotency_key.is_none() && revision.is_none() {
        return None;
    }
    let mut headers = OwnedHeaders::new_with_capacity(2);
    if let Some(value) = idempotency_key {
        headers = headers.insert(Header { key: "idempotency-key", value: Some(value) });
    }
    if let Some(revision) = revision {
        headers = headers.insert(Header { key: "assize-revision", value: Some(&revision.to_string()) });
    }
    Some(headers)
}

/// A consumer asks, because a producer's question could make the topic.
fn look_for(kafka: &Kafka, topic: &str) -> Result<(), PublishError> {
    let metadata = metadata(&asking_reader(kafka, "read_committed")?, topic)?;
    let found = metadata.topics().iter().any(|found| found.name() == topic && found.error().is_none());
    if found { Ok(()) } else { Err(PublishError::NoTopic(topic.to_owned())) }
}

fn client(kafka: &Kafka, linger_ms: &str) -> ClientConfig {
    let mut client = base(kafka);
    for (key, value) in
        [("compression.type", "lz4"), ("linger.ms", linger_ms), ("queue.buffering.max.messages", "200000")]
    {
        if !kafka.librdkafka.contains_key(key) {
            client.set(key, value);
        }
    }
    client
        // As Java clients do, so that both put a user's messages into the same partition.
        .set("partitioner", "murmur2_random")
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("delivery.timeout.ms", DELIVERY_SECONDS_MAX.as_millis().to_string())
        // Successes need no report of their own: what did not fail was delivered.
        .set("delivery.report.only.error", "true");
    client
}
