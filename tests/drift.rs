//! Drift statistics are those of scipy on the raw data; `parity/drift.py` says how the expected values come about. And
//! `assize drift check`, as a person starts it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is that test's failure, also in what tests share")]

use assize::drift::{
    reliability::wilson,
    sketch::{Counts, Reference},
    statistics::{
        benjamini_hochberg, bins, chi_square, jensen_shannon, kolmogorov_p, mean_shift, psi, shares_apart, smirnov,
    },
};
use serde::Deserialize;

/// Sums in another order.
const TOLERANCE: f64 = 1e-9;
/// A number far from 0 is rounded to 2^-40 of itself, and its spread may be a millionth of it.
const MEAN_TOLERANCE: f64 = 1e-6;
/// What lies between two of the edges.
const KS_TOLERANCE: f64 = 1.0 / 256.0;

#[derive(Deserialize)]
struct Expected {
    numbers: Vec<Number>,
    tables: Vec<Table>,
    benjamini_hochberg: Vec<[Vec<f64>; 2]>,
    /// Part, all, low, high.
    wilson: Vec<(u64, u64, f64, f64)>,
}

#[derive(Deserialize)]
struct Number {
    name: String,
    reference: Vec<Option<f64>>,
    current: Vec<Option<f64>>,
    ks: f64,
    ks_p: f64,
    z: Option<f64>,
    z_p: Option<f64>,
    deviations: Option<f64>,
    bins: Vec<(u64, u64)>,
    psi: f64,
    js: f64,
}

#[derive(Deserialize)]
struct Table {
    pairs: Vec<(u64, u64)>,
    chi2: f64,
    degrees: u32,
    p_value: f64,
    v: f64,
    js: f64,
}

fn expected() -> Expected {
    let expected: Expected = serde_json::from_str(include_str!("parity/drift.json")).unwrap();
    assert_eq!((expected.numbers.len(), expected.tables.len()), (13, 6));
    expected
}

#[track_caller]
fn near(what: &str, ours: Option<f64>, theirs: Option<f64>, tolerance: f64) {
    let near = match (ours, theirs) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() <= tolerance * theirs.abs().max(1.0),
        (ours, theirs) => ours == theirs,
    };
    assert!(near, "{what} is {ours:?}, of scipy {theirs:?}");
}

impl Number {
    fn sketches(&self) -> (Reference, Counts) {
        let reference = Reference::of(&self.reference);
        let mut counts = Counts::on(reference.edges());
        self.current.iter().for_each(|&value| counts.add(reference.edges(), value));
        (reference, counts)
    }
}

#[test]
fn the_ks_distance_is_that_of_the_raw_data_within_its_error() {
    let mut largest = 0.0_f64;
    for case in &expected().numbers {
        let (reference, counts) = case.sketches();
        let found = smirnov(reference.counts(), &counts).unwrap();
        let short = case.ks - found.distance;
        let allowed = found.error.min(KS_TOLERANCE);
        assert!((-1e-12..=allowed + 1e-12).contains(&short), "{}: {found:?}, of scipy {}", case.name, case.ks);
        assert!(found.error <= KS_TOLERANCE, "{}: {found:?}", case.name);
        largest = largest.max(short);
        let (n, m) = (reference.counts().numbers() as f64, counts.numbers() as f64);
        near(&case.name, Some(kolmogorov_p(case.ks, n, m)), Some(case.ks_p), 1e-12);
    }
    println!("largest KS error {largest:.6}, allowed {KS_TOLERANCE:.6}");
}

#[test]
fn mean_psi_and_jensen_shannon_are_those_of_the_raw_data() {
    for case in &expected().numbers {
        let (reference, counts) = case.sketches();
        let shift = mean_shift(reference.counts().moments(), counts.moments(), reference.edges().unit());
        near(&format!("{}: z", case.name), shift.map(|shift| shift.z), case.z, MEAN_TOLERANCE);
        near(&format!("{}: p of z", case.name), shift.map(|shift| shift.p_value), case.z_p, MEAN_TOLERANCE);
        near(
            &case.name,
            shift.and_then(|shift| shift.deviations),
            case.deviations.filter(|_| shift.is_some()),
            MEAN_TOLERANCE,
        );
        let pairs = bins(reference.counts(), &counts).unwrap();
        assert_eq!(pairs, case.bins, "{}", case.name);
        near(&format!("{}: PSI", case.name), psi(&pairs), Some(case.psi), TOLERANCE);
        near(&format!("{}: JS", case.name), jensen_shannon(&pairs), Some(case.js), TOLERANCE);
    }
}

