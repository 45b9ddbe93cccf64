use serde_json::json;

use super::{subject::tests::subject, *};
use crate::{
    decision::tune::{Aim, Resampling},
    records::Kind,
};

const OPTIONS: Options = Options {
    aim: Aim::Precision(0.9),
    review_precision: 0.5,
    block_precision: 0.9,
    resampling: Resampling { times: 50, seed: 1, level: 0.95 },
};

fn data() -> Data {
    let (name, at) = ("<b>.csv".into(), "2026-11-28 20:00 UTC".into());
    Data { name, sha256: None, trained_on: true, unlabelled: 0, bad_lines: 0, at }
}

/// `messages` of two labels; the probability of the second tells them apart but for every tenth.
fn binary(messages: u16) -> Samples {
    let mut samples = Samples::new(2, 1);
    for message in 0..messages {
        let (is, odd) = (message % 2 == 0, message % 20 < 2);
        let probability = if is == odd { 0.25 } else { 0.75 } + f32::from(message) / 4_000.0;
        samples.add(&[!is, is], &[1.0 - probability, probability], Some(&[0.5, 0.5]));
    }
    samples
}

fn binary_subject() -> Subject {
    let decision = json!({"positive": "spam", "threshold": 0.9, "actions": {"review": 0.1, "block": 0.9}});
    subject(Kind::Binary, &["fine", "spam"], &decision)
}

#[test]
fn a_binary_model_gets_a_threshold_bands_and_words() {
    let found = tune(binary_subject(), &binary(400), OPTIONS).unwrap();
    let spam = &found.labels[0];
    let at = spam.choice.unwrap().at;
    assert!(found.labels.len() == 1 && at.precision.unwrap() >= 0.9, "{at:?}");
    assert_eq!(spam.now.unwrap().threshold, 0.9);
    assert_eq!(found.decision["threshold"], json!(at.threshold));
    assert_eq!(found.decision["actions"]["block"], json!(spam.bands.unwrap().block.at.unwrap().threshold));
    assert!(spam.says[1].starts_with("Blocked from "), "{:?}", spam.says);
    assert!(spam.before.is_some() && found.warnings.is_empty(), "{:?}", found.warnings);
}

#[test]
fn labels_that_tell_nothing_are_refused() {
    let refused = |samples: &Samples| tune(binary_subject(), samples, OPTIONS).unwrap_err().to_string();
    assert!(refused(&Samples::new(2, 1)).contains("no message has a label"));
    let mut one_class = Samples::new(2, 1);
    one_class.add(&[true, false], &[0.5, 0.5], None);
    assert!(refused(&one_class).contains("all 1 messages are of one side (fine)"));
}

#[test]
fn few_messages_and_a_precision_out_of_reach_are_warned_of() {
    let options = Options { aim: Aim::Precision(1.0), ..OPTIONS };
    let mut samples = binary(10);
    samples.add(&[true, false], &[0.0, 1.0], None);
    let warnings = tune(binary_subject(), &samples, options).unwrap().warnings.join("\n");
    assert!(warnings.contains("too few to trust") && warnings.contains("best F1"), "{warnings}");
}

#[test]
fn a_band_whose_precision_is_out_of_reach_stays_and_review_lies_below_it_or_is_dropped() {
    // One that is not spam is the surest of all: no block band at a precision of 1.
    let mut samples = binary(400);
    samples.add(&[true, false], &[0.0, 1.0], None);
    let of = |review: f64, block: f64, options| {
        let decision = json!({"positive": "spam", "threshold": 0.9, "actions": {"review": review, "block": block}});
        let found = tune(subject(Kind::Binary, &["fine", "spam"], &decision), &samples, options).unwrap();
        (found.decision["actions"].clone(), found.warnings.join("\n"), found.labels[0].says.join("\n"))
    };
    let block_out_of_reach = Options { block_precision: 1.0, ..OPTIONS };
    let (actions, warnings, says) = of(0.1, 0.97, block_out_of_reach);
    assert!(actions["block"] == json!(0.97) && actions["review"].as_f64().unwrap() < 0.97, "{actions}");
    assert!(
        warnings.contains("no block band at a precision of 1: no threshold reaches it; it stays at 0.97"),
        "{warnings}"
    );
    assert!(says.contains("Blocked from 0.97 on"), "{says}");
    // What was found for review is not below what stays for block.
    let (actions, warnings, says) = of(0.1, 0.2, block_out_of_reach);
    assert_eq!(actions, json!({"review": null, "block": 0.2}));
    assert!(warnings.contains("on is dropped, it is not below the block band at 0.2"), "{warnings}");
    assert!(!says.contains("a person looks"), "{says}");
    let both_out_of_reach = Options { review_precision: 0.999, ..block_out_of_reach };
    let (actions, warnings, _) = of(0.1, 0.97, both_out_of_reach);
    assert_eq!(actions, json!({"review": 0.1, "block": 0.97}));
    assert!(
        warnings.contains("no review band at a precision of 0.999: no threshold reaches it; it stays at 0.1"),
        "{warnings}"
    );
}

