//! `assize model tune`.

use std::{fs, path::Path};

use assize::model::Digest;
use serde_json::{Value, json};

use super::{SPAM, TUNE, assize, copy, json_of, read, rows, run, stderr};

#[test]
fn tune_finds_the_threshold_that_the_labels_were_made_by() {
    let from = 0.3;
    let output = run(&[&TUNE[..], &["--json", "--target-precision", "1"]].concat(), &rows(from));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let found = json_of(&output);
    let label = &found["labels"][0];
    assert_eq!((&label["label"], &label["choice"]["at"]["precision"]), (&json!("spam"), &json!(1.0)), "{label}");
    assert_eq!((&label["choice"]["at"]["recall"], &label["roc_auc"]), (&json!(1.0), &json!(1.0)));
    // Between the last message that is spam and the first that is not.
    let goldens = read(Path::new(env!("CARGO_MANIFEST_DIR")).join(SPAM).join("golden.json"));
    let probabilities = goldens.as_array().unwrap().iter().map(|golden| golden["probabilities"][1].as_f64().unwrap());
    let (above, below): (Vec<f64>, Vec<f64>) = probabilities.partition(|probability| *probability >= from);
    let threshold = found["decision"]["threshold"].as_f64().unwrap();
    let last = |all: &[f64], best: fn(f64, f64) -> f64| all.iter().copied().reduce(best).unwrap();
    assert!(threshold <= last(&above, f64::min) + 1e-5 && threshold > last(&below, f64::max) - 1e-5, "{threshold}");
    assert_eq!(found["decision"]["positive"], json!("spam"));
    assert_eq!((&found["data"]["name"], &found["data"]["trained_on"]), (&json!("<stdin>"), &json!(false)));
}

#[test]
fn tune_writes_a_page_that_fetches_nothing_and_holds_no_text() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let rows = rows(0.5);
    let output = run(&[&TUNE[..], &["--report", page.to_str().unwrap()]].concat(), &rows);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (table, page) = (String::from_utf8(output.stdout).unwrap(), fs::read_to_string(page).unwrap());
    assert!(table.contains("THRESHOLD") && table.contains("\"decision\": {"), "{table}");
    for told in [&table, &page] {
        assert!(told.contains("golden.json holds the labels") && told.contains("assize model package --decision"));
    }
    let digest = Digest::of(&fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(SPAM).join("manifest.json")).unwrap());
    assert!(page.starts_with("<!doctype html>") && page.contains(&digest.to_string()));
    assert!(page.contains("a message is called spam: of 100 messages so called"));
    assert_eq!(page.matches("<svg").count(), 4, "curve, histogram, reliability and its counts");
    for fetches in ["<script", "src=", "http:", "https:", "url(", "NaN"] {
        assert!(!page.contains(fetches), "{fetches}");
    }
    let texts = rows.iter().map(|row| row["text"].as_str().unwrap()).filter(|text| text.len() > 20);
    for text in texts {
        assert!(!page.contains(text) && !table.contains(text), "{text}");
    }
}

#[test]
fn tune_refuses_labels_that_tell_nothing() {
    let unlabelled = [json!({"text": "hello there"})];
    let one_class: Vec<_> = rows(2.0);
    let unknown = [json!({"text": "hello", "label": "not_spam"}), json!({"text": "hello", "label": "eggs"})];
    let several = [json!({"text": "hello", "labels": ["spam", "not_spam"]})];
    for (rows, says) in [
        (&unlabelled[..], "no message has a label"),
        (&one_class, "messages are of one side (not_spam)"),
        (&unknown, "<stdin>:2: label \"eggs\" is none of not_spam, spam"),
        (&several, "<stdin>:1: 2 labels; a message of a BINARY model has one"),
    ] {
        let output = run(&TUNE, rows);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(output.stdout.is_empty() && stderr(&output).contains(says), "{says}: {}", stderr(&output));
    }
    let both = ["--target-precision", "0.9", "--cost-false-positive", "1", "--cost-false-negative", "1"];
    let output = run(&[&TUNE[..], &both].concat(), &[]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn tune_warns_of_few_messages_and_of_a_precision_out_of_reach() {
    // Labels the wrong way round: no threshold is precise.
    let mut rows = rows(0.5);
    for row in &mut rows {
        row["label"] = if row["label"] == "spam" { json!("not_spam") } else { json!("spam") };
    }
    let output = run(&[&TUNE[..], &["--target-precision", "0.999"]].concat(), &rows);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("warning: spam: no threshold reaches a precision of 0.999"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn tune_warns_of_messages_that_the_model_learnt_from() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("learnt.ndjson");
    let rows: String = rows(0.5).iter().map(|row| format!("{row}\n")).collect();
    fs::write(&file, &rows).unwrap();
    let (_kept, bundle) = copy(|manifest| manifest["training"]["data_sha256"] = json!([Digest::of(rows.as_bytes())]));
    let [bundle, file] = [&bundle, &file].map(|path| path.to_str().unwrap());
    let output = run(&["model", "tune", "--bundle", bundle, "--labels", file, "--resamples", "0", "--json"], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(json_of(&output)["data"]["trained_on"], json!(true));
    assert!(stderr(&output).contains("warning: the model learnt from this very file"), "{}", stderr(&output));
}

#[test]
fn tune_reads_a_pipe_once_and_refuses_bands_the_wrong_way_round() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.ndjson");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let rows: String = rows(0.5).iter().map(|row| format!("{row}\n")).collect();
    let to = pipe.clone();
    let writer = std::thread::spawn(move || fs::write(to, rows).unwrap());
    let tune = ["model", "tune", "--bundle", SPAM, "--labels", pipe.to_str().unwrap(), "--resamples", "0", "--json"];
    let output = assize(&tune).timeout(std::time::Duration::from_secs(60)).output().unwrap();
    writer.join().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(json_of(&output)["data"]["sha256"], Value::Null);
    let bands = ["--review-precision", "0.95", "--block-precision", "0.95"];
    let output = run(&[&TUNE[..], &bands].concat(), &[]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("is not below --block-precision 0.95"), "{}", stderr(&output));
}