#[test]
fn categories_are_compared_as_scipy_does() {
    for Table { pairs, chi2, degrees, p_value, v, js } in expected().tables {
        let found = chi_square(&pairs).unwrap();
        assert_eq!(found.degrees, degrees);
        near("chi-square", Some(found.statistic), Some(chi2), TOLERANCE);
        assert!((found.p_value - p_value).abs() <= 1e-9 * p_value, "{} of scipy {p_value}", found.p_value);
        near("Cramér's V of shares", shares_apart(&pairs), Some(v), TOLERANCE);
        near("JS", jensen_shannon(&pairs), Some(js), TOLERANCE);
    }
}

#[test]
fn p_values_are_adjusted_and_shares_bounded_as_scipy_does() {
    let expected = expected();
    for [p_values, adjusted] in expected.benjamini_hochberg {
        for (ours, theirs) in benjamini_hochberg(&p_values).into_iter().zip(adjusted) {
            near("an adjusted p", Some(ours), Some(theirs), 1e-12);
        }
    }
    for (part, all, low, high) in expected.wilson {
        let found = wilson(part, all).unwrap();
        near("the lower end", Some(found.low), Some(low), 1e-12);
        near("the upper end", Some(found.high), Some(high), 1e-12);
    }
}

mod check {
    use std::{fs, path::PathBuf, process::Output};

    use assert_cmd::Command;
    use serde_json::{Value, json};
    use tempfile::TempDir;

    fn check(folder: &TempDir, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assize"));
        command.current_dir(folder.path()).args(["drift", "check", "--reference", "a.ndjson"]).args(arguments);
        command.output().unwrap()
    }

    /// Prediction `index` of a log; those below `spam` of 100 are spam.
    fn prediction(index: u32, spam: u32) -> Value {
        let is_spam = index * 37 % 100 < spam;
        let score = if is_spam { 0.9 } else { 0.1 } + f64::from(index % 7) / 100.0;
        json!({
            "language": if index.is_multiple_of(10) { "de" } else { "en" },
            "action": if is_spam { "BLOCK" } else { "ALLOW" },
            "degraded": [],
            "user_features": "UNUSED",
            "features": [f64::from(index * 31 % 160), if index.is_multiple_of(50) { Value::Null } else { json!(index % 3) }],
            "feature_contract": "c",
            "unknown_term_ratio": null,
            "tasks": [{
                "task": "spam", "labels": [if is_spam { "spam" } else { "not_spam" }],
                "raw": [1.0 - score, score], "calibrated": [1.0 - score, score],
                "model": {"name": "m", "version": "1", "digest": "00"},
            }],
        })
    }

