//! The sections that need no file of their own.

use std::path::PathBuf;

use serde::Deserialize;

use crate::ops::telemetry::LogFormat;

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
    /// What messages truly were; input of the drift job.
    pub labels: String,
    /// What the drift job says of each window.
    pub drift_reports: String,
    /// What the drift job knows, compacted.
    pub drift_state: String,
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            messages: "messages".into(),
            verdicts: "verdicts".into(),
            predictions: "predictions".into(),
            dead_letters: "dead-letters".into(),
            labels: "labels".into(),
            drift_reports: "drift-reports".into(),
            drift_state: "drift-state".into(),
        }
    }
}

/// Lanes, chunks and transactions.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stream {
    /// `throughput` or `latency`: the defaults of other keys.
    pub profile: String,
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
            profile: "throughput".into(),
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

/// When a partition pauses because most of its records are dead letters.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeadLetters {
    /// Share of dead letters past which it pauses, 0 to 1; 1 means never.
    pub pause_ratio_max: f64,
    /// Records that the share is taken over, at least.
    pub pause_records_min: u64,
    /// The first pause, seconds; it doubles as long as a probe finds the same ...
    pub pause_seconds: u64,
    /// ... up to this.
    pub pause_seconds_max: u64,
}

impl Default for DeadLetters {
    fn default() -> Self {
        Self { pause_ratio_max: 0.5, pause_records_min: 1_000, pause_seconds: 30, pause_seconds_max: 300 }
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
