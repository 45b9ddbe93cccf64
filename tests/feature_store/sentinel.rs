//! Redis behind Sentinel: whoever is the master now is asked, nobody else.

use std::time::Duration;

use assize::features::store::{Failure, RedisConfig, SentinelConfig, TlsFiles, Topology};
use assize::records::UserFeatures::{Default as Defaulted, Fresh};
use secrecy::SecretString;

use super::authority::Authority;
use super::servers::{Redis, eventually, free_port, sentinel, start};
use super::{Bench, TTL, config};

/// A failover takes Sentinel some seconds.
const FAILOVER_MAX: Duration = Duration::from_secs(30);

/// A master with user 7, a replica, and a Sentinel that watches them.
struct Watched {
    master: Redis,
    replica: Redis,
    sentinel: Redis,
}

impl Watched {
    fn start() -> Self {
        let master = Redis::start();
        let replica = Redis::start_with(free_port(), &["--replicaof", "127.0.0.1", &master.port.to_string()]);
        master.set("features:user:7", "{}");
        let lines = "sentinel down-after-milliseconds features 500\nsentinel failover-timeout features 3000\n";
        let sentinel = sentinel(free_port(), master.port, lines, &[]);
        eventually("the replica has it all", || replica.query::<usize>(&["DBSIZE"]) == 1);
        eventually("Sentinel knows the replica", || {
            sentinel.query::<Vec<redis::Value>>(&["SENTINEL", "REPLICAS", "features"]).len() == 1
        });
        Self { master, replica, sentinel }
    }

    fn bench(&self) -> Bench {
        // The first Sentinel is down.
        let url = format!("redis://127.0.0.1:{},127.0.0.1:{}", free_port(), self.sentinel.port).into();
        Bench::with(RedisConfig { url, cache_ttl: Duration::ZERO, ..by_sentinel() })
    }
}

fn by_sentinel_at(port: u16) -> RedisConfig {
    RedisConfig { url: format!("redis://127.0.0.1:{port}").into(), ..by_sentinel() }
}

fn by_sentinel() -> RedisConfig {
    let sentinel = SentinelConfig { master: "features".into(), ..SentinelConfig::default() };
    RedisConfig { topology: Topology::Sentinel, sentinel, ..config() }
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_master_that_dies_is_followed_by_its_replica() {
    let mut watched = Watched::start();
    let bench = watched.bench();
    assert_eq!(bench.origins(&[7]), [Fresh]);
    assert_eq!((watched.master.asked(), watched.replica.asked()), (1, 0));
    watched.master.kill();
    std::thread::sleep(TTL);
    assert_ne!(bench.origins(&[7]), [Fresh]);
    bench.recovers_within(7, FAILOVER_MAX);
    assert!(watched.replica.asked() > 0);
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_master_that_is_demoted_is_asked_no_more() {
    let watched = Watched::start();
    let bench = watched.bench();
    assert_eq!(bench.origins(&[7]), [Fresh]);
    watched.sentinel.command(&["SENTINEL", "FAILOVER", "features"]);
    eventually("the replica is the master, and the master its replica", || {
        watched.master.info("replication").contains("role:slave")
            && watched.replica.info("replication").contains("role:master")
    });
    bench.recovers_within(7, FAILOVER_MAX);
    let before = watched.master.asked();
    for _ in 0..10 {
        assert_eq!(bench.origins(&[7]), [Fresh]);
    }
    assert_eq!(watched.master.asked(), before);
    assert!(watched.replica.asked() >= 10);
}

/// Sentinel has not noticed yet, or is wrong: the server's own word counts.
#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_server_that_is_no_master_is_not_connected_to() {
    let (redis, sentinel) = unguarded(&[]);
    // It would answer, with what it has.
    redis.command(&["REPLICAOF", "127.0.0.1", "1"]);
    let bench = Bench::with(RedisConfig { cache_ttl: Duration::ZERO, ..by_sentinel_at(sentinel.port) });
    assert_eq!(bench.origins(&[7]), [Defaulted]);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(bench.origins(&[7]), [Defaulted]);
    redis.command(&["REPLICAOF", "NO", "ONE"]);
    bench.recovers(7);
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_connected_server_that_is_no_master_any_more_is_left() {
    let (redis, sentinel) = unguarded(&["--replica-serve-stale-data", "no"]);
    let bench = Bench::with(RedisConfig { cache_ttl: Duration::ZERO, ..by_sentinel_at(sentinel.port) });
    assert_eq!(bench.origins(&[7]), [Fresh]);
    let failure = || bench.fetch(&[7]).1.asked.unwrap().failure;
    redis.command(&["REPLICAOF", "127.0.0.1", "1"]);
    assert_eq!((failure(), failure()), (Some(Failure::Server), Some(Failure::Disconnected)));
    redis.command(&["REPLICAOF", "NO", "ONE"]);
    bench.recovers(7);
}

/// A server with user 7, and a Sentinel that takes a minute to find anything wrong with it.
fn unguarded(options: &[&str]) -> (Redis, Redis) {
    let redis = Redis::start_with(free_port(), options);
    redis.set("features:user:7", "{}");
    let sentinel = sentinel(free_port(), redis.port, "sentinel down-after-milliseconds features 60000\n", &[]);
    (redis, sentinel)
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn sentinels_have_passwords_of_their_own_and_speak_tls() {
    let (authority, tls_port, sentinel_port) = (Authority::new(), free_port(), free_port());
    let redis = start(free_port(), &authority.options(tls_port, "server", false));
    redis.set("features:user:7", "{}");
    let user = ["ACL", "SETUSER", "assize", "on", ">hunter2", "~features:user:*"];
    redis.command(&[&user[..], &["+getrange", "+role"]].concat());
    let lines = "requirepass watchword\ntls-replication yes\nsentinel sentinel-pass watchword\n";
    let mut options = authority.options(sentinel_port, "server", false);
    options.extend(["--tls-replication".to_owned(), "yes".to_owned()]);
    let _sentinel = sentinel(free_port(), tls_port, lines, &options);
    let connect = |password: &str, tls: TlsFiles| {
        let mut config = by_sentinel();
        config.url = format!("rediss://assize:hunter2@127.0.0.1:{sentinel_port}").into();
        config.tls = tls;
        config.sentinel.password = Some(SecretString::from(password));
        Bench::with(config).origins(&[7])
    };
    assert_eq!(connect("watchword", authority.trusted()), [Fresh]);
    assert_eq!(connect("hunter2", authority.trusted()), [Defaulted]);
    assert_eq!(connect("watchword", TlsFiles::default()), [Defaulted]);
}
