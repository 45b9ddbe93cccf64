//! The commands that judge files, as a person starts them. Their messages are the golden vectors of the bundles, whose
//! probabilities onnxruntime computed.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is that test's failure, also in what tests share")]

use std::{fs, path::Path, process::Output};

use assert_cmd::Command;
use serde_json::{Value, json};

const SPAM_SMS: &str = "models/spam-sms";
const USER_RISK: &str = "tests/bundles/user-risk";
const PROBABILITY_TOLERANCE: f64 = 1e-5;

fn assize(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assize"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments);
    command
}

fn json_of(path: impl AsRef<Path>) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

/// The golden vectors of a bundle as rows, each labelled as its probabilities say, and these probabilities of the
/// positive label.
fn goldens(bundle: &str) -> (Vec<Value>, Vec<f64>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(bundle);
    let (manifest, goldens) = (json_of(folder.join("manifest.json")), json_of(folder.join("golden.json")));
    let labels = manifest["labels"].as_array().unwrap();
    let positive = labels.iter().position(|label| *label == manifest["decision"]["positive"]).unwrap();
    let row = |golden: &Value| {
        let probability = golden["probabilities"][positive].as_f64().unwrap();
        let said = probability >= manifest["decision"]["threshold"].as_f64().unwrap();
        let label = &labels[if said { positive } else { 1 - positive }];
        let user = golden.get("user").cloned().unwrap_or_else(|| json!({}));
        (json!({"text": golden["text"], "user": user, "label": label}), probability)
    };
    goldens.as_array().unwrap().iter().map(row).unzip()
}

fn ndjson(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

#[test]
fn golden_vectors_are_judged_as_onnxruntime_scores_them() {
    for bundle in [SPAM_SMS, USER_RISK] {
        let (rows, probabilities) = goldens(bundle);
        let folder = tempfile::tempdir().unwrap();
        let metrics = folder.path().join("metrics.json");
        let output = assize(&["classify", "--bundle", bundle, "--metrics", metrics.to_str().unwrap()])
            .write_stdin(ndjson(&rows))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let verdicts = lines(&output);
        assert_eq!(verdicts.len(), rows.len());
        for ((verdict, row), probability) in verdicts.iter().zip(&rows).zip(probabilities) {
            let score = &verdict["scores"][0];
            let near = (score["probability"].as_f64().unwrap() - probability).abs() <= PROBABILITY_TOLERANCE;
            assert!(near, "{bundle}: {verdict}, by onnxruntime {probability}");
            assert_eq!(verdict["labels"], json!([row["label"]]));
            assert!(verdict.get("text").is_none());
        }
        let metrics = json_of(metrics);
        assert_eq!((&metrics["judged"], &metrics["bad_lines"]), (&json!(rows.len()), &json!(0)));
        assert_eq!((&metrics["labelled"]["accuracy"], &metrics["labelled"]["macro_f1"]), (&json!(1.0), &json!(1.0)));
        assert!(stderr(&output).contains("accuracy 1.0000"), "{}", stderr(&output));
    }
}

#[test]
fn bad_lines_are_told_by_their_number_and_the_others_judged() {
    let csv = "label,text\nham,see you at lunch\nspam,\nham,\"two\nlines\"\neggs,free entry\nspam,WINNER!! claim now\n";
    let output = assize(&["classify", "--bundle", SPAM_SMS, "--format", "csv", "--label-map", "ham=not_spam"])
        .write_stdin(csv)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(lines(&output).iter().map(|line| line["line"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 4, 7]);
    for told in ["<stdin>:3: EMPTY_TEXT", "<stdin>:6: label \"eggs\" is none of", "2 bad lines were passed over"] {
        assert!(stderr(&output).contains(told), "{told}: {}", stderr(&output));
    }
}

#[test]
fn a_refused_bundle_and_a_file_that_is_not_there_have_exit_codes_of_their_own() {
    for (arguments, exit) in [
        (["classify", "--bundle", "docs", "-"], 65),
        (["classify", "--bundle", SPAM_SMS, "not-there.csv"], 1),
        (["classify", "--bundle", SPAM_SMS, "what-is-this"], 2),
    ] {
        let output = assize(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(exit), "{}", stderr(&output));
        assert!(output.stdout.is_empty());
    }
}
