use super::*;
use crate::{
    drift::alert::{LABELS_MAX, MOVED_MAX, report_key},
    records::{Figure, Performance},
};

fn label(name: &str, ece: f64, bias: f64) -> Performance {
    let figure = |value| Some(Figure { value, low: value, high: value });
    Performance {
        label: name.into(),
        messages: 1_234,
        true_positives: 1,
        false_positives: 1,
        false_negatives: 1,
        true_negatives: 1,
        precision: figure(0.5),
        recall: figure(0.5),
        f1: figure(0.5),
        brier: None,
        log_loss: None,
        ece: figure(ece),
        ece_by_chance: Some(0.02),
        bias: Some(bias),
        p_value: Some(0.0),
        calibration_moved: ece > 0.05,
        diagram: Vec::new(),
    }
}

fn calibration(change: AlarmChange) -> DriftReport {
    let mut report = report("spam", AlarmChange::None);
    report.performance = vec![label("not_spam", 0.01, 0.0), label("scam", 0.06, -0.05), label("spam", 0.123, 0.08)];
    report.alarms[1] =
        DriftAlarm { about: AlarmKind::Calibration, state: AlarmState::Raised, since: Some(START_MS), change };
    report
}

#[test]
fn one_alert_for_each_alarm_that_changed() {
    assert!(Alert::of(&report("spam", AlarmChange::None)).is_empty());
    let mut both = calibration(AlarmChange::Cleared);
    both.alarms[0].change = AlarmChange::Raised;
    let ids: Vec<_> = Alert::of(&both).into_iter().map(|alert| alert.id).collect();
    assert_eq!(ids, ["1h/2026-11-28T22:00:00Z/spam/live/DRIFT", "1h/2026-11-28T22:00:00Z/spam/live/CALIBRATION"]);
}

#[test]
fn no_two_reports_have_one_key() {
    let key = |task: &str, arm: &str| report_key(&DriftReport { arm: arm.into(), ..report(task, AlarmChange::None) });
    let keys = [key("a/b", "c"), key("a", "b/c"), key("a%2Fb", "c"), key("a", "b%2Fc")];
    assert_eq!(keys[0], "1h/2026-11-28T22:00:00Z/a%2Fb/c");
    let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len(), "{keys:?}");
}

#[test]
fn sentences_say_what_moved_by_how_much_and_since_when() {
    let sentence = |report: &DriftReport| Alert::of(report).remove(0).sentence;
    assert_eq!(
        sentence(&report("spam", AlarmChange::Raised)),
        "spam (live), 1h: language en 95 % -> 61 % (V 0.70), char_count mean 78 -> 612 (KS 0.61); 2 of 3 moved since \
         2026-11-28T22:00Z"
    );
    assert_eq!(
        sentence(&report("spam", AlarmChange::Cleared)),
        "spam (live), 1h: the traffic looks as it did again, window of 2026-11-28T22:00Z"
    );
    assert_eq!(
        sentence(&calibration(AlarmChange::Raised)),
        "spam (live), 1h: probabilities of spam are off by 0.12 (0.02 by chance), too high by 0.08, 1234 labels, \
         probabilities of scam are off by 0.06 (0.02 by chance), too low by 0.05, 1234 labels since 2026-11-28T22:00Z"
    );
    assert_eq!(
        sentence(&calibration(AlarmChange::Cleared)),
        "spam (live), 1h: probabilities come true again, window of 2026-11-28T22:00Z"
    );
}

#[test]
fn names_of_strangers_are_plain_text() {
    let mut report = report("spam", AlarmChange::Raised);
    report.findings[2].of = Some(format!("e\u{1b}[2J\n\u{202e}{}", "x".repeat(100)));
    report.arm = "li\rve".into();
    let sentence = Alert::of(&report).remove(0).sentence;
    assert!(sentence.starts_with("spam (li\\rve), 1h: language e\\u{1b}[2J\\n\\u{202e}xxx"), "{sentence}");
    assert!(!sentence.contains(&"x".repeat(80)) && sentence.contains("x… 95 %"), "{sentence}");
}

#[test]
fn lists_are_bounded_and_the_largest_effects_come_first() {
    let mut report = calibration(AlarmChange::Raised);
    report.alarms[0].change = AlarmChange::Raised;
    report.findings = (0..100)
        .map(|index| {
            finding(&index.to_string(), "mean", [0.0, 1.0], DriftStatistic::Ks, 0.1 + 0.001 * f64::from(index))
        })
        .collect();
    report.performance = (0..100).map(|index| label(&index.to_string(), 0.001 * f64::from(index), 0.0)).collect();
    let [drift, calibration] = Alert::of(&report).try_into().unwrap();
    assert_eq!((drift.moved.len(), drift.features), (MOVED_MAX, 100));
    assert_eq!(drift.moved[0].name, "99");
    assert_eq!(calibration.miscalibrated.len(), LABELS_MAX);
    assert_eq!(calibration.miscalibrated[0].label, "99");
    assert!(drift.miscalibrated.is_empty() && calibration.moved.is_empty());
}

#[test]
fn the_json_is_that_of_the_documentation_and_is_read_back() {
    let alert = raised("spam");
    let json = serde_json::to_value(&alert).unwrap();
    let documented = include_str!("../../../../docs/drift.md");
    let start = documented.find("```json\n").unwrap() + "```json\n".len();
    let end = start + documented[start..].find("```").unwrap();
    let documented: serde_json::Value = serde_json::from_str(&documented[start..end]).unwrap();
    assert_eq!(json, documented);
    assert_eq!(serde_json::from_value::<Alert>(json).unwrap(), alert);
}
