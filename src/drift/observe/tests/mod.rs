mod reader;
mod time;

use super::*;
use crate::{
    codec::Datum,
    drift::{
        Baseline,
        names::{CATEGORIES, number_names},
        panes::{Merge, PredictionSeries},
        reference::{BundleReference, FORMAT},
        reliability::Expected,
        sketch::{Categories, Counts, Reference},
    },
    features::contract::{Contract, Feature},
    model::Digest,
    records::{Action, ModelRef, Prediction, TaskPrediction, UserFeatures},
};

const OURS: Digest = Digest([1; 32]);

fn labels() -> Vec<String> {
    ["not_spam", "spam"].map(String::from).into()
}

fn union() -> Contract {
    let text = |name| Feature::text(name).unwrap();
    Contract::try_new(vec![text("char_count"), Feature::user("age", "days"), text("word_count")]).unwrap()
}

/// Of features in another order than in the predictions, and fewer of them.
fn reference(features: &[&str]) -> BundleReference {
    let number = |name: String| (name, Reference::of(&[0.0, 0.25, 0.5, 1.0, 10.0, 20.0].map(Some)));
    let labels = labels();
    let names = number_names(features.iter().copied(), labels.iter().map(String::as_str));
    let numbers = names.into_iter().map(number).collect();
    let categories = CATEGORIES.map(|name| (name.to_owned(), Categories::default())).into();
    BundleReference {
        format: FORMAT,
        from: "a test".into(),
        rows: 6,
        contract: "its own".into(),
        labels,
        baseline: Baseline { numbers, categories },
    }
}

fn spam() -> BundleReference {
    reference(&["word_count", "char_count"])
}

fn observer(names: &[&str]) -> Observer {
    let (reference, labels) = (spam(), labels());
    let task = |name| ObservedTask { name, digest: OURS, labels: &labels, reference: &reference };
    Observer::try_new(&names.iter().copied().map(task).collect::<Vec<_>>(), &union()).unwrap()
}

fn entry(task: &str, arm: &str, labels: &[&str]) -> TaskPrediction<'static> {
    TaskPrediction {
        task: task.to_owned().into(),
        labels: labels.iter().map(|label| (*label).to_owned().into()).collect(),
        raw: vec![1.5],
        calibrated: vec![0.75, 0.25],
        model: ModelRef { name: "n".into(), version: "1".into(), digest: OURS.0, arm: arm.to_owned().into() },
        shadow: false,
        unknown_term_ratio: Some(0.3),
    }
}

