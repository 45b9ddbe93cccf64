//! Values that are not as they should be: each has one end.

use std::time::Duration;

use assize::features::store::{BreakerState, RedisConfig, Violation};
use assize::records::UserFeatures::{self, Default as Defaulted, Fresh, Unknown};

use super::servers::Redis;
use super::{Bench, config, url, values};

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

    let (rows, report) = bench.fetch(&[1, 2, 3, 4, 5, 6]);
    let origins: Vec<_> = rows.iter().map(|row| row.origin).collect();
    assert_eq!(origins, [Fresh, Defaulted, Defaulted, Fresh, Defaulted, Unknown]);
    assert_eq!(values(&rows[3]), [None, Some(1.0)]);
    assert_eq!(report.violations, [Violation { feature: None, count: 3 }, Violation { feature: Some(0), count: 1 }]);
    assert_eq!((report.origins.default, report.breaker), (3, BreakerState::Closed));
    assert_eq!(report.asked.unwrap().failure, None);
}

/// A value, where its row comes from, what it says of followers, and which features break the contract.
type Case<'a> = (&'a str, UserFeatures, Option<f64>, &'a [Option<usize>]);

/// As the README says.
#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn each_bad_value_has_its_end() {
    const WHOLE: &[Option<usize>] = &[None];
    const FOLLOWERS: &[Option<usize>] = &[Some(0)];
    let long = format!(r#"{{"followers": 1, "x": "{}"}}"#, "a".repeat(64 * 1024));
    let fits = format!(r#"{{"followers": 1, "x": "{}"}}"#, "a".repeat(64 * 1024 - 25));
    let nested = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    let deep = format!(r#"{{"followers": {nested}}}"#);
    let deep_elsewhere = format!(r#"{{"followers": 1, "x": {nested}}}"#);
    let cases: &[Case<'_>] = &[
        ("", Unknown, None, &[]),
        ("{}", Fresh, None, &[]),
        (r#"{"followers": null}"#, Fresh, None, &[]),
        (r#"{"followers": -5}"#, Fresh, Some(-5.0), &[]),
        (r#"{"followers": 1e300}"#, Fresh, Some(1e300), &[]),
        (r#"{"followers": 1, "followers": 2}"#, Fresh, Some(2.0), &[]),
        (r#"{"followers": 1, "unheard": {"of": [1]}}"#, Fresh, Some(1.0), &[]),
        (r#"{"followers": "12"}"#, Fresh, None, FOLLOWERS),
        (r#"{"followers": "NaN"}"#, Fresh, None, FOLLOWERS),
        (r#"{"followers": "inf"}"#, Fresh, None, FOLLOWERS),
        (r#"{"followers": {"n": 12}}"#, Fresh, None, FOLLOWERS),
        (r#"{"followers": [12]}"#, Fresh, None, FOLLOWERS),
        (r#"{"followers": NaN}"#, Defaulted, None, WHOLE),
        (r#"{"followers": Infinity}"#, Defaulted, None, WHOLE),
        (r#"{"followers": 1e999}"#, Defaulted, None, WHOLE),
        (r#"{"followers": 12"#, Defaulted, None, WHOLE),
        (r#"{"followers": 12} {}"#, Defaulted, None, WHOLE),
        ("null", Defaulted, None, WHOLE),
        ("12", Defaulted, None, WHOLE),
        (&deep, Fresh, None, FOLLOWERS),
        (&deep_elsewhere, Fresh, Some(1.0), &[]),
        (&fits, Fresh, Some(1.0), &[]),
        (&long, Defaulted, None, WHOLE),
    ];
    let redis = Redis::start();
    for (user, (json, ..)) in (1..).zip(cases) {
        redis.set(&format!("features:user:{user}"), json);
    }
    let bench = Bench::with(RedisConfig { url: url(redis.port), ..config() });
    for (user, (json, origin, followers, violations)) in (1..).zip(cases) {
        let (rows, report) = bench.fetch(&[user]);
        assert_eq!((rows[0].origin, values(&rows[0])[0]), (*origin, *followers), "{json:.60}");
        let found: Vec<_> = report.violations.iter().map(|violation| violation.feature).collect();
        assert_eq!(found, *violations, "{json:.60}");
    }
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_huge_value_is_cut_off_by_the_server() {
    let redis = Redis::start();
    redis.set("features:user:1", r#"{"followers": 1}"#);
    redis.command(&["SETRANGE", "features:user:2", "400000000", "x"]);
    let bench = Bench::with(RedisConfig { url: url(redis.port), cache_ttl: Duration::ZERO, ..config() });
    let sent = || {
        let stats = redis.info("stats");
        let line = stats.lines().find_map(|line| line.strip_prefix("total_net_output_bytes:")).unwrap();
        line.parse::<u64>().unwrap()
    };
    let before = sent();
    for _ in 0..5 {
        let (rows, report) = bench.fetch(&[1, 2]);
        assert_eq!((rows[0].origin, rows[1].origin), (Fresh, Defaulted), "{report:?}");
        assert_eq!(report.violations, [Violation { feature: None, count: 1 }]);
    }
    assert!(sent() - before < 1_000_000, "{} bytes", sent() - before);
}
