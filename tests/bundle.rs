//! The bundles of this repository load and score as onnxruntime does, and every way to tamper with one is refused.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is that test's failure, also in what tests share")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use assize::{
    features::{text, vector},
    intake,
    model::{Bundle, BundleError, Digest, GoldenError, GraphError, Model, PROBABILITY_TOLERANCE, TILE_ROWS_MAX},
    records::Action,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const SPAM_SMS: &str = "models/spam-sms";
/// Its vocabulary.
const TERMS: &str = "terms-characters.tsv";
const USER_RISK: &str = "tests/bundles/user-risk";
const TOPICS: &str = "models/topics-r8";
const TAGS: &str = "tests/bundles/tags";
/// Every one that is committed.
const ALL: [&str; 5] = [SPAM_SMS, "models/spam-mail", TOPICS, USER_RISK, TAGS];

fn folder(bundle: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(bundle)
}

fn load(bundle: &str) -> Arc<Bundle> {
    Arc::new(Bundle::load(&folder(bundle), None).unwrap())
}

/// A copy of a bundle, to be tampered with.
struct Copy(TempDir);

impl Copy {
    fn of(bundle: &str) -> Self {
        let copy = tempfile::tempdir().unwrap();
        for file in fs::read_dir(folder(bundle)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        Self(copy)
    }

    fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.0.path().join(file)).unwrap()
    }

    fn write(&self, file: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.0.path().join(file), bytes).unwrap();
    }

    /// Changes `manifest.json`, as someone would who can sign for it.
    fn edit_manifest(&self, edit: impl FnOnce(&mut Value)) {
        let mut manifest = serde_json::from_slice(&self.read("manifest.json")).unwrap();
        edit(&mut manifest);
        self.write("manifest.json", manifest.to_string());
    }

    /// Replaces a file and its digest in the manifest, so that only its content can give it away.
    fn replace(&self, file: &str, bytes: impl AsRef<[u8]>) {
        self.write(file, &bytes);
        self.edit_manifest(|manifest| manifest["files"][file] = json!(Digest::of(bytes.as_ref())));
    }

    fn edit_golden(&self, edit: impl FnOnce(&mut Value)) {
        let mut golden = serde_json::from_slice(&self.read("golden.json")).unwrap();
        edit(&mut golden);
        self.replace("golden.json", golden.to_string());
    }

    fn load(&self) -> Result<Bundle, BundleError> {
        Bundle::load(self.0.path(), None)
    }

    /// The message of the refusal with all its causes.
    #[track_caller]
    fn refused(&self, expected: &str) -> BundleError {
        let error = self.load().expect_err("a tampered bundle loads");
        let message = chain(&error);
        assert!(message.contains(expected), "{message}");
        error
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(|cause| format!(": {}", chain(cause)));
    format!("{error}{}", cause.unwrap_or_default())
}

#[test]
fn an_untouched_copy_loads_under_its_digest() {
    for bundle in ALL {
        let copy = Copy::of(bundle);
        let loaded = copy.load().unwrap();
        assert_eq!(loaded.digest(), Digest::of(&copy.read("manifest.json")));
        assert!(Bundle::load(copy.0.path(), Some(loaded.digest())).is_ok());
        assert_eq!(loaded.reference("live").digest, loaded.digest().0);
    }
}

#[test]
fn the_two_bundles_ask_for_different_features() {
    let (spam_sms, user_risk) = (load(SPAM_SMS), load(USER_RISK));
    assert!(!spam_sms.transformer().contract().uses_user_features());
    let contract = user_risk.transformer().contract();
    assert_eq!(contract.user_names(), ["account_age_days", "follower_count", "messages_sent_7d"]);
    assert_eq!(contract.id(), assize::features::contract::Contract::default().id());
}

#[test]
fn a_flipped_byte_in_any_file_is_refused() {
    for file in ["model.onnx", TERMS, "golden.json", "held_out.txt", "MLmodel", "input_example.json"] {
        let copy = Copy::of(SPAM_SMS);
        let mut bytes = copy.read(file);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        copy.write(file, bytes);
        let error = copy.refused("manifest.json says");
        assert!(matches!(error, BundleError::Digest { file: refused, .. } if refused == file));
    }
}

