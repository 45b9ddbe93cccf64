//! Every metric of the process, in one place, named as Prometheus and OpenMetrics want: prefix `assize_`, base units,
//! `_total` on counters.
//!
//! ```text
//!  lane 0: LaneMetrics, ModelMetrics ─┐ plain integers, no atomics per message
//!  lane 1: LaneMetrics, ModelMetrics ─┼─ once a transaction ─► Metrics ─► GET /metrics
//!  restore, rebalance, feature store ─┘
//! ```
//!
//! What tells about records (outcomes, predictions, latency) is counted only when their transaction commits, so the
//! totals agree with the topics. What tells about work (stage times, look-ups) is counted whatever becomes of it.

mod drift;
mod histogram;
mod lane;
mod model;
mod process;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

pub use drift::{
    AlertResult, DRIFT_FEATURES_MAX, DRIFT_LABELS_MAX, DRIFT_SERIES_MAX, DriftMetrics, DriftPartitionMetrics,
    LabelLookup, RetrainResult,
};
pub use histogram::{Histogram, LocalHistogram};
pub use lane::{LaneMetrics, Outcome, Stage, TransactionResult};
pub use model::{MODEL_SERIES_MAX, ModelMetrics};

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Why a partition is held: for its schema id, or for its dead letters.
pub const HELD: [&str; 2] = ["schema", "dead_letters"];

