use std::io::Write;

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::*;
use crate::{
    drift::reference::sources::{Source, SourceError},
    features::contract::Feature,
};

fn contract(names: &[&str]) -> Contract {
    Contract::try_new(names.iter().map(|name| Feature::user(name, "x")).collect()).unwrap()
}

fn labels() -> Vec<String> {
    ["ham", "spam"].map(str::to_owned).to_vec()
}

/// A prediction of two tasks, by the contract of both; `age` is the feature of the model `m`, `karma` of the other.
fn prediction(index: u32, logged: &Contract) -> Value {
    let values = logged.features().iter().map(|feature| match feature.name.as_str() {
        "age" => json!(index % 10),
        name => json!(name.len() + 100),
    });
    let task = |task: &str, model: &str, labels: &[&str], calibrated: &[f64]| {
        json!({"task": task, "labels": labels, "raw": calibrated, "calibrated": calibrated,
               "model": {"name": model, "version": "1", "digest": "00", "arm": "live"}})
    };
    json!({
        "language": "en", "action": "ALLOW", "degraded": [], "user_features": "FRESH",
        "features": values.collect::<Vec<_>>(), "feature_contract": logged.id(), "unknown_term_ratio": null, "text_chars": index % 4,
        "tasks": [task("other", "n", &[], &[0.5, 0.25, 0.25]), task("spam", "m", &["spam", "ham"], &[0.25, 0.75])],
    })
}

fn file(rows: impl Iterator<Item = Value>) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    rows.for_each(|row| writeln!(file, "{row}").unwrap());
    file
}

/// What is built of the rows, and how many were bad.
fn build(
    rows: impl Iterator<Item = Value>,
    union: Option<&Contract>,
    task: Option<&str>,
) -> Result<Built, SourceError> {
    let (contract, labels, file) = (contract(&["age"]), labels(), file(rows));
    let subject = Subject { name: "m", version: "1", contract: &contract, labels: &labels };
    let builder = Builder::try_new(subject, union, task)?;
    Source::File(file.path()).build(&builder, "a test".into(), 500, |_| {}, |_, _, _| {})
}

fn reference() -> BundleReference {
    build((0..500).map(|index| prediction(index, &contract(&["age"]))), None, None).unwrap().reference
}

