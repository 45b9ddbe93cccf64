//! The feature store on a real Redis: what it answers, and how it degrades and recovers when Redis dies, hangs,
//! vanishes behind a silent network, or answers errors. Each test starts a `redis-server` of its own.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is that test's failure, also in what tests share")]

mod servers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use assize::features::store::{
    BreakerState, Failure, FeatureStore, FetchReport, RedisConfig, RedisStore, UserRow, Violation,
};
use assize::records::UserFeatures::{self, Cached, Default as Defaulted, Fresh, Stale, Unknown};
use servers::{Proxy, Redis, free_port};
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
        let started = Instant::now();
        while self.origins(&[user]) != [Fresh] {
            assert!(started.elapsed() < RECOVERY_MAX, "not recovered after {:?}", started.elapsed());
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

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn values_are_fresh_then_cached_then_asked_again() {
    let redis = Redis::start();
    redis.set("features:user:7", r#"{"followers": 12, "verified": true}"#);
    redis.set("features:user:8", r#"{"followers": 3.5}"#);
    let bench = Bench::new(redis.port);

    let (rows, report) = bench.fetch(&[8, 7]);
    assert_eq!(rows.iter().map(|row| (row.origin, row.age_ms)).collect::<Vec<_>>(), [(Fresh, Some(0)); 2]);
    assert_eq!([values(&rows[0]), values(&rows[1])], [vec![Some(3.5), None], vec![Some(12.0), Some(1.0)]]);
    assert_eq!((report.hits, report.misses, report.origins.fresh), (0, 2, 2));
    assert_eq!(report.asked.unwrap().failure, None);

    redis.set("features:user:7", r#"{"followers": 13}"#);
    let (rows, report) = bench.fetch(&[7, 8]);
    assert_eq!((rows[0].origin, values(&rows[0])), (Cached, vec![Some(12.0), Some(1.0)]));
    assert_eq!((report.hits, report.misses, report.origins.cached, report.asked), (2, 0, 2, None));

    std::thread::sleep(TTL);
    let (rows, _) = bench.fetch(&[7]);
    assert_eq!((rows[0].origin, values(&rows[0])), (Fresh, vec![Some(13.0), None]));
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn an_unknown_user_is_remembered_for_a_while_and_is_not_degraded() {
    let redis = Redis::start();
    let bench = Bench::new(redis.port);
    let (rows, report) = bench.fetch(&[404]);
    assert_eq!((rows[0].origin, rows[0].age_ms, values(&rows[0])), (Unknown, None, vec![None, None]));
    assert_eq!((report.misses, report.origins.unknown, report.violations.len()), (1, 1, 0));

    redis.set("features:user:404", "{}");
    let (rows, report) = bench.fetch(&[404]);
    assert_eq!((rows[0].origin, report.hits, report.asked), (Unknown, 1, None));
    std::thread::sleep(UNKNOWN_TTL);
    assert_eq!(bench.origins(&[404]), [Fresh]);
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn one_bad_value_does_not_spoil_the_batch() {
    let redis = Redis::start();
    redis.set("features:user:1", r#"{"followers": 1, "verified": false}"#);
    redis.set("features:user:2", r#"{"followers": "#);
    redis.set("features:user:3", "[1, 2]");
    redis.set("features:user:4", r#"{"followers": "many", "verified": 1}"#);
    redis.command(&["HSET", "features:user:5", "followers", "1"]);
    let bench = Bench::new(redis.port);

    let (rows, report) = bench.fetch(&[1, 2, 3, 4, 5]);
    let origins: Vec<_> = rows.iter().map(|row| row.origin).collect();
    assert_eq!(origins, [Fresh, Defaulted, Defaulted, Fresh, Unknown]);
    assert_eq!(values(&rows[3]), [None, Some(1.0)]);
    assert_eq!(report.violations, [Violation { feature: None, count: 2 }, Violation { feature: Some(0), count: 1 }]);
    assert_eq!((report.origins.default, report.breaker), (2, BreakerState::Closed));
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_killed_redis_degrades_rows_and_is_found_again() {
    let mut redis = Redis::start();
    redis.set("features:user:7", r#"{"followers": 12}"#);
    let bench = Bench::new(redis.port);
    assert_eq!(bench.origins(&[7]), [Fresh]);
    redis.kill();
    assert_eq!(bench.origins(&[7]), [Cached]);
    std::thread::sleep(TTL);

    let (rows, report) = bench.fetch(&[7, 8]);
    assert_eq!((rows[0].origin, values(&rows[0])), (Stale, vec![Some(12.0), None]));
    assert!(rows[0].age_ms.unwrap() >= 500, "{:?}", rows[0].age_ms);
    assert_eq!((rows[1].origin, rows[1].age_ms, values(&rows[1])), (Defaulted, None, vec![None, None]));
    assert_eq!((report.origins.stale, report.origins.default), (1, 1));
    assert!(report.asked.unwrap().failure.is_some());

    let degraded = hammer(Arc::clone(&bench.store))();
    println!("{} calls, the longest took {:?}", degraded.calls, degraded.longest);
    assert_eq!(bench.fetch(&[7]).1.breaker, BreakerState::Open);

    redis.restart();
    redis.set("features:user:7", r#"{"followers": 14}"#);
    bench.recovers(7);
    assert_eq!(values(&bench.fetch(&[7]).0[0]), [Some(14.0), None]);
    assert_eq!(bench.fetch(&[7]).1.breaker, BreakerState::Closed);
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_redis_that_is_down_at_the_start_is_found_when_it_comes() {
    let port = free_port();
    let bench = Bench::new(port);
    let (rows, report) = bench.fetch(&[7]);
    assert_eq!((rows[0].origin, report.asked.unwrap().failure), (Defaulted, Some(Failure::Disconnected)));
    let redis = Redis::start_on(port);
    redis.set("features:user:7", "{}");
    bench.recovers(7);
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_hung_redis_costs_one_deadline_a_back_off_and_recovers() {
    let redis = Redis::start();
    redis.set("features:user:7", "{}");
    let bench = Bench::new(redis.port);
    assert_eq!(bench.origins(&[7]), [Fresh]);
    std::thread::sleep(TTL);
    redis.stop();

    // Four lanes for a second and a half: each call is bounded, and nearly all of them wait for nothing.
    let lanes: Vec<_> = (0..4).map(|_| std::thread::spawn(hammer(Arc::clone(&bench.store)))).collect();
    let lanes: Vec<Hammered> = lanes.into_iter().map(|lane| lane.join().unwrap()).collect();
    let calls: usize = lanes.iter().map(|lane| lane.calls).sum();
    let asked: usize = lanes.iter().map(|lane| lane.asked).sum();
    let waited: Duration = lanes.iter().map(|lane| lane.waited).sum();
    let longest = lanes.iter().map(|lane| lane.longest).max().unwrap();
    println!("{calls} calls, {asked} asked Redis and waited {waited:?}, the longest call took {longest:?}");
    assert!(longest < DEADLINE + SLACK, "{longest:?}");
    // Three failures open the breaker; three more were under way; then the back-offs 100, 200, 400, 800 ms.
    assert!((3..=12).contains(&asked), "{asked}");
    assert!(waited < 12 * (DEADLINE + SLACK), "{waited:?}");

    redis.resume();
    bench.recovers(7);
}

struct Hammered {
    calls: usize,
    asked: usize,
    waited: Duration,
    longest: Duration,
}

fn hammer(store: Arc<RedisStore>) -> impl FnOnce() -> Hammered {
    move || {
        let mut hammered = Hammered { calls: 0, asked: 0, waited: Duration::ZERO, longest: Duration::ZERO };
        let (mut rows, end) = (Vec::new(), Instant::now() + Duration::from_millis(1500));
        while Instant::now() < end {
            let started = Instant::now();
            let report = store.fetch(&[7, 8], &mut rows);
            hammered.longest = hammered.longest.max(started.elapsed());
            hammered.calls += 1;
            if let Some(asked) = report.asked {
                assert!(asked.failure.is_some());
                hammered.asked += 1;
                hammered.waited += asked.elapsed;
            }
            assert_eq!((rows[0].origin, rows[1].origin), (Stale, Defaulted));
            std::thread::sleep(Duration::from_millis(1));
        }
        hammered
    }
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn an_open_breaker_answers_in_microseconds() {
    let redis = Redis::start();
    let bench = Bench::with(RedisConfig {
        url: url(redis.port),
        backoff_min: Duration::from_secs(60),
        backoff_max: Duration::from_secs(60),
        // The connection is kept: a new one would end the back-off.
        timeouts_max: 100,
        ..config()
    });
    redis.stop();
    for user in 1..=3 {
        assert_eq!(bench.fetch(&[user]).1.asked.unwrap().failure, Some(Failure::Deadline));
    }
    let mut times: Vec<Duration> = (0..1000)
        .map(|_| {
            let started = Instant::now();
            let (_, report) = bench.fetch(&[1]);
            assert_eq!((report.breaker, report.asked), (BreakerState::Open, None));
            started.elapsed()
        })
        .collect();
    times.sort();
    println!("an open breaker: median {:?}, 99th percentile {:?}", times[500], times[990]);
    assert!(times[500] < Duration::from_micros(100), "{:?}", times[500]);
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_connection_that_died_in_silence_is_replaced() {
    let redis = Redis::start();
    redis.set("features:user:7", "{}");
    let proxy = Proxy::start(redis.port);
    let bench = Bench::new(proxy.port);
    assert_eq!(bench.origins(&[7]), [Fresh]);
    std::thread::sleep(TTL);

    // From here on no byte passes the old connection, which stays open. New ones work.
    proxy.freeze();
    let lanes: Vec<_> = (0..6).map(|_| std::thread::spawn(fetch_once(Arc::clone(&bench.store)))).collect();
    for lane in lanes {
        let (origin, failure) = lane.join().unwrap();
        assert_eq!(origin, Stale);
        assert!(matches!(failure, None | Some(Failure::Deadline)), "{failure:?}");
    }
    bench.recovers(7);
    std::thread::sleep(TTL);
    assert_eq!(bench.origins(&[7]), [Fresh]);
    assert_eq!(proxy.accepted(), 2, "one new connection for all lanes");
}

fn fetch_once(store: Arc<RedisStore>) -> impl FnOnce() -> (UserFeatures, Option<Failure>) {
    move || {
        let mut rows = Vec::new();
        let report = store.fetch(&[7], &mut rows);
        (rows[0].origin, report.asked.and_then(|asked| asked.failure))
    }
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_new_connection_ends_the_back_off() {
    let mut redis = Redis::start();
    redis.set("features:user:7", "{}");
    let minute = Duration::from_secs(60);
    let bench = Bench::with(RedisConfig { backoff_min: minute, backoff_max: minute, url: url(redis.port), ..config() });
    redis.kill();
    for _ in 0..3 {
        assert_eq!(bench.origins(&[7]), [Defaulted]);
    }
    assert_eq!(bench.fetch(&[7]).1.breaker, BreakerState::Open);
    redis.restart();
    redis.set("features:user:7", "{}");
    bench.recovers(7);
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_server_that_answers_errors_degrades_rows_until_it_does_not() {
    let redis = Redis::start();
    redis.set("features:user:7", "{}");
    let bench = Bench::new(redis.port);
    redis.command(&["ACL", "SETUSER", "default", "-mget"]);
    for _ in 0..3 {
        let (rows, report) = bench.fetch(&[7]);
        assert_eq!((rows[0].origin, report.asked.unwrap().failure), (Defaulted, Some(Failure::Server)));
    }
    assert_eq!(bench.fetch(&[7]).1.breaker, BreakerState::Open);
    redis.command(&["ACL", "SETUSER", "default", "+mget"]);
    bench.recovers(7);
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_full_chunk_is_one_request() {
    let redis = Redis::start();
    let users: Vec<i64> = (1..=512).collect();
    for user in &users {
        redis.set(&format!("features:user:{user}"), r#"{"followers": 1234, "verified": true, "country": "se"}"#);
    }
    let bench = Bench::with(RedisConfig { cache_ttl: Duration::ZERO, url: url(redis.port), ..config() });
    redis.command(&["CONFIG", "RESETSTAT"]);
    let mut elapsed: Vec<Duration> = (0..20)
        .map(|_| {
            let (rows, report) = bench.fetch(&users);
            assert!(rows.iter().all(|row| row.origin == Fresh && row.values[0] == 1234.0));
            report.asked.unwrap().elapsed
        })
        .collect();
    elapsed.sort();
    println!("512 users: median {:?}", elapsed[10]);
    assert!(redis.info("commandstats").contains("cmdstat_mget:calls=20,"));
}