/// Label names with values. Made when a series is first used, never per message.
type Labels = Vec<(&'static str, String)>;
type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

fn labels<const N: usize>(pairs: [(&'static str, &str); N]) -> Labels {
    pairs.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
}

/// All metrics. Made once; lanes take [`Metrics::lane`].
pub struct Metrics {
    registry: Registry,
    /// What the process costs: no prefix.
    process: Registry,
    ready: Gauge,
    records: Family<Labels, Counter>,
    dead_letters: Family<Labels, Counter>,
    degraded: Family<Labels, Counter>,
    off_key: Counter,
    predictions: Family<Labels, Counter>,
    confidence: Histograms,
    /// The models whose series are exposed, oldest first; at most [`MODEL_SERIES_MAX`].
    models: Mutex<Vec<model::ModelSeries>>,
    stages: Histograms,
    end_to_end: Histogram,
    transactions: Family<Labels, Counter>,
    transaction_seconds: Histogram,
    transaction_records: Histogram,
    consumer_lag: Family<Labels, Gauge>,
    partition_held: Family<Labels, Gauge>,
    rebalances: Family<Labels, Counter>,
    dedup_window_seconds: Family<Labels, Gauge<f64, AtomicU64>>,
    dedup_window_limit_seconds: Gauge<f64, AtomicU64>,
    dedup_window_keys: Family<Labels, Gauge>,
    dedup_restore_seconds: Histogram,
    cache_lookups: Family<Labels, Counter>,
    store_seconds: Histograms,
    contract_violations: Family<Labels, Counter>,
    breaker_state: Gauge,
    schema_lookups: Family<Labels, Counter>,
    drift: DriftMetrics,
}

/// What a rebalance did to a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebalance {
    /// Partitions came.
    Assigned,
    /// Partitions were handed on in good order.
    Revoked,
    /// Partitions were taken without asking.
    Lost,
}

/// What a look-up of a schema id brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaLookup {
    /// The registry gave a schema.
    Known,
    /// The registry did not, and one kept on disk is taken.
    Disk,
    /// The registry says that there is none.
    NotFound,
    /// The registry gave one that cannot be read.
    Unreadable,
    /// The registry gave no answer that says anything about the id.
    Outage,
}

impl Metrics {
    /// All metrics at zero.
    pub fn new() -> Arc<Self> {
        let mut all = Catalogue(Registry::with_prefix("assize"));
        all.0.register("build", "What runs here", Info::new(build()));
        let metrics = Self {
            ready: all.add("ready", "1 while /readyz says yes", Gauge::default()),
            records: all.add("records", "Input records by outcome", Family::default()),
            dead_letters: all.add("dead_letters", "Dead letters by code", Family::default()),
            degraded: all.add("degraded", "Verdicts without fresh features, by reason", Family::default()),
            off_key: all.add("off_key_records", "Judged records whose key is not their user id", Counter::default()),
            predictions: all.add("predictions", "Predictions by task, model, version and label", Family::default()),
            confidence: all.add("prediction_confidence_ratio", "Calibrated confidence, 0 to 1", by_label(confidence)),
            models: Mutex::default(),
            stages: all.add_seconds("stage", "Time of a stage for one chunk or transaction", by_label(work_time)),
            end_to_end: all.add_seconds(
                "end_to_end",
                "From a message's event time to its verdict's commit",
                wait_time(),
            ),
            transactions: all.add("transactions", "Kafka transactions by result", Family::default()),
            transaction_seconds: all.add_seconds("transaction", "From its first record to its end", work_time()),
            transaction_records: all.add(
                "transaction_records",
                "Records of a committed transaction",
                transaction_size(),
            ),
            consumer_lag: all.add(
                "kafka_consumer_lag",
                "Records from the committed offset to the end",
                Family::default(),
            ),
            partition_held: all.add(
                "partition_held",
                "1 while a partition waits and the others go on, by reason",
                Family::default(),
            ),
            rebalances: all.add("rebalances", "Rebalances that touched a lane, by what they did", Family::default()),
            dedup_window_seconds: all.add_seconds(
                "dedup_window",
                "How far back a repeat is recognised",
                Family::default(),
            ),
            dedup_window_limit_seconds: all.add_seconds(
                "dedup_window_limit",
                "How far back the configuration wants a repeat to be recognised",
                Gauge::default(),
            ),
            dedup_window_keys: all.add("dedup_window_keys", "Identities held in the dedup window", Family::default()),
            dedup_restore_seconds: all.add_seconds("dedup_restore", "Restore of an assignment's windows", wait_time()),
            cache_lookups: all.add("feature_cache_lookups", "User look-ups by origin of the answer", Family::default()),
            store_seconds: all.add_seconds("feature_store", "One request to the feature store", by_label(work_time)),
            contract_violations: all.add(
                "feature_contract_violations",
                "User feature values of a wrong type",
                Family::default(),
            ),
            breaker_state: all.add(
                "feature_store_breaker_state",
                "Breaker: 0 closed, 1 half open, 2 open",
                Gauge::default(),
            ),
            schema_lookups: all.add("schema_lookups", "Look-ups of schema ids by result", Family::default()),
            drift: DriftMetrics::register(&mut all),
            registry: all.0,
            process: process::registry(),
        };
        // Series are made when looked up: these then start at zero, and a rate sees their first increment.
        for kind in [Rebalance::Assigned, Rebalance::Revoked, Rebalance::Lost] {
            drop(metrics.rebalances.get_or_create(&labels([("kind", kind.label())])));
        }
        for result in SchemaLookup::ALL {
            drop(metrics.schema_lookups.get_or_create(&labels([("result", result.label())])));
        }
        let metrics = Arc::new(metrics);
        drop(metrics.lane());
        metrics
    }

    /// The OpenMetrics text of all metrics, of type [`CONTENT_TYPE`].
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode_registry(&mut text, &self.registry)?;
        text::encode_registry(&mut text, &self.process)?;
        text::encode_eof(&mut text)?;
        Ok(text)
    }

    /// What the drift job counts.
    pub fn drift(&self) -> &DriftMetrics {
        &self.drift
    }

    /// Whether the process is ready; told when somebody asks for the metrics.
    pub fn set_ready(&self, ready: bool) {
        self.ready.set(i64::from(ready));
    }

    /// How far back the configuration wants a repeat to be recognised.
    pub fn set_dedup_window_limit(&self, limit: Duration) {
        self.dedup_window_limit_seconds.set(limit.as_secs_f64());
    }

    /// How far the lane is behind in a partition, records.
    pub fn set_lag(&self, topic: &str, partition: i32, lag: i64) {
        self.consumer_lag.get_or_create(&topic_partition(topic, partition)).set(lag);
    }

    /// Why a partition is held, one of [`HELD`], or none.
    pub fn set_held(&self, topic: &str, partition: i32, reason: Option<&str>) {
        for known in HELD {
            let held = i64::from(reason == Some(known));
            self.partition_held.get_or_create(&held_labels(topic, partition, known)).set(held);
        }
    }

    /// How far back the dedup window of a partition reaches, and how many identities it holds.
    pub fn set_dedup_window(&self, partition: i32, reach: Duration, keys: usize) {
        let labels = labels([("partition", &partition.to_string())]);
        self.dedup_window_seconds.get_or_create(&labels).set(reach.as_secs_f64());
        self.dedup_window_keys.get_or_create(&labels).set(i64::try_from(keys).unwrap_or(i64::MAX));
    }

    /// Drops the series of a partition that went to another lane or process: a stale gauge misleads.
    pub fn forget_partition(&self, topic: &str, partition: i32) {
        self.consumer_lag.remove(&topic_partition(topic, partition));
        for reason in HELD {
            self.partition_held.remove(&held_labels(topic, partition, reason));
        }
        let labels = labels([("partition", &partition.to_string())]);
        self.dedup_window_seconds.remove(&labels);
        self.dedup_window_keys.remove(&labels);
    }

    /// The dedup windows of an assignment were restored in that time.
    pub fn restored(&self, elapsed: Duration) {
        self.dedup_restore_seconds.observe(elapsed.as_secs_f64());
    }

    /// A schema id was looked up: in the registry, or on disk in its place.
    pub fn schema_lookup(&self, result: SchemaLookup) {
        self.schema_lookups.get_or_create(&labels([("result", result.label())])).inc();
    }

    /// The group changed what a lane owns.
    pub fn rebalanced(&self, what: Rebalance) {
        self.rebalances.get_or_create(&labels([("kind", what.label())])).inc();
    }
}

