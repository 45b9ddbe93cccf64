//! A partition that says nothing holds no window up, while another never rests.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};

use crate::{
    bench::{Bench, SPAM},
    ground::{PARTITIONS, Run, Writer, free_address, ready_when_up, report},
};

const DRIFT: &str = "\n[drift]\nwindows = [\"2s\"]\ngrace_seconds = 0\nidle_seconds = 1\nsnapshot_ms = 100\n\
                     [drift.labels]\nenabled = false\n";
/// More often than a lane waits for records: it is never idle.
const PACE: Duration = Duration::from_millis(10);

fn now_ms() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn windows_end_while_one_partition_flows_and_another_is_silent() {
    let bench = Bench::new("drift-silent", PARTITIONS, &format!("{DRIFT}{SPAM}"));
    let run = Run::new(&bench, "silent");
    let mut writer = Writer::new(&bench, 4);
    let address = free_address();
    let mut job = run.start("a", &[("ASSIZE_ADMIN__LISTEN", &address)]);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let (row, now) = (writer.draw(|_| true), now_ms());
                writer.write(0, row, now, now);
                std::thread::sleep(PACE);
            }
        });
        let reports = std::panic::catch_unwind(|| run.wait_for_reports(2));
        is_over.store(true, Ordering::Relaxed);
        let reports = reports.unwrap();
        assert!(reports.values().all(|value| report(value).predictions.counted > 0), "{reports:?}");
    });
    // Ready without a lane of labels.
    let (status, body) = ready_when_up(&address, 1);
    assert_eq!(status, 200, "{body}");
    assert_eq!(job.stop(), Some(0));
}
