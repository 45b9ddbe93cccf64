//! `assize model package`.

use std::{fs, path::Path};

use assize::model::Digest;
use serde_json::json;
use tempfile::TempDir;

use super::{SPAM, TUNE, copy, json_of, read, rows, run, stderr};

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
    assert!(stderr(&output).contains("the drift reference is left out"), "{}", stderr(&output));
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
    assert!(before["reference.json"].is_string() && after.get("reference.json").is_none());
    assert_eq!(before.as_object().unwrap().len(), after.as_object().unwrap().len() + 1);
    // A file that is not the bundle's own is not taken along.
    let (_kept, other) = copy(|_| {});
    fs::write(other.join("MLmodel"), "another").unwrap();
    let other = other.join("manifest.json");
    let other = ["model", "package", "--manifest", other.to_str().unwrap(), "--out", package[5], "--force"];
    let output = run(&[&other[..], &["--decision", decision.to_str().unwrap()]].concat(), &[]);
    assert!(stderr(&output).contains("MLmodel is not the file that the manifest names"), "{}", stderr(&output));
    // A decision of another kind is none.
    fs::write(&decision, json!({"abstain_below": null, "actions": {}}).to_string()).unwrap();
    let output = run(&[&package[..], &["--force", "--decision", decision.to_str().unwrap()]].concat(), &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("is no decision for this model"), "{}", stderr(&output));
}
