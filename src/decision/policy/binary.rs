use serde::{Deserialize, Serialize};

use super::{Outcome, PolicyError, Threshold};
use crate::records::Action;

/// From which probability of the positive label on an action is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
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

/// The manifest's `decision`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    positive: String,
    threshold: Threshold,
    actions: Bands,
}

/// The policy of a model with two labels: the threshold decides the label, the bands decide the action.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    labels: [String; 2],
    /// Index into `labels`.
    positive: usize,
    threshold: Threshold,
    bands: Bands,
}

impl Binary {
    pub(super) fn try_new(labels: &[String], decision: Manifest) -> Result<Self, PolicyError> {
        let Manifest { positive, threshold, actions: bands } = decision;
        let Some(index) = labels.iter().position(|label| *label == positive) else {
            return Err(PolicyError::Positive { found: positive, labels: labels.to_vec() });
        };
        if let Bands { review: Some(review), block: Some(block) } = bands
            && review >= block
        {
            return Err(PolicyError::Bands { review: review.get(), block: block.get() });
        }
        Ok(Self { labels: [labels[0].clone(), labels[1].clone()], positive: index, threshold, bands })
    }

    pub(super) fn labels(&self) -> &[String] {
        &self.labels
    }

    pub(super) fn positive(&self) -> usize {
        self.positive
    }

    /// The positive label is chosen from this probability on.
    pub fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// What to do with a message.
    pub fn bands(&self) -> Bands {
        self.bands
    }

    pub(super) fn decide(&self, probabilities: &[f32]) -> Outcome {
        let probability = f64::from(probabilities[self.positive]);
        let action = self.bands.action(probability);
        let (label, confidence) = if self.threshold.is_reached_by(probability) {
            (self.positive, probability)
        } else {
            (1 - self.positive, 1.0 - probability)
        };
        Outcome { label: Some(label), confidence: Some(confidence), action }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        decision::policy::{Policy, tests::policy},
        records::{Action, Kind, ModelRef, Score},
    };

    fn manners(positive: &str, actions: serde_json::Value) -> Policy {
        let decision = json!({"positive": positive, "threshold": 0.5, "actions": actions});
        policy(Kind::Binary, &["fine", "bad"], decision).unwrap()
    }

    #[track_caller]
    fn check(probabilities: [f32; 2], label: usize, confidence: f64, action: Action) {
        let policy = manners("bad", json!({"review": 0.25, "block": 0.5}));
        let outcome = policy.decide(&probabilities);
        assert_eq!((outcome.label, outcome.action), (Some(label), action));
        assert!((outcome.confidence.unwrap() - confidence).abs() < 1e-9, "{outcome:?}");
    }

    #[test]
    fn the_threshold_decides_the_label_and_the_bands_the_action() {
        check([1.0, 0.0], 0, 1.0, Action::Allow);
        check([0.75, 0.25], 0, 0.75, Action::Review);
        check([0.5, 0.5], 1, 0.5, Action::Block);
        check([0.0, 1.0], 1, 1.0, Action::Block);
    }

    #[test]
    fn the_positive_label_may_be_the_first_and_no_band_has_to_be_there() {
        let outcome = manners("fine", json!({})).decide(&[0.75, 0.25]);
        assert_eq!((outcome.label, outcome.confidence, outcome.action), (Some(0), Some(0.75), Action::Allow));
    }

    #[test]
    fn the_record_says_the_score_of_the_positive_label_whichever_was_chosen() {
        let policy = manners("bad", json!({"review": null, "block": 0.5}));
        let model = ModelRef { name: "m".into(), version: "1".into(), digest: [7; 32], arm: "live".into() };
        let probabilities = [0.75, 0.25];
        let decision = policy.decision(policy.decide(&probabilities), &probabilities, "manners", model.clone());
        assert_eq!(decision.labels, ["fine"]);
        assert_eq!(decision.confidence, Some(0.75));
        assert_eq!(decision.scores, [Score { label: "bad".into(), probability: 0.25, threshold: Some(0.5) }]);
        assert_eq!((&*decision.task, decision.kind, decision.model), ("manners", Kind::Binary, model));
    }
}
