//! What the drift job says of itself and of what it has found.

mod reports;

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};

use super::{Catalogue, Histogram, Labels, TransactionResult, labels, wait_time, work_time};
use crate::records::{AlarmKind, DriftReport, LabelCounts};

use reports::Reports;
pub use reports::{DRIFT_FEATURES_MAX, DRIFT_LABELS_MAX, DRIFT_SERIES_MAX};

type Seconds = Gauge<f64, AtomicU64>;

/// The metrics of the drift job, see [`super::Metrics::drift`].
pub struct DriftMetrics {
    /// Without a series where there is no job.
    up: Family<Labels, Gauge>,
    starts: Counter,
    reports: Reports,
    watermarks: Family<Labels, Seconds>,
    odd: Family<Labels, Counter>,
    labels: Family<Labels, Counter>,
    lookups: Family<Labels, Counter>,
    read_back_seconds: Histogram,
    snapshots: Family<Labels, Counter>,
    snapshot_seconds: Histogram,
    state_bytes: Gauge,
    alerts: Family<Labels, Counter>,
    retrains: Family<Labels, Counter>,
}

/// Where the prediction of a label was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelLookup {
    /// In memory.
    Index,
    /// Read back from the topic.
    ReadBack,
    /// Nowhere.
    Nowhere,
}

/// What became of an alert at the webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertResult {
    /// The receiver has it.
    Delivered,
    /// One more attempt.
    Retried,
    /// There will be none.
    GivenUp,
}

/// What became of a retrain command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetrainResult {
    /// Its turn has come.
    Started,
    /// It ended with 0.
    Succeeded,
    /// It did not start, or ended otherwise.
    Failed,
    /// It was ended after its time.
    TimedOut,
    /// It was ended with the process, or its turn never came.
    Dropped,
}

/// The metrics of a partition of predictions.
#[derive(Clone, Debug)]
pub struct DriftPartitionMetrics {
    late: Counter,
    clamped: Counter,
    unlike: Counter,
    unreadable: Counter,
}

impl DriftMetrics {
    pub(super) fn register(all: &mut Catalogue) -> Self {
        let metrics = Self {
            up: all.add(
                "drift_up",
                "1 while the drift job runs, 0 until it is connected and when it has ended",
                Family::default(),
            ),
            starts: all.add("drift_starts", "Starts of the drift job in this process", Counter::default()),
            reports: Reports::register(all),
            watermarks: all.add(
                "drift_watermark_timestamp_seconds",
                "Latest event time of a partition of predictions or labels that was counted and committed, since the epoch",
                Family::default(),
            ),
            odd: all.add(
                "drift_odd_records",
                "Predictions out of the ordinary, by partition and reason",
                Family::default(),
            ),
            labels: all.add("drift_labels", "Labels by outcome", Family::default()),
            lookups: all.add(
                "drift_label_lookups",
                "Predictions of labels by where they were found",
                Family::default(),
            ),
            read_back_seconds: all.add_seconds("drift_read_back", "Reading predictions back for labels", wait_time()),
            snapshots: all.add("drift_snapshots", "Transactions of the drift job by result", Family::default()),
            snapshot_seconds: all.add_seconds("drift_snapshot", "Writing and committing a snapshot", work_time()),
            state_bytes: all.add("drift_state_bytes", "Size of what the last snapshot wrote", Gauge::default()),
            alerts: all.add("drift_alerts", "Alerts to the webhook by result", Family::default()),
            retrains: all.add("drift_retrains", "Runs of the retrain command by result", Family::default()),
        };
        metrics.start_at_zero();
        metrics
    }

    /// A rate sees the first increment then.
    fn start_at_zero(&self) {
        self.count_labels(&LabelCounts::default());
        for found in LabelLookup::ALL {
            self.label_lookups(found, 0);
        }
        for result in TransactionResult::ALL {
            drop(self.snapshots.get_or_create(&by("result", result.label())));
        }
        for result in AlertResult::ALL {
            drop(self.alerts.get_or_create(&by("result", result.label())));
        }
        for result in RetrainResult::ALL {
            drop(self.retrains.get_or_create(&by("result", result.label())));
        }
    }

    /// The job starts, maybe again; it is not up yet.
    pub fn starts(&self) {
        self.starts.inc();
        self.set_up(false);
    }

    /// Whether the lanes of the job run.
    pub fn set_up(&self, is_up: bool) {
        self.up.get_or_create(&labels([])).set(i64::from(is_up));
    }

