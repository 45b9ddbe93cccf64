//! Histograms that lanes fill alone and merge once a transaction.
//!
//! `prometheus-client`'s own histogram takes a mutex per observation and has no merge; these take none on the hot path.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// A histogram that one thread fills without synchronisation, until [`Histogram::absorb`] takes its content.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalHistogram {
    /// Inclusive upper bounds, ascending; +Inf is implied.
    bounds: &'static [f64],
    /// One count per bound and one past the last.
    counts: Vec<u64>,
    sum: f64,
}

impl LocalHistogram {
    /// An empty histogram over ascending inclusive upper `bounds`, without +Inf.
    pub fn new(bounds: &'static [f64]) -> Self {
        debug_assert!(bounds.is_sorted_by(|a, b| a < b), "bounds must ascend: {bounds:?}");
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    /// Counts one value. A value that is not finite has no place on the axis and is left out.
    #[inline]
    pub fn observe(&mut self, value: f64) {
        if value.is_finite() {
            self.counts[self.bounds.partition_point(|bound| *bound < value)] += 1;
            self.sum += value;
        }
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.counts.fill(0);
        self.sum = 0.0;
    }
}

/// A histogram as it is exposed. Clones are the same histogram.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Mutex<LocalHistogram>>);

impl Histogram {
    /// An empty histogram over ascending inclusive upper `bounds`, without +Inf.
    pub fn new(bounds: &'static [f64]) -> Self {
        Self(Arc::new(Mutex::new(LocalHistogram::new(bounds))))
    }

    /// An empty local histogram over the same bounds.
    pub fn local(&self) -> LocalHistogram {
        LocalHistogram::new(self.lock().bounds)
    }

    /// Counts one value. For what happens a few times a second at most.
    pub fn observe(&self, value: f64) {
        self.lock().observe(value);
    }

    /// Takes everything out of `local` into this histogram. Both must have the same bounds.
    pub fn absorb(&self, local: &mut LocalHistogram) {
        let mut shared = self.lock();
        debug_assert_eq!(shared.bounds, local.bounds, "histograms of different bounds do not add up");
        for (total, count) in shared.counts.iter_mut().zip(&local.counts) {
            *total += count;
        }
        shared.sum += local.sum;
        drop(shared);
        local.clear();
    }

    fn lock(&self) -> MutexGuard<'_, LocalHistogram> {
        // Counts stay counts whatever panicked while they were held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let snapshot = self.lock().clone();
        let bounds = snapshot.bounds.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(snapshot.counts.iter().copied()).collect();
        encoder.encode_histogram::<NoLabelSet>(snapshot.sum, snapshot.count(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: &[f64] = &[1.0, 2.0, 4.0];

    #[test]
    fn bounds_are_inclusive() {
        let mut local = LocalHistogram::new(BOUNDS);
        for value in [0.0, 1.0, 1.5, 2.0, 4.0, 4.1] {
            local.observe(value);
        }
        assert_eq!(local.counts, [2, 2, 1, 1]);
        assert_eq!(local.sum, 12.6);
    }

    #[test]
    fn values_off_the_axis_are_left_out() {
        let mut local = LocalHistogram::new(BOUNDS);
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            local.observe(value);
        }
        assert_eq!((local.count(), local.sum), (0, 0.0));
    }

    #[test]
    fn absorbing_adds_once_and_empties() {
        let shared = Histogram::new(BOUNDS);
        let mut local = shared.local();
        local.observe(3.0);
        shared.absorb(&mut local);
        shared.absorb(&mut local);
        shared.observe(0.5);
        assert_eq!(*shared.lock(), LocalHistogram { bounds: BOUNDS, counts: vec![1, 0, 1, 0], sum: 3.5 });
        assert_eq!(local, LocalHistogram::new(BOUNDS));
    }
}
