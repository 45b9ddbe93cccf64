use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Digest;
use crate::{
    decision::{Gives, Method},
    features::{
        contract::{Feature, Origin},
        tfidf,
        vector::Scaling,
    },
    records::Kind,
};

/// The format that this version reads.
pub const FORMAT: u32 = 2;

/// `manifest.json`: what a bundle is, and the SHA-256 of every other file in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// Of the bundle; verdicts carry it.
    pub name: String,
    /// Of the bundle; verdicts carry it.
    pub version: String,
    /// Kind of the classifier.
    pub kind: Kind,
    /// In the order of the graph's output. A `BINARY` graph may give one number, which is about the second label.
    pub labels: Vec<String>,
    /// Thresholds and actions, as [`crate::decision::Policy`] reads them for this kind.
    pub decision: Value,
    /// From the graph's numbers to probabilities.
    pub calibration: Method,
    /// How the graph is called.
    pub graph: Graph,
    /// The numeric features.
    pub contract: ContractManifest,
    /// How terms are made of a text and weighed: the columns of the first stand behind the numeric features, then those
    /// of the next.
    pub vectorizers: Vec<Terms>,
    /// Unicode version of the Python that fitted the vocabularies and made the golden vectors.
    pub unicode: String,
    /// What the model learnt from.
    pub training: Training,
    /// Per set of rows, measure by measure: what the model card says.
    pub metrics: BTreeMap<String, BTreeMap<String, f64>>,
    /// File of the [`crate::drift::reference::BundleReference`], if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_reference: Option<String>,
    /// SHA-256 by file name.
    pub files: BTreeMap<String, Digest>,
}

/// How the graph is called.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Graph {
    /// Name of its one input, `[rows, numeric + terms]`.
    pub input: String,
    /// Name of the output to read, `[rows, labels]`.
    pub output: String,
    /// What its numbers mean.
    pub gives: Gives,
}

/// The numeric features with their id.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractManifest {
    /// [`crate::features::contract::Contract::id`], as the training computed it.
    pub id: String,
    /// In the order in which the graph reads them.
    pub features: Vec<NumericFeature>,
}

/// One numeric feature: its place in the contract and its scaling.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumericFeature {
    /// Unique in the contract.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
    /// What one of it means.
    pub unit: String,
    /// Stands in where the value is missing.
    pub default: f64,
    /// Lower and upper bound.
    pub clip: [f64; 2],
    /// Of the training data, after clipping.
    pub mean: f64,
    /// Standard deviation of the training data, after clipping.
    pub scale: f64,
}

/// What the model learnt from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Name of the data.
    pub data: String,
    /// SHA-256 of each of the data's files.
    pub data_sha256: Vec<Digest>,
    /// Messages per set of rows: training, test.
    pub rows: BTreeMap<String, u64>,
}

/// One vectorizer: its vocabulary's file, and scikit-learn's names for how it is used.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Unique in the bundle.
    pub name: String,
    /// Of the vocabulary: a line `term TAB idf TAB mean weight` a column.
    pub file: String,
    /// What a term is.
    pub analyzer: tfidf::Analyzer,
    /// Words or characters of the shortest term.
    pub ngram_min: usize,
    /// Words or characters of the longest term.
    pub ngram_max: usize,
    /// Whether the text is lower-cased first.
    pub lowercase: bool,
    /// Whether a count `n` weighs `1 + ln n`.
    pub sublinear_tf: bool,
    /// What a row is scaled by.
    pub norm: tfidf::Norm,
}

impl Terms {
    /// What the vectorizer takes.
    pub fn options(&self) -> tfidf::Options {
        let &Self { analyzer, ngram_min, ngram_max, lowercase, sublinear_tf, norm, .. } = self;
        tfidf::Options { analyzer, ngram_min, ngram_max, lowercase, sublinear_tf, norm }
    }
}

impl NumericFeature {
    /// What the contract says of it.
    pub fn feature(&self) -> Feature {
        Feature { name: self.name.clone(), origin: self.origin, unit: self.unit.clone(), default: self.default }
    }

    /// How it is scaled.
    pub fn scaling(&self) -> Scaling {
        Scaling { clip: self.clip, mean: self.mean, scale: self.scale }
    }
}
