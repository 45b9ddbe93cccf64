use std::{fs, path::Path};

use super::*;
use crate::drift::alert::RETRAINS_MAX;

fn bench(script: &str, folder: &Path, seconds_max: u64) -> Bench {
    let config = config::Alert {
        retrain_command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        retrain_folder: Some(folder.into()),
        retrain_seconds_max: seconds_max,
        ..config::Alert::default()
    };
    Bench::with(&config, QUICK)
}

fn retrains(result: &str) -> String {
    format!("assize_drift_retrains_total{{result=\"{result}\"}}")
}

/// Gone, or dead and not yet buried.
fn is_gone(process: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.trim()));
    stat.map_or(true, |stat| stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('Z')))
}

fn read(file: &Path) -> String {
    until(&format!("{} is there", file.display()), || fs::read_to_string(file).is_ok_and(|text| text.ends_with('\n')));
    fs::read_to_string(file).unwrap()
}

#[test]
fn the_command_reads_the_alert_and_knows_what_it_is_about() {
    let folder = tempfile::tempdir().unwrap();
    let says = r#"cat > input; echo "$ASSIZE_ALERT_ID|$ASSIZE_TASK|$ASSIZE_ARM|$ASSIZE_WINDOW_START" > variables"#;
    let bench = bench(says, folder.path(), 60);
    let alert = raised("spam; touch injected");
    bench.alerts().retrain(alert.clone());
    until("it has succeeded", || bench.count(&retrains("succeeded")) == 1);
    let input = fs::read_to_string(folder.path().join("input")).unwrap();
    assert_eq!(serde_json::from_str::<Alert>(&input).unwrap(), alert);
    let variables = fs::read_to_string(folder.path().join("variables")).unwrap();
    assert_eq!(variables, format!("{}|{}|live|2026-11-28T22:00:00Z\n", alert.id, alert.task));
    assert_eq!(bench.count(&retrains("started")), 1);
}

#[test]
fn a_failure_is_logged_with_the_last_that_it_said() {
    let log = logged(|runtime| {
        let script = "head -c 20000 /dev/zero | tr '\\0' x; printf 'bad \\033[31mdata\\n' >&2; exit 3";
        let config = config::Alert {
            retrain_command: ["sh", "-c", script].map(str::to_owned).to_vec(),
            ..config::Alert::default()
        };
        let metrics = Metrics::new();
        let alerts = Alerts::start(&config, runtime.handle(), &metrics).unwrap();
        alerts.retrain(raised("spam"));
        until("it has failed", || {
            runtime.block_on(async { tokio::time::sleep(Duration::from_millis(5)).await });
            count(&metrics, &retrains("failed")) == 1
        });
    });
    let line = log.lines().find(|line| line.contains("retraining has failed")).unwrap();
    assert!(line.contains("exit status: 3") && line.contains("u{1b}[31mdata"), "{line}");
    assert!((8_000..9_000).contains(&line.matches('x').count()), "{}", line.len());
}

#[test]
fn what_cannot_be_started_is_a_failure() {
    let config = config::Alert { retrain_command: vec!["/no/such/program".into()], ..config::Alert::default() };
    let bench = Bench::with(&config, QUICK);
    bench.alerts().retrain(raised("spam"));
    until("it has failed", || bench.count(&retrains("failed")) == 1);
    let nowhere = config::Alert { retrain_folder: Some("/no/such/folder".into()), ..config };
    let error = Alerts::start(&nowhere, bench.runtime.handle(), &bench.metrics).unwrap_err().to_string();
    assert_eq!(error, "config key drift.alert.retrain_folder: /no/such/folder is no folder; make it, or name another");
}

#[test]
fn its_time_is_limited_and_its_children_end_with_it() {
    let folder = tempfile::tempdir().unwrap();
    // The grandchild does not hear SIGTERM.
    let script = "sh -c 'trap \"\" TERM; echo $$ > grandchild; while :; do sleep 1; done' & wait";
    let bench = bench(script, folder.path(), 1);
    bench.alerts().retrain(raised("spam"));
    let grandchild = read(&folder.path().join("grandchild"));
    assert!(!is_gone(&grandchild));
    until("its time is over", || bench.count(&retrains("timed_out")) == 1);
    until("the grandchild is gone", || is_gone(&grandchild));
}

#[test]
fn what_a_command_leaves_behind_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let bench = bench("sleep 300 & echo $! > left", folder.path(), 60);
    bench.alerts().retrain(raised("spam"));
    until("it has succeeded", || bench.count(&retrains("succeeded")) == 1);
    let left = read(&folder.path().join("left"));
    until("what it left is gone", || is_gone(&left));
}

#[test]
fn one_at_a_time_and_a_bounded_number_waits() {
    let folder = tempfile::tempdir().unwrap();
    let script = "echo start >> trace; until [ -e go ]; do sleep 0.01; done; sleep 0.02; echo end >> trace";
    let bench = bench(script, folder.path(), 60);
    let trace = folder.path().join("trace");
    bench.alerts().retrain(raised("first"));
    read(&trace);
    for index in 0..=RETRAINS_MAX {
        bench.alerts().retrain(raised(&format!("task-{index}")));
    }
    assert_eq!(bench.count(&retrains("dropped")), 1);
    fs::write(folder.path().join("go"), "").unwrap();
    until("all have succeeded", || bench.count(&retrains("succeeded")) == 1 + RETRAINS_MAX as u64);
    assert_eq!(fs::read_to_string(&trace).unwrap(), "start\nend\n".repeat(1 + RETRAINS_MAX));
}

#[test]
fn it_ends_with_the_job_and_what_waits_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let script = "trap 'echo term > asked; exit 1' TERM; echo $$ > process; while :; do sleep 0.01; done";
    let mut bench = bench(script, folder.path(), 60);
    bench.alerts().retrain(raised("spam"));
    let process = read(&folder.path().join("process"));
    bench.alerts().retrain(raised("topic"));
    bench.stop();
    assert!(is_gone(&process));
    assert_eq!(read(&folder.path().join("asked")), "term\n");
    assert_eq!((bench.count(&retrains("started")), bench.count(&retrains("dropped"))), (1, 2));
}

#[test]
fn it_ends_also_when_nobody_waits_for_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let bench = bench("trap '' TERM; sleep 300 & echo $! > left; wait", folder.path(), 60);
    bench.alerts().retrain(raised("spam"));
    let left = read(&folder.path().join("left"));
    drop(bench);
    until("what it left is gone", || is_gone(&left));
}
