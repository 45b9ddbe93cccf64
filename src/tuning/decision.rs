//! The manifest's `decision`, as it applies what was chosen. What nothing was chosen for stays as it is.

use serde_json::{Map, Value, json};

use super::{LabelFound, Now, Subject};
use crate::{
    decision::tune::{Band, Curve, Suggested},
    records::Kind,
};

pub(super) fn applied(subject: &Subject, found: &[LabelFound], abstain_below: Option<f64>) -> Value {
    let now = &subject.now;
    match subject.kind {
        Kind::Binary => binary(subject, found.first()),
        Kind::Multiclass => json!({"abstain_below": abstain_below.or(now.abstain_below), "actions": now.actions}),
        Kind::Multilabel => {
            let threshold = |(label, now): (&String, &Option<f64>)| {
                let found = found.iter().find(|found| found.label == *label).and_then(chosen);
                (label.clone(), json!(found.or(*now)))
            };
            let thresholds: Map<String, Value> = subject.labels.iter().zip(&now.thresholds).map(threshold).collect();
            json!({"thresholds": thresholds, "actions": now.actions})
        }
    }
}

fn binary(subject: &Subject, found: Option<&LabelFound>) -> Value {
    let now = &subject.now;
    let positive = now.positive.map(|positive| &subject.labels[positive]);
    let threshold = found.and_then(chosen).or(now.positive.and_then(|positive| now.thresholds[positive]));
    let start = |band: &Band| band.at.map(|at| at.threshold);
    let (review, block) = match found.and_then(|found| found.bands) {
        Some(bands) => (start(&bands.review), start(&bands.block)),
        None => (now.review, now.block),
    };
    json!({"positive": positive, "threshold": threshold, "actions": {"review": review, "block": block}})
}

/// Where actions start: as suggested, and by now where nothing could be. Review starts below block or not at all.
pub(super) fn kept(suggested: &Suggested, now: &Now, curve: &Curve) -> Suggested {
    let kept = |band: &Band, now: Option<f64>| Band { at: band.at.or(now.map(|at| curve.at(at))), ..*band };
    let (mut review, block) = (kept(&suggested.review, now.review), kept(&suggested.block, now.block));
    if let (Some(lower), Some(upper)) = (review.at, block.at)
        && lower.threshold >= upper.threshold
    {
        review.at = None;
    }
    Suggested { review, block }
}

fn chosen(found: &LabelFound) -> Option<f64> {
    found.choice.map(|choice| choice.at.threshold)
}
