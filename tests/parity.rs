//! Intake, text features and TF-IDF give what Python and scikit-learn give. `parity/generate.py` says how the expected
//! values come about.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fmt::Debug, fs, iter, path::Path, process::Command};

use assize::{
    features::{text, tfidf},
    intake::{Heard, Reject, hear, sanitize},
    pystr,
    records::Message,
};
use serde::{Deserialize, de::DeserializeOwned};

const TOLERANCE: f64 = 1e-6;
const MISMATCHES_SHOWN_MAX: usize = 10;

/// What Python says of every code point that its Unicode assigns, as inclusive ranges.
#[derive(Deserialize)]
struct Characters {
    assigned: Vec<(u32, u32)>,
    upper: Vec<(u32, u32)>,
    space: Vec<(u32, u32)>,
    word: Vec<(u32, u32)>,
    other: Vec<(u32, u32)>,
    lower: BTreeMap<char, String>,
    sanitized: BTreeMap<char, String>,
}

#[derive(Deserialize)]
struct Header {
    vectorizers: Vec<Vectorizer>,
}

#[derive(Deserialize)]
struct Vectorizer {
    options: tfidf::Options,
    terms: Vec<(String, f64)>,
}

#[derive(Deserialize)]
struct Answer {
    text: String,
    #[serde(default, deserialize_with = "present")]
    heard: Option<Option<String>>,
    features: [f64; 10],
    tokens: (u32, u32),
    rows: Vec<(Vec<u32>, Vec<f64>)>,
}

/// Tells null from absent.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Collects what differs, so that a failure shows the first few and counts all.
#[derive(Default)]
struct Mismatches(Vec<String>);

impl Mismatches {
    fn check<T: PartialEq + Debug>(&mut self, what: impl FnOnce() -> String, ours: T, python: T) {
        if ours != python {
            self.0.push(format!("{}\n    ours   {ours:?}\n    python {python:?}", what()));
        }
    }

    fn check_near(&mut self, what: impl FnOnce() -> String, ours: f64, python: f64) {
        let near = (ours - python).abs() <= TOLERANCE; // NaN is not.
        if !near {
            self.0.push(format!("{}\n    ours   {ours}\n    python {python}", what()));
        }
    }

    fn report(self) {
        let shown = self.0.iter().take(MISMATCHES_SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join("\n");
        assert!(self.0.is_empty(), "{} mismatches, the first of them:\n{shown}", self.0.len());
    }
}

#[test]
fn every_code_point_is_classed_as_in_python() {
    let python: Characters = parse(&fixture("characters.json.gz"));
    let within =
        |ranges: &[(u32, u32)], c: char| ranges.iter().any(|&(first, last)| (first..=last).contains(&(c as u32)));
    let (mut mismatches, mut lower, mut checked) = (Mismatches::default(), String::new(), 0);
    for c in python.assigned.iter().flat_map(|&(first, last)| first..=last).filter_map(char::from_u32) {
        let what = |property: &'static str| move || format!("{property} of U+{:04X}", c as u32);
        let other = within(&python.other, c);
        mismatches.check(what("isupper"), pystr::is_upper(c), within(&python.upper, c));
        mismatches.check(what("isspace"), pystr::is_space(c), within(&python.space, c));
        mismatches.check(what("\\w"), pystr::is_word(c), within(&python.word, c));
        mismatches.check(what("category C"), pystr::is_other(c), other);

        let alone = c.to_string();
        pystr::lower_into(&alone, &mut lower);
        mismatches.check(what("lower"), lower.as_str(), python.lower.get(&c).unwrap_or(&alone));
        let kept = if other { "" } else { &alone };
        mismatches.check(what("sanitize"), &*sanitize(&alone), python.sanitized.get(&c).map_or(kept, String::as_str));
        checked += 1;
    }
    mismatches.report();
    assert!(checked > 280_000, "only {checked} code points were compared");
}

#[test]
fn made_up_texts_come_out_as_in_python() {
    let compared = compare(&fixture("texts.ndjson.gz"));
    assert!(compared >= 7_000, "only {compared} texts were compared");
}

#[test]
#[ignore = "needs Python 3.11 with tests/parity/requirements.txt, and the SMS texts in data/"]
fn real_texts_come_out_as_in_python() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let texts = root.join("data/spam-sms/messages.tsv");
    assert!(texts.exists(), "{} is missing; fetch it with ./dev data", texts.display());
    let python = std::env::var("ASSIZE_PYTHON").unwrap_or_else(|_| ".venv/bin/python".into());
    let generate = root.join("tests/parity/generate.py");
    let output = Command::new(&python).current_dir(root).arg(generate).arg("answers").arg(&texts).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {python} ({error}); name one in ASSIZE_PYTHON"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{python} failed; does it have tests/parity/requirements.txt?\n{complaint}");
    let compared = compare(&output.stdout);
    assert!(compared >= 4_000, "only {compared} texts were compared");
}

