use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Threshold;
use crate::records::{Action, Decision, Kind, ModelRef, ReasonsStatus, Score};

/// From which probability of the positive label on an action is taken.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bands {
    /// From here on a person looks; none means that nobody does.
    #[serde(default)]
    pub review: Option<Threshold>,
    /// From here on the message is kept from its readers; none means that no message is.
    #[serde(default)]
    pub block: Option<Threshold>,
}

impl Bands {
    fn action(&self, probability: f64) -> Action {
        let reached = |band: Option<Threshold>| band.is_some_and(|band| band.is_reached_by(probability));
        match () {
            () if reached(self.block) => Action::Block,
            () if reached(self.review) => Action::Review,
            () => Action::Allow,
        }
    }
}

/// Why labels, threshold and bands make no policy.
#[derive(Clone, Debug, PartialEq, Error)]
#[allow(missing_docs)] // The messages say it.
pub enum PolicyError {
    #[error("the labels are {found:?}; a BINARY model has two different ones")]
    Labels { found: Vec<String> },
    #[error("the positive label is {found:?}; it must be one of {labels:?}")]
    Positive { found: String, labels: Vec<String> },
    #[error("the review band starts at {review} and the block band at {block}; review must start below")]
    Bands { review: f64, block: f64 },
}

/// How the probabilities of one task become a decision. A pure function of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Policy {
    /// One of two labels.
    Binary(Binary),
}

/// The policy of a model with two labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    labels: [String; 2],
    /// Index into `labels`.
    positive: usize,
    threshold: Threshold,
    bands: Bands,
}

/// What was decided on one message; cheap to copy, see [`Policy::decision`] for the record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Index of the chosen label.
    pub label: usize,
    /// Probability of the chosen label, 0..=1.
    pub confidence: f64,
    /// Probability of the positive label, 0..=1.
    pub probability: f64,
    /// What to do with the message.
    pub action: Action,
}

impl Binary {
    /// The threshold decides the label, the bands decide the action.
    pub fn try_new(labels: &[String], positive: &str, threshold: Threshold, bands: Bands) -> Result<Self, PolicyError> {
        let [first, second] = labels else { return Err(PolicyError::Labels { found: labels.to_vec() }) };
        if first == second || first.is_empty() || second.is_empty() {
            return Err(PolicyError::Labels { found: labels.to_vec() });
        }
        let Some(index) = labels.iter().position(|label| label == positive) else {
            return Err(PolicyError::Positive { found: positive.into(), labels: labels.to_vec() });
        };
        if let Bands { review: Some(review), block: Some(block) } = bands
            && review >= block
        {
            return Err(PolicyError::Bands { review: review.get(), block: block.get() });
        }
        Ok(Self { labels: [first.clone(), second.clone()], positive: index, threshold, bands })
    }

    fn decide(&self, probabilities: &[f32]) -> Outcome {
        let probability = f64::from(probabilities[self.positive]).clamp(0.0, 1.0);
        let action = self.bands.action(probability);
        if self.threshold.is_reached_by(probability) {
            Outcome { label: self.positive, confidence: probability, probability, action }
        } else {
            Outcome { label: 1 - self.positive, confidence: 1.0 - probability, probability, action }
        }
    }
}

impl Policy {
    /// What kind of classifier this is for.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Binary(_) => Kind::Binary,
        }
    }

    /// The labels, in the order of the probabilities.
    pub fn labels(&self) -> &[String] {
        match self {
            Self::Binary(binary) => &binary.labels,
        }
    }

    /// Decides on one message. `probabilities` has one per label, in the order of [`Self::labels`].
    pub fn decide(&self, probabilities: &[f32]) -> Outcome {
        match self {
            Self::Binary(binary) => binary.decide(probabilities),
        }
    }

    /// The record of an outcome.
    pub fn decision<'a>(&'a self, outcome: Outcome, task: &'a str, model: ModelRef<'a>) -> Decision<'a> {
        let Self::Binary(Binary { labels, positive, threshold, .. }) = self;
        Decision {
            task: task.into(),
            kind: self.kind(),
            labels: vec![labels[outcome.label].as_str().into()],
            confidence: Some(outcome.confidence),
            scores: vec![Score {
                label: labels[*positive].as_str().into(),
                probability: outcome.probability,
                threshold: Some(threshold.get()),
            }],
            model,
            reasons: Vec::new(),
            reasons_status: ReasonsStatus::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.into()).collect()
    }

    fn binary(positive: &str, threshold: f64, review: Option<f64>, block: Option<f64>) -> Result<Binary, PolicyError> {
        let at = |band: Option<f64>| band.map(|band| Threshold::try_new(band).unwrap());
        let bands = Bands { review: at(review), block: at(block) };
        Binary::try_new(&labels(&["fine", "bad"]), positive, Threshold::try_new(threshold).unwrap(), bands)
    }

    #[track_caller]
    fn check(probabilities: [f32; 2], label: &str, confidence: f64, action: Action) {
        let policy = Policy::Binary(binary("bad", 0.5, Some(0.25), Some(0.5)).unwrap());
        let outcome = policy.decide(&probabilities);
        assert_eq!((policy.labels()[outcome.label].as_str(), outcome.action), (label, action));
        assert!((outcome.confidence - confidence).abs() < 1e-9, "{outcome:?}");
    }

    #[test]
    fn the_threshold_decides_the_label_and_the_bands_the_action() {
        check([1.0, 0.0], "fine", 1.0, Action::Allow);
        check([0.75, 0.25], "fine", 0.75, Action::Review);
        check([0.5, 0.5], "bad", 0.5, Action::Block);
        check([0.0, 1.0], "bad", 1.0, Action::Block);
    }

    #[test]
    fn rounding_past_1_is_no_confidence_above_1() {
        check([-1e-7, 1.000_000_1], "bad", 1.0, Action::Block);
    }

    #[test]
    fn the_positive_label_may_be_the_first() {
        let policy = Policy::Binary(binary("fine", 0.5, None, None).unwrap());
        let outcome = policy.decide(&[0.75, 0.25]);
        assert_eq!(outcome, Outcome { label: 0, confidence: 0.75, probability: 0.75, action: Action::Allow });
    }

    #[test]
    fn the_record_says_the_score_of_the_positive_label_whichever_was_chosen() {
        let policy = Policy::Binary(binary("bad", 0.5, None, Some(0.5)).unwrap());
        let model = ModelRef { name: "m".into(), version: "1".into(), digest: [7; 32], arm: "live".into() };
        let decision = policy.decision(policy.decide(&[0.75, 0.25]), "manners", model.clone());
        assert_eq!(decision.labels, ["fine"]);
        assert_eq!(decision.confidence, Some(0.75));
        assert_eq!(decision.scores, [Score { label: "bad".into(), probability: 0.25, threshold: Some(0.5) }]);
        assert_eq!((&*decision.task, decision.kind, decision.model), ("manners", Kind::Binary, model));
    }

    #[test]
    fn bad_policies_are_refused() {
        assert!(matches!(binary("worse", 0.5, None, None), Err(PolicyError::Positive { .. })));
        assert!(matches!(binary("bad", 0.5, Some(0.5), Some(0.5)), Err(PolicyError::Bands { .. })));
        for names in [&["one"][..], &["same", "same"], &["", "other"], &["a", "b", "c"]] {
            let half = Threshold::try_new(0.5).unwrap();
            let refused = Binary::try_new(&labels(names), names[0], half, Bands { review: None, block: None });
            assert!(matches!(refused, Err(PolicyError::Labels { .. })), "{names:?}");
        }
    }
}
