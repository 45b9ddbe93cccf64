//! `assize model tune`, `diff` and `inspect`, as a person starts them, on the golden vectors of the bundles.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is that test's failure, also in what tests share")]

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
fn diff_of_a_bundle_with_itself_is_nothing() {
    let output = run(&["model", "diff", SPAM, SPAM, "--input", "-", "--json", "--flips-max", "0"], &rows(0.5));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let found = json_of(&output);
    let comparison = &found["comparison"];
    assert_eq!((&comparison["flips"], &comparison["moved"]["max"]), (&json!(0), &json!(0.0)));
    assert_eq!((&comparison["moves"], &found["manifests"]), (&json!([]), &json!([])));
    assert_eq!(comparison["truths"]["messages"], json!(rows(0.5).len()));
}

#[test]
fn diff_tells_what_flips_and_what_differs() {
    // From what probability on spam is said, is the only difference.
    let (_kept, other) = copy(|manifest| manifest["decision"]["threshold"] = json!(1.0));
    let rows = rows(0.241473);
    let spam = rows.iter().filter(|row| row["label"] == "spam").count() as u64;
    let diff = ["model", "diff", SPAM, other.to_str().unwrap(), "--input", "-"];
    let output = run(&[&diff[..], &["--json"]].concat(), &rows);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let found = json_of(&output);
    let comparison = &found["comparison"];
    let certain = rows.len() as u64 - comparison["labels"][0]["said_b"].as_u64().unwrap();
    assert_eq!(comparison["flips"].as_u64().unwrap(), spam - certain, "{comparison}");
    assert_eq!((&comparison["label_flips"], &comparison["action_flips"]), (&comparison["flips"], &json!(0)));
    assert_eq!((&comparison["truths"]["worse"], &comparison["truths"]["better"]), (&comparison["flips"], &json!(0)));
    let at = |difference: &Value| difference["at"].as_str().unwrap().to_owned();
    let differ: Vec<_> = found["manifests"].as_array().unwrap().iter().map(at).collect();
    assert_eq!(differ, ["/decision/threshold", "/files/golden.json"]);
    let truth = comparison["slices"].as_array().unwrap().iter().find(|slice| slice["name"] == "spam").unwrap();
    assert_eq!((&truth["messages"], &truth["flips"]), (&json!(spam), &comparison["flips"]));
    let output = run(&[&diff[..], &["--flips-max", "0"]].concat(), &rows);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("--flips-max allows 0"));
    let output = run(&[&diff[..], &["--flips-max", "1"]].concat(), &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("no message to compare"));
}

#[test]
fn diff_tells_how_far_probabilities_moved() {
    let output = run(&["model", "diff", SPAM, "models/spam-sms", "--input", "-", "--json"], &rows(0.5));
    let comparison = &json_of(&output)["comparison"];
    let farthest = &comparison["moves"][0];
    let [a, b] = ["a", "b"].map(|side| farthest[side]["probability"].as_f64().unwrap());
    let (distance, most) = ((a - b).abs(), comparison["moved"]["max"].as_f64().unwrap());
    assert!(distance > 0.01 && (most - distance).abs() <= distance * 1e-3, "{most}: {farthest}");
}

#[test]
fn diff_of_bundles_with_other_labels_compares_what_both_know() {
    let output = run(&["model", "diff", SPAM, USER_RISK, "--input", "-"], &rows(0.5));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = str::from_utf8(&output.stdout).unwrap();
    assert!(text.contains("not compared, only A knows: ") && !text.contains("right by both"), "{text}");
    assert!(stderr(&output).contains("no label in common"), "{}", stderr(&output));
    let output = run(&["model", "diff", SPAM, USER_RISK, "--input", "-", "--json"], &rows(0.5));
    let comparison = &json_of(&output)["comparison"];
    assert_eq!((&comparison["no_common_label"], &comparison["truths"]), (&json!(true), &Value::Null));
    assert_eq!(comparison["truths_not_compared"], json!(rows(0.5).len()));
    let output = run(&["model", "diff", SPAM, "docs", "--input", "-"], &[]);
    assert_eq!(output.status.code(), Some(65), "{}", stderr(&output));
}

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

/// The files of the bundle for mails, and its manifest as a draft.
fn draft() -> (TempDir, String) {
    let (kept, folder) = copy(|_| {});
    let mut manifest = read(folder.join("manifest.json"));
    manifest.as_object_mut().unwrap().remove("files");
    let draft = folder.join("draft.json");
    fs::write(&draft, manifest.to_string()).unwrap();
    let draft = draft.to_str().unwrap().to_owned();
    (kept, draft)
}