/// Holds our results against the answers; returns for how many texts.
fn compare(answers: &[u8]) -> usize {
    let mut lines = answers.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let header: Header = parse(lines.next().unwrap());
    let make = |vectorizer: Vectorizer| tfidf::Vectorizer::try_new(vectorizer.terms, vectorizer.options).unwrap();
    let vectorizers: Vec<_> = header.vectorizers.into_iter().map(make).collect();
    let (mut mismatches, mut compared) = (Mismatches::default(), 0);
    let mut scratch = text::Scratch::default();
    for answer in lines.map(parse::<Answer>) {
        check_heard(&answer, &mut mismatches);
        let features = text::extract(&answer.text, &mut scratch);
        for (name, (ours, python)) in iter::zip(text::NAMES, iter::zip(features, answer.features)) {
            mismatches.check_near(|| format!("{name} of {:?}", answer.text), ours, python);
        }
        check_rows(&answer, &vectorizers, &mut mismatches);
        compared += 1;
    }
    mismatches.report();
    compared
}

fn check_heard(answer: &Answer, mismatches: &mut Mismatches) {
    let expected = answer.heard.clone().unwrap_or_else(|| Some(answer.text.clone()));
    let ours = hear(message(&answer.text)).map(|Heard { text, .. }| text);
    mismatches.check(|| format!("heard {:?}", answer.text), ours, expected.ok_or(Reject::EmptyText));
}

fn check_rows(answer: &Answer, vectorizers: &[tfidf::Vectorizer], mismatches: &mut Mismatches) {
    let (mut scratch, mut row) = (tfidf::Scratch::default(), Vec::new());
    for (number, (vectorizer, (columns, weights))) in iter::zip(vectorizers, &answer.rows).enumerate() {
        let what = |part: &'static str| move || format!("{part} of vectorizer {number} for {:?}", answer.text);
        let terms = vectorizer.transform(&answer.text, &mut scratch, &mut row);
        if number == 0 {
            mismatches.check(what("tokens"), (terms.total, terms.unknown), answer.tokens);
        }
        let (our_columns, our_weights): (Vec<u32>, Vec<f32>) = row.iter().copied().unzip();
        mismatches.check(what("columns"), &our_columns, columns);
        if our_columns != *columns {
            continue;
        }
        for (ours, &python) in iter::zip(our_weights, weights) {
            mismatches.check_near(what("weight"), f64::from(ours), python);
        }
    }
}

fn message(text: &str) -> Message {
    Message {
        message_id: "m-1".into(),
        user_id: 1,
        text: text.into(),
        language: None,
        metadata: BTreeMap::new(),
        created_at: 0,
    }
}

fn parse<T: DeserializeOwned>(json: &[u8]) -> T {
    serde_json::from_slice(json).unwrap()
}

fn fixture(name: &str) -> Vec<u8> {
    /// Of a gzip header without a file name, which is what Python writes.
    const HEADER_BYTES: usize = 10;
    let zipped = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity").join(name)).unwrap();
    miniz_oxide::inflate::decompress_to_vec(&zipped[HEADER_BYTES..]).unwrap()
}
