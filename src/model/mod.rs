//! The model: a **bundle** on disk, and the scoring of rows with it.
//!
//! ```text
//!  models/NAME/ ─► Bundle::load: digests ─► contract, vocabularies, graph ─► golden vectors ─► Arc<Bundle>
//!                                                                                               │ shared by all lanes
//!  raw features, text ─► FeatureTransformer ─► Rows ─► Model: Scorer ─► Calibrator ─► Policy ─► Outcome
//!                                                      one per lane
//! ```
//!
//! A bundle is one unit: `manifest.json` holds the SHA-256 of `model.onnx`, `golden.json`, the vocabularies and any
//! other file in it, so that the SHA-256 of `manifest.json` names them all. Every verdict carries that digest.
//! `MODEL_CARD.md` is prose about the bundle and stands outside the digest.

mod bundle;
mod digest;
mod files;
mod golden;
pub mod isolate;
mod manifest;
mod onnx;
mod vocabulary;

use std::sync::Arc;

pub use bundle::{Bundle, BundleError, NAME_CHARS_MAX};
pub use digest::{Digest, NotADigest};
pub use files::{FILES_MAX, GRAPH_BYTES_MAX};
pub use golden::{FEATURE_TOLERANCE, GOLDEN_VECTORS_MAX, GOLDEN_VECTORS_MIN, GoldenError, PROBABILITY_TOLERANCE};
pub use manifest::{ContractManifest, FORMAT, Graph, Manifest, NumericFeature, Terms, Training};
pub use onnx::{GraphError, ScoreError, Scorer, Scores, State, TILE_ROWS_MAX};

use crate::{decision::Outcome, features::vector::Rows, records::Decision};

/// A lane's own hold on a bundle: the bundle is shared, the working memory is not.
///
/// [`Self::score`] and [`Self::decide`] replace what was judged before; the others tell of the row with an index among
/// those, and panic past them.
#[derive(Debug)]
pub struct Model {
    bundle: Arc<Bundle>,
    state: State,
    scores: Scores,
    /// Per row, one a label.
    probabilities: Vec<f32>,
    outcomes: Vec<Outcome>,
}

impl Model {
    /// Working memory for one lane.
    pub fn new(bundle: Arc<Bundle>) -> Result<Self, ScoreError> {
        let state = bundle.scorer().state()?;
        Ok(Self { bundle, state, scores: Scores::default(), probabilities: Vec::new(), outcomes: Vec::new() })
    }

    /// The bundle it judges with.
    pub fn bundle(&self) -> &Arc<Bundle> {
        &self.bundle
    }

    /// Scores rows that this bundle's transformer made.
    pub fn score(&mut self, rows: &Rows) -> Result<(), ScoreError> {
        self.outcomes.clear();
        self.bundle.scorer().score(&mut self.state, rows, &mut self.scores)
    }

    /// Calibrates the scores and decides on each row.
    pub fn decide(&mut self) {
        let (calibrator, policy) = (self.bundle.calibrator(), self.bundle.policy());
        self.probabilities.clear();
        self.outcomes.clear();
        for row in self.scores.rows() {
            let first = self.probabilities.len();
            calibrator.apply(row, &mut self.probabilities);
            self.outcomes.push(policy.decide(&self.probabilities[first..]));
        }
    }

    /// What was decided, row by row.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// The graph's numbers for a row.
    pub fn raw(&self, row: usize) -> &[f32] {
        self.scores.row(row)
    }

    /// The probabilities of a row, 0..=1, in the order of the bundle's labels.
    pub fn probabilities(&self, row: usize) -> &[f32] {
        let labels = self.bundle.policy().labels().len();
        &self.probabilities[row * labels..(row + 1) * labels]
    }

    /// The decision on a row as a verdict carries it.
    pub fn decision<'a>(&'a self, row: usize, task: &'a str, arm: &'a str) -> Decision<'a> {
        let policy = self.bundle.policy();
        policy.decision(self.outcomes[row], self.probabilities(row), task, self.bundle.reference(arm))
    }
}
