//! `assize model tune`, `diff`, `package` and `inspect`, and `assize drift reference`, as a person starts them, on the golden vectors of the bundles.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is that test's failure, also in what tests share")]

mod diff;
mod package;
mod reference;
mod tune;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use assert_cmd::Command;
use assize::model::Digest;
use serde_json::{Value, json};
use tempfile::TempDir;

const SPAM: &str = "models/spam-mail";
const TOPICS: &str = "models/topics-r8";
const TAGS: &str = "tests/bundles/tags";
const USER_RISK: &str = "tests/bundles/user-risk";

fn assize(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assize"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments);
    command
}

fn run(arguments: &[&str], rows: &[Value]) -> Output {
    let rows: String = rows.iter().map(|row| format!("{row}\n")).collect();
    assize(arguments).write_stdin(rows).output().unwrap()
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

#[track_caller]
fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stderr(output)))
}

fn read(path: impl AsRef<Path>) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The golden vectors of the bundle for mails with their probability of spam, each labelled by whether that reaches `from`.
fn rows(from: f64) -> Vec<Value> {
    let goldens = read(Path::new(env!("CARGO_MANIFEST_DIR")).join(SPAM).join("golden.json"));
    let row = |(index, golden): (usize, &Value)| {
        let spam = golden["probabilities"][1].as_f64().unwrap() >= from;
        let label = if spam { "spam" } else { "not_spam" };
        let user = golden.get("user").cloned().unwrap_or_else(|| json!({}));
        json!({"message_id": format!("m{index}"), "text": golden["text"], "user": user, "label": label})
    };
    goldens.as_array().unwrap().iter().enumerate().map(row).collect()
}

/// A copy of the bundle for mails with another manifest, as someone would make it who can sign for it.
fn copy(edit: impl FnOnce(&mut Value)) -> (TempDir, PathBuf) {
    let (from, copy) = (Path::new(env!("CARGO_MANIFEST_DIR")).join(SPAM), tempfile::tempdir().unwrap());
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    let mut manifest = read(copy.path().join("manifest.json"));
    edit(&mut manifest);
    let threshold = manifest["decision"]["threshold"].as_f64().unwrap();
    let mut goldens = read(copy.path().join("golden.json"));
    for golden in goldens.as_array_mut().unwrap() {
        let spam = golden["probabilities"][1].as_f64().unwrap() >= threshold;
        golden["labels"] = json!([if spam { "spam" } else { "not_spam" }]);
    }
    manifest["files"]["golden.json"] = json!(Digest::of(goldens.to_string().as_bytes()));
    fs::write(copy.path().join("golden.json"), goldens.to_string()).unwrap();
    fs::write(copy.path().join("manifest.json"), manifest.to_string()).unwrap();
    let folder = copy.path().to_owned();
    (copy, folder)
}

const TUNE: [&str; 8] = ["model", "tune", "--bundle", SPAM, "--labels", "-", "--resamples", "50"];

#[test]
fn inspect_tells_all_of_a_bundle() {
    let output = run(&["model", "inspect", SPAM, "--json"], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(SPAM);
    let (found, manifest) = (json_of(&output), fs::read(folder.join("manifest.json")).unwrap());
    assert_eq!(found["sha256"], json!(Digest::of(&manifest)));
    assert_eq!(found["manifest"], read(folder.join("manifest.json")));
    for file in found["files"].as_array().unwrap() {
        let bytes = fs::read(folder.join(file["name"].as_str().unwrap())).unwrap();
        assert_eq!((&file["bytes"], &file["sha256"]), (&json!(bytes.len()), &json!(Digest::of(&bytes))));
    }
    let text = String::from_utf8(run(&["model", "inspect", SPAM], &[]).stdout).unwrap();
    let with_features = String::from_utf8(run(&["model", "inspect", USER_RISK], &[]).stdout).unwrap();
    for told in ["account_age_days", "followers", "contract "] {
        assert!(with_features.contains(told), "{told}: {with_features}");
    }
    for told in ["BINARY: not_spam, spam", "ngram_max 1", "\"threshold\":", "\"method\":\"sigmoid\"", "golden.json"] {
        assert!(text.contains(told), "{told}: {text}");
    }
}

#[test]
fn tune_and_inspect_know_every_kind() {
    for (bundle, key) in [(TOPICS, "abstain_below"), (TAGS, "thresholds")] {
        let goldens = read(Path::new(env!("CARGO_MANIFEST_DIR")).join(bundle).join("golden.json"));
        let labelled =
            goldens.as_array().unwrap().iter().filter(|golden| bundle == TAGS || golden["labels"] != json!([]));
        let rows: Vec<_> = labelled.map(|golden| json!({"text": golden["text"], "labels": golden["labels"]})).collect();
        let options = ["model", "tune", "--bundle", bundle, "--labels", "-", "--resamples", "10", "--json"];
        let output = run(&options, &rows);
        // Of a MULTICLASS model all decisions may be right, which leaves the abstain band alone.
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let found = json_of(&output);
        assert!(found["decision"].get(key).is_some() && found["decision"].get("actions").is_some(), "{found}");
        assert_eq!(run(&["model", "inspect", bundle], &[]).status.code(), Some(0));
    }
}