#[test]
fn each_label_of_a_multilabel_model_has_its_own_threshold_and_one_without_messages_keeps_it() {
    let decision = json!({"thresholds": {"a": 0.5, "b": 0.5, "c": 0.125}, "actions": {"c": "BLOCK"}});
    let mut samples = Samples::new(3, 1);
    for message in 0..100_u8 {
        let (a, b) = (message % 2 == 0, message % 3 == 0);
        let probability = |is: bool, low| if is { low + 0.3 } else { low };
        samples.add(&[a, b, false], &[probability(a, 0.1), probability(b, 0.6), 0.0], None);
    }
    let found = tune(subject(Kind::Multilabel, &["a", "b", "c"], &decision), &samples, OPTIONS).unwrap();
    let thresholds = &found.decision["thresholds"];
    assert!(thresholds["a"].as_f64().unwrap() < 0.5 && thresholds["b"].as_f64().unwrap() > 0.6, "{thresholds}");
    assert_eq!((&thresholds["c"], &found.decision["actions"]), (&json!(0.125), &json!({"c": "BLOCK"})));
    assert!(found.warnings.iter().any(|warning| warning.starts_with("c: 0 messages with it")), "{:?}", found.warnings);
}

#[test]
fn a_multiclass_model_is_silent_where_it_is_wrong_too_often() {
    let mut samples = Samples::new(3, 1);
    for message in 0..300_u16 {
        let label = usize::from(message % 3);
        // Sure and right, or unsure and wrong.
        let sure = message % 5 > 0;
        let said = if sure { label } else { (label + 1) % 3 };
        let mut probabilities = [if sure { 0.1 } else { 0.3 }; 3];
        probabilities[said] = if sure { 0.8 } else { 0.4 };
        samples.add(&[0, 1, 2].map(|index| index == label), &probabilities, None);
    }
    let subject = subject(Kind::Multiclass, &["a", "b", "c"], &json!({"abstain_below": null, "actions": {}}));
    let found = tune(subject, &samples, OPTIONS).unwrap();
    let below = found.decision["abstain_below"].as_f64().unwrap();
    assert!((0.4..=0.8).contains(&below), "{below}");
    let counts = found.confusion.as_ref().unwrap().counts.clone();
    assert_eq!(counts, [[80, 0, 0, 20], [0, 80, 0, 20], [0, 0, 80, 20]]);
    assert!(report(&found, &data()).contains("Below"), "the page says so");
}

#[test]
fn a_multiclass_model_that_is_always_right_keeps_its_band_also_in_what_is_told() {
    let mut samples = Samples::new(3, 1);
    for message in 0..100_u16 {
        // c is never there, and every fourth message is below the band.
        let (label, sure) = (usize::from(message % 2), message % 4 > 1);
        let mut probabilities = [if sure { 0.1 } else { 0.3 }; 3];
        probabilities[label] = if sure { 0.8 } else { 0.4 };
        samples.add(&[0, 1, 2].map(|index| index == label), &probabilities, None);
    }
    let subject = subject(Kind::Multiclass, &["a", "b", "c"], &json!({"abstain_below": 0.5, "actions": {}}));
    let found = tune(subject, &samples, OPTIONS).unwrap();
    assert_eq!(found.decision["abstain_below"], json!(0.5));
    assert_eq!(found.confusion.unwrap().counts, [[25, 0, 0, 25], [0, 25, 0, 25], [0, 0, 0, 0]]);
    let warnings = found.warnings.join("\n");
    assert!(warnings.contains("right: 100 messages with it, 0 without; the abstain band stays"), "{warnings}");
    assert!(warnings.contains("c: 0 messages with it, 100 without; nothing can be chosen"), "{warnings}");
    assert!(!warnings.contains("threshold"), "{warnings}");
}

#[test]
fn the_page_escapes_and_holds_no_number_that_is_none() {
    let mut subject = binary_subject();
    subject.name = "<script>".into();
    let found = tune(subject, &binary(40), OPTIONS).unwrap();
    let page = report(&found, &data());
    assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains("NaN") && !page.contains("inf\""));
    assert!(page.contains("learnt from this very file") && page.contains("&lt;b&gt;.csv"));
}
