//! `assize drift reference`, from the log of `assize classify` into a bundle.

use std::{fs, path::Path, process::Output};

use assize::model::Bundle;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{SPAM, TAGS, USER_RISK, json_of, read, rows, run, stderr};

/// What `assize classify` logs of the golden vectors for mails, `times` over.
fn log(folder: &TempDir, bundle: &str, times: usize) -> String {
    let log = folder.path().join("log.ndjson").to_str().unwrap().to_owned();
    let rows: Vec<_> = std::iter::repeat_n(rows(0.3), times).flatten().collect();
    // The labels are those of mails.
    let unlabelled = |mut row: Value| {
        row.as_object_mut().unwrap().remove("label");
        row
    };
    let rows: Vec<_> = rows.into_iter().map(unlabelled).collect();
    let output = run(&["classify", "--bundle", bundle, "--predictions", &log], &rows);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    log
}

fn reference(bundle: &str, log: &str, more: &[&str]) -> Output {
    run(&[&["drift", "reference", "--bundle", bundle, "--predictions", log], more].concat(), &[])
}

#[test]
fn a_reference_is_built_packaged_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(&folder, SPAM, 20);
    let [file, out] = ["week.json", "out"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    let built = reference(SPAM, &log, &["--label-from", "a clean week", "--output", &file]);
    assert_eq!(built.status.code(), Some(0), "{}", stderr(&built));
    let again = reference(SPAM, &log, &["--label-from", "a clean week"]);
    assert_eq!(again.stdout, fs::read(&file).unwrap(), "the same each time");

    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join(SPAM).join("manifest.json");
    let package = ["model", "package", "--manifest", manifest.to_str().unwrap(), "--out", &out, "--reference", &file];
    let packaged = run(&package, &[]);
    assert_eq!(packaged.status.code(), Some(0), "{}", stderr(&packaged));
    let bundle = Bundle::load(Path::new(&out), None).unwrap();
    let rows = fs::read_to_string(&log).unwrap().lines().count() as u64;
    assert_eq!(bundle.drift_reference().map(|found| (found.rows, found.from.as_str())), Some((rows, "a clean week")));
    assert_eq!(bundle.manifest().drift_reference.as_deref(), Some("reference.json"));
    let inspected = json_of(&run(&["model", "inspect", &out, "--json"], &[]));
    assert_eq!(inspected["drift_reference"], json!({"rows": rows, "from": "a clean week"}));
    let told = String::from_utf8(run(&["model", "inspect", &out], &[]).stdout).unwrap();
    assert!(told.contains(&format!("drift reference of {rows} predictions: a clean week")), "{told}");

    let check = ["drift", "check", "--reference", &log, "--current", &log, "--bundle", &out];
    let checked = run(&check, &[]);
    assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
}

#[test]
fn a_reference_of_another_bundle_is_not_packaged() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(&folder, USER_RISK, 20);
    let [file, out] = ["risk.json", "out"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    assert_eq!(reference(USER_RISK, &log, &["--output", &file]).status.code(), Some(0));
    assert_eq!(read(&file)["from"], "log.ndjson");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join(TAGS).join("manifest.json");
    let package = ["model", "package", "--manifest", manifest.to_str().unwrap(), "--out", &out, "--reference", &file];
    let refused = run(&package, &[]);
    assert_eq!(refused.status.code(), Some(65), "{}", stderr(&refused));
    for says in ["reference.json is no usable drift reference", "contract", "rebuild it with `assize drift reference`"]
    {
        assert!(stderr(&refused).contains(says), "{says}: {}", stderr(&refused));
    }
    assert!(!Path::new(&out).exists());
}

#[test]
fn what_makes_no_reference_has_an_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(&folder, SPAM, 1);
    for (output, exit, says) in [
        (reference(SPAM, &log, &[]), 2, "it takes 500: give more, or a lower --rows-min"),
        (reference(TAGS, &log, &["--rows-min", "1"]), 2, "0 predictions of tags"),
        (reference(SPAM, &log, &["--task", "another", "--rows-min", "1"]), 2, "0 predictions of spam-mail"),
        (reference(SPAM, "/dev/null", &[]), 2, "predictions are read twice; give a file"),
        (reference(SPAM, &log, &["--rows-min", "1", "--label-from", ""]), 2, "\"from\" is \"\""),
        (reference(SPAM, &log, &["--from", "1h"]), 2, "cannot be used with"),
        (reference(SPAM, "not-there.ndjson", &[]), 1, "not-there.ndjson cannot be read"),
        (reference("docs", &log, &[]), 65, "bundle docs"),
    ] {
        assert_eq!(output.status.code(), Some(exit), "{says}: {}", stderr(&output));
        assert!(stderr(&output).contains(says), "{says}: {}", stderr(&output));
    }
    let bad = fs::read_to_string(&log).unwrap() + "{\"language\":\"en\"}\nnonsense\n";
    fs::write(&log, bad).unwrap();
    let passed_over = reference(SPAM, &log, &["--rows-min", "1"]);
    assert_eq!(passed_over.status.code(), Some(0), "{}", stderr(&passed_over));
    assert!(stderr(&passed_over).contains("2 bad lines were passed over"), "{}", stderr(&passed_over));
}
