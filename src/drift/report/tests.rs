use proptest::prelude::*;

use super::*;
use crate::{
    codec::{RecordReader, RecordWriter, wire},
    drift::{
        Baseline,
        names::{UNKNOWN_TERM_RATIO, score_name},
        reference::FORMAT,
        reliability::{Expected, Labelled},
        sketch::{Categories, Reference},
    },
    records::{FeatureKind, schema::DRIFT_REPORT},
};

const DIGEST: [u8; 32] = [7; 32];

fn model() -> ModelRef<'static> {
    ModelRef { name: "spam-sms".into(), version: "1".into(), digest: DIGEST, arm: "live".into() }
}

fn judging() -> Judging {
    Judging { rule: Rule::default(), alarm: AlarmConfig::default() }
}

fn reference(labels: &[&str], values: &[Option<f64>], languages: &[&str]) -> BundleReference {
    let names = ["length".to_owned(), UNKNOWN_TERM_RATIO.to_owned()];
    let names = names.into_iter().chain(labels.iter().map(|label| score_name(label)));
    let mut language = Categories::default();
    values.iter().zip(languages.iter().cycle()).for_each(|(_, name)| language.add(name));
    BundleReference {
        format: FORMAT,
        from: "a test".into(),
        rows: values.len() as u64,
        contract: "c".into(),
        labels: labels.iter().map(ToString::to_string).collect(),
        baseline: Baseline {
            numbers: names.map(|name| (name, Reference::of(values))).collect(),
            categories: vec![("language".into(), language)],
        },
    }
}

/// Numbers 0 to 99, over and over.
fn normal(labels: &[&str]) -> BundleReference {
    reference(labels, &(0..1_000).map(|value| Some(f64::from(value % 100))).collect::<Vec<_>>(), &["en", "de"])
}

/// As many predictions, each number so much larger than in the reference.
fn series(reference: &BundleReference, count: u32, shift: f64) -> PredictionSeries {
    let mut window = Window::of(&reference.baseline);
    let mut expected = vec![Expected::default(); reference.labels.len()];
    for index in 0..count {
        for (counts, (_, of)) in window.numbers.iter_mut().zip(&reference.baseline.numbers) {
            counts.add(of.edges(), Some(f64::from(index % 100) + shift));
        }
        window.categories[0].add(if index % 2 == 0 { "en" } else { "de" });
        expected.iter_mut().for_each(|expected| expected.add(0.75, index % 2 == 0));
    }
    PredictionSeries { digest: Digest(DIGEST).to_string(), counted: u64::from(count), unlike: 3, window, expected }
}

/// As many labels; a share of `truth` of them is so, at a probability of 3/4.
fn labels(reference: &BundleReference, count: u32, truth: f64) -> LabelSeries {
    let mut labelled = Labelled::default();
    (0..count).for_each(|index| labelled.add(0.75, true, f64::from(index) < truth * f64::from(count)));
    let arm = LabelledArm { digest: Digest(DIGEST).to_string(), labels: vec![labelled; reference.labels.len()] };
    LabelSeries {
        joined: u64::from(count),
        unmatched: 1,
        too_old: 2,
        repeated: 3,
        corrected: 4,
        contradicted: 5,
        unknown: 6,
        arms: [("live".to_owned(), arm)].into(),
    }
}

fn gathered<'a>(
    model: &'a ModelRef<'a>,
    reference: &'a BundleReference,
    predictions: Option<&'a PredictionSeries>,
    labels: Option<&'a LabelSeries>,
) -> Gathered<'a> {
    Gathered {
        window: "1h",
        start_ms: 3_600_000,
        end_ms: 7_200_000,
        task: "spam",
        arm: "live",
        model,
        reference,
        predictions,
        any_predictions: AnyPredictions { late: 4, clamped: 5, unreadable: 6 },
        labels,
        any_labels: AnyLabels { late: 7, unreadable: 8 },
    }
}

fn told(
    reference: &BundleReference,
    predictions: Option<&PredictionSeries>,
    labels: Option<&LabelSeries>,
) -> DriftReport {
    build(&gathered(&model(), reference, predictions, labels), &judging(), Alarms::default()).0
}

fn after_a_round_trip(report: &DriftReport) -> DriftReport {
    let mut value = Vec::new();
    RecordWriter::new(1).write(report, &mut value);
    RecordReader::try_new(DRIFT_REPORT).unwrap().read(wire::split(&value).unwrap().1).unwrap()
}

