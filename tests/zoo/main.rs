//! Models as the real exporters write them score as onnxruntime does; others are refused with what to do.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is that test's failure")]

mod case;
mod isolation;

use case::{Case, cases};

#[test]
fn every_good_export_scores_as_onnxruntime() {
    let mut failed = Vec::new();
    let mut loaded = 0;
    for case in cases() {
        if case.refused.is_none() {
            loaded += 1;
            failed.extend(case.differs().map(|why| format!("{}: {why}", case.name)));
        }
    }
    assert!(loaded >= 20, "{loaded}");
    assert!(failed.is_empty(), "{} of {loaded}\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn files_are_small() {
    let large = cases().into_iter().filter(|case: &Case| case.onnx.len() >= 20_000).map(|case| case.name);
    assert_eq!(large.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn every_bad_file_is_refused_with_what_to_do() {
    let mut failed = Vec::new();
    for case in cases() {
        // What only shows when rows are scored is for the process of its own that isolation.rs starts.
        let Some(expected) = case.refused.as_deref().filter(|expected| *expected != "memory") else { continue };
        match case.open() {
            Err(message) if message.contains(expected) => {}
            other => failed.push(format!("{}: {:?}", case.name, other.map(drop))),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn exports_take_the_path_that_suits_them() {
    let cases = cases();
    for (name, expected) in [
        ("logistic-2-zipmap", "sparse first layer"),
        ("logistic-ovr", "sparse first layer"),
        ("maxabs-logistic", "sparse first layer"),
        ("calibrated-isotonic", "sparse first layer"),
        ("torch-mlp-dynamo", "sparse first layer"),
        // Sparse rows would lose the difference of large numbers.
        ("scaler-logistic", "dense"),
        ("hist-gradient-boosting-2", "flat trees"),
    ] {
        let case = cases.iter().find(|case| case.name == name).unwrap();
        assert_eq!(case.open().unwrap().path(), expected, "{name}");
    }
}
