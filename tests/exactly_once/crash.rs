//! A crash at each step between poll and commit, and a commit whose result is lost.

use super::{
    bench::{Bench, SPAM},
    readers, traffic,
};

/// So small that a run has transactions enough.
const STREAM: &str = "[stream]\ntransaction_ms_max = 40\ntransaction_records_max = 200\n";

/// Runs with a failpoint at the third transaction, restarts if that was a crash, and sends every message again: the
/// window must know them all, whatever the crash left.
fn survives(failpoint: &str, crashes: bool) {
    let name = failpoint.replace(':', "-");
    let bench = Bench::new(&name, 2, &format!("{STREAM}{SPAM}"));
    let (file, counts) = traffic::write(&bench.folder, "m", 4_000, 7);
    let reader = readers::Reader::start(&bench, "read_committed");
    let mut process = bench.start("a", Some(failpoint));
    assert_eq!(bench.send(&file, &["--rate", "2000"]).wait(), Some(0));
    if crashes {
        assert_eq!(process.wait(), None, "the failpoint aborts the process; logs: {}", bench.folder.display());
        process = bench.start("a", None);
    }
    bench.wait_until_drained();
    // All of it once more: identities that were judged before the crash are repeats now.
    assert_eq!(bench.send(&file, &[]).wait(), Some(0));
    bench.wait_until_drained();
    assert_eq!(process.stop(), Some(0), "a drain ends with 0");
    let seen = reader.finish();
    assert_eq!(readers::duplicates(&seen), 0);
    assert_eq!(seen.len(), counts.judged, "one verdict for each message, none for its repeats; {counts:?}");
    bench.assert_clean();
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn crash_before_begin() {
    survives("crash:before-begin:3", true);
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn crash_after_produce() {
    survives("crash:after-produce:3", true);
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn crash_before_send_offsets() {
    survives("crash:before-send-offsets:3", true);
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn crash_after_send_offsets() {
    survives("crash:after-send-offsets:3", true);
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn crash_after_commit() {
    survives("crash:after-commit:3", true);
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn the_result_of_a_commit_is_lost() {
    survives("lose:commit:3", false);
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn a_commit_is_lost_on_its_way() {
    survives("lose:no-commit:3", false);
}
