//! Counts over time when nobody knows yet how long that is: buckets that widen as they must.

use std::collections::BTreeMap;

/// Widths of a bucket, milliseconds, each a multiple of the one before: a second to a week; then doubled.
const WIDTHS_MS: [i64; 9] =
    [1_000, 10_000, 60_000, 600_000, 3_600_000, 10_800_000, 21_600_000, 86_400_000, 604_800_000];

/// Counts by time.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// Held at most, the empty ones between them counted too.
    buckets_max: i64,
    width_ms: i64,
    /// By time / width.
    counts: BTreeMap<i64, u64>,
}

impl Timeline {
    /// Holds at most `buckets_max` buckets.
    pub fn new(buckets_max: i64) -> Self {
        Self { buckets_max, width_ms: WIDTHS_MS[0], counts: BTreeMap::new() }
    }

    /// One more at `time_ms`.
    pub fn count(&mut self, time_ms: i64) {
        let bucket = time_ms.div_euclid(self.width_ms);
        *self.counts.entry(bucket).or_default() += 1;
        self.fit();
    }

    /// Adds all counts of `other`.
    pub fn add(&mut self, other: &Self) {
        while self.width_ms < other.width_ms {
            self.widen();
        }
        for (bucket, count) in &other.counts {
            let bucket = bucket.saturating_mul(other.width_ms).div_euclid(self.width_ms);
            *self.counts.entry(bucket).or_default() += count;
        }
        self.fit();
    }

    /// Width of a bucket, milliseconds.
    pub fn width_ms(&self) -> i64 {
        self.width_ms
    }

    /// First and last time, to the width of a bucket.
    pub fn range_ms(&self) -> Option<(i64, i64)> {
        let (first, last) = (self.counts.first_key_value()?.0, self.counts.last_key_value()?.0);
        Some((first.saturating_mul(self.width_ms), last.saturating_mul(self.width_ms)))
    }

    /// Counts in buckets of `width_ms`, at least as wide as its own, from the one of `from_ms` to the one of `to_ms`, both included.
    pub fn buckets(&self, width_ms: i64, from_ms: i64, to_ms: i64) -> Vec<u64> {
        let first = from_ms.div_euclid(width_ms);
        let mut buckets = vec![0; (to_ms.div_euclid(width_ms) - first).max(0) as usize + 1];
        for (bucket, count) in &self.counts {
            let at = bucket.saturating_mul(self.width_ms).div_euclid(width_ms) - first;
            if let Some(bucket) = usize::try_from(at).ok().and_then(|at| buckets.get_mut(at)) {
                *bucket += count;
            }
        }
        buckets
    }

    fn fit(&mut self) {
        while self.span() > self.buckets_max {
            self.widen();
        }
    }

    fn span(&self) -> i64 {
        let ends = self.counts.first_key_value().zip(self.counts.last_key_value());
        ends.map_or(0, |((first, _), (last, _))| last.saturating_sub(*first).saturating_add(1))
    }

    fn widen(&mut self) {
        let wider = WIDTHS_MS.into_iter().find(|width_ms| *width_ms > self.width_ms);
        let wider_ms = wider.unwrap_or(self.width_ms.saturating_mul(2));
        let by = wider_ms / self.width_ms;
        let mut counts = BTreeMap::new();
        for (bucket, count) in &self.counts {
            *counts.entry(bucket.div_euclid(by)).or_default() += count;
        }
        *self = Self { width_ms: wider_ms, counts, ..*self };
    }
}

/// A bar for each count, from none to the largest.
pub fn sparkline(counts: &[u64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let largest = counts.iter().copied().max().unwrap_or_default().max(1);
    // Something is never shown as nothing.
    let bar = |count: u64| if count == 0 { '·' } else { BARS[((count * 8).div_ceil(largest) - 1).min(7) as usize] };
    counts.iter().map(|count| bar(*count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_widen_and_lose_nothing() {
        let (mut timeline, mut sum) = (Timeline::new(24), Timeline::new(24));
        for minute in 0..10_000 {
            timeline.count(minute * 60_000);
        }
        assert_eq!(timeline.width_ms(), 86_400_000, "a week of minutes has seven days");
        sum.count(0);
        sum.add(&timeline);
        let (from_ms, to_ms) = sum.range_ms().unwrap();
        let buckets = sum.buckets(sum.width_ms(), from_ms, to_ms);
        assert_eq!(buckets, [1441, 1440, 1440, 1440, 1440, 1440, 1360]);
    }

    #[test]
    fn times_that_cannot_be_are_counted() {
        let mut timeline = Timeline::new(24);
        for time_ms in [i64::MIN, -1, 0, i64::MAX] {
            timeline.count(time_ms);
        }
        let (from_ms, to_ms) = timeline.range_ms().unwrap();
        assert_eq!(timeline.buckets(timeline.width_ms(), from_ms, to_ms).iter().sum::<u64>(), 4);
    }

    #[test]
    fn a_line_shows_the_shape() {
        assert_eq!(sparkline(&[0, 1, 50, 100]), "·▁▄█");
        assert_eq!(sparkline(&[]), "");
    }
}
