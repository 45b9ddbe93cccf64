//! Logs of a real process: this test program again, running `child`.

use std::process::Command;

use assize::ops::telemetry::{LogFormat, init};

/// Set for child processes alone: the level of the config.
const LEVEL: &str = "ASSIZE_TEST_LEVEL";

/// The process under test. Run as an ordinary test it has nothing to do.
#[test]
fn child() {
    let Ok(level) = std::env::var(LEVEL) else { return };
    init(LogFormat::Json, &level).unwrap();
    tracing::debug!(partition = 3, "fine detail");
    tracing::warn!(partition = 3, "paused");
    let slice_a_message = || {
        let text = String::from("secret caf\u{e9}");
        text[..11].len()
    };
    assert!(std::thread::spawn(slice_a_message).join().is_err());
    assert!(init(LogFormat::Human, "info").is_err());
}

fn logs(level: &str, rust_log: &str) -> Vec<serde_json::Value> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "telemetry::child", "--nocapture"])
        .env(LEVEL, level)
        .env("RUST_LOG", rust_log)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("paused"), "logs on stdout");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!stderr.contains("secret"), "{stderr}");
    stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn messages(logs: &[serde_json::Value]) -> Vec<&str> {
    logs.iter().map(|line| line["message"].as_str().unwrap()).collect()
}

#[test]
fn every_line_is_one_json_object_also_of_a_panic_which_quotes_no_message() {
    let logs = logs("info", "");
    assert_eq!(messages(&logs), ["paused", "panic: (text withheld: it may quote a message)"]);
    assert_eq!((&logs[0]["level"], &logs[0]["partition"]), (&"WARN".into(), &3.into()));
    assert!(logs[1]["location"].as_str().unwrap().contains("tests/ops/telemetry.rs:"));
}

#[test]
fn rust_log_wins_over_the_config() {
    assert_eq!(messages(&logs("off", "warn")).len(), 2);
    assert_eq!(messages(&logs("off", "debug"))[0], "fine detail");
    assert!(logs("off", "").is_empty());
}