fn prediction(tasks: Vec<TaskPrediction<'static>>) -> Prediction<'static> {
    Prediction {
        message_id: "m".into(),
        idempotency_key: None,
        revision: 0,
        user_hash: [1; 16],
        text_hash: [2; 32],
        hash_key_id: "k".into(),
        source_partition: 0,
        source_offset: 4,
        created_at: 1_000,
        decided_at: 900,
        language: "en".into(),
        action: Action::Review,
        degraded: vec!["user:stale".into()],
        user_features: UserFeatures::Stale,
        user_features_age_ms: None,
        features: vec![Some(20.0), Some(7.0), None],
        feature_contract: union().id().into(),
        unknown_term_ratio: Some(0.5),
        text_chars: Some(12),
        tasks,
    }
}

fn observe(observer: &mut Observer, predictions: &[Prediction<'_>]) -> PredictionPane {
    let mut pane = PredictionPane::default();
    let mut datum = Vec::new();
    for prediction in predictions {
        datum.clear();
        prediction.encode(&mut datum);
        observer.observe(&PredictionView::of(&datum).unwrap(), &mut pane);
    }
    pane
}

fn names(categories: &Categories) -> Vec<(&str, u64)> {
    categories.names().collect()
}

#[test]
fn numbers_names_and_promises_of_a_prediction_are_counted() {
    let pane = observe(&mut observer(&["spam"]), &[prediction(vec![entry("spam", "live", &["not_spam"])])]);
    let series = &pane.tasks["spam"]["live"];
    assert_eq!((series.counted, series.unlike, &series.digest), (1, 0, &OURS.to_string()));
    let reference = spam();
    // word_count, char_count, unknown terms, text, scores: each from its own place in the prediction.
    let values = [None, Some(20.0), Some(0.3), Some(12.0), Some(0.75), Some(0.25)];
    for ((counts, (name, of)), value) in series.window.numbers.iter().zip(&reference.baseline.numbers).zip(values) {
        let mut expected = Counts::on(of.edges());
        expected.add(of.edges(), value);
        assert_eq!(*counts, expected, "{name}");
    }
    let found: Vec<_> = series.window.categories.iter().map(|counts| names(counts)).collect();
    let expected = [("en", 1), ("not_spam", 1), ("REVIEW", 1), ("STALE", 1), ("user:stale", 1)];
    assert_eq!(found, expected.map(|one| vec![one]));
    let (mut said, mut not_said) = (Expected::default(), Expected::default());
    said.add(0.75, true);
    not_said.add(0.25, false);
    assert_eq!(series.expected, [said, not_said]);
}

#[test]
fn several_labels_are_one_name_in_the_order_of_the_alphabet_and_none_is_one_too() {
    let mut none = prediction(vec![entry("spam", "live", &[])]);
    none.degraded = vec![];
    let mut two = prediction(vec![entry("spam", "live", &["spam", "not_spam"])]);
    two.degraded = vec!["b".into(), "a".into()];
    let pane = observe(&mut observer(&["spam"]), &[none, two]);
    let categories = &pane.tasks["spam"]["live"].window.categories;
    assert_eq!(names(&categories[1]), [("(none)", 1), ("not_spam|spam", 1)]);
    assert_eq!(names(&categories[4]), [("(none)", 1), ("a|b", 1)]);
}

#[test]
fn what_is_of_another_bundle_or_contract_is_unlike() {
    let good = || prediction(vec![entry("spam", "live", &["spam"])]);
    let changes: [fn(&mut Prediction<'_>); 5] = [
        |prediction| prediction.tasks[0].model.digest = [2; 32],
        |prediction| prediction.feature_contract = "another".into(),
        |prediction| prediction.features.truncate(2),
        |prediction| prediction.tasks[0].calibrated.truncate(1),
        |prediction| prediction.tasks[0].labels = vec!["ham".into()],
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut other = good();
        change(&mut other);
        let alone = observe(&mut observer(&["spam"]), &[other.clone()]);
        let series = &alone.tasks["spam"]["live"];
        let nothing = &observer(&["spam"]).tasks[0].series("live", &mut PredictionPane::default()).unwrap().0.clone();
        assert_eq!(*series, PredictionSeries { unlike: 1, ..nothing.clone() }, "{index}");
        let both = observe(&mut observer(&["spam"]), &[other, good()]);
        let series = &both.tasks["spam"]["live"];
        assert_eq!((series.counted, series.unlike), (1, 1), "{index}");
    }
    let stranger = observe(&mut observer(&["spam"]), &[prediction(vec![entry("topic", "live", &["spam"])])]);
    assert_eq!(stranger, PredictionPane::default());
}

#[test]
fn a_series_of_another_bundle_is_left_as_it_is() {
    let mut observer = observer(&["spam"]);
    let mut pane = observe(&mut observer, &[prediction(vec![entry("spam", "live", &["spam"])])]);
    let series = pane.tasks.get_mut("spam").unwrap().get_mut("live").unwrap();
    series.digest = Digest([9; 32]).to_string();
    let before = series.clone();
    let mut datum = Vec::new();
    prediction(vec![entry("spam", "live", &["spam"])]).encode(&mut datum);
    observer.observe(&PredictionView::of(&datum).unwrap(), &mut pane);
    assert_eq!(pane.tasks["spam"]["live"], PredictionSeries { unlike: 1, ..before });
}

#[test]
fn arms_have_series_of_their_own_and_there_are_not_too_many() {
    let arms: Vec<_> = (0..20).map(|arm| format!("arm {arm:02}")).chain(["ü".repeat(200)]).collect();
    let entries = |arms: &[String]| arms.iter().map(|arm| entry("spam", arm, &["spam"])).collect();
    let pane = observe(&mut observer(&["spam"]), &[prediction(entries(&arms[18..])), prediction(entries(&arms[..18]))]);
    let series = &pane.tasks["spam"];
    assert_eq!((series.len(), series["arm 18"].counted, series[&"ü".repeat(64)].counted), (ARMS_MAX, 1, 1));
    // 21 arms, 16 of them with a series; the first of the alphabet takes the rest.
    assert_eq!((series["arm 00"].counted, series["arm 00"].unlike), (1, 5));
}

#[test]
fn the_ratio_of_unknown_terms_is_that_of_the_task() {
    let mut entries = vec![entry("other", "live", &["spam"]), entry("spam", "live", &["spam"])];
    entries[1].unknown_term_ratio = Some(1.0);
    let assert_ratios = |prediction: Prediction<'_>, expected: [Option<f64>; 2]| {
        let pane = observe(&mut observer(&["spam", "other"]), &[prediction]);
        let edges = spam().baseline.numbers[2].1.edges().clone();
        for (task, ratio) in ["other", "spam"].into_iter().zip(expected) {
            let mut counts = Counts::on(&edges);
            counts.add(&edges, ratio);
            assert_eq!(pane.tasks[task]["live"].window.numbers[2], counts, "{task}");
        }
    };
    assert_ratios(prediction(entries.clone()), [Some(0.3), Some(1.0)]);
    // Older writers had only that of the first task.
    entries.iter_mut().for_each(|entry| entry.unknown_term_ratio = None);
    assert_ratios(prediction(entries), [Some(0.5), None]);
}

#[test]
fn panes_of_parts_add_up_to_the_pane_of_the_whole() {
    let label = |index: usize| if index.is_multiple_of(3) { "spam" } else { "not_spam" };
    let arm = |index: usize| if index.is_multiple_of(7) { "b" } else { "live" };
    let predictions: Vec<_> = (0..200)
        .map(|index| {
            let mut prediction = prediction(vec![entry("spam", arm(index), &[label(index)])]);
            prediction.features[0] = Some(index as f64 / 3.0);
            prediction
        })
        .collect();
    let mut observer = observer(&["spam"]);
    let whole = observe(&mut observer, &predictions);
    let (first, second) = predictions.split_at(77);
    let (mut sum, other) = (observe(&mut observer, second), observe(&mut observer, first));
    sum.merge(&other);
    assert_eq!(serde_json::to_string(&sum).unwrap(), serde_json::to_string(&whole).unwrap());
}

#[test]
fn a_reference_that_does_not_go_with_its_task_is_refused() {
    let refused = |reference: &BundleReference, labels: &[String]| {
        let task = ObservedTask { name: "spam", digest: OURS, labels, reference };
        Observer::try_new(&[task], &union()).err().map(|error| error.to_string())
    };
    assert_eq!(refused(&spam(), &labels()), None);
    let other =
        "task spam: its reference has other numbers or categories than its model; make the bundle's reference again";
    assert_eq!(refused(&spam(), &["a".into(), "b".into()]).as_deref(), Some(other));
    assert_eq!(refused(&spam(), &vec!["a".into(); 9]).as_deref(), Some(other));
    let lacking = refused(&reference(&["word_count", "karma"]), &labels()).unwrap();
    assert!(lacking.contains("\"karma\""), "{lacking}");
}

#[test]
fn a_message_stamped_after_its_decision_counts_as_of_the_decision() {
    let event = |created_at, decided_at, future_ms_max| {
        let mut datum = Vec::new();
        Prediction { created_at, decided_at, ..prediction(vec![]) }.encode(&mut datum);
        event_ms(&PredictionView::of(&datum).unwrap(), future_ms_max)
    };
    assert_eq!((event(1_000, 900, 100), event(1_001, 900, 100)), ((1_000, false), (900, true)));
    assert_eq!(event(i64::MIN, 900, 100), (i64::MIN, false));
    assert_eq!(event(i64::MAX, i64::MAX - 5, 100), (i64::MAX, false));
}