#[test]
fn package_makes_a_bundle_that_loads_and_overwrites_none() {
    let (kept, draft) = draft();
    let (extra, out) = (kept.path().join("MODEL_CARD.md"), kept.path().join("out/mine"));
    let package = ["model", "package", "--manifest", &draft, "--out", out.to_str().unwrap()];
    let output = run(&[&package[..], &["--file", extra.to_str().unwrap()]].concat(), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let digest = Digest::of(&fs::read(out.join("manifest.json")).unwrap()).to_string();
    assert_eq!(str::from_utf8(&output.stdout).unwrap().trim(), digest);
    let files = read(out.join("manifest.json"))["files"].clone();
    for taken in ["MODEL_CARD.md", "MLmodel", "input_example.json"] {
        assert!(files[taken].is_string(), "{taken}: {files}");
    }
    assert_eq!(run(&["model", "verify", out.to_str().unwrap()], &[]).status.code(), Some(0));
    let again = run(&package, &[]);
    assert_eq!(again.status.code(), Some(1), "{}", stderr(&again));
    assert!(stderr(&again).contains("--force replaces it"), "{}", stderr(&again));
    let forced = run(&[&package[..], &["--force"]].concat(), &[]);
    assert_eq!(forced.status.code(), Some(0), "{}", stderr(&forced));
    assert_ne!(str::from_utf8(&forced.stdout).unwrap().trim(), digest, "one file less");
    assert_eq!(fs::read_dir(kept.path().join("out")).unwrap().count(), 1, "no draft is left");
}

#[test]
fn package_leaves_nothing_of_what_is_refused() {
    let (kept, draft) = draft();
    let out = kept.path().join("out");
    let package = ["model", "package", "--manifest", &draft, "--out", out.to_str().unwrap()];
    let mut goldens = read(kept.path().join("golden.json"));
    goldens[0]["probabilities"] = json!([0.123, 0.877]);
    fs::write(kept.path().join("golden.json"), goldens.to_string()).unwrap();
    let output = run(&package, &[]);
    assert_eq!(output.status.code(), Some(65), "{}", stderr(&output));
    assert!(stderr(&output).contains("golden vector 0") && !out.exists(), "{}", stderr(&output));
    fs::remove_file(kept.path().join("golden.json")).unwrap();
    let output = run(&package, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("golden vectors come from the training"), "{}", stderr(&output));
    let hidden = fs::read_dir(kept.path())
        .unwrap()
        .filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0);
    // --force is for bundles only.
    let (other, target) = (tempfile::tempdir().unwrap(), kept.path().join("golden.json"));
    fs::write(&target, "[]").unwrap();
    let force = ["model", "package", "--manifest", &draft, "--force", "--out", other.path().to_str().unwrap()];
    let output = run(&force, &[]);
    assert!(stderr(&output).contains("is no bundle") && other.path().exists(), "{}", stderr(&output));
}

#[test]
fn package_takes_a_vocabulary_once_and_none_in_the_place_of_other_files() {
    let (kept, draft) = draft();
    let out = kept.path().join("out");
    let package = ["model", "package", "--manifest", &draft, "--out", out.to_str().unwrap()];
    let edited = |file: &str| {
        let mut manifest = read(&draft);
        let mut second = manifest["vectorizers"][0].clone();
        second["file"] = json!(file);
        manifest["vectorizers"].as_array_mut().unwrap().push(second);
        fs::write(&draft, manifest.to_string()).unwrap();
        run(&package, &[])
    };
    let manifest = read(&draft);
    // The graph has no columns for the second; the files were gathered before that is seen.
    let twice = edited(manifest["vectorizers"][0]["file"].as_str().unwrap());
    assert_eq!(twice.status.code(), Some(65), "{}", stderr(&twice));
    for file in ["golden.json", "model.onnx", "manifest.json"] {
        fs::write(&draft, manifest.to_string()).unwrap();
        let refused = edited(file);
        assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
        assert!(stderr(&refused).contains(&format!("a vectorizer's file cannot be {file}")), "{}", stderr(&refused));
    }
}

#[test]
fn a_decision_that_was_tuned_is_packaged_and_decides() {
    let folder = tempfile::tempdir().unwrap();
    let rows = rows(0.3);
    let tuned = json_of(&run(&[&TUNE[..], &["--json", "--target-precision", "1"]].concat(), &rows));
    let (decision, out) = (folder.path().join("decision.json"), folder.path().join("tuned"));
    fs::write(&decision, tuned["decision"].to_string()).unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(SPAM);
    let manifest = from.join("manifest.json");
    let package = ["model", "package", "--manifest", manifest.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let output = run(&[&package[..], &["--decision", decision.to_str().unwrap()]].concat(), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let verified = run(&["model", "verify", out.to_str().unwrap()], &[]);
    assert_eq!(verified.status.code(), Some(0), "{}", stderr(&verified));
    // Every row is as tune counted it.
    let metrics = folder.path().join("metrics.json");
    let classify = ["classify", "--bundle", out.to_str().unwrap(), "--metrics", metrics.to_str().unwrap()];
    assert_eq!(run(&classify, &rows).status.code(), Some(0));
    let (found, at) = (read(metrics)["labelled"]["labels"][1].clone(), tuned["labels"][0]["choice"]["at"].clone());
    for count in ["true_positives", "false_positives", "false_negatives"] {
        assert_eq!(found[count], at[count], "{count}: {found}");
    }
    // Nothing else is another.
    let [mut before, mut after] = [&from, &out].map(|folder| read(folder.join("golden.json")));
    assert_ne!(before, after);
    for golden in [&mut before, &mut after].into_iter().flat_map(|all| all.as_array_mut().unwrap()) {
        golden.as_object_mut().unwrap().remove("labels");
    }
    assert_eq!(before, after);
    let [before, after] = [&from, &out].map(|folder| read(folder.join("manifest.json"))["files"].clone());
    assert_eq!(before["model.onnx"], after["model.onnx"]);
    assert_eq!(before.as_object().unwrap().len(), after.as_object().unwrap().len());
    // A decision of another kind is none.
    fs::write(&decision, json!({"abstain_below": null, "actions": {}}).to_string()).unwrap();
    let output = run(&[&package[..], &["--force", "--decision", decision.to_str().unwrap()]].concat(), &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("is no decision for this model"), "{}", stderr(&output));
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
