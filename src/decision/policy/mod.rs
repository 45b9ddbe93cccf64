//! How the probabilities of one task become a decision. A pure function of them.
//!
//! | kind | labels chosen | action |
//! | --- | --- | --- |
//! | `BINARY` | the positive one from its threshold on, else the other | by bands of the positive label's probability |
//! | `MULTICLASS` | the likeliest, or none when it is less sure than the abstain band | that of the label |
//! | `MULTILABEL` | each from its own threshold on | the most severe of its labels |

mod binary;
mod multiclass;
mod multilabel;

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

pub use binary::{Bands, Binary};
pub use multiclass::Multiclass;
pub use multilabel::Multilabel;

use super::Threshold;
use crate::records::{Action, Decision, Kind, ModelRef, ReasonsStatus, Score};

/// Labels of a model.
pub const LABELS_MAX: usize = 1_000;
/// Characters of a label's name.
pub const LABEL_CHARS_MAX: usize = 128;
/// Stands in metrics for the label of messages that got none: the model abstained, or no label reached its threshold.
pub const NO_LABEL: &str = "(none)";
/// Scores in a decision on several labels, besides those of chosen ones.
pub const TOP_SCORES: usize = 3;

/// Why labels and the manifest's `decision` make no policy.
#[derive(Debug, Error)]
#[allow(missing_docs)] // The messages say it.
pub enum PolicyError {
    #[error("the decision is not valid")]
    Decision { source: serde_path_to_error::Error<serde_json::Error> },
    #[error("there are {found} labels; a {kind:?} model has {allowed}")]
    Count { kind: Kind, allowed: String, found: usize },
    #[error(
        "the label {found:?} is not usable; give different ones of 1..={LABEL_CHARS_MAX} characters, none of control"
    )]
    Label { found: String },
    #[error("the positive label is {found:?}; it must be one of {labels:?}")]
    Positive { found: String, labels: Vec<String> },
    #[error("the review band starts at {review} and the block band at {block}; review must start below")]
    Bands { review: f64, block: f64 },
    #[error("{what} has {found:?}, which is none of the labels")]
    NoLabel { what: &'static str, found: String },
    #[error("the label {label:?} has no threshold; give each label one")]
    NoThreshold { label: String },
}

/// How the probabilities of one task become a decision.
#[derive(Clone, Debug, PartialEq)]
pub enum Policy {
    /// One of two labels.
    Binary(Binary),
    /// One of several labels, or none.
    Multiclass(Multiclass),
    /// Any number of labels.
    Multilabel(Multilabel),
}

/// What was decided on one message; cheap to copy, see [`Policy::decision`] for the record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Index of the one label that was chosen; none when the model abstains, and for `MULTILABEL`.
    pub label: Option<usize>,
    /// Probability of that label, 0..=1.
    pub confidence: Option<f64>,
    /// What to do with the message.
    pub action: Action,
}

impl Policy {
    /// Reads a manifest's `decision` for a model with these labels.
    ///
    /// # Errors
    /// [`PolicyError`]
    pub fn try_new(kind: Kind, labels: &[String], decision: &Value) -> Result<Self, PolicyError> {
        check_labels(kind, labels)?;
        Ok(match kind {
            Kind::Binary => Self::Binary(Binary::try_new(labels, parse(decision)?)?),
            Kind::Multiclass => Self::Multiclass(Multiclass::try_new(labels, parse(decision)?)?),
            Kind::Multilabel => Self::Multilabel(Multilabel::try_new(labels, parse(decision)?)?),
        })
    }

