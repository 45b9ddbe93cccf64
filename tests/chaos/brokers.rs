//! Three brokers, replication 3, min.insync.replicas 2: one is killed under load, and all that it led moves.

use std::time::Duration;

use rdkafka::consumer::Consumer;

use crate::{
    bench::{Bench, SPAM},
    cluster::Cluster,
    traffic,
    witness::Witness,
};

const MESSAGES: usize = 24_000;
const AWAY_MS: Duration = Duration::from_millis(8_000);

#[test]
#[ignore = "needs Java and Kafka's jars; run ./dev test"]
fn one_of_three_brokers_is_killed_under_load() {
    let mut cluster = Cluster::start(3);
    let bench = Bench::on(&cluster.address(), "brokers", 6, SPAM);
    let (file, counts) = traffic::write(&bench.folder, "m", MESSAGES, 31);
    let (committed, everything) =
        (Witness::start(&bench, "read_committed"), Witness::start(&bench, "read_uncommitted"));
    let mut processes = ["a", "b"].map(|instance| bench.start(instance, None));
    ["a", "b"].iter().for_each(|instance| bench.wait_for_log(instance, "window restored"));
    let mut sender = bench.send(&file, &["--rate", "800"]);
    std::thread::sleep(Duration::from_secs(4));
    // The one that has the group: offsets and membership must move too.
    let coordinator = coordinator(&bench);
    cluster.brokers[coordinator].kill();
    std::thread::sleep(AWAY_MS);
    cluster.brokers[coordinator].spawn();
    assert_eq!(sender.wait(), Some(0));
    cluster.wait_until_whole();
    bench.wait_until_drained();
    for process in &mut processes {
        assert_eq!(process.stop(), Some(0), "no process ends for a broker; logs: {}", bench.folder.display());
    }
    let (seen, everything) = (committed.finish(), everything.finish());
    assert_eq!((seen.duplicates, seen.verdicts), (0, counts.judged as u64), "{counts:?}");
    let gap = seen.gaps.iter().map(|gap| gap.to - gap.from).max().unwrap_or_default();
    let aborted = everything.verdicts - seen.verdicts;
    println!(
        "broker {coordinator} was away; the longest time that a partition had no verdict: {gap:?}; {aborted} aborted copies"
    );
    println!("{}", bench.assert_clean());
}

/// Which of the brokers, from 0, has the group: the leader of the partition of `__consumer_offsets` that its name
/// hashes to, as Java hashes texts; the sign is left out by Kafka's `Utils.abs`, which is not its `Utils.toPositive`.
fn coordinator(bench: &Bench) -> usize {
    let hash = bench.sandbox.name.bytes().fold(0_i32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    let client = bench.reader("read_committed");
    let metadata = client.fetch_metadata(Some("__consumer_offsets"), Duration::from_secs(10)).unwrap();
    let partitions = metadata.topics()[0].partitions();
    let partition = hash.checked_abs().unwrap_or_default() % partitions.len() as i32;
    let leader = partitions.iter().find(|found| found.id() == partition).unwrap().leader();
    usize::try_from(leader - 1).unwrap()
}