impl SchemaLookup {
    const ALL: [Self; 5] = [Self::Known, Self::Disk, Self::NotFound, Self::Unreadable, Self::Outage];

    fn label(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Disk => "disk",
            Self::NotFound => "not_found",
            Self::Unreadable => "unreadable",
            Self::Outage => "outage",
        }
    }
}

impl Rebalance {
    fn label(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Revoked => "revoked",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

fn build() -> Labels {
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    labels([("version", env!("CARGO_PKG_VERSION")), ("profile", profile)])
}

fn held_labels(topic: &str, partition: i32, reason: &str) -> Labels {
    labels([("topic", topic), ("partition", &partition.to_string()), ("reason", reason)])
}

fn topic_partition(topic: &str, partition: i32) -> Labels {
    labels([("topic", topic), ("partition", &partition.to_string())])
}

/// The registry, while it is filled.
struct Catalogue(Registry);

impl Catalogue {
    fn add<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register(name, help, metric.clone());
        metric
    }

    /// The registry appends `_seconds` to the name.
    fn add_seconds<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register_with_unit(name, help, Unit::Seconds, metric.clone());
        metric
    }
}

fn by_label(histogram: fn() -> Histogram) -> Histograms {
    Histograms::new_with_constructor(histogram)
}

/// Stages, transactions, look-ups: 10 us to 10 s.
fn work_time() -> Histogram {
    Histogram::new(&[1e-5, 3e-5, 1e-4, 3e-4, 0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 3.0, 10.0])
}

/// End-to-end latency and restores: 5 ms to an hour, fine around the goals of 20 ms and 100 ms.
fn wait_time() -> Histogram {
    Histogram::new(&[
        0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0,
    ])
}

/// A confidence, 0 to 1, fine where thresholds are.
fn confidence() -> Histogram {
    Histogram::new(&[0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0])
}

/// Records of a transaction.
fn transaction_size() -> Histogram {
    Histogram::new(&[0.0, 1.0, 10.0, 100.0, 300.0, 1000.0, 3000.0, 10_000.0, 20_000.0, 100_000.0])
}
