//! The local cache of user features: shared by the lanes, bounded by entries, with a TTL and a longer time for which
//! expired values may still stand in for a store that does not answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quick_cache::sync::Cache as QuickCache;

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) entries_max: usize,
    /// Values are current for so long.
    pub(super) ttl: Duration,
    /// That a user is unknown is current for so long.
    pub(super) unknown_ttl: Duration,
    /// Values may stand in for a dead store for so long, counted from when they were read.
    pub(super) stale_max: Duration,
}

/// quick_cache has no TTL, so each entry tells when it was read.
#[derive(Debug)]
pub(super) struct Cache {
    limits: Limits,
    entries: QuickCache<i64, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    read_at: Instant,
    /// None: the store has no such user.
    values: Option<Arc<[f64]>>,
}

/// What the cache knows of a user.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    /// Values within their TTL.
    Current { values: Arc<[f64]>, age: Duration },
    /// The store said a moment ago that there is no such user.
    Unknown,
    /// Values past their TTL, fit to stand in for a store that does not answer.
    Expired { values: Arc<[f64]>, age: Duration },
    /// Nothing of use.
    Nothing,
}

impl Cache {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, entries: QuickCache::new(limits.entries_max) }
    }

    pub(super) fn find(&self, user: i64, now: Instant) -> Found {
        let Some(Entry { read_at, values }) = self.entries.get(&user) else { return Found::Nothing };
        let age = now.saturating_duration_since(read_at);
        match values {
            Some(values) if age < self.limits.ttl => Found::Current { values, age },
            Some(values) if age < self.limits.stale_max => Found::Expired { values, age },
            None if age < self.limits.unknown_ttl => Found::Unknown,
            Some(_) | None => Found::Nothing,
        }
    }

    /// Keeps what the store said of a user at `now`; none means that there is no such user.
    pub(super) fn keep(&self, user: i64, values: Option<Arc<[f64]>>, now: Instant) {
        self.entries.insert(user, Entry { read_at: now, values });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        entries_max: 100,
        ttl: Duration::from_secs(60),
        unknown_ttl: Duration::from_secs(5),
        stale_max: Duration::from_secs(3600),
    };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn values_go_from_current_to_expired_to_nothing() {
        let (cache, start) = (Cache::new(LIMITS), Instant::now());
        let values: Arc<[f64]> = Arc::new([1.0]);
        cache.keep(7, Some(Arc::clone(&values)), start);
        let at = |after| cache.find(7, start + seconds(after));
        assert_eq!(at(0), Found::Current { values: Arc::clone(&values), age: seconds(0) });
        assert_eq!(at(59), Found::Current { values: Arc::clone(&values), age: seconds(59) });
        assert_eq!(at(60), Found::Expired { values: Arc::clone(&values), age: seconds(60) });
        assert_eq!(at(3599), Found::Expired { values, age: seconds(3599) });
        assert_eq!(at(3600), Found::Nothing);
    }

    #[test]
    fn an_unknown_user_is_remembered_for_a_shorter_time() {
        let (cache, start) = (Cache::new(LIMITS), Instant::now());
        cache.keep(7, None, start);
        assert_eq!(cache.find(7, start + Duration::from_millis(4999)), Found::Unknown);
        assert_eq!(cache.find(7, start + seconds(5)), Found::Nothing);
        assert_eq!(cache.find(8, start), Found::Nothing);
    }

    #[test]
    fn it_is_bounded() {
        let (cache, start) = (Cache::new(LIMITS), Instant::now());
        for user in 0..10_000 {
            cache.keep(user, None, start);
        }
        assert!(cache.entries.len() <= LIMITS.entries_max);
    }
}