    /// What kind of classifier this is for.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Binary(_) => Kind::Binary,
            Self::Multiclass(_) => Kind::Multiclass,
            Self::Multilabel(_) => Kind::Multilabel,
        }
    }

    /// Whether one label is right, so that their probabilities add up to 1.
    pub fn is_exclusive(&self) -> bool {
        self.kind() != Kind::Multilabel
    }

    /// The labels, in the order of the probabilities.
    pub fn labels(&self) -> &[String] {
        match self {
            Self::Binary(binary) => binary.labels(),
            Self::Multiclass(multiclass) => multiclass.labels(),
            Self::Multilabel(multilabel) => multilabel.labels(),
        }
    }

    /// Index of the label that a `BINARY` model's threshold is about.
    pub fn positive(&self) -> Option<usize> {
        if let Self::Binary(binary) = self { Some(binary.positive()) } else { None }
    }

    /// What each label is held against, in their order; none for a `BINARY` model's negative label, and for one that
    /// never abstains.
    pub fn threshold(&self, label: usize) -> Option<Threshold> {
        match self {
            Self::Binary(binary) => (label == binary.positive()).then(|| binary.threshold()),
            Self::Multiclass(multiclass) => multiclass.abstain_below(),
            Self::Multilabel(multilabel) => Some(multilabel.thresholds()[label]),
        }
    }

    /// Decides on one message. `probabilities` has one per label, in the order of [`Self::labels`].
    #[inline]
    pub fn decide(&self, probabilities: &[f32]) -> Outcome {
        match self {
            Self::Binary(binary) => binary.decide(probabilities),
            Self::Multiclass(multiclass) => multiclass.decide(probabilities),
            Self::Multilabel(multilabel) => multilabel.decide(probabilities),
        }
    }

    /// Indices of the labels that an outcome of these probabilities has.
    pub fn chosen(&self, outcome: Outcome, probabilities: &[f32]) -> impl Iterator<Item = usize> {
        let several =
            if let Self::Multilabel(multilabel) = self { Some(multilabel.chosen(probabilities)) } else { None };
        outcome.label.into_iter().chain(several.into_iter().flatten())
    }

    /// The record of an outcome of these probabilities.
    pub fn decision<'a>(
        &'a self,
        outcome: Outcome,
        probabilities: &[f32],
        task: &'a str,
        model: ModelRef<'a>,
    ) -> Decision<'a> {
        let labels = self.labels();
        Decision {
            task: task.into(),
            kind: self.kind(),
            labels: self.chosen(outcome, probabilities).map(|label| labels[label].as_str().into()).collect(),
            confidence: outcome.confidence,
            scores: match self.positive() {
                Some(positive) => vec![self.score(positive, probabilities)],
                None => self.told(probabilities).into_iter().map(|label| self.score(label, probabilities)).collect(),
            },
            model,
            reasons: Vec::new(),
            reasons_status: ReasonsStatus::None,
        }
    }

    fn score(&self, label: usize, probabilities: &[f32]) -> Score<'_> {
        Score {
            label: self.labels()[label].as_str().into(),
            probability: f64::from(probabilities[label]),
            threshold: self.threshold(label).map(Threshold::get),
        }
    }

    /// Of several labels those whose scores a decision tells: the likeliest and every chosen one, the likeliest first.
    fn told(&self, probabilities: &[f32]) -> Vec<usize> {
        let likelier = |a: &usize, b: &usize| probabilities[*b].total_cmp(&probabilities[*a]).then(a.cmp(b));
        let mut labels: Vec<usize> = (0..probabilities.len()).collect();
        if labels.len() > TOP_SCORES {
            labels.select_nth_unstable_by(TOP_SCORES, likelier);
        }
        let mut place = 0..;
        labels.retain(|&label| {
            let is_chosen = matches!(self, Self::Multilabel(multilabel) if multilabel.has(label, probabilities));
            place.next().is_some_and(|place| place < TOP_SCORES) || is_chosen
        });
        labels.sort_unstable_by(likelier);
        labels
    }
}

/// An action for each label that calls for one; the others let the message through.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub(super) struct Actions(BTreeMap<String, Action>);

impl Actions {
    /// One a label, in their order.
    fn of(&self, labels: &[String]) -> Result<Vec<Action>, PolicyError> {
        let unknown = self.0.keys().find(|name| !labels.contains(name));
        if let Some(found) = unknown {
            return Err(PolicyError::NoLabel { what: "decision.actions", found: found.clone() });
        }
        Ok(labels.iter().map(|label| self.0.get(label).copied().unwrap_or(Action::Allow)).collect())
    }
}

