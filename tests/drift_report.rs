//! `assize drift report`, as a person starts it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is that test's failure, also in what tests share")]

use std::{fs, path::Path};

use assert_cmd::{Command, assert::Assert};
use serde_json::Value as Json;

const REPORT: &str = include_str!("../schemas/examples/drift-report.json");

fn report(folder: &Path, more: &[&str]) -> Assert {
    let mut command = Command::cargo_bin("assize").unwrap();
    command.current_dir(folder).env_remove("ASSIZE_CONFIG").args(["drift", "report"]).args(more).assert()
}

/// One line a report.
fn lines(reports: &[Json]) -> String {
    reports.iter().map(|report| format!("{report}\n")).collect()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let first: Json = serde_json::from_str(REPORT).unwrap();
    let mut second = first.clone();
    second["arm"] = "canary".into();
    fs::write(folder.path().join("reports.ndjson"), lines(&[first, second]) + "no report\n").unwrap();
    folder
}

fn told(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

#[test]
fn a_page_and_its_twin_are_written() {
    let folder = folder();
    let assert = report(folder.path(), &["--input", "reports.ndjson", "--json", "-"]).code(0);
    assert!(told(&assert).contains("reports.ndjson:3: "), "{}", told(&assert));
    let twin: Json = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    let arms: Vec<_> = twin["tasks"].as_array().unwrap().iter().map(|task| task["arm"].as_str().unwrap()).collect();
    assert_eq!(arms, ["canary", "live"]);
    let page = fs::read_to_string(folder.path().join("drift.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("language en: 95 % to 60 %"));
}

#[test]
fn reports_come_by_a_pipe_and_the_page_goes_on_in_one() {
    let folder = folder();
    let mut command = Command::cargo_bin("assize").unwrap();
    let args = ["drift", "report", "--input", "-", "--output", "-", "--arm", "live"];
    let assert =
        command.current_dir(folder.path()).args(args).write_stdin(lines(&[serde_json::from_str(REPORT).unwrap()]));
    let page = String::from_utf8(assert.assert().code(0).get_output().stdout.clone()).unwrap();
    assert!(page.contains("standard input") && page.trim_end().ends_with("</html>"));
    assert!(!folder.path().join("drift.html").exists());
}

#[test]
fn what_cannot_be_done_has_its_own_exit_code() {
    let folder = folder();
    for (args, code, says) in [
        (&["--input", "no such file"][..], 1, "no such file cannot be read"),
        (&["--input", "reports.ndjson", "--output", "no/folder/page.html"], 1, "cannot be written"),
        (&["--input", "reports.ndjson", "--task", "tone"], 2, "has no drift report that is meant"),
        (&["--input", "reports.ndjson", "--to", "2024-01-01T00:00:00Z"], 2, "has no drift report that is meant"),
        (&["--input", "reports.ndjson", "--window", "2h"], 2, "give --window one of 1h"),
        (&["--input", "reports.ndjson", "--output", "-", "--json", "-"], 2, "cannot both be standard output"),
        (&["--input", "reports.ndjson", "--from", "-1h", "--to", "-2h"], 2, "--from is not before --to"),
    ] {
        let assert = report(folder.path(), args).code(code);
        assert!(told(&assert).contains(says), "{args:?}: {}", told(&assert));
    }
}
