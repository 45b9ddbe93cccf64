//! The pipeline without a broker: every record ends as exactly one verdict with its prediction, one dead letter with the
//! original bytes, or a counted repeat.
#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use assize::{
    codec::{RecordReader, RecordWriter, Schemas, wire},
    config::{self, Config},
    features::store::{FeatureStore, MemoryStore},
    hash::Hasher,
    ops::{health::Health, metrics::Metrics, shutdown::Shutdown},
    pipeline::ERROR_HEADERS,
    records::{
        Action, Kind, Message, Prediction, UserFeatures, Verdict,
        schema::{PREDICTION, VERDICT},
    },
    service,
    stream::{
        Topic,
        memory::{Input, MemoryStream, Written},
    },
};
use secrecy::SecretBox;

fn message(id: &str, user_id: i64, text: &str) -> Message {
    Message {
        message_id: id.into(),
        user_id,
        text: text.into(),
        language: None,
        metadata: Default::default(),
        created_at: 1_700_000_000_000,
    }
}

fn encode(message: &Message) -> Input {
    let mut value = Vec::new();
    RecordWriter::new(1).write(message, &mut value);
    Input { key: Some(message.user_id.to_string().into_bytes()), value: Some(value), ..Input::default() }
}

fn with_header(mut input: Input, name: &str, value: &[u8]) -> Input {
    input.headers.push((name.to_owned(), Some(value.to_vec())));
    input
}

/// Answers by topic, and the metrics' text.
struct Answers {
    verdicts: Vec<Verdict<'static>>,
    predictions: Vec<Prediction<'static>>,
    dead_letters: Vec<Written>,
    metrics: String,
}

fn judge_with(
    bundle: &str,
    inputs: Vec<Input>,
    dead_letter_bytes_max: usize,
    store: impl FnOnce(Vec<String>) -> anyhow::Result<Arc<dyn FeatureStore>>,
) -> Answers {
    judge_tasks(&[("spam", bundle)], inputs, dead_letter_bytes_max, store)
}

fn judge_tasks(
    tasks: &[(&str, &str)],
    inputs: Vec<Input>,
    dead_letter_bytes_max: usize,
    store: impl FnOnce(Vec<String>) -> anyhow::Result<Arc<dyn FeatureStore>>,
) -> Answers {
    let runtime = service::runtime().unwrap();
    let task = |&(name, bundle): &(&str, &str)| config::Task { name: name.into(), bundle: bundle.into(), digest: None };
    let config = Config { tasks: tasks.iter().map(task).collect(), ..Config::default() };
    let schemas = Arc::new(Schemas::try_new(&config.schemas, runtime.handle()).unwrap());
    let hasher = Hasher::try_new("k1", SecretBox::new(Box::new(b"0123456789abcdef".to_vec()))).unwrap();
    let tasks = service::load_tasks(&config.tasks).unwrap();
    let metrics = Metrics::new();
    let mut shared = service::shared(&config, tasks, schemas, hasher, Arc::clone(&metrics), store).unwrap();
    shared.dead_letter_bytes_max = dead_letter_bytes_max;
    let shutdown = Shutdown::new(Duration::from_secs(10));
    let mut lane =
        service::lane_over(MemoryStream::new(inputs), &config, &shared, &shutdown, Health::new(1).lane(0)).unwrap();
    lane.run().unwrap();
    let written = lane.into_stream().take_written();

    let verdict_reader = RecordReader::try_new(VERDICT).unwrap();
    let prediction_reader = RecordReader::try_new(PREDICTION).unwrap();
    let datum = |written: &Written| wire::split(written.value.as_ref().unwrap()).unwrap().1.to_vec();
    let of = |topic| written.iter().filter(move |written| written.topic == topic);
    Answers {
        verdicts: of(Topic::Verdicts).map(|written| verdict_reader.read(&datum(written)).unwrap()).collect(),
        predictions: of(Topic::Predictions).map(|written| prediction_reader.read(&datum(written)).unwrap()).collect(),
        dead_letters: of(Topic::DeadLetters).cloned().collect(),
        metrics: metrics.encode().unwrap(),
    }
}

fn judge(inputs: Vec<Input>) -> Answers {
    judge_with("models/spam-sms", inputs, usize::MAX, |names| Ok(Arc::new(MemoryStore::new(names))))
}