#[test]
fn the_drift_reference_of_every_bundle_is_read_and_one_without_loads() {
    for bundle in ALL {
        let loaded = load(bundle);
        let reference = loaded.drift_reference().unwrap();
        assert_eq!(reference.rows, loaded.manifest().training.rows["test"], "{bundle}");
        // Only a running store knows where user features come from.
        let [.., origin, _] = &reference.baseline.categories[..] else { panic!("five categories") };
        let told = if loaded.transformer().contract().uses_user_features() { 0 } else { reference.rows };
        assert_eq!((origin.0.as_str(), origin.1.values()), ("user_features", told), "{bundle}");
    }
    let copy = Copy::of(SPAM_SMS);
    copy.edit_manifest(|manifest| {
        manifest.as_object_mut().unwrap().remove("drift_reference");
    });
    assert!(copy.load().unwrap().drift_reference().is_none());
    copy.edit_manifest(|manifest| manifest["drift_reference"] = json!("golden.json"));
    copy.refused("golden.json is no usable drift reference");
    copy.edit_manifest(|manifest| manifest["drift_reference"] = json!("absent.json"));
    copy.refused("gives no SHA-256 for absent.json");
}

#[test]
fn a_changed_manifest_is_another_bundle() {
    let copy = Copy::of(SPAM_SMS);
    let pin = copy.load().unwrap().digest();
    copy.edit_manifest(|manifest| manifest["version"] = json!("9.9.9"));
    assert!(copy.load().is_ok(), "without a pin the changed manifest is a valid one");
    let error = Bundle::load(copy.0.path(), Some(pin)).unwrap_err();
    assert!(matches!(error, BundleError::Pin { expected, .. } if expected == pin), "{error}");
}

#[test]
fn golden_vectors_that_do_not_come_out_are_refused() {
    let differs = |what: &str, edit: fn(&mut Value)| {
        let copy = Copy::of(USER_RISK);
        copy.edit_golden(|golden| edit(&mut golden[3]));
        let error = copy.refused(what);
        let BundleError::Golden { source } = error else { panic!("{error}") };
        assert!(
            matches!(source, GoldenError::Differs { vector: 3, .. } | GoldenError::Length { vector: 3, .. }),
            "{source}"
        );
    };
    for (numbers, what) in
        [("graph", "the number of the graph for label 1 is"), ("probabilities", "the probability of label 1 is")]
    {
        let copy = Copy::of(USER_RISK);
        copy.edit_golden(|golden| {
            let number = golden[3][numbers][1].as_f64().unwrap();
            golden[3][numbers][1] = json!(number + 2.0 * PROBABILITY_TOLERANCE);
        });
        copy.refused(what);
    }
    differs("feature char_count is", |golden| golden["numeric"][3] = json!(1.0));
    differs("feature account_age_days is", |golden| golden["numeric"][0] = json!(null));
    differs("the weight of term", |golden| golden["terms"][0][1] = json!(0.123));
    differs("terms, expected", |golden| golden["terms"] = json!([]));
    differs("feature char_count is", |golden| golden["text"] = json!("another text altogether"));
}

#[test]
fn a_model_that_scores_otherwise_is_refused_by_its_golden_vectors() {
    let copy = Copy::of(USER_RISK);
    copy.edit_manifest(|manifest| manifest["contract"]["features"][0]["mean"] = json!(1.0));
    copy.refused("the number of the graph for label 0 is");
}

#[test]
fn a_calibration_or_threshold_that_is_another_is_refused_by_the_golden_vectors() {
    let copy = Copy::of(TOPICS);
    copy.edit_manifest(|manifest| manifest["calibration"] = json!({"method": "none"}));
    copy.refused("the probability of label 0 is");
    let copy = Copy::of(TAGS);
    copy.edit_manifest(|manifest| {
        let thresholds = manifest["decision"]["thresholds"].as_object_mut().unwrap();
        thresholds.values_mut().for_each(|threshold| *threshold = json!(0.0));
    });
    copy.refused("gets the labels");
}

