//! `assize model diff`.

use serde_json::{Value, json};

use super::{SPAM, USER_RISK, copy, json_of, rows, run, stderr};

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
