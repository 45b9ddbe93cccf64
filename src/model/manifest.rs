use std::collections::BTreeMap;

use serde::Deserialize;

use super::Digest;
use crate::{
    decision::{Bands, Threshold},
    features::{
        contract::{Feature, Origin},
        tfidf,
        vector::Scaling,
    },
    records::Kind,
};

/// The format that this version reads.
pub const FORMAT: u32 = 1;

/// `manifest.json`: what a bundle is, and the SHA-256 of every other file in it.
#[derive(Clone, Debug, Deserialize)]
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
    /// In the order of the graph's output.
    pub labels: Vec<String>,
    /// `BINARY`: the label that the threshold and the actions are about.
    pub positive: String,
    /// The positive label is chosen from this probability on.
    pub threshold: Threshold,
    /// What to do with a message.
    pub actions: Bands,
    /// How the graph is called.
    pub graph: Graph,
    /// The numeric features.
    pub contract: ContractManifest,
    /// How terms are made of a text and weighed.
    pub vectorizer: tfidf::Options,
    /// Unicode version of the Python that fitted the vocabulary and made the golden vectors.
    pub unicode: String,
    /// What the model learnt from.
    pub training: Training,
    /// Per fold, measure by measure: what the model card says.
    pub metrics: BTreeMap<String, BTreeMap<String, f64>>,
    /// SHA-256 by file name.
    pub files: BTreeMap<String, Digest>,
}

/// How the graph is called.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Graph {
    /// Name of its one input, `[rows, numeric + terms]`.
    pub input: String,
    /// Name of the output to read, `[rows, labels]`.
    pub output: String,
}

/// The numeric features with their id.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractManifest {
    /// [`crate::features::contract::Contract::id`], as the training computed it.
    pub id: String,
    /// In the order in which the graph reads them.
    pub features: Vec<NumericFeature>,
}

/// One numeric feature: its place in the contract and its scaling.
#[derive(Clone, Debug, Deserialize)]
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
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Name of the data.
    pub data: String,
    /// SHA-256 of the data's bytes.
    pub data_sha256: Digest,
    /// Messages per fold.
    pub folds: BTreeMap<String, u64>,
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
