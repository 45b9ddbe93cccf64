//! A Redis Cluster of three masters: a chunk spans them, a lost one degrades its own users, and slots that move are
//! followed.

use std::process::Command;
use std::time::{Duration, Instant};

use assize::features::store::{BreakerState, Failure, RedisConfig, Topology};
use assize::records::UserFeatures::{Default as Defaulted, Fresh};

use super::servers::{Redis, eventually, free_port};
use super::{Bench, config};

const USERS: i64 = 300;
/// A failover takes the nodes some seconds.
const FAILOVER_MAX: Duration = Duration::from_secs(30);

/// Three masters with users 1 to 300.
struct Cluster {
    nodes: Vec<Redis>,
}

impl Cluster {
    fn start() -> Self {
        let nodes: Vec<Redis> = (0..3).map(|_| node(free_port())).collect();
        let cluster = Self { nodes };
        cluster.join();
        for user in 1..=USERS {
            cluster.owner(user).set(&key(user), &format!(r#"{{"followers": {user}}}"#));
        }
        cluster
    }

    fn join(&self) {
        let addresses: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        let output = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(&addresses)
            .args(["--cluster-yes"])
            .output()
            .expect("redis-cli is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        self.wait_until_up();
    }

    fn wait_until_up(&self) {
        for node in &self.nodes {
            eventually("the cluster is up", || {
                node.query::<String>(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
                    && node.query::<String>(&["CLUSTER", "NODES"]).lines().count() == self.nodes.len()
            });
        }
    }

    /// The master that has the user, as the first node that answers says.
    fn owner(&self, user: i64) -> &Redis {
        let slots: Vec<(usize, usize, Vec<redis::Value>)> = first_three(self.nodes[0].query(&["CLUSTER", "SLOTS"]));
        let slot = self.slot(user);
        let (.., master) = slots.iter().find(|(first, last, _)| (*first..=*last).contains(&slot)).unwrap();
        let redis::Value::Int(port) = master[1] else { panic!("{master:?}") };
        self.nodes.iter().find(|node| i64::from(node.port) == port).unwrap()
    }

    fn slot(&self, user: i64) -> usize {
        self.nodes[0].query(&["CLUSTER", "KEYSLOT", &key(user)])
    }

    /// One of the users of each node.
    fn one_each(&self) -> Vec<i64> {
        let owned = |node: &Redis| (1..=USERS).find(|&user| self.owner(user).port == node.port).unwrap();
        self.nodes.iter().take(3).map(owned).collect()
    }

    /// The store is told of the first node only.
    fn bench(&self) -> Bench {
        Bench::with(by_cluster(self.nodes[0].port))
    }
}

fn by_cluster(port: u16) -> RedisConfig {
    RedisConfig {
        url: format!("redis://127.0.0.1:{port}").into(),
        topology: Topology::Cluster,
        cache_ttl: Duration::ZERO,
        ..config()
    }
}

fn node(port: u16) -> Redis {
    let words = "--cluster-enabled yes --cluster-node-timeout 1500 --cluster-require-full-coverage no";
    Redis::start_with(port, &words.split(' ').collect::<Vec<_>>())
}

fn key(user: i64) -> String {
    format!("features:user:{user}")
}

fn first_three(ranges: Vec<Vec<redis::Value>>) -> Vec<(usize, usize, Vec<redis::Value>)> {
    let parse = |value: &redis::Value| redis::from_redis_value(value.clone()).unwrap();
    let master = |value: &redis::Value| redis::from_redis_value(value.clone()).unwrap();
    ranges.iter().map(|range| (parse(&range[0]), parse(&range[1]), master(&range[2]))).collect()
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_chunk_is_asked_of_all_its_nodes_at_once() {
    let cluster = Cluster::start();
    let bench = cluster.bench();
    let users: Vec<i64> = (1..=USERS).collect();
    let (rows, report) = bench.fetch(&users);
    for (user, row) in users.iter().zip(&rows) {
        assert_eq!((row.origin, row.values[0]), (Fresh, *user as f64), "{user}");
    }
    assert_eq!((report.asked.unwrap().failure, report.breaker), (None, BreakerState::Closed));
    let asked: Vec<usize> = cluster.nodes.iter().map(Redis::asked).collect();
    assert!(asked.iter().all(|&asked| asked > 50) && asked.iter().sum::<usize>() == users.len(), "{asked:?}");
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_hung_node_degrades_its_own_users() {
    let cluster = Cluster::start();
    let (bench, users) = (cluster.bench(), cluster.one_each());
    assert_eq!(bench.origins(&users), [Fresh; 3]);
    std::thread::sleep(Duration::from_millis(10));
    cluster.nodes[1].stop();
    let started = Instant::now();
    let mut refused = 0;
    while started.elapsed() < Duration::from_secs(4) {
        // Each call is bounded by the one deadline, also while the nodes agree that one of them is gone.
        let (rows, report) = bench.fetch(&users);
        assert_eq!((rows[0].origin, rows[2].origin), (Fresh, Fresh), "{report:?}");
        assert_ne!(rows[1].origin, Fresh);
        refused += usize::from(report.breaker == BreakerState::Open && report.asked.unwrap().failure.is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("{refused} calls did not wait for the node that hangs");
    assert!(refused > 20, "{refused}");
    cluster.nodes[1].resume();
    bench.recovers(users[1]);
    assert_eq!(bench.origins(&users), [Fresh; 3]);
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_slot_that_moves_is_followed_without_a_degraded_row() {
    let cluster = Cluster::start();
    let (bench, users) = (cluster.bench(), cluster.one_each());
    let (user, from, to) = (users[0], &cluster.nodes[0], &cluster.nodes[1]);
    let slot = cluster.slot(user).to_string();
    let id = |node: &Redis| node.query::<String>(&["CLUSTER", "MYID"]);
    to.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
    from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
    assert_eq!(bench.origins(&users), [Fresh; 3]);
    from.command(&["MIGRATE", "127.0.0.1", &to.port.to_string(), &key(user), "0", "1000"]);
    // ASK: the slot is here, the key is there.
    assert_eq!(bench.origins(&users), [Fresh; 3]);
    for node in [to, from, &cluster.nodes[2]] {
        node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]);
    }
    // MOVED, until the map has been read again.
    assert_eq!(bench.origins(&users), [Fresh; 3]);
    assert!(from.redirected() >= 2, "{}", from.redirected());
    eventually("the map is read again", || {
        let before = from.redirected();
        assert_eq!(bench.origins(&[user]), [Fresh]);
        from.redirected() == before
    });
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_replica_takes_over_for_a_node_that_dies() {
    let mut cluster = Cluster::start();
    let replica = node(free_port());
    replica.command(&["CLUSTER", "MEET", "127.0.0.1", &cluster.nodes[0].port.to_string()]);
    cluster.nodes.push(replica);
    cluster.wait_until_up();
    let id: String = cluster.nodes[1].query(&["CLUSTER", "MYID"]);
    cluster.nodes[3].command(&["CLUSTER", "REPLICATE", &id]);
    eventually("the replica has it all", || {
        let replication = cluster.nodes[3].info("replication");
        replication.contains("master_link_status:up") && cluster.nodes[3].query::<usize>(&["DBSIZE"]) > 50
    });
    let (bench, users) = (cluster.bench(), cluster.one_each());
    assert_eq!(bench.origins(&users), [Fresh; 3]);
    cluster.nodes[1].kill();
    assert_eq!(bench.origins(&users)[2], Fresh);
    bench.recovers_within(users[1], FAILOVER_MAX);
    assert_eq!(bench.origins(&users), [Fresh; 3]);
    assert!(cluster.nodes[3].asked() > 0);
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_cluster_that_is_down_at_the_start_is_found_when_it_comes() {
    let port = free_port();
    let bench = Bench::with(by_cluster(port));
    let (rows, report) = bench.fetch(&[7]);
    assert_eq!((rows[0].origin, report.asked.unwrap().failure), (Defaulted, Some(Failure::Disconnected)));
    let node = node(port);
    node.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    eventually("the cluster is up", || node.query::<String>(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
    node.set(&key(7), "{}");
    bench.recovers(7);
}
