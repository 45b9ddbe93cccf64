//! A job beside a stream that ends by a panic: verdicts go on, and it comes back to the same reports.

use serde_json::json;

use crate::{
    bench::{Bench, SPAM},
    ground::{PARTITIONS, Run, START_MS, Writer, free_address, ready_when_up, report},
};

const WINDOWS: i64 = 3;
/// Labels are read, and there are none: their partitions are silent.
const DRIFT: &str =
    "\n[drift]\nenabled = true\nwindows = [\"10s\"]\ngrace_seconds = 1\nidle_seconds = 1\nsnapshot_ms = 200\n";

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn a_panic_ends_both_lanes_and_the_job_starts_again_while_verdicts_go_on() {
    let bench = Bench::new("drift-beside", PARTITIONS, &format!("{DRIFT}{SPAM}"));
    let run = Run::of_stream(&bench);
    let mut writer = Writer::new(&bench, 8);
    for number in 0..WINDOWS * 200 {
        let (row, now) = (writer.draw(|_| true), START_MS + number * 50);
        writer.write((number % 2) as i32, row, now, now);
    }
    writer.flush();
    // Much later than those windows: none of them counts there.
    let message = |number: i64| json!({"message_id": number.to_string(), "user_id": number, "text": "hello", "created_at": START_MS + 3_600_000});
    let messages: String = (1..=200).map(|number| format!("{}\n", message(number))).collect();
    let file = bench.sandbox.write("messages.ndjson", messages);
    assert_eq!(bench.send(&file, &[]).wait(), Some(0));

    let address = free_address();
    let environment = [("ASSIZE_ADMIN__LISTEN", address.as_str()), ("ASSIZE_FAILPOINT", "panic:drift-snapshot:3")];
    let mut stream = bench.start_as("a", "a", &environment);
    ready_when_up(&address, 1);
    let (_, without) = ready_when_up(&address, 0);
    assert!(without.contains("drift job: ended"), "{without}");
    bench.wait_until_drained();
    let (status, with) = ready_when_up(&address, 1);
    assert!(status == 200 && !with.contains("drift job"), "{with}");

    let reports = run.wait_for_reports(WINDOWS as usize);
    assert_eq!(stream.stop(), Some(0));
    let of_windows =
        reports.values().map(|value| report(value)).filter(|report| report.window_start < START_MS + 3_600_000);
    let counted: Vec<_> = of_windows.map(|report| report.predictions.counted).collect();
    assert_eq!(counted, [200; WINDOWS as usize], "logs: {}", bench.folder.display());
}