#[test]
fn what_is_built_is_what_the_docstring_says() {
    let reference = reference();
    let names: Vec<_> = reference.baseline.numbers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["age", "unknown_term_ratio", "text_chars", "score ham", "score spam"]);
    let [age, ratio, chars, _, spam] = &reference.baseline.numbers[..] else { panic!("five numbers") };
    assert_eq!(age.1.edges().at(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
    assert_eq!(age.1.counts().slots()[1], 50);
    assert_eq!(chars.1.edges().at(), [0.0, 1.0, 2.0, 3.0]);
    assert_eq!((ratio.1.counts().missing(), spam.1.edges().at()), (500, &[0.75][..]));
    let categories = reference.baseline.categories.iter();
    let categories: Vec<_> =
        categories.map(|(name, counts)| (name.as_str(), counts.names().collect::<Vec<_>>())).collect();
    assert_eq!(
        categories,
        [
            ("language", vec![("en", 500)]),
            ("label", vec![("ham|spam", 500)]),
            ("action", vec![("ALLOW", 500)]),
            ("user_features", vec![("FRESH", 500)]),
            ("degraded", vec![("(none)", 500)]),
        ]
    );
}

#[test]
fn what_is_written_is_what_is_read() {
    let (reference, contract, labels) = (reference(), contract(&["age"]), labels());
    let subject = Subject { name: "m", version: "1", contract: &contract, labels: &labels };
    let json = reference.to_json().unwrap();
    let read = BundleReference::parse(json.as_bytes(), &subject).unwrap();
    assert_eq!(read, reference);
    assert_eq!(read.to_json().unwrap(), json);
}

/// Of a stream of two tasks: the features are found by their names, whatever stands before them.
#[test]
fn features_are_picked_from_the_contract_of_all_tasks() {
    let union = contract(&["karma", "age", "followers"]);
    let rows = || (0..600).map(|index| prediction(index, &union));
    let built = build(rows(), Some(&union), Some("spam")).unwrap();
    assert_eq!((built.reference.rows, built.unlike), (600, 0));
    assert_eq!(built.reference.contract, contract(&["age"]).id());
    assert_eq!(built.reference.baseline.numbers[0].1.edges().at()[9], 9.0);
    // Not known: none of the stream's contract is taken for the bundle's.
    let error = build(rows(), None, None).unwrap_err().to_string();
    assert!(error.starts_with("0 predictions of m 1, 600 of another model, version, feature contract"), "{error}");
    let error = build(rows(), Some(&contract(&["karma"])), None).unwrap_err().to_string();
    assert!(error.contains("do not read the feature \"age\""), "{error}");
}

#[test]
fn predictions_of_others_are_not_counted() {
    let own = contract(&["age"]);
    let mixed = || {
        (0..1_500).map(|index| {
            let mut row = prediction(index, &own);
            match index % 3 {
                0 => row["tasks"][1]["model"]["version"] = json!("2"),
                1 => row["tasks"][1]["task"] = json!("spam-2"),
                _ => {}
            }
            row
        })
    };
    let built = build(mixed(), None, None).unwrap();
    assert_eq!((built.reference.rows, built.unlike), (1_000, 500));
    let built = build(mixed(), None, Some("spam")).unwrap();
    assert_eq!((built.reference.rows, built.unlike), (500, 1_000));
    let error = build(mixed().take(1_497), None, Some("spam")).unwrap_err().to_string();
    assert!(error.contains("499 predictions of m 1") && error.contains("--rows-min"), "{error}");
}

/// Such are the predictions of a file of messages.
#[test]
fn a_category_that_is_not_told_is_empty() {
    let rows = (0..500).map(|index| {
        let mut row = prediction(index, &contract(&["age"]));
        row.as_object_mut().unwrap().remove("user_features");
        row
    });
    let reference = build(rows, None, None).unwrap().reference;
    let (name, counts) = &reference.baseline.categories[3];
    assert_eq!((name.as_str(), counts.values()), ("user_features", 0));
}

#[test]
fn a_reference_that_is_not_the_bundles_is_refused() {
    let json: Value = serde_json::from_str(&reference().to_json().unwrap()).unwrap();
    let (contract, labels) = (contract(&["age"]), labels());
    let subject = Subject { name: "m", version: "1", contract: &contract, labels: &labels };
    let bad = |edit: &dyn Fn(&mut Value), expected: &str| {
        let mut json = json.clone();
        edit(&mut json);
        let error = BundleReference::parse(json.to_string().as_bytes(), &subject).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        let says = format!("{error}: {source}");
        assert!(says.contains(expected) && says.contains("rebuild it with `assize drift reference`"), "{says}");
    };
    bad(&|json| json["format"] = json!(2), "the format 2; this version reads 1");
    bad(&|json| json["more"] = json!(2), "unknown field `more`");
    bad(&|json| json["from"] = json!(""), "\"from\" is \"\"");
    bad(&|json| json["from"] = json!("x\u{1b}[31m"), "none of control");
    bad(&|json| json["contract"] = json!("c"), "the feature contract \"c\"; the bundle's is");
    bad(
        &|json| json["labels"] = json!(["spam", "ham"]),
        "the labels [\"spam\", \"ham\"]; the bundle's are [\"ham\", \"spam\"]",
    );
    bad(&|json| json["rows"] = json!(0), "of 0 rows");
    bad(&|json| json["rows"] = json!(u64::MAX), "none or too many");
    bad(&|json| json["rows"] = json!(501), "the counts of age do not come to 501 rows");
    let numbers = "/baseline/numbers";
    bad(
        &|json| json.pointer_mut(numbers).unwrap().as_array_mut().unwrap().swap(0, 1),
        "its numbers are [\"unknown_term_ratio\", \"age\"",
    );
    bad(&|json| drop(json.pointer_mut(numbers).unwrap().as_array_mut().unwrap().pop()), "its numbers are [\"age\"");
    let categories = "/baseline/categories";
    bad(
        &|json| json.pointer_mut(categories).unwrap().as_array_mut().unwrap().swap(0, 1),
        "its categories are [\"label\"",
    );
    let set = |at: &'static str, to: Value| move |json: &mut Value| *json.pointer_mut(at).unwrap() = to.clone();
    bad(&set("/baseline/numbers/0/1/edges/0", json!("9")), "edges are at most 257 finite numbers");
    bad(&set("/baseline/numbers/0/1/edges/0", json!("-1")), "the counts of age do not fit their edges");
    bad(&set("/baseline/numbers/0/1/counts/slots", json!([500])), "the counts of age do not fit their edges");
    bad(&set("/baseline/numbers/0/1/counts/slots/1", json!(49)), "the counts of age do not come to 500 rows");
    bad(&set("/baseline/numbers/0/1/counts/slots/1", json!(u64::MAX)), "the counts of age do not come to 500 rows");
    bad(&set("/baseline/numbers/0/1/counts/moments/n", json!(501)), "the counts of age do not come to 500 rows");
    bad(&set("/baseline/categories/0/1/other", json!(1)), "the counts of language do not come to 500 rows");
    let long = json!({"x".repeat(129): 1});
    bad(
        &set("/baseline/categories/0/1/names", long),
        "language has more than 1024 names, or one of more than 128 bytes",
    );
}
