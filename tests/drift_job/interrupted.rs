//! Whatever happens to the job, its reports and its state are those of an uninterrupted run.

use std::time::Duration;

use crate::{
    bench::{Bench, SPAM},
    ground::{Run, START_MS, Writer, report},
    traffic::Random,
};

const PARTITIONS: i32 = 3;
/// No silence counts here: what is compared must come from the records alone.
const DRIFT: &str = "\n[drift]\nwindows = [\"10s\", \"30s/10s\"]\ngrace_seconds = 2\nidle_seconds = 3600\nsnapshot_ms = 40\n\
                     [drift.labels]\nenabled = false\n";
/// Windows of 10 s.
const WINDOWS: i64 = 6;

/// Fills the predictions: `WINDOWS` windows of 10 s, a bit out of order, some late, some stamped far in the future, some
/// that are none; then one more in each partition that closes them all.
fn fill(writer: &mut Writer<'_>, start_ms: i64, pace: Duration) {
    let mut random = Random::new(11);
    for step in 0..WINDOWS * 100 {
        for partition in 0..PARTITIONS {
            let now = start_ms + step * 100 + random.below(100) as i64;
            let created_at = match random.below(50) {
                0 => now - 15_000,
                1 => now + 86_400_000_000,
                _ => now - random.below(1_500) as i64,
            };
            if random.below(100) == 0 {
                writer.write_bytes(partition, b"\0\0\0\0\x03nonsense");
            }
            let row = writer.draw(|_| true);
            writer.write(partition, row, created_at, now);
        }
        std::thread::sleep(pace);
    }
    for partition in 0..PARTITIONS {
        let (row, end) = (writer.draw(|_| true), start_ms + WINDOWS * 10_000 + 5_000);
        writer.write(partition, row, end, end);
    }
    writer.flush();
}

/// The reports of [`fill`]: each window of 10 s, and each of 30 s that ends in time. The first messages are stamped before
/// the first window.
const REPORTS: usize = 2 * (1 + WINDOWS as usize);

fn assert_same(bench: &Bench, whole: &Run<'_>, other: &Run<'_>, what: &str) {
    let (expected, found) = (whole.wait_for_reports(REPORTS), other.wait_for_reports(REPORTS));
    assert_eq!(expected.len(), REPORTS, "{:?}", expected.keys());
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{what}");
    for (key, value) in &found {
        assert!(value == &expected[key], "{what}: {key}: {:?}\nis not {:?}", report(value), report(&expected[key]));
    }
    assert_eq!(other.state(), whole.state(), "{what}; logs: {}", bench.folder.display());
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn killed_at_every_step_of_a_snapshot() {
    let bench = Bench::new("drift-steps", PARTITIONS, &format!("{DRIFT}{SPAM}"));
    fill(&mut Writer::new(&bench, 5), START_MS, Duration::ZERO);
    let whole = Run::new(&bench, "whole");
    let mut job = whole.start("a", &[]);
    let reports = whole.wait_for_reports(REPORTS);
    assert_eq!(job.stop(), Some(0));
    let counts: Vec<_> = reports.values().map(|value| report(value).predictions).collect();
    let sum = |of: fn(&assize::records::PredictionCounts) -> i64| counts.iter().map(of).sum::<i64>();
    // Otherwise this shows less than it says.
    assert!(sum(|counts| counts.late) > 10 && sum(|counts| counts.clamped) > 10 && sum(|counts| counts.unreadable) > 5);
    // There are always two transactions: counts, and the reports of windows that they close.
    for failpoint in [
        "crash:before-begin:2",
        "crash:after-produce:2",
        "crash:before-send-offsets:1",
        "crash:after-send-offsets:2",
        "crash:after-commit:1",
        "lose:commit:2",
        "lose:no-commit:2",
    ] {
        let run = Run::new(&bench, &failpoint.replace(':', "-"));
        // Little at once, so that there are more of them.
        let more = [("ASSIZE_FAILPOINT", failpoint), ("ASSIZE_STREAM__CHUNK_RECORDS_MAX", "20")];
        let mut job = run.start("a", &more);
        if failpoint.starts_with("crash") {
            assert_eq!(job.wait(), None, "{failpoint} aborts the process; logs: {}", bench.folder.display());
            job = run.start("a", &[]);
        }
        run.wait_for_reports(REPORTS);
        assert_eq!(job.stop(), Some(0), "{failpoint}");
        assert_same(&bench, &whole, &run, failpoint);
    }
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn processes_come_go_and_are_killed_while_predictions_flow() {
    let bench = Bench::new("drift-moves", PARTITIONS, &format!("{DRIFT}{SPAM}"));
    let moved = Run::new(&bench, "moved");
    let mut writer = Writer::new(&bench, 6);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| fill(&mut writer, START_MS, Duration::from_millis(25)));
        let mut random = Random::new(3);
        let mut jobs = ["a", "b"].map(|instance| moved.start(instance, &[]));
        let mut kills = 0;
        while !writing.is_finished() {
            std::thread::sleep(Duration::from_millis(700 + random.below(1_500)));
            let which = random.below(2) as usize;
            if random.below(3) == 0 {
                assert_eq!(jobs[which].stop(), Some(0));
            } else {
                jobs[which].kill();
                kills += 1;
            }
            jobs[which] = moved.start(["a", "b"][which], &[]);
        }
        writing.join().unwrap();
        assert!(kills > 2, "{kills}");
        moved.wait_for_reports(REPORTS);
        jobs.iter_mut().for_each(|job| assert_eq!(job.stop(), Some(0)));
    });
    let whole = Run::new(&bench, "whole");
    let mut job = whole.start("a", &[]);
    whole.wait_for_reports(REPORTS);
    assert_eq!(job.stop(), Some(0));
    assert_same(&bench, &whole, &moved, "moved");
}
