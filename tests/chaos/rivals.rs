//! Two live processes with the same identity: one of them ends with its exit code, the other goes on.

use std::time::{Duration, Instant};

use assize::{fault::Exit, stream::kafka as client};
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::{
    bench::{Bench, Running, SPAM},
    cluster::Cluster,
    traffic,
    witness::Witness,
};

/// One of two must have ended within this; it is a matter of a heartbeat, on a machine with time for it.
const PATIENCE: Duration = Duration::from_secs(60);
const ROUNDS: usize = 3;
/// So long that a slow machine is not taken for a lost session.
const SESSION: (&str, &str) = ("ASSIZE_KAFKA__SESSION_TIMEOUT_MS", "20000");

/// The newer one wins, because it initialised the transactional id last: its predecessor may hang, and a replacement must get through.
#[test]
#[ignore = "needs Java and Kafka's jars; run ./dev test"]
fn the_older_of_two_processes_with_one_identity_ends_and_the_newer_goes_on() {
    let cluster = Cluster::start(1);
    let bench = Bench::on(&cluster.address(), "rivals", 4, SPAM);
    let (file, counts) = traffic::write(&bench.folder, "m", 40_000, 21);
    let committed = Witness::start(&bench, "read_committed");
    let mut holder = bench.start_as("a", "a", &[SESSION]);
    bench.wait_for_log("a", "window restored");
    let mut sender = bench.send(&file, &["--rate", "1000"]);
    for round in 0..ROUNDS {
        std::thread::sleep(Duration::from_secs(3));
        // Another lock folder: what another host or a container has.
        let elsewhere = bench.folder.join(format!("host-{round}"));
        std::fs::create_dir_all(&elsewhere).unwrap();
        let start = Instant::now();
        let environment = [("TMPDIR", elsewhere.to_str().unwrap()), SESSION];
        let mut newer = bench.start_as(&format!("a{round}"), "a", &environment);
        let code = wait_for_end(&mut holder, start);
        println!("round {round}: the older ended with {code:?} after {:?}", start.elapsed());
        assert_eq!(code, Some(Exit::Fenced as i32), "logs: {}", bench.folder.display());
        std::thread::sleep(Duration::from_secs(3));
        assert!(newer.is_running(), "the newer goes on; logs: {}", bench.folder.display());
        holder = newer;
    }
    assert_eq!(sender.wait(), Some(0));
    bench.wait_until_drained();
    assert_eq!(holder.stop(), Some(0));
    let seen = committed.finish();
    assert_eq!((seen.duplicates, seen.verdicts), (0, counts.judged as u64), "{counts:?}");
    bench.assert_clean();
    let rebuilds = ["a", "a0", "a1", "a2"].map(|name| {
        let log = std::fs::read_to_string(bench.folder.join(format!("{name}.log"))).unwrap();
        log.matches("new producer").count()
    });
    println!("new producers: {rebuilds:?}");
    assert!(rebuilds.iter().all(|count| *count <= 3), "they fenced each other again and again: {rebuilds:?}");
}

/// Nothing is read or written that could tell: the older one asks.
#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn the_older_of_two_idle_processes_with_one_identity_ends() {
    let bench = Bench::new("rivals-idle", 2, SPAM);
    let mut older = bench.start_as("older", "a", &[SESSION]);
    bench.wait_for_log("older", "window restored");
    let elsewhere = bench.folder.join("host");
    std::fs::create_dir_all(&elsewhere).unwrap();
    let start = Instant::now();
    let mut newer = bench.start_as("newer", "a", &[("TMPDIR", elsewhere.to_str().unwrap()), SESSION]);
    let code = wait_for_end(&mut older, start);
    println!("the older ended with {code:?} after {:?}", start.elapsed());
    assert_eq!(code, Some(Exit::Fenced as i32), "logs: {}", bench.folder.display());
    bench.wait_for_log("newer", "window restored");
    assert_eq!(newer.stop(), Some(0), "logs: {}", bench.folder.display());
}

/// A member with the lane's instance id that never had its transactional id is what the lane's own late join looks like.
#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn a_process_fenced_in_the_group_alone_joins_anew_each_time() {
    let bench = Bench::new("rivals-past", 2, SPAM);
    let (file, counts) = traffic::write(&bench.folder, "m", 12_000, 22);
    let committed = Witness::start(&bench, "read_committed");
    let mut process = bench.start_as("a", "a", &[SESSION]);
    bench.wait_for_log("a", "window restored");
    let mut sender = bench.send(&file, &["--rate", "1000"]);
    for round in 1..=ROUNDS {
        std::thread::sleep(Duration::from_secs(1));
        join_as("a-0", &bench);
        let start = Instant::now();
        while joined_anew(&bench) < round {
            assert!(start.elapsed() < PATIENCE, "round {round}; logs: {}", bench.folder.display());
            std::thread::sleep(Duration::from_millis(20));
        }
        println!("round {round}: joined anew after {:?}", start.elapsed());
    }
    assert_eq!(sender.wait(), Some(0));
    bench.wait_until_drained();
    assert_eq!(process.stop(), Some(0), "logs: {}", bench.folder.display());
    let seen = committed.finish();
    assert_eq!((seen.duplicates, seen.verdicts), (0, counts.judged as u64), "{counts:?}");
    bench.assert_clean();
}

