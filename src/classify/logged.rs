//! A judgement as the prediction log of a stream has it, as far as [`crate::drift`] reads it.

use std::borrow::Cow;

use serde::Serialize;

use super::{Case, Judgement};
use crate::{
    model::Bundle,
    records::{Action, UserFeatures},
};

/// Arm of every judgement.
const ARM: &str = "live";

/// A line of the log. The file has no tasks: the name of the model stands for it.
#[derive(Debug, Serialize)]
pub struct Logged<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a str>,
    language: &'a str,
    action: Action,
    /// Nothing is looked up, so nothing can be degraded.
    degraded: [&'static str; 0],
    /// Left out where the model reads user features: where a store would have them from, the file does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_features: Option<UserFeatures>,
    features: &'a [Option<f64>],
    feature_contract: &'a str,
    unknown_term_ratio: Option<f64>,
    text_chars: usize,
    tasks: [Task<'a>; 1],
}

#[derive(Debug, Serialize)]
struct Task<'a> {
    task: &'a str,
    labels: &'a [Cow<'a, str>],
    calibrated: Vec<f64>,
    model: Model<'a>,
}

#[derive(Debug, Serialize)]
struct Model<'a> {
    name: &'a str,
    version: &'a str,
    digest: String,
    arm: &'static str,
}

impl<'a> Logged<'a> {
    /// What `bundle` made of `case`.
    pub fn of(case: &'a Case, judgement: &'a Judgement<'_>, bundle: &'a Bundle) -> Self {
        let manifest = bundle.manifest();
        let model =
            Model { name: &manifest.name, version: &manifest.version, digest: bundle.digest().to_string(), arm: ARM };
        let task = Task {
            task: &manifest.name,
            labels: &judgement.decision.labels,
            calibrated: judgement.probabilities.iter().copied().map(f64::from).collect(),
            model,
        };
        let unused = !bundle.transformer().contract().uses_user_features();
        Self {
            message_id: case.message_id.as_deref(),
            language: case.heard.language.as_str(),
            action: judgement.action,
            degraded: [],
            user_features: unused.then_some(UserFeatures::Unused),
            features: judgement.features,
            feature_contract: &manifest.contract.id,
            unknown_term_ratio: judgement.unknown_term_ratio,
            text_chars: case.heard.text.chars().count(),
            tasks: [task],
        }
    }
}
