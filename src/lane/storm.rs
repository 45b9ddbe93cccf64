//! Is a partition mostly dead letters? Then it is not read on blindly: something upstream is wrong, and every record of
//! it would have to be sent again.

use std::{collections::VecDeque, time::Duration};

use crate::pipeline::Tally;

/// When a partition pauses, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct StormLimits {
    /// Share of dead letters past which a partition pauses; 1 means never.
    pub ratio_max: f64,
    /// Records that the share is taken over, at least.
    pub records_min: u64,
    /// The first pause; it doubles with each probe that fails ...
    pub pause_min: Duration,
    /// ... up to this.
    pub pause_max: Duration,
}

/// The last records of one partition, and whether a probe decides.
#[derive(Debug)]
pub(super) struct Storm {
    limits: StormLimits,
    /// Committed transactions, oldest first; without the oldest they hold fewer than `records_min` records.
    recent: VecDeque<Tally>,
    sum: Tally,
    /// The next transaction alone decides.
    probing: bool,
    pause: Duration,
}

impl Storm {
    pub(super) fn new(limits: StormLimits) -> Self {
        Self { limits, recent: VecDeque::new(), sum: Tally::default(), probing: false, pause: limits.pause_min }
    }

    pub(super) fn is_probing(&self) -> bool {
        self.probing
    }

    /// A pause is over: the next transaction decides.
    pub(super) fn probe(&mut self) {
        self.probing = true;
    }

    /// An operator says that it is over.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.limits);
    }

    /// Counts a committed transaction; returns how long to pause, if it must.
    pub(super) fn count(&mut self, tally: Tally) -> Option<Duration> {
        if self.probing {
            return self.judge_probe(tally);
        }
        self.sum.add(tally);
        self.recent.push_back(tally);
        while let Some(oldest) = self.recent.front()
            && self.sum.records - oldest.records >= self.limits.records_min
        {
            self.sum.subtract(*oldest);
            self.recent.pop_front();
        }
        if self.sum.records < self.limits.records_min || !self.is_past(self.sum) {
            return None;
        }
        self.reset();
        Some(self.pause)
    }

    fn judge_probe(&mut self, tally: Tally) -> Option<Duration> {
        if self.is_past(tally) {
            self.pause = (self.pause * 2).min(self.limits.pause_max);
            return Some(self.pause);
        }
        self.reset();
        None
    }

    fn is_past(&self, tally: Tally) -> bool {
        tally.dead_letters as f64 > self.limits.ratio_max * tally.records as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: StormLimits = StormLimits {
        ratio_max: 0.5,
        records_min: 1_000,
        pause_min: Duration::from_secs(30),
        pause_max: Duration::from_secs(300),
    };

    fn tally(records: u64, dead_letters: u64) -> Tally {
        Tally { records, dead_letters }
    }

    #[test]
    fn it_takes_a_thousand_records_and_more_than_half_of_them() {
        let mut storm = Storm::new(LIMITS);
        assert_eq!(storm.count(tally(999, 999)), None, "too few to say");
        assert_eq!(storm.count(tally(1, 1)), Some(LIMITS.pause_min));
        let mut storm = Storm::new(LIMITS);
        assert_eq!(storm.count(tally(2_000, 1_000)), None, "half is not past half");
        assert_eq!(storm.count(tally(1, 1)), Some(LIMITS.pause_min), "2001 records are judged, not the last one alone");
    }

    #[test]
    fn good_records_of_long_ago_do_not_hide_a_storm() {
        let mut storm = Storm::new(LIMITS);
        for _ in 0..100 {
            assert_eq!(storm.count(tally(500, 0)), None);
        }
        assert_eq!(storm.count(tally(500, 500)), None);
        assert_eq!(storm.count(tally(100, 100)), Some(LIMITS.pause_min));
        assert!(storm.recent.is_empty(), "after the pause nothing of before counts");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut storm = Storm::new(LIMITS);
        for _ in 0..5_000 {
            storm.count(tally(1, 0));
        }
        assert_eq!((storm.recent.len(), storm.sum), (1_000, tally(1_000, 0)));
    }

    #[test]
    fn failed_probes_double_the_pause_and_a_good_one_ends_it() {
        let mut storm = Storm::new(LIMITS);
        storm.count(tally(1_000, 1_000));
        let mut pauses = Vec::new();
        for _ in 0..5 {
            storm.probe();
            pauses.push(storm.count(tally(10, 6)).unwrap().as_secs());
        }
        assert_eq!(pauses, [60, 120, 240, 300, 300]);
        storm.probe();
        assert_eq!(storm.count(tally(10, 5)), None);
        assert!(!storm.is_probing());
        assert_eq!(storm.count(tally(1_000, 1_000)), Some(LIMITS.pause_min), "the next storm starts over");
    }

    #[test]
    fn a_ratio_of_one_never_pauses() {
        let mut storm = Storm::new(StormLimits { ratio_max: 1.0, ..LIMITS });
        assert_eq!(storm.count(tally(5_000, 5_000)), None);
    }
}