fn header<'w>(written: &'w Written, name: &str) -> Option<&'w str> {
    let name = format!("{ERROR_HEADERS}{name}");
    let value = written.headers.iter().find(|(found, _)| *found == name)?.1.as_deref()?;
    std::str::from_utf8(value).ok()
}

#[test]
fn a_message_has_one_verdict_and_one_prediction_that_agree() {
    let text = "WINNER!! You have won a 900 pound prize. Call 09061701461 now!";
    let input = with_header(encode(&message("m1", 7, text)), "idempotency-key", b"key-1");
    let answers = judge(vec![input, encode(&message("m2", 8, "see you at lunch &amp; bring the book"))]);
    assert_eq!((answers.verdicts.len(), answers.predictions.len(), answers.dead_letters.len()), (2, 2, 0));
    let (verdict, prediction) = (&answers.verdicts[0], &answers.predictions[0]);
    assert_eq!((verdict.message_id.as_ref(), verdict.user_id, verdict.source_offset), ("m1", 7, 0));
    assert_eq!(verdict.idempotency_key.as_deref(), Some("key-1"));
    assert_eq!(verdict.action, Action::Block);
    assert_eq!(verdict.decided_by.as_deref(), Some("spam"));
    assert_eq!(verdict.decisions[0].labels, ["spam"]);
    assert_eq!(verdict.created_at, 1_700_000_000_000);
    assert_eq!(verdict.decisions[0].model, prediction.tasks[0].model);
    assert_eq!(prediction.tasks[0].labels, verdict.decisions[0].labels);
    assert_eq!(prediction.user_features, UserFeatures::Unused, "no live model reads user features");
    let allowed = &answers.verdicts[1];
    assert_eq!((allowed.action, allowed.decided_by.as_deref()), (Action::Allow, None));
    assert!(allowed.decisions[0].confidence.unwrap() > 0.5, "of the chosen label, here the negative one");
}

#[test]
fn no_text_leaves_in_an_answer() {
    let secret = "xylophone quarterdeck";
    let answers = judge(vec![encode(&message("m1", 7, secret))]);
    let shown = format!("{:?}{:?}{}", answers.verdicts, answers.predictions, answers.metrics);
    assert!(!shown.contains("xylophone") && !shown.contains("quarterdeck"));
}

#[test]
fn every_reject_is_a_dead_letter_with_the_original_bytes_and_its_place() {
    let raw =
        |value: Option<&[u8]>| Input { key: Some(b"k".to_vec()), value: value.map(<[u8]>::to_vec), ..Input::default() };
    let good = encode(&message("m", 7, "hello"));
    let mut trailing = good.clone();
    trailing.value.as_mut().unwrap().push(0);
    let mut language = message("m", 7, "hello");
    language.language = Some("English".into());
    let mut metadata = message("m", 7, "hello");
    metadata.metadata.insert("k".into(), "v".repeat(1_000));
    let cases = [
        (raw(None), "NULL_VALUE"),
        (raw(Some(b"")), "BAD_MAGIC"),
        (raw(Some(b"{\"json\":1}")), "BAD_MAGIC"),
        (raw(Some(&[0, 0, 0, 0, 99, 1])), "UNKNOWN_SCHEMA"),
        (raw(Some(&[0, 0, 0, 0, 1, 0xff])), "UNDECODABLE"),
        (raw(Some(&[0, 0, 0, 0, 1, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])), "UNDECODABLE"),
        (trailing, "TRAILING_BYTES"),
        (raw(Some(&vec![0; 1_000_001])), "OVERSIZE"),
        (encode(&message("m", 7, " \u{200b} &#x200b;")), "EMPTY_TEXT"),
        (encode(&message("m", 0, "hello")), "BAD_USER_ID"),
        (encode(&language), "BAD_LANGUAGE"),
        (encode(&metadata), "METADATA_TOO_LARGE"),
        (encode(&message("", 7, "hello")), "BAD_MESSAGE_ID"),
        (with_header(good.clone(), "idempotency-key", b"\xff"), "BAD_IDEMPOTENCY_KEY"),
        (with_header(good.clone(), "assize-revision", b"-1"), "BAD_REVISION"),
    ];
    let inputs: Vec<Input> = cases.iter().map(|(input, _)| input.clone()).collect();
    let mut answers = judge(inputs);
    assert!(answers.verdicts.is_empty(), "{:?}", answers.verdicts);
    assert_eq!(answers.dead_letters.len(), cases.len());
    // Those rejected by a later stage come later within a chunk: each says where it stood.
    answers.dead_letters.sort_by_key(|letter| header(letter, "offset").unwrap().parse::<usize>().unwrap());
    for ((offset, (input, code)), letter) in cases.iter().enumerate().zip(&answers.dead_letters) {
        assert_eq!(header(letter, "class.name"), Some(*code), "offset {offset}");
        assert_eq!((&letter.key, &letter.value), (&input.key, &input.value), "{code}");
        assert!(letter.headers.starts_with(&input.headers), "{code}");
        assert_eq!(header(letter, "topic"), Some("messages"));
        assert_eq!(header(letter, "partition"), Some("0"));
        assert!(["decode", "intake", "dedup"].contains(&header(letter, "stage").unwrap()));
        assert!(answers.metrics.contains(&format!("assize_dead_letters_total{{code=\"{code}\"}}")), "{code}");
    }
}

