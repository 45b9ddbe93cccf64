//! What one lane counts, in plain integers, merged into [`Metrics`] at the end of each transaction.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

use super::{Histogram, LocalHistogram, Metrics, labels};
use crate::features::store::{FetchReport, Origins};
use crate::records::UserFeatures;

/// How an input record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was judged.
    Verdict,
    /// It was rejected.
    DeadLetter,
    /// It was judged before.
    Repeat,
}

/// A stage of the pipeline, in flow order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Wire format to message.
    Decode,
    /// Validate and sanitize.
    Intake,
    /// Look identities up in the window.
    Dedup,
    /// User and text features.
    Features,
    /// Inference.
    Model,
    /// Calibrate, threshold, act.
    Decision,
    /// Records to wire format.
    Encode,
    /// Hand to the producer and wait for the deliveries.
    Produce,
    /// Send offsets and commit.
    Commit,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionResult {
    /// Committed.
    Committed,
    /// Aborted; its records are read again.
    Aborted,
    /// Its producer was given up for a new one; the outcome is read from the broker.
    Rebuilt,
}

impl Outcome {
    pub(super) const ALL: [Self; 3] = [Self::Verdict, Self::DeadLetter, Self::Repeat];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Verdict => "verdict",
            Self::DeadLetter => "dead_letter",
            Self::Repeat => "repeat",
        }
    }
}

impl Stage {
    pub(super) const ALL: [Self; 9] = [
        Self::Decode,
        Self::Intake,
        Self::Dedup,
        Self::Features,
        Self::Model,
        Self::Decision,
        Self::Encode,
        Self::Produce,
        Self::Commit,
    ];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Intake => "intake",
            Self::Dedup => "dedup",
            Self::Features => "features",
            Self::Model => "model",
            Self::Decision => "decision",
            Self::Encode => "encode",
            Self::Produce => "produce",
            Self::Commit => "commit",
        }
    }
}

impl TransactionResult {
    pub(super) const ALL: [Self; 3] = [Self::Committed, Self::Aborted, Self::Rebuilt];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Aborted => "aborted",
            Self::Rebuilt => "rebuilt",
        }
    }
}

/// The metrics of one lane: handles looked up once, and what the open transaction has counted so far.
#[derive(Debug)]
pub struct LaneMetrics {
    metrics: Arc<Metrics>,
    /// By [`Outcome`].
    records: [Pending; 3],
    /// By code, in order of first use; codes are a fixed catalogue.
    dead_letters: Vec<(&'static str, u64)>,
    stale: Pending,
    default: Pending,
    off_key: Pending,
    /// By [`Stage`].
    stages: [(Histogram, LocalHistogram); 9],
    end_to_end: LocalHistogram,
    /// By [`TransactionResult`].
    transactions: [Counter; 3],
    /// By origin, in the order of [`ORIGINS`].
    lookups: [Counter; 5],
    store_ok: Histogram,
    store_failed: Histogram,
}

/// A counter and what is to be added to it on commit.
#[derive(Debug)]
struct Pending {
    counter: Counter,
    count: u64,
}

const ORIGINS: [(UserFeatures, &str); 5] = [
    (UserFeatures::Fresh, "fresh"),
    (UserFeatures::Cached, "cached"),
    (UserFeatures::Stale, "stale"),
    (UserFeatures::Default, "default"),
    (UserFeatures::Unknown, "unknown"),
];

impl Metrics {
    /// The metrics of one more lane.
    pub fn lane(self: &Arc<Self>) -> LaneMetrics {
        let degraded = |origin: UserFeatures| {
            let reason = origin.degraded().unwrap_or_default();
            Pending::new(self.degraded.get_or_create_owned(&labels([("reason", reason)])))
        };
        let store = |result| self.store_seconds.get_or_create_owned(&labels([("result", result)]));
        LaneMetrics {
            records: Outcome::ALL
                .map(|outcome| Pending::new(self.records.get_or_create_owned(&labels([("outcome", outcome.label())])))),
            dead_letters: Vec::new(),
            stale: degraded(UserFeatures::Stale),
            default: degraded(UserFeatures::Default),
            off_key: Pending::new(self.off_key.clone()),
            stages: Stage::ALL.map(|stage| {
                let shared = self.stages.get_or_create_owned(&labels([("stage", stage.label())]));
                let local = shared.local();
                (shared, local)
            }),
            end_to_end: self.end_to_end.local(),
            transactions: TransactionResult::ALL
                .map(|result| self.transactions.get_or_create_owned(&labels([("result", result.label())]))),
            lookups: ORIGINS.map(|(_, origin)| self.cache_lookups.get_or_create_owned(&labels([("origin", origin)]))),
            store_ok: store("ok"),
            store_failed: store("failed"),
            metrics: Arc::clone(self),
        }
    }
}

impl LaneMetrics {
    /// So many records of the open transaction ended as verdicts.
    pub fn verdicts(&mut self, count: u64) {
        self.records[Outcome::Verdict as usize].count += count;
    }