    /// Those of a partition of predictions.
    pub fn partition(&self, partition: i32) -> DriftPartitionMetrics {
        let partition = partition.to_string();
        let odd = |reason| self.odd.get_or_create_owned(&labels([("partition", &partition), ("reason", reason)]));
        DriftPartitionMetrics {
            late: odd("late"),
            clamped: odd("clamped"),
            unlike: odd("unlike"),
            unreadable: odd("unreadable"),
        }
    }

    /// The largest event time of a partition of an input (`predictions` or `labels`) that was committed, milliseconds since
    /// the epoch; wall clock minus that is the lag.
    pub fn set_watermark(&self, input: &'static str, partition: i32, ms: i64) {
        let of = labels([("input", input), ("partition", &partition.to_string())]);
        self.watermarks.get_or_create(&of).set(ms as f64 / 1000.0);
    }

    /// Drops the watermark of a partition that went to another process: a stale one misleads.
    pub fn forget_watermark(&self, input: &'static str, partition: i32) {
        self.watermarks.remove(&labels([("input", input), ("partition", &partition.to_string())]));
    }

    /// A report was committed.
    pub fn reported(&self, report: &DriftReport) {
        self.reports.reported(report);
    }

    /// What is known of the alarms of a task, arm and window before the first report of this process.
    pub fn alarms_known(&self, task: &str, arm: &str, window: &str, raised: [(AlarmKind, bool); 2]) {
        self.reports.alarms_known(task, arm, window, raised);
    }

    /// Another process reports from now on: what is exposed here would stay as it is for ever.
    pub fn forget_reports(&self) {
        self.reports.forget();
    }

    /// Labels of a committed transaction, by what became of them.
    pub fn count_labels(&self, counts: &LabelCounts) {
        let &LabelCounts { joined, unmatched, too_old, repeated, corrected, contradicted, unknown, late, unreadable } =
            counts;
        for (outcome, count) in [
            ("joined", joined),
            ("unmatched", unmatched),
            ("too_old", too_old),
            ("repeated", repeated),
            ("corrected", corrected),
            ("contradicted", contradicted),
            ("unknown", unknown),
            ("late", late),
            ("unreadable", unreadable),
        ] {
            let count = u64::try_from(count).unwrap_or_default();
            self.labels.get_or_create(&by("outcome", outcome)).inc_by(count);
        }
    }

    /// The predictions of so many labels were found there.
    pub fn label_lookups(&self, found: LabelLookup, count: u64) {
        self.lookups.get_or_create(&by("found", found.label())).inc_by(count);
    }

    /// Predictions were read back for some labels, whatever was found.
    pub fn read_back(&self, elapsed: Duration) {
        self.read_back_seconds.observe(elapsed.as_secs_f64());
    }

    /// A transaction of the job has ended; `bytes` of state were in it. Size and time are of those that committed.
    pub fn snapshot(&self, result: TransactionResult, elapsed: Duration, bytes: usize) {
        self.snapshots.get_or_create(&by("result", result.label())).inc();
        if result == TransactionResult::Committed {
            self.snapshot_seconds.observe(elapsed.as_secs_f64());
            self.state_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    /// Something became of an alert.
    pub fn alert(&self, result: AlertResult) {
        self.alerts.get_or_create(&by("result", result.label())).inc();
    }

    /// Something became of a retrain command.
    pub fn retrain(&self, result: RetrainResult) {
        self.retrains.get_or_create(&by("result", result.label())).inc();
    }
}

impl DriftPartitionMetrics {
    /// Predictions that came after their pane was closed.
    pub fn late(&self, count: u64) {
        self.late.inc_by(count);
    }

    /// Predictions that were stamped later than they were decided.
    pub fn clamped(&self, count: u64) {
        self.clamped.inc_by(count);
    }

    /// Predictions by another model or feature contract than the reference's.
    pub fn unlike(&self, count: u64) {
        self.unlike.inc_by(count);
    }

    /// Records that are no predictions.
    pub fn unreadable(&self, count: u64) {
        self.unreadable.inc_by(count);
    }
}

impl LabelLookup {
    const ALL: [Self; 3] = [Self::Index, Self::ReadBack, Self::Nowhere];

    fn label(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::ReadBack => "read_back",
            Self::Nowhere => "nowhere",
        }
    }
}

impl AlertResult {
    const ALL: [Self; 3] = [Self::Delivered, Self::Retried, Self::GivenUp];

    fn label(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retried => "retried",
            Self::GivenUp => "given_up",
        }
    }
}

impl RetrainResult {
    const ALL: [Self; 5] = [Self::Started, Self::Succeeded, Self::Failed, Self::TimedOut, Self::Dropped];

    fn label(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Dropped => "dropped",
        }
    }
}

fn by(name: &'static str, value: &str) -> Labels {
    labels([(name, value)])
}