#[test]
fn repeats_are_counted_and_conflicts_are_dead_letters() {
    let first = encode(&message("m1", 7, "hello"));
    let conflict = encode(&message("m1", 7, "hello, but different"));
    let other_user = encode(&message("m1", 8, "hello"));
    let revised = with_header(first.clone(), "assize-revision", b"1");
    let answers = judge(vec![first.clone(), first.clone(), conflict, other_user, revised, first]);
    let judged: Vec<_> = answers.verdicts.iter().map(|verdict| (verdict.source_offset, verdict.revision)).collect();
    assert_eq!(judged, [(0, 0), (3, 0), (4, 1)]);
    assert_eq!(answers.predictions.len(), 3);
    assert_eq!(header(&answers.dead_letters[0], "class.name"), Some("IDEMPOTENCY_CONFLICT"));
    assert!(answers.metrics.contains("assize_records_total{outcome=\"repeat\"} 2"), "{}", answers.metrics);
}

#[test]
fn a_dead_letter_that_comes_back_carries_one_set_of_our_headers() {
    let again = with_header(
        with_header(Input { value: Some(b"x".to_vec()), ..Input::default() }, "__connect.errors.offset", b"999"),
        "mine",
        b"stays",
    );
    let answers = judge(vec![again]);
    let offsets: Vec<_> =
        answers.dead_letters[0].headers.iter().filter(|(name, _)| name == "__connect.errors.offset").collect();
    assert_eq!(offsets, [&("__connect.errors.offset".to_owned(), Some(b"0".to_vec()))]);
    assert_eq!(answers.dead_letters[0].headers[0], ("mine".to_owned(), Some(b"stays".to_vec())));
}

#[test]
fn a_truncated_text_is_flagged() {
    let answers = judge(vec![encode(&message("m1", 7, &"word ".repeat(3_000)))]);
    assert_eq!(answers.verdicts[0].flags, ["TEXT_TRUNCATED"]);
}

#[test]
fn a_dead_letter_too_large_for_its_topic_is_left_without_its_value_and_says_so() {
    let large = Input { key: Some(b"k".to_vec()), value: Some(vec![1; 2_000]), ..Input::default() };
    let small = Input { value: Some(vec![1; 100]), ..large.clone() };
    let store = |names| Ok(Arc::new(MemoryStore::new(names)) as Arc<dyn FeatureStore>);
    let answers = judge_with("models/spam-sms", vec![large, small], 1_000, store);
    let [large, small] = &answers.dead_letters[..] else { panic!("{:?}", answers.dead_letters) };
    assert_eq!((large.key.as_deref(), &large.value), (Some(&b"k"[..]), &None));
    assert_eq!(header(large, "value.omitted.bytes"), Some("2000"));
    assert_eq!(small.value.as_ref().map(Vec::len), Some(100));
    assert_eq!(header(small, "value.omitted.bytes"), None);
    assert_eq!((header(large, "schema.id"), header(large, "version")), (None, Some(env!("CARGO_PKG_VERSION"))));
}

