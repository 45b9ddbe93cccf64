//! Golden vectors: texts whose features, weights and probabilities the training computed with Python, scikit-learn and
//! onnxruntime. A bundle that does not come to the same numbers here never serves.

use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::{Bundle, ScoreError, Scores};
use crate::{
    features::{
        store::{NotANumber, user_values},
        text,
        vector::{FeatureTransformer, Rows, Scratch},
    },
    intake,
};

/// A bundle has at least so many.
pub const GOLDEN_VECTORS_MIN: usize = 20;
/// A bundle has at most so many.
pub const GOLDEN_VECTORS_MAX: usize = 10_000;
/// A feature or weight may differ by so much.
pub const FEATURE_TOLERANCE: f64 = 1e-6;
/// A probability may differ by so much; a graph's number too, and beyond 1 by so much of it.
pub const PROBABILITY_TOLERANCE: f64 = 1e-5;

/// One message with what must come out of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Golden {
    /// As a producer would write it.
    text: String,
    /// As the feature store would hold it.
    #[serde(default)]
    user: Map<String, Value>,
    /// One raw value or none per feature of the contract.
    numeric: Vec<Option<f64>>,
    /// (column, weight) of the text's terms, in the order of their columns, the first term's column being 0.
    terms: Vec<(u32, f64)>,
    /// The graph's numbers.
    graph: Vec<f64>,
    /// Calibrated, one a label.
    probabilities: Vec<f64>,
    /// The labels that the message gets.
    labels: Vec<String>,
}

/// Where a bundle departs from its golden vectors.
#[derive(Debug, Error)]
#[allow(missing_docs)] // The messages say it.
pub enum GoldenError {
    #[error("there are {found} golden vectors; a bundle has {GOLDEN_VECTORS_MIN} to {GOLDEN_VECTORS_MAX}")]
    Count { found: usize },
    #[error("golden vector {vector}: intake refuses the text as {reject:?}")]
    Text { vector: usize, reject: intake::Reject },
    #[error("golden vector {vector}: the user record is malformed")]
    User { vector: usize, source: NotANumber },
    #[error("golden vector {vector}: {what} is {found}, expected {expected}")]
    Differs { vector: usize, what: String, expected: f64, found: f64 },
    #[error("golden vector {vector}: {found} {what}, expected {expected}")]
    Length { vector: usize, what: &'static str, expected: usize, found: usize },
    #[error("golden vector {vector} gets the labels {found:?}, expected {expected:?}")]
    Labels { vector: usize, expected: Vec<String>, found: Vec<String> },
    #[error("the golden vectors cannot be scored")]
    Score { source: ScoreError },
}

/// Sends every vector through intake, features and graph, exactly as a message goes, and compares at each step.
pub(super) fn replay(goldens: &[Golden], bundle: &Bundle) -> Result<(), GoldenError> {
    if !(GOLDEN_VECTORS_MIN..=GOLDEN_VECTORS_MAX).contains(&goldens.len()) {
        return Err(GoldenError::Count { found: goldens.len() });
    }
    let mut rows = Rows::default();
    let (mut text_scratch, mut scratch) = (text::Scratch::default(), Scratch::default());
    let transformer = bundle.transformer();
    for (vector, golden) in goldens.iter().enumerate() {
        let contract = transformer.contract();
        let (text, _) =
            intake::hear_text(golden.text.clone()).map_err(|reject| GoldenError::Text { vector, reject })?;
        let user =
            user_values(contract.user_names(), &golden.user).map_err(|source| GoldenError::User { vector, source })?;
        let mut raw = Vec::new();
        contract.raw(&text::extract(&text, &mut text_scratch), &user, &mut raw);
        transformer.push(&raw, &text, &mut scratch, &mut rows);
        let checked = Checked { vector, golden };
        checked.numeric(transformer, &raw)?;
        checked.terms(&rows.row(vector)[transformer.numeric()..], transformer.numeric())?;
    }
    let (scorer, mut scores) = (bundle.scorer(), Scores::default());
    let mut state = scorer.state().map_err(|source| GoldenError::Score { source })?;
    scorer.score(&mut state, &rows, &mut scores).map_err(|source| GoldenError::Score { source })?;
    let mut checked = goldens.iter().enumerate().zip(scores.rows());
    checked.try_for_each(|((vector, golden), graph)| Checked { vector, golden }.decision(graph, bundle))
}

/// A golden vector under comparison.
struct Checked<'a> {
    vector: usize,
    golden: &'a Golden,
}

impl Checked<'_> {
    fn numeric(&self, transformer: &FeatureTransformer, found: &[Option<f64>]) -> Result<(), GoldenError> {
        self.length("numeric features", self.golden.numeric.len(), found.len())?;
        let features = transformer.contract().features().iter().map(|feature| feature.name.as_str());
        let missing = |value: &Option<f64>| value.unwrap_or(f64::NAN);
        let pairs = self.golden.numeric.iter().map(missing).zip(found.iter().map(missing));
        for (name, (expected, found)) in features.zip(pairs) {
            self.close(&format!("feature {name}"), expected, found, FEATURE_TOLERANCE)?;
        }
        Ok(())
    }

    fn terms(&self, found: &[(u32, f32)], first: usize) -> Result<(), GoldenError> {
        self.length("terms", self.golden.terms.len(), found.len())?;
        for (&(column, expected), &(found_column, found)) in self.golden.terms.iter().zip(found) {
            let found_column = found_column as usize - first;
            self.close("the column of a term", f64::from(column), found_column as f64, 0.0)?;
            self.close(&format!("the weight of term {column}"), expected, f64::from(found), FEATURE_TOLERANCE)?;
        }
        Ok(())
    }

    fn decision(&self, graph: &[f32], bundle: &Bundle) -> Result<(), GoldenError> {
        self.numbers("number of the graph for", &self.golden.graph, graph)?;
        let mut probabilities = Vec::new();
        bundle.calibrator().apply(graph, &mut probabilities);
        self.numbers("probability of", &self.golden.probabilities, &probabilities)?;
        let policy = bundle.policy();
        let chosen = policy.chosen(policy.decide(&probabilities), &probabilities);
        let found: Vec<String> = chosen.map(|label| policy.labels()[label].clone()).collect();
        if found == self.golden.labels {
            return Ok(());
        }
        Err(GoldenError::Labels { vector: self.vector, expected: self.golden.labels.clone(), found })
    }

    fn numbers(&self, what: &'static str, expected: &[f64], found: &[f32]) -> Result<(), GoldenError> {
        self.length(what, expected.len(), found.len())?;
        for (label, (&expected, &found)) in expected.iter().zip(found).enumerate() {
            let tolerance = PROBABILITY_TOLERANCE * expected.abs().max(1.0);
            self.close(&format!("the {what} label {label}"), expected, f64::from(found), tolerance)?;
        }
        Ok(())
    }

    fn length(&self, what: &'static str, expected: usize, found: usize) -> Result<(), GoldenError> {
        let vector = self.vector;
        if expected == found { Ok(()) } else { Err(GoldenError::Length { vector, what, expected, found }) }
    }

    /// NaN stands for a missing value and is only close to another.
    fn close(&self, what: &str, expected: f64, found: f64, tolerance: f64) -> Result<(), GoldenError> {
        let both_missing = expected.is_nan() && found.is_nan();
        if both_missing || (expected - found).abs() <= tolerance {
            return Ok(());
        }
        Err(GoldenError::Differs { vector: self.vector, what: what.into(), expected, found })
    }
}