fn parse<'v, T: Deserialize<'v>>(decision: &'v Value) -> Result<T, PolicyError> {
    serde_path_to_error::deserialize(decision).map_err(|source| PolicyError::Decision { source })
}

fn check_labels(kind: Kind, labels: &[String]) -> Result<(), PolicyError> {
    let allowed = match kind {
        Kind::Binary => 2..=2,
        Kind::Multiclass => 2..=LABELS_MAX,
        Kind::Multilabel => 1..=LABELS_MAX,
    };
    if !allowed.contains(&labels.len()) {
        let [low, high] = [allowed.start(), allowed.end()];
        let allowed = if low == high { low.to_string() } else { format!("{low} to {high}") };
        return Err(PolicyError::Count { kind, allowed, found: labels.len() });
    }
    let mut known = HashSet::new();
    let usable = |label: &String| {
        let chars = (1..=LABEL_CHARS_MAX).contains(&label.chars().count());
        chars && !label.chars().any(char::is_control) && label != NO_LABEL
    };
    match labels.iter().find(|label| !usable(label) || !known.insert(*label)) {
        Some(found) => Err(PolicyError::Label { found: found.clone() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    pub(super) fn policy(kind: Kind, labels: &[&str], decision: Value) -> Result<Policy, PolicyError> {
        let labels: Vec<String> = labels.iter().map(|&label| label.into()).collect();
        Policy::try_new(kind, &labels, &decision)
    }

    #[track_caller]
    fn bad(kind: Kind, labels: &[&str], decision: Value, expected: &str) {
        let error = anyhow::Error::from(policy(kind, labels, decision).unwrap_err());
        assert!(format!("{error:#}").contains(expected), "{error:#}");
    }

    #[test]
    fn bad_policies_are_refused() {
        let (two, three) = (&["fine", "bad"][..], &["a", "b", "c"][..]);
        let binary = |threshold: f64| json!({"positive": "bad", "threshold": threshold, "actions": {}});
        bad(Kind::Binary, three, binary(0.5), "there are 3 labels; a Binary model has 2");
        bad(Kind::Multiclass, &["a"], json!({"actions": {}}), "there are 1 labels; a Multiclass model has 2 to 1000");
        for labels in [["same", "same"], ["", "other"], ["a\n", "b"], ["a", NO_LABEL]] {
            bad(Kind::Binary, &labels, binary(0.5), "is not usable");
        }
        bad(
            Kind::Binary,
            two,
            json!({"positive": "worse", "threshold": 0.5, "actions": {}}),
            "positive label is \"worse\"",
        );
        bad(Kind::Binary, two, binary(1.5), "threshold: the threshold is 1.5");
        bad(Kind::Binary, two, json!({"positive": "bad", "threshold": 0.5}), "missing field `actions`");
        let crossed = json!({"positive": "bad", "threshold": 0.5, "actions": {"review": 0.5, "block": 0.5}});
        bad(Kind::Binary, two, crossed, "review must start below");
        bad(Kind::Multiclass, three, json!({"abstain_below": null, "actions": {"d": "BLOCK"}}), "actions has \"d\"");
        bad(Kind::Multiclass, three, json!({"thresholds": {}, "actions": {}}), "unknown field `thresholds`");
        bad(Kind::Multiclass, three, json!({"abstain_below": 0.5, "actions": {"a": "BAN"}}), "unknown variant `BAN`");
        bad(Kind::Multilabel, two, json!({"thresholds": {"fine": 0.5}, "actions": {}}), "\"bad\" has no threshold");
        let more = json!({"thresholds": {"fine": 0.5, "bad": 0.5, "worse": 0.5}, "actions": {}});
        bad(Kind::Multilabel, two, more, "thresholds has \"worse\"");
    }
}
