use serde::Deserialize;

use super::{Actions, Outcome, PolicyError, Threshold};
use crate::records::Action;

/// The manifest's `decision`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    #[serde(default)]
    abstain_below: Option<Threshold>,
    actions: Actions,
}

/// The policy of a model that chooses one of several labels, or none when it is not sure enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Multiclass {
    labels: Vec<String>,
    abstain_below: Option<Threshold>,
    /// One a label.
    actions: Vec<Action>,
}

impl Multiclass {
    pub(super) fn try_new(labels: &[String], decision: Manifest) -> Result<Self, PolicyError> {
        let actions = decision.actions.of(labels)?;
        Ok(Self { labels: labels.to_vec(), abstain_below: decision.abstain_below, actions })
    }

    pub(super) fn labels(&self) -> &[String] {
        &self.labels
    }

    /// A likeliest label with a lower probability is not chosen.
    pub fn abstain_below(&self) -> Option<Threshold> {
        self.abstain_below
    }

    /// Of equal probabilities the first label is the likeliest, as in numpy's `argmax`.
    pub(super) fn decide(&self, probabilities: &[f32]) -> Outcome {
        let mut best = 0;
        for (label, probability) in probabilities.iter().enumerate() {
            if *probability > probabilities[best] {
                best = label;
            }
        }
        let probability = f64::from(probabilities[best]);
        if self.abstain_below.is_none_or(|band| band.is_reached_by(probability)) {
            Outcome { label: Some(best), confidence: Some(probability), action: self.actions[best] }
        } else {
            Outcome { label: None, confidence: None, action: Action::Allow }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        decision::policy::tests::policy,
        records::{Action, Kind, ModelRef},
    };

    #[test]
    fn the_likeliest_label_is_chosen_unless_it_is_not_sure_enough() {
        let decision = json!({"abstain_below": 0.4, "actions": {"threat": "BLOCK", "ad": "REVIEW"}});
        let policy = policy(Kind::Multiclass, &["talk", "ad", "threat", "news"], decision).unwrap();
        for (probabilities, label, action) in [
            ([0.1, 0.2, 0.6, 0.1], Some(2), Action::Block),
            ([0.2, 0.4, 0.1, 0.3], Some(1), Action::Review),
            ([0.5, 0.5, 0.0, 0.0], Some(0), Action::Allow),
            ([0.1, 0.2, 0.39, 0.32], None, Action::Allow),
        ] {
            let outcome = policy.decide(&probabilities);
            assert_eq!((outcome.label, outcome.action), (label, action), "{probabilities:?}");
            assert_eq!(outcome.confidence, label.map(|label| f64::from(probabilities[label])));
        }
    }

    #[test]
    fn the_record_tells_the_likeliest_labels_also_when_it_abstains() {
        let policy =
            policy(Kind::Multiclass, &["a", "b", "c", "d"], json!({"abstain_below": 0.5, "actions": {}})).unwrap();
        let model = ModelRef { name: "m".into(), version: "1".into(), digest: [7; 32], arm: "live".into() };
        let probabilities = [0.1, 0.4, 0.2, 0.3];
        let decision = policy.decision(policy.decide(&probabilities), &probabilities, "topic", model);
        assert!(decision.labels.is_empty() && decision.confidence.is_none());
        let told: Vec<_> = decision.scores.iter().map(|score| (&*score.label, score.threshold)).collect();
        assert_eq!(told, [("b", Some(0.5)), ("d", Some(0.5)), ("c", Some(0.5))]);
    }
}
