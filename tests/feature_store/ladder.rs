//! What a Redis that answers says, and how long that is believed.

use std::time::{Duration, Instant};

use assize::features::store::RedisConfig;
use assize::records::UserFeatures::{Cached, Fresh, Stale, Unknown};

use super::servers::{Proxy, Redis};
use super::{Bench, DEADLINE, RECOVERY_MAX, TTL, UNKNOWN_TTL, config, url, values};

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
fn a_redis_that_comes_back_empty_knows_nobody_and_nothing_is_degraded() {
    let mut redis = Redis::start();
    redis.set("features:user:7", r#"{"followers": 12}"#);
    let bench = Bench::new(redis.port);
    assert_eq!(bench.origins(&[7]), [Fresh]);
    redis.kill();
    std::thread::sleep(TTL);
    assert_eq!(bench.origins(&[7]), [Stale]);

    redis.restart();
    let back = Instant::now();
    while bench.origins(&[7]) == [Stale] {
        assert!(back.elapsed() < RECOVERY_MAX);
        std::thread::sleep(Duration::from_millis(5));
    }
    // The store that answers is right: what it forgot is not served from the cache, and is not flagged either.
    let (rows, report) = bench.fetch(&[7]);
    assert_eq!((rows[0].origin, rows[0].origin.degraded(), values(&rows[0])), (Unknown, None, vec![None, None]));
    assert_eq!(report.violations, []);
    redis.set("features:user:7", r#"{"followers": 13}"#);
    bench.recovers(7);
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_full_chunk_is_one_round_trip() {
    let redis = Redis::start();
    let users: Vec<i64> = (1..=512).collect();
    for user in &users {
        redis.set(&format!("features:user:{user}"), r#"{"followers": 1234, "verified": true, "country": "se"}"#);
    }
    let uncached = |port| Bench::with(RedisConfig { cache_ttl: Duration::ZERO, url: url(port), ..config() });
    let bench = uncached(redis.port);
    let mut elapsed: Vec<Duration> = (0..20)
        .map(|_| {
            let (rows, report) = bench.fetch(&users);
            assert!(rows.iter().all(|row| row.origin == Fresh && row.values[0] == 1234.0));
            report.asked.unwrap().elapsed
        })
        .collect();
    elapsed.sort();
    println!("512 users: median {:?}", elapsed[10]);
    assert_eq!(redis.asked(), 20 * users.len());
    // Two round trips would be late.
    let proxy = Proxy::start(redis.port);
    let bench = uncached(proxy.port);
    proxy.delay(DEADLINE * 6 / 10);
    assert!(bench.origins(&users).iter().all(|origin| *origin == Fresh));
}