#[test]
fn a_window_as_it_was_is_stable() {
    let reference = normal(&["not_spam", "spam"]);
    let (predictions, labels) = (series(&reference, 600, 0.0), labels(&reference, 300, 0.75));
    let report = told(&reference, Some(&predictions), Some(&labels));
    assert_eq!(report.status, DriftStatus::Stable);
    let expected = PredictionCounts { counted: 600, late: 4, clamped: 5, unlike: 3, unreadable: 6 };
    assert_eq!(report.predictions, expected);
    let expected = LabelCounts {
        joined: 300,
        unmatched: 1,
        too_old: 2,
        repeated: 3,
        corrected: 4,
        contradicted: 5,
        unknown: 6,
        late: 7,
        unreadable: 8,
    };
    assert_eq!(report.labels, expected);
    assert_eq!((report.window.as_str(), report.window_start), ("1h", 3_600_000));
    assert_eq!((report.task.as_str(), report.arm.as_str(), &report.model), ("spam", "live", &model()));
    assert_eq!(report.findings.len(), 5);
    assert!(report.findings.iter().all(|finding| !finding.moved && !finding.too_few && finding.outside == 0.0));
    let language = report.findings.iter().find(|finding| finding.kind == FeatureKind::Category).unwrap();
    let bins: Vec<_> = language.distribution.iter().map(|bin| (bin.name.as_deref(), bin.before, bin.after)).collect();
    assert_eq!(bins, [(Some("de"), 500, 300), (Some("en"), 500, 300)]);
    let performance = &report.performance[1];
    assert_eq!((performance.label.as_str(), performance.messages), ("spam", 300));
    assert_eq!((performance.true_positives, performance.false_positives), (225, 75));
    assert_eq!((performance.precision.unwrap().value, performance.recall.unwrap().value), (0.75, 1.0));
    assert_eq!(
        (performance.ece.unwrap().value, performance.bias, performance.calibration_moved),
        (0.0, Some(0.0), false)
    );
    assert_eq!((performance.diagram.len(), performance.diagram[0].share), (1, 0.75));
    let estimate = &report.estimates[0];
    assert_eq!((estimate.label.as_str(), estimate.messages), ("not_spam", 600));
    assert_eq!((estimate.precision.unwrap().value, estimate.prevalence.unwrap().value), (0.75, 0.75));
    assert!(report.alarms.iter().all(|alarm| (alarm.state, alarm.change) == (AlarmState::Quiet, AlarmChange::None)));
    assert!(!report.retrain);
    assert_eq!(after_a_round_trip(&report), report);
}

#[test]
fn a_shift_is_drift_and_the_largest_comes_first() {
    let reference = normal(&["spam"]);
    let mut predictions = series(&reference, 600, 0.0);
    for (number, shift) in [(0, 20.0), (2, 60.0)] {
        let of = reference.baseline.numbers[number].1.edges();
        predictions.window.numbers[number] = crate::drift::sketch::Counts::on(of);
        (0..600).for_each(|index| predictions.window.numbers[number].add(of, Some(f64::from(index % 100) + shift)));
    }
    let report = told(&reference, Some(&predictions), None);
    assert_eq!(report.status, DriftStatus::Drifted);
    let found: Vec<_> =
        report.findings[..3].iter().map(|found| (found.name.as_str(), found.moved, found.outside)).collect();
    assert_eq!(found, [("score spam", true, 0.6), ("length", true, 0.2), ("unknown_term_ratio", false, 0.0)]);
    let first = &report.findings[0];
    assert_eq!((first.of.as_deref(), first.before, first.after), (Some("mean"), Some(49.5), Some(109.5)));
    let last = first.distribution.last().unwrap();
    assert_eq!((last.low, last.high, last.before, last.after), (Some(99.0), None, 0, 360));
    let alarm = report.alarms[0];
    assert_eq!((alarm.about, alarm.state, alarm.change), (AlarmKind::Drift, AlarmState::Raised, AlarmChange::Raised));
    assert_eq!(alarm.since, Some(3_600_000));
}

#[test]
fn nothing_and_too_little_say_nothing() {
    let reference = normal(&["spam"]);
    let few = series(&reference, 499, 50.0);
    let report = told(&reference, Some(&few), None);
    assert_eq!((report.status, report.alarms[0].state), (DriftStatus::TooFew, AlarmState::Quiet));
    let nothing = told(&reference, None, None);
    assert_eq!((nothing.status, nothing.predictions.counted, nothing.predictions.late), (DriftStatus::TooFew, 0, 4));
    assert!(nothing.performance.is_empty() && nothing.estimates.is_empty() && nothing.findings.len() == 4);
    assert!(nothing.findings.iter().all(|finding| finding.too_few && finding.values == 0));
    assert_eq!(after_a_round_trip(&nothing), nothing);
}

