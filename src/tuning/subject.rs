use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    model::{Bundle, Manifest},
    records::Kind,
};

/// The bundle that is tuned, as far as thresholds go.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Subject {
    /// Of the bundle.
    pub name: String,
    /// Of the bundle.
    pub version: String,
    /// SHA-256 of the bundle.
    pub digest: String,
    /// Kind of the classifier.
    pub kind: Kind,
    /// In the order of the probabilities.
    pub labels: Vec<String>,
    /// What it decides by now.
    pub now: Now,
}

/// What a bundle decides by.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Now {
    /// `BINARY`: index of the positive label.
    pub positive: Option<usize>,
    /// Per label, 0..=1; none where the kind has none.
    pub thresholds: Vec<Option<f64>>,
    /// `BINARY`: from this probability on a person looks.
    pub review: Option<f64>,
    /// `BINARY`: from this probability on a message is blocked.
    pub block: Option<f64>,
    /// `MULTICLASS`: below this probability nothing is said.
    pub abstain_below: Option<f64>,
    /// `MULTICLASS`, `MULTILABEL`: what is done with a label's messages, as the manifest writes it.
    pub actions: Map<String, Value>,
}

impl Subject {
    /// Of this bundle.
    pub fn of(bundle: &Bundle) -> Self {
        let Manifest { name, version, decision, .. } = bundle.manifest();
        Self {
            name: name.clone(),
            version: version.clone(),
            digest: bundle.digest().to_string(),
            kind: bundle.policy().kind(),
            labels: bundle.policy().labels().to_vec(),
            now: Now::of(bundle.policy().kind(), bundle.policy().labels(), decision),
        }
    }

    /// The labels that are tuned and shown: of a `BINARY` model only the positive one, whose mirror the other is.
    pub fn tuned(&self) -> impl Iterator<Item = usize> {
        let positive = self.now.positive;
        (0..self.labels.len()).filter(move |label| positive.is_none_or(|positive| positive == *label))
    }
}

impl Now {
    /// Of a manifest's `decision`, as this kind has it.
    fn of(kind: Kind, labels: &[String], decision: &Value) -> Self {
        let positive = labels.iter().position(|label| decision["positive"] == *label);
        let threshold = |(index, label): (usize, &String)| match kind {
            Kind::Binary => (Some(index) == positive).then(|| decision["threshold"].as_f64()).flatten(),
            Kind::Multiclass => None,
            Kind::Multilabel => decision["thresholds"][label].as_f64(),
        };
        let actions = decision["actions"].as_object().cloned().unwrap_or_default();
        let band = |name: &str| actions.get(name).and_then(Value::as_f64).filter(|_| kind == Kind::Binary);
        Self {
            positive: positive.filter(|_| kind == Kind::Binary),
            thresholds: labels.iter().enumerate().map(threshold).collect(),
            review: band("review"),
            block: band("block"),
            abstain_below: decision["abstain_below"].as_f64().filter(|_| kind == Kind::Multiclass),
            actions: if kind == Kind::Binary { Map::new() } else { actions },
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// Of a model that there need not be.
    pub(in crate::tuning) fn subject(kind: Kind, labels: &[&str], decision: &Value) -> Subject {
        let labels: Vec<_> = labels.iter().map(|&label| label.to_owned()).collect();
        let now = Now::of(kind, &labels, decision);
        Subject { name: "m".into(), version: "1".into(), digest: "00".into(), kind, labels, now }
    }

    #[test]
    fn each_kind_has_its_own_decision() {
        let decision = json!({"positive": "b", "threshold": 0.5, "actions": {"review": 0.25, "block": null}});
        let binary = subject(Kind::Binary, &["a", "b"], &decision);
        assert_eq!((binary.now.positive, &binary.now.thresholds[..]), (Some(1), &[None, Some(0.5)][..]));
        assert_eq!((binary.now.review, binary.now.block), (Some(0.25), None));
        assert_eq!(binary.tuned().collect::<Vec<_>>(), [1]);
        let decision = json!({"thresholds": {"a": 0.5, "b": 0.25}, "actions": {"b": "REVIEW"}});
        let multilabel = subject(Kind::Multilabel, &["a", "b"], &decision);
        assert_eq!(multilabel.now.thresholds, [Some(0.5), Some(0.25)]);
        assert_eq!((multilabel.tuned().count(), &multilabel.now.actions["b"]), (2, &json!("REVIEW")));
        let decision = json!({"abstain_below": 0.4, "actions": {}});
        let multiclass = subject(Kind::Multiclass, &["a", "b", "c"], &decision);
        assert_eq!((multiclass.now.abstain_below, &multiclass.now.thresholds[..]), (Some(0.4), &[None; 3][..]));
    }
}