#[test]
fn a_dead_letter_names_its_schema_also_without_its_value() {
    let mut input = encode(&message("m", 7, &"x".repeat(2_000)));
    input.value.as_mut().unwrap().push(0);
    let store = |names| Ok(Arc::new(MemoryStore::new(names)) as Arc<dyn FeatureStore>);
    let answers = judge_with("models/spam-sms", vec![input], 1_000, store);
    let [letter] = &answers.dead_letters[..] else { panic!("{:?}", answers.dead_letters) };
    assert_eq!((&letter.value, header(letter, "schema.id")), (&None, Some("1")));
}

#[test]
fn a_score_rests_on_user_features() {
    let store = |trusted: i64| {
        move |names: Vec<String>| {
            let mut store = MemoryStore::new(names);
            store.insert(trusted, &[1_900.0, 700.0, 3.0]);
            Ok(Arc::new(store) as Arc<dyn FeatureStore>)
        }
    };
    let score = |trusted| {
        let inputs = vec![encode(&message("m", 7, "hello there"))];
        let answers = judge_with("tests/bundles/user-risk", inputs, usize::MAX, store(trusted));
        (answers.verdicts[0].decisions[0].scores[0].probability, answers.predictions[0].user_features)
    };
    let (known, fresh) = score(7);
    let (unknown, nobody) = score(8);
    assert_eq!((fresh, nobody), (UserFeatures::Fresh, UserFeatures::Unknown));
    assert!((known - unknown).abs() > 0.05, "{known} and {unknown}");
}

#[test]
fn tasks_of_every_kind_share_a_verdict_and_a_prediction() {
    let tasks = [("risk", "tests/bundles/user-risk"), ("topic", "models/topics-r8"), ("tags", "tests/bundles/tags")];
    let texts = [
        "opec ministers agreed to cut crude oil output to mln barrels per day as oil prices fell",
        "selling my mac with monitor and video card best offer plus shipping please email",
        "qwxz plugh xyzzy",
    ];
    let inputs = texts.iter().enumerate().map(|(n, text)| encode(&message(&format!("m{n}"), 7, text))).collect();
    let answers = judge_tasks(&tasks, inputs, usize::MAX, |names| Ok(Arc::new(MemoryStore::new(names))));
    for (verdict, prediction) in answers.verdicts.iter().zip(&answers.predictions) {
        let named: Vec<_> = verdict.decisions.iter().map(|decision| (&*decision.task, decision.kind)).collect();
        assert_eq!(named, [("risk", Kind::Binary), ("topic", Kind::Multiclass), ("tags", Kind::Multilabel)]);
        assert_eq!(prediction.features.len(), 9, "those that the first task reads; the others read none");
        for (decision, task) in verdict.decisions.iter().zip(&prediction.tasks) {
            assert_eq!((&decision.task, &decision.labels, &decision.model), (&task.task, &task.labels, &task.model));
        }
        assert!((prediction.tasks[1].calibrated.iter().sum::<f64>() - 1.0).abs() < 1e-5);
    }
    let labels = |message: usize, task: usize| &answers.verdicts[message].decisions[task].labels;
    assert_eq!(labels(0, 1), &["crude"]);
    assert!(labels(1, 2).len() > 1, "{:?}", labels(1, 2));
    assert!(labels(1, 1).is_empty() && labels(2, 2).is_empty(), "the one abstains, the other knows none of the words");
    assert_eq!(answers.verdicts[1].decisions[1].confidence, None);
    let none = "task=\"topic\",model=\"topics-r8\",version=\"1.0.0\",label=\"(none)\"} 1";
    assert!(answers.metrics.contains(none), "{}", answers.metrics);
}

#[test]
fn a_chunk_of_rejects_counts_no_prediction() {
    let good = (0..512).map(|index| encode(&message(&format!("m{index}"), 7, "hello")));
    let bad = (0..100).map(|_| encode(&message("m", 0, "hello")));
    let answers = judge(good.chain(bad).collect());
    let counted: f64 = answers
        .metrics
        .lines()
        .filter(|line| line.starts_with("assize_predictions_total"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    assert_eq!((counted, answers.verdicts.len(), answers.dead_letters.len()), (512.0, 512, 100));
}