/// It comes back with a transaction that the broker has ended long since. Whoever of the two ends, the replacement that is
/// started again stays.
#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn a_process_that_comes_back_and_its_replacement_do_not_fence_each_other_for_ever() {
    let bench = Bench::new("rivals-zombie", 2, SPAM);
    let (file, counts) = traffic::write(&bench.folder, "m", 24_000, 23);
    let committed = Witness::start(&bench, "read_committed");
    let mut zombie = bench.start_as("zombie", "a", &[]);
    bench.wait_for_log("zombie", "window restored");
    let mut sender = bench.send(&file, &["--rate", "1000"]);
    std::thread::sleep(Duration::from_secs(3));
    zombie.signal("STOP");
    let elsewhere = bench.folder.join("host");
    std::fs::create_dir_all(&elsewhere).unwrap();
    let mut replacement = bench.start_as("replacement", "a", &[("TMPDIR", elsewhere.to_str().unwrap())]);
    // Past the timeouts of transaction and session.
    std::thread::sleep(Duration::from_secs(10));
    let start = Instant::now();
    zombie.signal("CONT");
    while replacement.is_running() && zombie.is_running() {
        assert!(start.elapsed() < PATIENCE, "both go on; logs: {}", bench.folder.display());
        std::thread::sleep(Duration::from_millis(20));
    }
    if zombie.is_running() {
        assert_eq!(replacement.wait(), Some(Exit::Fenced as i32), "logs: {}", bench.folder.display());
        replacement = bench.start_as("replacement", "a", &[("TMPDIR", elsewhere.to_str().unwrap())]);
    }
    let code = wait_for_end(&mut zombie, start);
    println!("the older ended with {code:?} after {:?}", start.elapsed());
    assert_eq!(code, Some(Exit::Fenced as i32), "logs: {}", bench.folder.display());
    assert_eq!(sender.wait(), Some(0));
    bench.wait_until_drained();
    assert_eq!(replacement.stop(), Some(0), "logs: {}", bench.folder.display());
    let seen = committed.finish();
    assert_eq!((seen.duplicates, seen.verdicts), (0, counts.judged as u64), "{counts:?}");
    bench.assert_clean();
}

/// Joins the group as `instance`, and goes without leaving it.
fn join_as(instance: &str, bench: &Bench) {
    let config = &bench.sandbox.config;
    let consumer: BaseConsumer = client::base(&config.kafka)
        .set("group.id", &config.kafka.group_id)
        .set("group.instance.id", instance)
        .set("session.timeout.ms", "20000")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    consumer.subscribe(&[&config.topics.messages]).unwrap();
    let start = Instant::now();
    while consumer.assignment().unwrap().count() == 0 {
        assert!(start.elapsed() < PATIENCE, "nothing is assigned");
        consumer.poll(Duration::from_millis(20));
    }
}

fn joined_anew(bench: &Bench) -> usize {
    let log = std::fs::read_to_string(bench.folder.join("a.log")).unwrap();
    log.matches("joining the group anew").count()
}

/// A long stop is no rival: the session and the transaction are gone, the identity is not.
#[test]
#[ignore = "needs Java and Kafka's jars; run ./dev test"]
fn a_process_that_was_stopped_past_every_timeout_goes_on() {
    let cluster = Cluster::start(1);
    let bench = Bench::on(&cluster.address(), "stopped", 4, SPAM);
    let (file, counts) = traffic::write(&bench.folder, "m", 30_000, 23);
    let committed = Witness::start(&bench, "read_committed");
    let (mut stopped, mut other) = (bench.start("a", None), bench.start("b", None));
    bench.wait_for_log("a", "window restored");
    bench.wait_for_log("b", "window restored");
    let mut sender = bench.send(&file, &["--rate", "1000"]);
    std::thread::sleep(Duration::from_secs(3));
    stopped.signal("STOP");
    std::thread::sleep(Duration::from_secs(14));
    stopped.signal("CONT");
    assert_eq!(sender.wait(), Some(0));
    bench.wait_until_drained();
    assert_eq!((stopped.stop(), other.stop()), (Some(0), Some(0)), "logs: {}", bench.folder.display());
    let seen = committed.finish();
    assert_eq!((seen.duplicates, seen.verdicts), (0, counts.judged as u64), "{counts:?}");
    bench.assert_clean();
}

fn wait_for_end(process: &mut Running, start: Instant) -> Option<i32> {
    loop {
        if let Some(code) = process.ended() {
            return code;
        }
        assert!(start.elapsed() < PATIENCE, "neither of two with one identity ended");
        std::thread::sleep(Duration::from_millis(20));
    }
}
