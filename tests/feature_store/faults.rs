//! Redis dies, hangs, is slow, vanishes behind a silent network, or answers errors: each call is bounded, each row says
//! what it rests on, and the store is back by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use assize::features::store::{BreakerState, Failure, FeatureStore, RedisConfig, RedisStore};
use assize::records::UserFeatures::{self, Cached, Default as Defaulted, Fresh, Stale};

use super::servers::{Proxy, Redis, free_port};
use super::{Bench, DEADLINE, SLACK, TTL, config, url, values};

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

    four_lanes_wait_little(&bench);
    redis.resume();
    bench.recovers(7);
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_slow_redis_is_waited_for_up_to_the_deadline() {
    let redis = Redis::start();
    redis.set("features:user:7", "{}");
    let proxy = Proxy::start(redis.port);
    let bench = Bench::new(proxy.port);
    proxy.delay(DEADLINE / 2);
    assert_eq!(bench.origins(&[7]), [Fresh]);
    std::thread::sleep(TTL);
    proxy.delay(DEADLINE * 3);
    four_lanes_wait_little(&bench);
    proxy.delay(Duration::ZERO);
    bench.recovers(7);
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_redis_that_is_busy_with_another_is_waited_for_up_to_the_deadline() {
    let redis = Redis::start_with(free_port(), &["--enable-debug-command", "yes"]);
    redis.set("features:user:7", "{}");
    let bench = Bench::new(redis.port);
    assert_eq!(bench.origins(&[7]), [Fresh]);
    std::thread::sleep(TTL);
    std::thread::scope(|scope| {
        scope.spawn(|| redis.command(&["DEBUG", "SLEEP", "2.5"]));
        std::thread::sleep(Duration::from_millis(200));
        four_lanes_wait_little(&bench);
    });
    bench.recovers(7);
}

/// Four lanes for a second and a half: each call is bounded, and nearly all of them wait for nothing.
fn four_lanes_wait_little(bench: &Bench) {
    let lanes: Vec<_> = (0..4).map(|_| std::thread::spawn(hammer(Arc::clone(&bench.store)))).collect();
    let lanes: Vec<Hammered> = lanes.into_iter().map(|lane| lane.join().unwrap()).collect();
    let calls: usize = lanes.iter().map(|lane| lane.calls).sum();
    let asked: usize = lanes.iter().map(|lane| lane.asked).sum();
    let waited: Duration = lanes.iter().map(|lane| lane.waited).sum();
    let longest = lanes.iter().map(|lane| lane.longest).max().unwrap();
    println!("{calls} calls, {asked} asked Redis and waited {waited:?}, the longest call took {longest:?}");
    assert!(longest < DEADLINE + SLACK, "{longest:?}");
    // Three failures open the breaker; three more were under way; then the back-offs 100, 200, 400, 800 ms. A new
    // connection, which a slow server gives, lets one more pass.
    assert!((3..=16).contains(&asked), "{asked}");
    assert!(waited < 16 * (DEADLINE + SLACK), "{waited:?}");
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
    redis.command(&["ACL", "SETUSER", "default", "-getrange"]);
    for _ in 0..3 {
        let (rows, report) = bench.fetch(&[7]);
        assert_eq!((rows[0].origin, report.asked.unwrap().failure), (Defaulted, Some(Failure::Server)));
    }
    assert_eq!(bench.fetch(&[7]).1.breaker, BreakerState::Open);
    redis.command(&["ACL", "SETUSER", "default", "+getrange"]);
    bench.recovers(7);
}