    /// So many records of the open transaction were repeats.
    pub fn repeats(&mut self, count: u64) {
        self.records[Outcome::Repeat as usize].count += count;
    }

    /// One record of the open transaction was rejected with `code`.
    pub fn dead_letter(&mut self, code: &'static str) {
        self.records[Outcome::DeadLetter as usize].count += 1;
        match self.dead_letters.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += 1,
            None => self.dead_letters.push((code, 1)),
        }
    }

    /// A verdict of the open transaction answers a record whose key is not its user id: it is judged in its own
    /// partition, and its order among the user's other messages is not promised.
    pub fn off_key(&mut self) {
        self.off_key.count += 1;
    }

    /// A verdict of the open transaction rests on user features from `origin`; counts it when that is degraded.
    pub fn verdict_features(&mut self, origin: UserFeatures) {
        match origin {
            UserFeatures::Stale => self.stale.count += 1,
            UserFeatures::Default => self.default.count += 1,
            UserFeatures::Fresh | UserFeatures::Cached | UserFeatures::Unknown | UserFeatures::Unused => {}
        }
    }

    /// A stage took that long for one chunk, or for one transaction.
    pub fn stage(&mut self, stage: Stage, elapsed: Duration) {
        self.stages[stage as usize].1.observe(elapsed.as_secs_f64());
    }

    /// A verdict committed at `committed_at_ms` answers a message of event time `created_at_ms` (both milliseconds
    /// since the epoch). Call it after the commit and before [`finish`](Self::finish). Clocks that disagree give 0.
    #[inline]
    pub fn end_to_end(&mut self, created_at_ms: i64, committed_at_ms: i64) {
        let elapsed_ms = committed_at_ms.saturating_sub(created_at_ms).max(0);
        self.end_to_end.observe(elapsed_ms as f64 / 1000.0);
    }

    /// What the feature store did for one chunk; `names` are its feature names.
    pub fn features(&self, report: &FetchReport, names: &[String]) {
        let Origins { fresh, cached, stale, default, unknown } = report.origins;
        for (counter, count) in self.lookups.iter().zip([fresh, cached, stale, default, unknown]) {
            counter.inc_by(count);
        }
        if let Some(asked) = &report.asked {
            let histogram = if asked.failure.is_none() { &self.store_ok } else { &self.store_failed };
            histogram.observe(asked.elapsed.as_secs_f64());
        }
        for violation in &report.violations {
            let feature = violation.feature.and_then(|index| names.get(index)).map_or("*", String::as_str);
            self.metrics.contract_violations.get_or_create(&labels([("feature", feature)])).inc_by(violation.count);
        }
        self.metrics.breaker_state.set(report.breaker as i64);
    }

    /// The transaction ended: on commit what it counted becomes public, otherwise it never happened.
    pub fn finish(&mut self, result: TransactionResult, elapsed: Duration) {
        let records: u64 = self.records.iter().map(|pending| pending.count).sum();
        self.transactions[result as usize].inc();
        self.metrics.transaction_seconds.observe(elapsed.as_secs_f64());
        for (shared, local) in &mut self.stages {
            shared.absorb(local);
        }
        if result == TransactionResult::Committed {
            self.metrics.transaction_records.observe(records as f64);
            self.publish();
        }
        self.discard();
    }

    fn publish(&mut self) {
        for pending in self.records.iter_mut().chain([&mut self.stale, &mut self.default, &mut self.off_key]) {
            pending.counter.inc_by(pending.count);
        }
        for (code, count) in &self.dead_letters {
            self.metrics.dead_letters.get_or_create(&labels([("code", code)])).inc_by(*count);
        }
        self.metrics.end_to_end.absorb(&mut self.end_to_end);
    }

    fn discard(&mut self) {
        for pending in self.records.iter_mut().chain([&mut self.stale, &mut self.default, &mut self.off_key]) {
            pending.count = 0;
        }
        self.dead_letters.clear();
        self.end_to_end.clear();
    }
}

impl Pending {
    fn new(counter: Counter) -> Self {
        Self { counter, count: 0 }
    }
}
