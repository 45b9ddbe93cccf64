//! Random kill -9, a join and a leave under load; and the bug that the design rules out, put back.

use std::time::{Duration, Instant};

use super::{
    bench::{Bench, Running, SPAM},
    readers::{Reader, duplicates},
    traffic::{self, Random},
};

const KILLS: usize = 10;
const MESSAGES: usize = 60_000;
const RATE: &str = "1500";

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn ten_kills_a_join_and_a_leave_lose_nothing_and_judge_nothing_twice() {
    let seed = 20_261_123;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let bench = Bench::new("kill", 8, SPAM);
    let (file, counts) = traffic::write(&bench.folder, "m", MESSAGES, seed);
    let (committed, everything) = (Reader::start(&bench, "read_committed"), Reader::start(&bench, "read_uncommitted"));

    let mut processes: Vec<(String, Running)> =
        ["a", "b"].map(|instance| (instance.to_owned(), bench.start(instance, None))).into();
    let mut sender = bench.send(&file, &["--rate", RATE]);
    for kill in 0..KILLS {
        std::thread::sleep(Duration::from_millis(1_500 + random.below(2_000)));
        let victim = random.below(processes.len() as u64) as usize;
        let (instance, process) = &mut processes[victim];
        process.kill();
        *process = bench.start(instance, None);
        match kill {
            3 => processes.push(("c".to_owned(), bench.start("c", None))),
            6 => {
                let (_, mut leaver) = processes.remove(0);
                assert_eq!(leaver.stop(), Some(0), "a drain ends with 0");
            }
            _ => {}
        }
    }
    assert_eq!(sender.wait(), Some(0));
    bench.wait_until_drained();
    let start = Instant::now();
    for (_, process) in &mut processes {
        assert_eq!(process.stop(), Some(0), "a drain ends with 0; logs: {}", bench.folder.display());
    }
    assert!(start.elapsed() < Duration::from_secs(30), "two drains take at most 10 s each");

    let (committed, everything) = (committed.finish(), everything.finish());
    assert_eq!(duplicates(&committed), 0, "a concurrent reader of committed records saw a duplicate");
    assert_eq!(committed.len(), counts.judged, "{counts:?}");
    let aborted = everything.values().sum::<usize>() - committed.len();
    println!("{} verdicts, {aborted} aborted copies", committed.len());
    assert!(aborted > 0, "no kill hit an open transaction, so this run showed nothing");
    println!("{}", bench.assert_clean());
}

/// The silent loss of a loop whose batch outlives its transaction: with the bug put back, the audit must find it.
#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn the_bug_of_a_batch_that_outlives_its_transaction_is_caught() {
    let bench = Bench::new("sabotage", 8, &format!("[stream]\ntransaction_ms_max = 1000\n{SPAM}"));
    let (file, _) = traffic::write(&bench.folder, "m", 20_000, 3);
    let sabotage = Some("sabotage:commit-after-revoke");
    let mut first = bench.start("a", sabotage);
    bench.wait_for_log("a", "window restored");
    let mut sender = bench.send(&file, &["--rate", "1500"]);
    // Each join moves partitions while a transaction is open.
    std::thread::sleep(Duration::from_secs(5));
    let mut second = bench.start("b", sabotage);
    std::thread::sleep(Duration::from_secs(4));
    let mut third = bench.start("c", sabotage);
    assert_eq!(sender.wait(), Some(0));
    bench.wait_until_drained();
    for process in [&mut first, &mut second, &mut third] {
        process.stop();
    }
    let (code, text) = bench.audit();
    assert_eq!(code, 1, "the audit must find what the bug lost:\n{text}");
    assert!(text.contains("lost"), "{text}");
}