#[test]
fn what_is_of_another_bundle_is_left_out() {
    let reference = normal(&["spam"]);
    let (mut predictions, mut labels) = (series(&reference, 600, 50.0), labels(&reference, 300, 0.1));
    predictions.digest = Digest([8; 32]).to_string();
    labels.arms.get_mut("live").unwrap().digest = Digest([8; 32]).to_string();
    let report = told(&reference, Some(&predictions), Some(&labels));
    assert_eq!((report.status, report.predictions.counted, report.predictions.unlike), (DriftStatus::TooFew, 0, 603));
    assert!(report.performance.is_empty() && report.estimates.is_empty());
    assert_eq!(report.labels.joined, 300);
}

#[test]
fn probabilities_that_do_not_come_true_ring_with_enough_labels() {
    let reference = normal(&["spam"]);
    let calibration = |count, truth| {
        let labels = labels(&reference, count, truth);
        let report = told(&reference, None, Some(&labels));
        (report.performance[0].calibration_moved, report.alarms[1].state)
    };
    assert_eq!(calibration(200, 0.5), (true, AlarmState::Raised));
    assert_eq!(calibration(199, 0.5), (false, AlarmState::Quiet));
    assert_eq!(calibration(200, 0.75), (false, AlarmState::Quiet));
}

#[test]
fn alarms_go_on_from_window_to_window() {
    let reference = normal(&["spam"]);
    let (calm, moved, few) = (series(&reference, 600, 0.0), series(&reference, 600, 50.0), series(&reference, 9, 0.0));
    let mut judging = judging();
    (judging.alarm.raise_windows, judging.alarm.clear_windows) = (2, 2);
    let mut alarms = Alarms::default();
    let windows = [&moved, &few, &moved, &calm, &calm, &calm];
    let found: Vec<_> = windows
        .into_iter()
        .zip(1..)
        .map(|(series, hour)| {
            let model = model();
            let window = Gathered { start_ms: hour, ..gathered(&model, &reference, Some(series), None) };
            let report;
            (report, alarms) = build(&window, &judging, alarms);
            (report.alarms[0].state, report.alarms[0].since, report.alarms[0].change)
        })
        .collect();
    use AlarmState::{Quiet, Raised, Rising};
    let expected = [
        (Rising, Some(1), AlarmChange::None),
        (Rising, Some(1), AlarmChange::None),
        (Raised, Some(1), AlarmChange::Raised),
        (Raised, Some(1), AlarmChange::None),
        (Quiet, None, AlarmChange::Cleared),
        (Quiet, None, AlarmChange::None),
    ];
    assert_eq!(found, expected);
    assert_eq!(alarms, Alarms::default());
}

fn values() -> impl Strategy<Value = Vec<Option<f64>>> {
    static EXTREMES: [f64; 4] = [f64::MAX, f64::INFINITY, f64::NAN, f64::MIN_POSITIVE];
    let number = prop_oneof![any::<f64>(), 0.0..1.0, prop::sample::select(&EXTREMES[..])];
    proptest::collection::vec(proptest::option::weighted(0.9, number), 0..60)
}

fn has_all_numbers(report: &DriftReport) -> bool {
    format!("{report:?}").split(|c: char| !c.is_alphanumeric()).all(|word| word != "NaN" && word != "inf")
}

#[test]
fn a_number_is_finite() {
    assert_eq!([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.5].map(finite), [0.0, f64::MAX, f64::MIN, -0.5]);
}

proptest! {
    #[test]
    fn any_pane_gives_finite_numbers(
        (before, after) in (values(), values()),
        one_class in any::<bool>(),
        probabilities in proptest::collection::vec((0.0..=1.0, any::<bool>(), any::<bool>()), 0..60),
        extremes in any::<bool>(),
    ) {
        let reference = reference(if one_class { &["spam"] } else { &["not_spam", "spam"] }, &before, &["en"]);
        let mut predictions = series(&reference, 0, 0.0);
        for (counts, (_, of)) in predictions.window.numbers.iter_mut().zip(&reference.baseline.numbers) {
            after.iter().for_each(|&value| counts.add(of.edges(), value));
        }
        let (mut labelled, mut expected) = (Labelled::default(), Expected::default());
        for (probability, said, truth) in probabilities {
            let probability: f64 = if extremes { f64::round(probability) } else { probability };
            labelled.add(probability, said, truth);
            expected.add(probability, said);
        }
        predictions.expected.fill(expected);
        let mut labels = labels(&reference, 0, 0.0);
        labels.arms.get_mut("live").unwrap().labels.fill(labelled);
        let mut judging = judging();
        (judging.rule.values_min, judging.alarm.labels_min) = (1, 1);
        let model = model();
        let (report, _) =
            build(&gathered(&model, &reference, Some(&predictions), Some(&labels)), &judging, Alarms::default());
        prop_assert!(has_all_numbers(&report), "{:?}", report);
        prop_assert_eq!(after_a_round_trip(&report), report);
    }
}