#[test]
fn a_graph_that_fails_on_a_row_that_no_golden_vector_has_is_refused() {
    let copy = Copy::of(TOPICS);
    let graph = copy.read("model.onnx");
    // A weight of a term, as the graph holds it: the last four bytes of the tensor that is not a number any more.
    let vocabulary = String::from_utf8(copy.read("terms-words.tsv")).unwrap();
    let golden: Value = serde_json::from_slice(&copy.read("golden.json")).unwrap();
    let used = |column: usize| {
        let of_vector =
            |vector: &Value| vector["terms"].as_array().unwrap().iter().any(|term| term[0] == json!(column));
        golden.as_array().unwrap().iter().any(of_vector)
    };
    let column = (0..vocabulary.lines().count()).rfind(|&column| !used(column)).unwrap();
    let labels = load(TOPICS).manifest().labels.len();
    let weights = vocabulary.lines().count() * labels * 4;
    let start = (0..graph.len() - weights).find(|&at| is_tensor(&graph[at..], weights)).unwrap();
    let mut broken = graph.clone();
    let at = start + 4 + column * labels * 4;
    broken[at..at + 4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    copy.replace("model.onnx", &broken);
    copy.refused("fails on a row at the bounds of its features");
}

/// Whether a protobuf field of `bytes` bytes starts here: its number and kind, then the length as a varint of three bytes.
fn is_tensor(at: &[u8], bytes: usize) -> bool {
    let length = [(bytes & 0x7f) as u8 | 0x80, (bytes >> 7 & 0x7f) as u8 | 0x80, (bytes >> 14) as u8];
    at.first() == Some(&0x4a) && at.get(1..4) == Some(&length)
}

#[test]
fn golden_vectors_may_not_be_left_out() {
    let copy = Copy::of(SPAM_SMS);
    copy.edit_golden(|golden| *golden = json!([]));
    copy.refused("there are 0 golden vectors");
    copy.edit_manifest(|manifest| drop(manifest["files"].as_object_mut().unwrap().remove("golden.json")));
    copy.refused("gives no SHA-256 for golden.json");
}

#[test]
fn a_vocabulary_must_fit_the_graph() {
    let copy = Copy::of(SPAM_SMS);
    let vocabulary = String::from_utf8(copy.read(TERMS)).unwrap();
    let columns = vocabulary.lines().count();
    let shorter = vocabulary.lines().skip(1).map(|line| format!("{line}\n")).collect::<String>();
    copy.replace(TERMS, shorter);
    let message =
        format!("the graph reads {columns} columns; the bundle gives 0 numeric features and {} terms", columns - 1);
    let error = copy.refused(&message);
    assert!(matches!(error, BundleError::Graph { source: GraphError::Width { .. } }));
    copy.replace(TERMS, vocabulary.replacen('\t', " ", 1));
    copy.refused("terms-characters.tsv, line 1");
    copy.replace(TERMS, b"\xff");
    copy.refused("not UTF-8");
}

/// One edit of the manifest, and what the refusal says.
#[track_caller]
fn bad_manifest(edit: impl FnOnce(&mut Value), expected: &str) {
    let copy = Copy::of(USER_RISK);
    copy.edit_manifest(edit);
    copy.refused(expected);
}

#[test]
fn a_bad_manifest_is_refused_by_the_line_that_is_bad() {
    bad_manifest(|m| m["decision"]["threshold"] = json!(1.2), "threshold: the threshold is 1.2; give a probability");
    bad_manifest(|m| m["decision"]["actions"]["review"] = json!(-0.5), "actions.review: the threshold is -0.5");
    bad_manifest(|m| m["decision"]["actions"]["block"] = json!(0.1), "review must start below");
    bad_manifest(|m| m["calibration"] = json!({"method": "sigmoid", "labels": []}), "0 sigmoid calibrators for the 2");
    bad_manifest(|m| m["calibration"] = json!({"method": "magic"}), "calibration.method: unknown variant `magic`");
    bad_manifest(|m| m["name"] = json!("a\u{1b}[31m"), "gives name as");
    bad_manifest(|m| m["version"] = json!("1".repeat(129)), "give 1 to 128 characters");
    bad_manifest(|m| m["metrics"]["test"][""] = json!(1.0), "gives a name in metrics as \"\"");
    bad_manifest(
        |m| m["vectorizers"] = json!([m["vectorizers"][0], m["vectorizers"][0]]),
        "vectorizer \"words\" twice",
    );
    bad_manifest(|m| m["graph"]["gives"] = json!("logits"), "graph.gives: unknown variant `logits`");
    bad_manifest(
        |m| m["vectorizers"][0]["analyzer"] = json!("stem"),
        "vectorizers[0].analyzer: unknown variant `stem`",
    );
    bad_manifest(|m| m["vectorizers"][0]["file"] = json!("other.tsv"), "gives no SHA-256 for other.tsv");
    bad_manifest(|m| m["vectorizers"] = json!(vec![m["vectorizers"][0].clone(); 9]), "vectorizer \"words\" twice");
    let nine = |m: &mut Value| {
        let named = |n: usize| {
            let mut terms = m["vectorizers"][0].clone();
            terms["name"] = json!(format!("words {n}"));
            terms
        };
        m["vectorizers"] = (0..9).map(named).collect();
    };
    bad_manifest(nine, "has 9 vectorizers; at most 8");
    bad_manifest(|m| m["colour"] = json!("red"), "unknown field `colour`");
    bad_manifest(|m| m["contract"]["features"][2]["unt"] = json!(""), "contract.features[2].unt: unknown field `unt`");
    bad_manifest(|m| m["format"] = json!(1), "has the format 1; this version reads 2");
    bad_manifest(|m| m["kind"] = json!("MULTICLASS"), "the decision is not valid: actions.block");
    bad_manifest(|m| m["labels"] = json!(["a", "b", "c"]), "a Binary model has 2");
    bad_manifest(|m| m["decision"]["positive"] = json!("ris"), "the positive label is \"ris\"");
    bad_manifest(|m| m["contract"]["id"] = json!("000000000000"), "manifest.json says 000000000000");
    bad_manifest(|m| m["contract"]["features"][3]["unit"] = json!("bytes"), "computes it in \"code points\"");
    bad_manifest(|m| m["contract"]["features"][4]["name"] = json!("char_count"), "\"char_count\" is there twice");
    bad_manifest(|m| m["contract"]["features"][1]["scale"] = json!(0), "the scale of feature follower_count is 0");
    bad_manifest(
        |m| m["contract"]["features"][1]["clip"] = json!([5, 1]),
        "bounds of feature follower_count are 5..=1",
    );
    bad_manifest(|m| m["graph"]["output"] = json!("logits"), "no output \"logits\"");
    bad_manifest(|m| m["graph"]["output"] = json!("label"), "the output label is made of the label");
    bad_manifest(|m| m["graph"]["input"] = json!("x"), "reads the input \"features\"; it must be \"x\"");
    bad_manifest(|m| m["files"]["../manifest.json"] = json!("00".repeat(32)), "plain file names only");
    bad_manifest(|m| m["files"]["model.onnx"] = json!("abc"), "\"abc\" is no SHA-256");
    bad_manifest(
        |m| (0..20).for_each(|n| m["files"][format!("{n}.txt")] = json!("00".repeat(32))),
        "names 26 files; at most 16",
    );
}

#[test]
fn a_number_that_is_none_is_no_manifest() {
    for not_a_number in ["NaN", "1e999", "null", "\"1\""] {
        let copy = Copy::of(USER_RISK);
        let manifest = String::from_utf8(copy.read("manifest.json")).unwrap();
        let at = manifest.find("\"mean\": ").unwrap() + "\"mean\": ".len();
        let end = at + manifest[at..].find(',').unwrap();
        copy.write("manifest.json", format!("{}{not_a_number}{}", &manifest[..at], &manifest[end..]));
        copy.refused("manifest.json is not valid: contract");
    }
}

#[test]
fn oversize_and_missing_files_are_refused_before_they_are_read() {
    let copy = Copy::of(SPAM_SMS);
    // Sparse: takes no room on the disk.
    fs::File::create(copy.0.path().join(TERMS)).unwrap().set_len(1 << 40).unwrap();
    assert!(matches!(copy.refused("larger than 33554432 bytes"), BundleError::TooLarge { .. }));
    fs::remove_file(copy.0.path().join(TERMS)).unwrap();
    assert!(matches!(copy.refused("cannot be read"), BundleError::Read { .. }));
    copy.write("manifest.json", " ".repeat((1 << 20) + 1));
    assert!(matches!(copy.refused("larger than 1048576 bytes"), BundleError::TooLarge { .. }));
}

#[test]
fn a_graph_that_is_none_is_refused() {
    let copy = Copy::of(SPAM_SMS);
    let graph = copy.read("model.onnx");
    for cut in [0, 1, graph.len() / 3, graph.len() - 1] {
        copy.replace("model.onnx", &graph[..cut]);
        let error = copy.refused("model.onnx is no usable graph");
        assert!(matches!(error, BundleError::Graph { .. }));
    }
    // The graph's list of outputs comes last; no node computes this one. tract panics on it.
    let mut dangling = graph;
    let output = dangling.windows(6).rposition(|name| name == b"scores").unwrap();
    dangling[output] = b'S';
    copy.replace("model.onnx", &dangling);
    copy.refused("model.onnx is no usable graph");
}

/// Scores messages as a lane does.
struct Shared {
    model: Model,
    rows: vector::Rows,
    text_scratch: text::Scratch,
    scratch: vector::Scratch,
}

impl Shared {
    fn new(bundle: &str) -> Self {
        let model = Model::new(load(bundle)).unwrap();
        let (text_scratch, scratch) = (text::Scratch::default(), vector::Scratch::default());
        Self { model, rows: vector::Rows::default(), text_scratch, scratch }
    }

    fn add(&mut self, message: &str, user: &[f64]) {
        let transformer = self.model.bundle().transformer();
        let (text, _) = intake::hear_text(message.into()).unwrap();
        let mut raw = Vec::new();
        transformer.contract().raw(&text::extract(&text, &mut self.text_scratch), user, &mut raw);
        transformer.push(&raw, &text, &mut self.scratch, &mut self.rows);
    }

    /// The probability of the positive label, per message.
    fn judge(&mut self) -> Vec<f64> {
        let positive = self.model.bundle().policy().positive().unwrap();
        self.model.score(&self.rows).unwrap();
        self.model.decide();
        let probabilities =
            (0..self.rows.len()).map(|row| f64::from(self.model.probabilities(row)[positive])).collect();
        self.rows.clear();
        probabilities
    }
}

#[test]
fn a_row_scores_the_same_in_every_batch() {
    let messages: Vec<String> = (0..3 * TILE_ROWS_MAX + 5)
        .map(|n| {
            format!("message {n}: {} call {n} now {}", ["WIN a prize!", "see you at home"][n % 2], "!".repeat(n % 7))
        })
        .collect();
    for (bundle, user) in [(SPAM_SMS, &[][..]), (USER_RISK, &[10.0, 20.0, f64::NAN][..])] {
        let mut shared = Shared::new(bundle);
        let alone: Vec<f64> = messages
            .iter()
            .map(|message| {
                shared.add(message, user);
                shared.judge()[0]
            })
            .collect();
        for rows in [2, TILE_ROWS_MAX - 1, TILE_ROWS_MAX, TILE_ROWS_MAX + 1, messages.len(), 7] {
            messages[..rows].iter().for_each(|message| shared.add(message, user));
            for (row, (together, alone)) in shared.judge().iter().zip(&alone).enumerate() {
                assert!((together - alone).abs() < 1e-6, "{bundle}, row {row} of {rows}: {together}, alone {alone}");
            }
        }
        assert!(shared.judge().is_empty());
    }
}

#[test]
fn user_features_move_the_score_and_missing_ones_count_as_the_default() {
    let mut shared = Shared::new(USER_RISK);
    let features = &shared.model.bundle().manifest().contract.features;
    let defaults: Vec<f64> = features[..3].iter().map(|feature| feature.default).collect();
    let highest: Vec<f64> = features[..3].iter().map(|feature| feature.clip[1]).collect();
    for user in [&[][..], &[f64::NAN; 3], &defaults, &[1e300; 3], &highest, &[0.0, 0.0, 300.0], &[2000.0, 800.0, 0.0]] {
        shared.add("hello, free offer", user);
    }
    let [nothing, missing, default, outlier, bound, new, old] = shared.judge()[..] else { panic!("seven messages") };
    assert_eq!((nothing, missing), (default, default));
    assert_eq!(outlier, bound);
    assert!(new > 0.9 && old < 0.1, "a new, busy account {new}, an old, quiet one {old}");
}

#[test]
fn spam_is_blocked_and_small_talk_is_not() {
    let mut shared = Shared::new(SPAM_SMS);
    shared.add("URGENT! You have won a FREE prize worth £2000. Call 09001234567 now to claim, txt STOP to end", &[]);
    shared.add("ok, see you at lunch then", &[]);
    shared.model.score(&shared.rows).unwrap();
    shared.model.decide();
    let outcomes = shared.model.outcomes();
    assert_eq!(outcomes.iter().map(|outcome| outcome.action).collect::<Vec<_>>(), [Action::Block, Action::Allow]);
    assert_eq!(shared.model.decision(0, "spam", "live").labels, ["spam"]);
    assert_eq!(shared.model.decision(1, "spam", "live").labels, ["not_spam"]);
}

#[test]
fn every_held_out_message_is_listed_once() {
    let held_out = fs::read_to_string(folder(SPAM_SMS).join("held_out.txt")).unwrap();
    let lines: Vec<&str> = held_out.lines().collect();
    assert_eq!(lines.len() as u64, load(SPAM_SMS).manifest().training.rows["test"]);
    assert!(lines.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(lines.iter().all(|line| line.len() == 16 && u64::from_str_radix(line, 16).is_ok()));
}
