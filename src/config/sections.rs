//! The sections of the configuration, with their defaults.

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf};

use serde::Deserialize;

use crate::ops::telemetry::LogFormat;

/// The cluster, the consumer group and the identity of this process.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kafka {
    /// `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// Consumer group, and the first part of every `transactional.id`.
    pub group_id: String,
    /// Stable name of this process; empty means the host name. Two live processes must not share one.
    pub instance: String,
    /// Where a partition without a committed offset starts.
    pub auto_offset_reset: AutoOffsetReset,
    /// How long the group waits for a silent member, milliseconds.
    pub session_timeout_ms: u64,
    /// How long the broker keeps an open transaction, milliseconds; less than the session timeout.
    pub transaction_timeout_ms: u64,
    /// Passed to librdkafka as they are (TLS, SASL, buffers); keys that the engine owns are refused.
    pub librdkafka: BTreeMap<String, String>,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            bootstrap_servers: "127.0.0.1:9092".into(),
            group_id: "assize".into(),
            instance: String::new(),
            auto_offset_reset: AutoOffsetReset::Earliest,
            session_timeout_ms: 45_000,
            transaction_timeout_ms: 30_000,
            librdkafka: BTreeMap::new(),
        }
    }
}

impl Kafka {
    /// The stable name of this process: as configured, else the host name.
    pub fn instance(&self) -> String {
        if self.instance.is_empty() {
            gethostname::gethostname().to_string_lossy().into_owned()
        } else {
            self.instance.clone()
        }
    }
}

impl fmt::Debug for Kafka {
    /// Values passed to librdkafka may be secrets: only their keys are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("group_id", &self.group_id)
            .field("instance", &self.instance())
            .field("auto_offset_reset", &self.auto_offset_reset)
            .field("session_timeout_ms", &self.session_timeout_ms)
            .field("transaction_timeout_ms", &self.transaction_timeout_ms)
            .field("librdkafka", &self.librdkafka.keys())
            .finish()
    }
}

/// Where a partition without a committed offset starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AutoOffsetReset {
    /// At the first record that is still there.
    Earliest,
    /// At the end, as it is when the partition is assigned.
    Latest,
}

/// Names of the topics.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Topics {
    /// Input.
    pub messages: String,
    /// One verdict per message.
    pub verdicts: String,
    /// The prediction log.
    pub predictions: String,
    /// Rejected records, byte for byte.
    pub dead_letters: String,
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            messages: "messages".into(),
            verdicts: "verdicts".into(),
            predictions: "predictions".into(),
            dead_letters: "dead-letters".into(),
        }
    }
}

/// Where writer schemas come from: a registry, or the `ids` of the published schemas.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schemas {
    /// URL of a Confluent-compatible registry; none means that `ids` holds.
    pub registry: Option<String>,
    /// Ids without a registry.
    pub ids: SchemaIds,
}

/// Schema ids to use without a registry.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SchemaIds {
    /// Of `Message`.
    pub message: u32,
    /// Of `Verdict`.
    pub verdict: u32,
    /// Of `Prediction`.
    pub prediction: u32,
}

impl Default for SchemaIds {
    fn default() -> Self {
        Self { message: 1, verdict: 2, prediction: 3 }
    }
}

/// Lanes, chunks and transactions.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stream {
    /// Threads, each with a consumer and a transactional producer; 0 means one per core.
    pub lanes: usize,
    /// Records that share one feature look-up and one inference.
    pub chunk_records_max: usize,
    /// How long a transaction gathers records, milliseconds.
    pub transaction_ms_max: u64,
    /// Records of a transaction.
    pub transaction_records_max: usize,
    /// Largest value of an input record, bytes; a larger one is a dead letter.
    pub message_bytes_max: usize,
    /// How long a drain may take on SIGTERM, milliseconds.
    pub shutdown_ms_max: u64,
    /// New producers within a minute before the process gives up: two processes that share an identity fence each
    /// other for ever otherwise.
    pub rebuilds_per_minute_max: usize,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            lanes: 0,
            chunk_records_max: 512,
            transaction_ms_max: 100,
            transaction_records_max: 20_000,
            message_bytes_max: 1_000_000,
            shutdown_ms_max: 10_000,
            rebuilds_per_minute_max: 8,
        }
    }
}

impl Stream {
    /// Number of lanes: as configured, else one per core.
    pub fn lanes(&self) -> usize {
        match self.lanes {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            lanes => lanes,
        }
    }
}

/// The idempotency window: whichever limit is reached first.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dedup {
    /// By verdict time, seconds.
    pub window_seconds: u64,
    /// Keys of a partition.
    pub window_keys_max: usize,
    /// How long the restore of a partition's window may take, milliseconds.
    pub restore_ms_max: u64,
}

impl Default for Dedup {
    fn default() -> Self {
        Self { window_seconds: 24 * 3600, window_keys_max: 250_000, restore_ms_max: 120_000 }
    }
}

/// The user feature store.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Features {
    /// `redis://host:port`; may hold a password, so it is never printed.
    pub redis: String,
    /// Key of a user: the prefix followed by the user id.
    pub key_prefix: String,
    /// How long a look-up may take, milliseconds.
    pub deadline_ms: u64,
    /// How long a cached value counts as current, seconds.
    pub ttl_seconds: u64,
    /// How long "no such user" is remembered, seconds.
    pub unknown_ttl_seconds: u64,
    /// How long a value may serve while the store is down, seconds.
    pub stale_seconds_max: u64,
    /// Users in the local cache.
    pub cache_users_max: usize,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            redis: "redis://127.0.0.1:6379".into(),
            key_prefix: "features:user:".into(),
            deadline_ms: 20,
            ttl_seconds: 60,
            unknown_ttl_seconds: 5,
            stale_seconds_max: 3600,
            cache_users_max: 100_000,
        }
    }
}

impl fmt::Debug for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Features")
            .field("key_prefix", &self.key_prefix)
            .field("deadline_ms", &self.deadline_ms)
            .field("ttl_seconds", &self.ttl_seconds)
            .finish_non_exhaustive()
    }
}

/// One classifier of the stream.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Name of the task, as verdicts carry it.
    pub name: String,
    /// Folder of the bundle.
    pub bundle: PathBuf,
    /// SHA-256 that the bundle must have, 64 hex digits; none means any.
    #[serde(default)]
    pub digest: Option<String>,
}

/// The key of the HMACs, from a file or the environment.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HashKey {
    /// Name of the key, written beside every hash.
    pub id: String,
    /// File that holds the key: at least 16 bytes, surrounding white space is cut.
    pub file: Option<PathBuf>,
    /// Environment variable that holds it, when no file is named.
    pub env: String,
}

impl Default for HashKey {
    fn default() -> Self {
        Self { id: "k1".into(), file: None, env: "ASSIZE_HASH_KEY".into() }
    }
}

/// The HTTP port with metrics and health.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Address to listen on.
    pub listen: SocketAddr,
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9464)) }
    }
}

/// Logs, on stderr.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// For people or for machines.
    pub format: LogFormat,
    /// A `tracing` filter, such as `info` or `assize=debug`.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Human, filter: "info".into() }
    }
}
