//! The feature store on real Redis servers, each test's own: what it answers, how it degrades and recovers, and how it
//! is reached: in the clear or by TLS, one server, Sentinel or a cluster.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is that test's failure, also in what tests share")]
#![allow(clippy::print_stdout, reason = "what a test saw is told when it fails")]

#[path = "../common/authority.rs"]
mod authority;
mod cluster;
mod faults;
mod ladder;
mod secure;
mod sentinel;
#[path = "../common/servers.rs"]
mod servers;
mod values;

use std::sync::Arc;
use std::time::{Duration, Instant};

use assize::features::store::{FeatureStore, FetchReport, RedisConfig, RedisStore, UserRow};
use assize::records::UserFeatures::{self, Fresh};
use tokio::runtime::Runtime;

const DEADLINE: Duration = Duration::from_millis(100);
/// What a busy test machine may add to a deadline. A wait without a bound is longer by far.
const SLACK: Duration = Duration::from_millis(100);
const TTL: Duration = Duration::from_millis(500);
const UNKNOWN_TTL: Duration = Duration::from_millis(300);
/// How soon the store must be back by itself.
const RECOVERY_MAX: Duration = Duration::from_secs(5);

/// A store with a runtime of its own, as the program has it.
struct Bench {
    store: Arc<RedisStore>,
    // After the store: it outlives it.
    _runtime: Runtime,
}

impl Bench {
    fn new(port: u16) -> Self {
        Self::with(RedisConfig { url: url(port), ..config() })
    }

    fn with(config: RedisConfig) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let names = vec!["followers".into(), "verified".into()];
        let store = RedisStore::connect(config, names, runtime.handle().clone()).unwrap();
        Self { store: Arc::new(store), _runtime: runtime }
    }

    fn fetch(&self, users: &[i64]) -> (Vec<UserRow>, FetchReport) {
        let mut rows = Vec::new();
        let started = Instant::now();
        let report = self.store.fetch(users, &mut rows);
        assert!(started.elapsed() < DEADLINE + SLACK, "a call took {:?}: {report:?}", started.elapsed());
        assert_eq!(rows.len(), users.len());
        (rows, report)
    }

    fn origins(&self, users: &[i64]) -> Vec<UserFeatures> {
        self.fetch(users).0.iter().map(|row| row.origin).collect()
    }

    /// Fetches until the user is fresh, and says how long that took.
    #[track_caller]
    fn recovers(&self, user: i64) -> Duration {
        self.recovers_within(user, RECOVERY_MAX)
    }

    #[track_caller]
    fn recovers_within(&self, user: i64, max: Duration) -> Duration {
        let started = Instant::now();
        while self.origins(&[user]) != [Fresh] {
            assert!(started.elapsed() < max, "not recovered after {:?}", started.elapsed());
            std::thread::sleep(Duration::from_millis(5));
        }
        println!("recovered in {:?}", started.elapsed());
        started.elapsed()
    }
}

fn url(port: u16) -> secrecy::SecretString {
    format!("redis://127.0.0.1:{port}").into()
}

fn config() -> RedisConfig {
    RedisConfig { deadline: DEADLINE, cache_ttl: TTL, unknown_ttl: UNKNOWN_TTL, ..RedisConfig::default() }
}

fn values(row: &UserRow) -> Vec<Option<f64>> {
    row.values.iter().map(|value| (!value.is_nan()).then_some(*value)).collect()
}
