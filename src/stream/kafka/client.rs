//! Settings of the clients: what the measured loop needs, with the reason; everything else is librdkafka's default or
//! the operator's `[kafka.librdkafka]`. Every client of the process is built on [`base`].

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, ConsumerContext},
    error::KafkaError,
};
use secrecy::ExposeSecret;

use crate::{
    config::{AutoOffsetReset, Kafka, Security},
    fault::{Action, Exit, Fault},
};

/// How long a call that only asks (metadata, watermarks, committed offsets) may take.
pub const ASK_MS_MAX: std::time::Duration = std::time::Duration::from_secs(10);

/// Largest record that the producer takes, before compression, bytes.
pub(super) const PRODUCER_BYTES_MAX: i64 = 20_000_000;

/// A client that cannot be built.
pub(super) fn refused(error: KafkaError) -> Fault {
    Fault::caused(Action::Exit(Exit::Config), "building a Kafka client", error)
}

/// How often a member of the group says that it lives, and hears whether it still is one.
pub(super) const HEARTBEAT_MS: std::time::Duration = std::time::Duration::from_millis(1_000);

/// Records that are read ahead of each partition.
const READ_AHEAD: &str = "queued.min.messages";

/// What all clients share.
pub fn base(kafka: &Kafka) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("client.id", format!("assize-{}", kafka.instance()));
    // The default lets up to 10 s pass before a broker that is back is tried again, and a lane waits for it.
    client.set("reconnect.backoff.max.ms", "1000");
    // Who leads which partition is asked for again at least so often. An error makes a client ask at once; this bounds what
    // an old answer costs when none comes, which the default lets stand for five minutes.
    client.set("topic.metadata.refresh.interval.ms", "10000");
    for (key, value) in &kafka.librdkafka {
        client.set(key, value);
    }
    client.set("bootstrap.servers", &kafka.bootstrap_servers);
    protect(&mut client, &kafka.security);
    client
}

/// Events taken from a client at once, at most.
const EVENTS_MAX: usize = 10_000;

/// Takes everything that is waiting in a consumer's queue, and returns how much that was: what a client that nobody polls
/// has to tell while its broker is away would pile up there without end. Records among it are dropped: seek afterwards.
pub(super) fn serve<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> usize {
    let poll = || consumer.poll(std::time::Duration::ZERO);
    std::iter::from_fn(poll).take(EVENTS_MAX).count()
}

fn protect(client: &mut ClientConfig, security: &Security) {
    client.set("security.protocol", security.protocol.name());
    if let (Some(mechanism), Some(password)) = (security.mechanism, security.password()) {
        client
            .set("sasl.mechanism", mechanism.name())
            .set("sasl.username", &security.username)
            .set("sasl.password", password.expose_secret());
    }
    for (key, file) in [
        ("ssl.ca.location", &security.ca_file),
        ("ssl.certificate.location", &security.certificate_file),
        ("ssl.key.location", &security.key_file),
    ] {
        if let Some(file) = file {
            client.set(key, file.display().to_string());
        }
    }
    if let Some(password) = security.key_password() {
        client.set("ssl.key.password", password.expose_secret());
    }
    if security.protocol.has_tls() {
        let checked = if security.check_hostname { "https" } else { "none" };
        client.set("ssl.endpoint.identification.algorithm", checked);
    }
}

/// A consumer that belongs to no group: for offsets, watermarks and reading back. Nothing it does is committed.
pub fn reader(kafka: &Kafka, isolation: &str) -> ClientConfig {
    let mut client = base(kafka);
    client
        // librdkafka wants a group even for a consumer that never joins one, and asks for its coordinator: ours, which
        // access rules let us ask for anyway.
        .set("group.id", &kafka.group_id)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "earliest")
        .set("check.crcs", "true")
        // From the leader: a follower may not have seen the end yet.
        .set("client.rack", "")
        .set("isolation.level", isolation)
        .set("fetch.queue.backoff.ms", "10");
    if !kafka.librdkafka.contains_key(READ_AHEAD) {
        // A lane reads windows back while another drains a backlog: the default of 100,000 took 50 MB more (measured).
        client.set(READ_AHEAD, "20000");
    }
    client
}

/// The consumer of `lane`.
pub(crate) fn consumer(kafka: &Kafka, lane: usize) -> ClientConfig {
    let mut client = base(kafka);
    let reset = match kafka.auto_offset_reset {
        AutoOffsetReset::Earliest => "earliest",
        AutoOffsetReset::Latest => "latest",
    };
    for (key, value) in [
        // The default starves a lane for up to a second each time its queue fills (measured).
        ("fetch.queue.backoff.ms", "10"),
        // What is read ahead of each partition: so many records and at most one fetch more, whose bytes on the wire the
        // second bounds. A record that waits costs several times its own bytes, and 100,000 (the default) or 5,000 do not
        // make a backlog go faster (measured).
        (READ_AHEAD, "2000"),
        ("fetch.message.max.bytes", "262144"),
    ] {
        if !kafka.librdkafka.contains_key(key) {
            client.set(key, value);
        }
    }
    client
        .set("group.id", &kafka.group_id)
        // Static membership: a restarted process takes its partitions back at once.
        .set("group.instance.id", format!("{}-{lane}", kafka.instance()))
        .set("session.timeout.ms", kafka.session_timeout_ms.to_string())
        .set("heartbeat.interval.ms", HEARTBEAT_MS.as_millis().to_string())
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("auto.offset.reset", reset)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // Also where the input is not transactional: librdkafka derives require_stable from it (KIP-447).
        .set("isolation.level", "read_committed")
        .set("check.crcs", "true");
    client
}

/// The transactional producer of `lane`.
pub(crate) fn producer(kafka: &Kafka, lane: usize) -> ClientConfig {
    let mut client = base(kafka);
    for (key, value) in [
        // A backlog fills batches anyway, and a quiet stream's commit waits for what lingers (measured).
        ("linger.ms", "5"),
        ("compression.type", "lz4"),
        // More than twice the records of a transaction, two outputs each.
        ("queue.buffering.max.messages", "500000"),
        ("queue.buffering.max.kbytes", "262144"),
        // The topics decide what is too large: a dead letter is as large as its input and its headers.
        ("message.max.bytes", &PRODUCER_BYTES_MAX.to_string()),
    ] {
        if !kafka.librdkafka.contains_key(key) {
            client.set(key, value);
        }
    }
    client
        .set("transactional.id", format!("{}-{}-{lane}", kafka.group_id, kafka.instance()))
        .set("transaction.timeout.ms", kafka.transaction_timeout_ms.to_string())
        // A delivery must fail before its transaction times out on the broker.
        .set("delivery.timeout.ms", (kafka.transaction_timeout_ms * 4 / 5).to_string())
        .set("enable.idempotence", "true")
        // Successes need no report: commit fails if any delivery did.
        .set("delivery.report.only.error", "true");
    client
}
