use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Actions, Outcome, PolicyError, Threshold};
use crate::records::Action;

/// The manifest's `decision`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    thresholds: BTreeMap<String, Threshold>,
    actions: Actions,
}

/// The policy of a model that gives a message any number of labels, each from a threshold of its own on.
#[derive(Clone, Debug, PartialEq)]
pub struct Multilabel {
    labels: Vec<String>,
    /// One a label.
    thresholds: Vec<Threshold>,
    /// One a label.
    actions: Vec<Action>,
}

impl Multilabel {
    pub(super) fn try_new(labels: &[String], decision: Manifest) -> Result<Self, PolicyError> {
        let Manifest { thresholds, actions } = decision;
        if let Some(found) = thresholds.keys().find(|name| !labels.contains(name)) {
            return Err(PolicyError::NoLabel { what: "decision.thresholds", found: found.clone() });
        }
        let threshold = |label: &String| {
            thresholds.get(label).copied().ok_or_else(|| PolicyError::NoThreshold { label: label.clone() })
        };
        let thresholds = labels.iter().map(threshold).collect::<Result<_, _>>()?;
        Ok(Self { labels: labels.to_vec(), thresholds, actions: actions.of(labels)? })
    }

    pub(super) fn labels(&self) -> &[String] {
        &self.labels
    }

    /// One a label, in their order.
    pub fn thresholds(&self) -> &[Threshold] {
        &self.thresholds
    }

    pub(super) fn has(&self, label: usize, probabilities: &[f32]) -> bool {
        self.thresholds[label].is_reached_by(f64::from(probabilities[label]))
    }

    pub(super) fn chosen(&self, probabilities: &[f32]) -> impl Iterator<Item = usize> {
        (0..self.labels.len()).filter(|&label| self.has(label, probabilities))
    }

    pub(super) fn decide(&self, probabilities: &[f32]) -> Outcome {
        let action = self.chosen(probabilities).map(|label| self.actions[label]).max().unwrap_or(Action::Allow);
        Outcome { label: None, confidence: None, action }
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
    fn each_label_has_a_threshold_and_the_most_severe_action_counts() {
        let decision = json!({
            "thresholds": {"insult": 0.5, "ad": 0.3, "link": 0.9, "long": 0.1, "rare": 1.0},
            "actions": {"insult": "BLOCK", "ad": "REVIEW"},
        });
        let policy = policy(Kind::Multilabel, &["insult", "ad", "link", "long", "rare"], decision).unwrap();
        let model = || ModelRef { name: "m".into(), version: "1".into(), digest: [7; 32], arm: "live".into() };
        for (probabilities, labels, told, action) in [
            ([0.6, 0.4, 0.95, 0.0, 0.0], &["insult", "ad", "link"][..], &["link", "insult", "ad"][..], Action::Block),
            ([0.4, 0.3, 0.2, 0.1, 0.2], &["ad", "long"], &["insult", "ad", "link", "long"], Action::Review),
            ([0.1, 0.2, 0.8, 0.0, 0.1], &[], &["link", "ad", "insult"], Action::Allow),
        ] {
            let outcome = policy.decide(&probabilities);
            let decision = policy.decision(outcome, &probabilities, "tags", model());
            assert_eq!((outcome.action, outcome.label, decision.confidence), (action, None, None));
            assert_eq!(decision.labels, labels);
            assert_eq!(decision.scores.iter().map(|score| &*score.label).collect::<Vec<_>>(), told);
            assert!(decision.scores.iter().all(|score| score.threshold.is_some()));
        }
    }
}