    fn write(folder: &TempDir, name: &str, rows: impl Iterator<Item = Value>) -> PathBuf {
        let file = folder.path().join(name);
        fs::write(&file, rows.map(|row| format!("{row}\n")).collect::<String>()).unwrap();
        file
    }

    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        write(&folder, "a.ndjson", (0..4_000).map(|index| prediction(index, 13)));
        folder
    }

    #[test]
    fn the_same_traffic_is_no_drift_also_as_watch_writes_it() {
        let folder = folder();
        let watched =
            |index| json!({"topic": "predictions", "partition": 0, "offset": index, "value": prediction(index, 13)});
        write(&folder, "b.ndjson", (1_000..2_500).map(watched));
        let output = check(&folder, &["--current", "b.ndjson"]);
        let text = str::from_utf8(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.starts_with("spam (live): no drift; 4000 predictions before, 1500 after\n"), "{text}");
        assert!(text.contains("feature 1") && text.contains("missing 2.0% 2.0%"), "{text}");
    }

    #[test]
    fn what_moved_is_named_with_its_size() {
        let folder = folder();
        write(&folder, "b.ndjson", (0..1_500).map(|index| prediction(index, 43)));
        let output = check(&folder, &["--current", "b.ndjson", "--json"]);
        assert_eq!(output.status.code(), Some(1));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = report["tasks"][0]["verdict"]["findings"].as_array().unwrap();
        let moved = |finding: &&Value| finding["moved"] == true;
        let names: Vec<_> = findings.iter().filter(moved).map(|finding| finding["name"].as_str().unwrap()).collect();
        assert_eq!(names.len(), 4, "{names:?}");
        assert!(["score 0", "score 1", "label", "action"].iter().all(|name| names.contains(name)), "{names:?}");
        let label = findings.iter().find(|finding| finding["name"] == "label").unwrap();
        assert_eq!((&label["what"]["before"], &label["what"]["after"]), (&json!(0.87), &json!(0.57)));
        // A floor above the effect: no drift.
        let floors =
            ["--ks-min", "0.9", "--mean-min", "9", "--psi-min", "9", "--js-min", "0.9", "--cramers-v-min", "0.9"];
        assert_eq!(check(&folder, &[&["--current", "b.ndjson"], &floors[..]].concat()).status.code(), Some(0));
    }

    /// The same of another task, whose name would colour the terminal.
    fn of_task(task: &str, mut prediction: Value) -> Value {
        prediction["tasks"][0]["task"] = json!(task);
        prediction
    }

    #[test]
    fn a_task_of_one_file_alone_is_told() {
        let folder = folder();
        let reference =
            (0..2_000).flat_map(|index| [prediction(index, 13), of_task("to\u{1b}[31mxic", prediction(index, 13))]);
        write(&folder, "a.ndjson", reference);
        let current =
            |spam| (0..1_000).flat_map(move |index| [prediction(index, spam), of_task("new", prediction(index, spam))]);
        write(&folder, "same.ndjson", current(13));
        write(&folder, "other.ndjson", current(43));
        for (file, exit) in [("same.ndjson", 2), ("other.ndjson", 1)] {
            let output = check(&folder, &["--current", file, "--json"]);
            let told = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(exit), "{told}");
            assert!(told.contains("task to?[31mxic (live) was not compared: too few values on one side"), "{told}");
            assert!(told.contains("task new (live) was not compared: the reference has no such task"), "{told}");
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            let not_compared = &report["tasks_not_compared"];
            assert_eq!((&not_compared[0]["why"], &not_compared[1]["task"]), (&json!("too_few"), &json!("new")));
            let text = check(&folder, &["--current", file]);
            assert!(!text.stdout.contains(&0x1b) && !text.stderr.contains(&0x1b));
        }
        // What only the current file has, is no fault of it.
        write(&folder, "a.ndjson", (0..2_000).map(|index| prediction(index, 13)));
        assert_eq!(check(&folder, &["--current", "same.ndjson"]).status.code(), Some(0));
    }

    #[test]
    fn a_reference_that_cannot_be_read_twice_is_refused() {
        let folder = folder();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for reference in ["-", "pipe", "."] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_assize"));
            command.current_dir(folder.path()).args(["drift", "check", "--reference", reference]);
            command.args(["--current", "a.ndjson"]).timeout(std::time::Duration::from_secs(20));
            let output = command.output().unwrap();
            let told = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{reference}: {told}");
            assert!(told.contains("the reference is read twice; give a file"), "{reference}: {told}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_wrong_use() {
        let folder = folder();
        let stderr = |output: &Output| String::from_utf8(output.stderr.clone()).unwrap();
        write(&folder, "few.ndjson", (0..100).map(|index| prediction(index, 13)));
        let few = check(&folder, &["--current", "few.ndjson"]);
        assert_eq!(few.status.code(), Some(2));
        assert!(stderr(&few).contains("--values-min"), "{}", stderr(&few));
        write(&folder, "bad.ndjson", [json!({"language": "en"}), json!({"text": "x"})].into_iter());
        let bad = check(&folder, &["--current", "bad.ndjson"]);
        assert_eq!(bad.status.code(), Some(2));
        assert!(stderr(&bad).contains("bad.ndjson:1: no field \"action\""), "{}", stderr(&bad));
        let other = |index| {
            let mut row = prediction(index, 13);
            row["feature_contract"] = json!("another");
            row
        };
        write(&folder, "other.ndjson", (0..1_000).map(other));
        assert_eq!(check(&folder, &["--current", "other.ndjson"]).status.code(), Some(2));
        assert_eq!(check(&folder, &["--current", "absent.ndjson"]).status.code(), Some(1));
        assert_eq!(check(&folder, &["--current", "few.ndjson", "--alpha", "0"]).status.code(), Some(2));
        assert_eq!(check(&folder, &["--current", "a.ndjson", "--alpha", "1.5"]).status.code(), Some(2));
        assert_ne!(check(&folder, &["--current", "a.ndjson", "--alpha", "1"]).status.code(), Some(2));
    }
}
