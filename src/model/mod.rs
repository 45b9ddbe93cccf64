//! The model: a **bundle** on disk, and the scoring of rows with it.
//!
//! ```text
//!  models/NAME/ ─► Bundle::load: digests ─► contract, vocabulary, graph ─► golden vectors ─► Arc<Bundle>
//!                                                                                              │ shared by all lanes
//!  raw features, text ─► FeatureTransformer ─► Rows ─► Model::score ─► Scores ─► Policy ─► Outcome
//!                                                      one per lane
//! ```
//!
//! A bundle is one unit: `manifest.json` holds the SHA-256 of `model.onnx`, `vocabulary.tsv`, `golden.json` and of any
//! other file in it, so that the SHA-256 of `manifest.json` names them all. Every verdict carries that digest.
//! `MODEL_CARD.md` is prose about the bundle and stands outside the digest.

mod bundle;
mod digest;
mod golden;
pub mod isolate;
mod manifest;
mod onnx;

use std::sync::Arc;

pub use bundle::{Bundle, BundleError, FILES_MAX, GRAPH_BYTES_MAX};
pub use digest::{Digest, NotADigest};
pub use golden::{FEATURE_TOLERANCE, GOLDEN_VECTORS_MAX, GOLDEN_VECTORS_MIN, GoldenError, PROBABILITY_TOLERANCE};
pub use manifest::{ContractManifest, FORMAT, Graph, Manifest, NumericFeature, Training};
pub use onnx::{Gives, GraphError, ScoreError, Scorer, Scores, State, TILE_ROWS_MAX};

use crate::features::vector::Rows;

/// A lane's own hold on a bundle: the bundle is shared, the working memory is not.
#[derive(Debug)]
pub struct Model {
    bundle: Arc<Bundle>,
    state: State,
    scores: Scores,
}

impl Model {
    /// Working memory for one lane.
    pub fn new(bundle: Arc<Bundle>) -> Result<Self, ScoreError> {
        let state = bundle.scorer().state()?;
        Ok(Self { bundle, state, scores: Scores::default() })
    }

    /// The bundle it scores with.
    pub fn bundle(&self) -> &Arc<Bundle> {
        &self.bundle
    }

    /// Scores rows that this bundle's transformer made.
    pub fn score(&mut self, rows: &Rows) -> Result<&Scores, ScoreError> {
        self.bundle.scorer().score(&mut self.state, rows, &mut self.scores)?;
        Ok(&self.scores)
    }
}
