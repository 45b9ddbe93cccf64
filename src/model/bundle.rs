use std::{
    collections::HashSet,
    io, iter,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use thiserror::Error;

use super::{
    Digest, GraphError, Manifest, ScoreError, Scorer, Scores,
    files::{self, FILES_MAX, Files, GOLDEN, GRAPH, MANIFEST},
    golden::{self, Golden, GoldenError},
    manifest::{self, FORMAT},
    vocabulary,
};
use crate::{
    decision::{CalibrationError, Calibrator, Policy, PolicyError},
    drift::reference::{BundleReference, ReferenceError, Subject},
    features::{
        contract::{Contract, ContractError},
        tfidf::{Vectorizer, VectorizerError},
        vector::{FeatureTransformer, Rows, Scratch, TransformerError, VECTORIZERS_MAX},
    },
    records::ModelRef,
};

/// Characters of a name in a manifest.
pub const NAME_CHARS_MAX: usize = 128;

/// Why a bundle is refused. The bundle that is serving goes on.
#[derive(Debug, Error)]
#[allow(missing_docs)] // The messages say it.
pub enum BundleError {
    #[error("{} cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is larger than {bytes_max} bytes; a bundle's file may not be", path.display())]
    TooLarge { path: PathBuf, bytes_max: u64 },
    #[error("the bundle has the SHA-256 {found}; {expected} is asked for")]
    Pin { expected: Digest, found: Digest },
    #[error("manifest.json has the format {found}; this version reads {FORMAT}")]
    Format { found: u32 },
    #[error("manifest.json is not valid")]
    Manifest { source: serde_path_to_error::Error<serde_json::Error> },
    #[error("manifest.json gives {what} as {found:?}; give 1 to {NAME_CHARS_MAX} characters, none of control")]
    Name { what: &'static str, found: String },
    #[error("manifest.json has the vectorizer {name:?} twice; give each a name of its own")]
    SameName { name: String },
    #[error("manifest.json names {found} files; at most {FILES_MAX} are allowed")]
    Files { found: usize },
    #[error("manifest.json names the file {found:?}; give plain file names only")]
    FileName { found: String },
    #[error("manifest.json gives no SHA-256 for {file}; every bundle has that file")]
    Missing { file: String },
    #[error("{file} has the SHA-256 {found}; manifest.json says {expected}")]
    Digest { file: String, expected: Digest, found: Digest },
    #[error("manifest.json gives no usable decision policy")]
    Policy { source: PolicyError },
    #[error("manifest.json gives no usable feature contract")]
    Contract { source: ContractError },
    #[error("the feature contract has the id {found}; manifest.json says {expected}")]
    ContractId { expected: String, found: String },
    #[error("manifest.json has {found} vectorizers; at most {VECTORIZERS_MAX} are allowed")]
    Vectorizers { found: usize },
    #[error("{file}, line {line}: {found:?} is no term, tab, idf, tab, mean")]
    VocabularyLine { file: String, line: usize, found: String },
    #[error("{file} is not UTF-8")]
    VocabularyText { file: String, source: std::str::Utf8Error },
    #[error("{file} is no usable vocabulary")]
    Vocabulary { file: String, source: VectorizerError },
    #[error("manifest.json gives no usable scaling")]
    Scaling { source: TransformerError },
    #[error("{GRAPH} is no usable graph")]
    Graph { source: GraphError },
    #[error("manifest.json gives no usable calibration")]
    Calibration { source: CalibrationError },
    #[error("{file} is no usable drift reference")]
    DriftReference { file: String, source: ReferenceError },
    #[error("{GOLDEN} is not valid")]
    GoldenFile { source: serde_path_to_error::Error<serde_json::Error> },
    #[error("the bundle does not reproduce its golden vectors")]
    Golden { source: GoldenError },
    #[error("the model fails on a row at the bounds of its features, which a message can have")]
    Bounds { source: ScoreError },
}

/// A model with all that serves it, checked: whoever holds one may score with it. Shared by all lanes, immutable.
#[derive(Debug)]
pub struct Bundle {
    manifest: Manifest,
    digest: Digest,
    transformer: FeatureTransformer,
    scorer: Scorer,
    calibrator: Calibrator,
    policy: Policy,
    drift_reference: Option<BundleReference>,
}

impl Bundle {
    /// Reads the bundle in `folder`, checks it, and replays its golden vectors. With a `pin`, refuses any bundle but
    /// the one with that digest.
    pub fn load(folder: &Path, pin: Option<Digest>) -> Result<Self, BundleError> {
        let bytes = files::read(folder, MANIFEST)?;
        let digest = Digest::of(&bytes);
        match pin {
            Some(expected) if expected != digest => return Err(BundleError::Pin { expected, found: digest }),
            _ => {}
        }
        let manifest = parse_manifest(&bytes)?;
        check_names(&manifest)?;
        let files = Files::read(folder, &manifest)?;
        let policy = Policy::try_new(manifest.kind, &manifest.labels, &manifest.decision)
            .map_err(|source| BundleError::Policy { source })?;
        let transformer = transformer(&manifest, &files)?;
        let scorer = scorer(&manifest, files.get(GRAPH)?, &transformer)?;
        let calibrator = calibrator(&manifest, &scorer, &policy)?;
        let goldens: Vec<Golden> =
            parse_json(files.get(GOLDEN)?).map_err(|source| BundleError::GoldenFile { source })?;
        let mut bundle = Self { manifest, digest, transformer, scorer, calibrator, policy, drift_reference: None };
        golden::replay(&goldens, &bundle).map_err(|source| BundleError::Golden { source })?;
        score_bounds(&bundle).map_err(|source| BundleError::Bounds { source })?;
        bundle.drift_reference = drift_reference(&bundle, &files)?;
        Ok(bundle)
    }

    /// What the bundle says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of `manifest.json`, which holds that of every other file: one digest for the whole bundle.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Makes the rows that the model reads.
    pub fn transformer(&self) -> &FeatureTransformer {
        &self.transformer
    }

    /// Scores them.
    pub fn scorer(&self) -> &Scorer {
        &self.scorer
    }

    /// Makes probabilities of its numbers.
    pub fn calibrator(&self) -> &Calibrator {
        &self.calibrator
    }

    /// Decides on the probabilities.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What predictions looked like when all was well, where the bundle says it.
    pub fn drift_reference(&self) -> Option<&BundleReference> {
        self.drift_reference.as_ref()
    }

    /// What a drift reference of it must be of.
    pub fn drift_subject(&self) -> Subject<'_> {
        let Manifest { name, version, .. } = &self.manifest;
        Subject { name, version, contract: self.transformer.contract(), labels: self.policy.labels() }
    }

    /// How verdicts and predictions name the model.
    pub fn reference<'a>(&'a self, arm: &'a str) -> ModelRef<'a> {
        let Manifest { name, version, .. } = &self.manifest;
        ModelRef {
            name: name.as_str().into(),
            version: version.as_str().into(),
            digest: self.digest.0,
            arm: arm.into(),
        }
    }
}

fn parse_manifest(bytes: &[u8]) -> Result<Manifest, BundleError> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let refused = |source| BundleError::Manifest { source };
    // First the format alone: a newer manifest is told from a broken one.
    match parse_json(bytes).map_err(refused)? {
        Format { format: FORMAT } => parse_json(bytes).map_err(refused),
        Format { format: found } => Err(BundleError::Format { found }),
    }
}

/// An error says where in the file.
pub(super) fn parse_json<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
) -> Result<T, serde_path_to_error::Error<serde_json::Error>> {
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(bytes))
}

/// What stands in every verdict, in metrics and on terminals is short and plain.
fn check_names(manifest: &Manifest) -> Result<(), BundleError> {
    let Manifest { name, version, training, metrics, vectorizers, .. } = manifest;
    let metrics = metrics.iter().flat_map(|(rows, measures)| iter::once(rows).chain(measures.keys()));
    let names = [("name", name), ("version", version), ("training.data", &training.data)]
        .into_iter()
        .chain(training.rows.keys().map(|rows| ("training.rows", rows)))
        .chain(metrics.map(|name| ("a name in metrics", name)))
        .chain(vectorizers.iter().map(|terms| ("a name in vectorizers", &terms.name)));
    for (what, found) in names {
        if !(1..=NAME_CHARS_MAX).contains(&found.chars().count()) || found.chars().any(char::is_control) {
            return Err(BundleError::Name { what, found: found.chars().take(NAME_CHARS_MAX).collect() });
        }
    }
    let mut known = HashSet::new();
    match vectorizers.iter().find(|terms| !known.insert(&terms.name)) {
        Some(terms) => Err(BundleError::SameName { name: terms.name.clone() }),
        None => Ok(()),
    }
}

fn drift_reference(bundle: &Bundle, files: &Files) -> Result<Option<BundleReference>, BundleError> {
    let Some(file) = &bundle.manifest.drift_reference else { return Ok(None) };
    let reference = BundleReference::parse(files.get(file)?, &bundle.drift_subject());
    reference.map(Some).map_err(|source| BundleError::DriftReference { file: file.clone(), source })
}

/// A text without known terms, every number at its default and at its bounds, all columns at once: a graph that gives no
/// number for one of these would stop a stream.
fn score_bounds(bundle: &Bundle) -> Result<(), ScoreError> {
    let (transformer, features) = (bundle.transformer(), &bundle.manifest().contract.features);
    let bounds = |bound: usize| features.iter().map(|feature| Some(feature.clip[bound])).collect();
    let (mut rows, mut scratch) = (Rows::default(), Scratch::default());
    for raw in [vec![None; features.len()], bounds(0), bounds(1)] {
        transformer.push(&raw, "", &mut scratch, &mut rows);
    }
    rows.push_dense(&vec![1.0; transformer.width()]);
    let scorer = bundle.scorer();
    scorer.score(&mut scorer.state()?, &rows, &mut Scores::default())
}

fn transformer(manifest: &Manifest, files: &Files) -> Result<FeatureTransformer, BundleError> {
    let numeric = &manifest.contract.features;
    let contract = Contract::try_new(numeric.iter().map(|numeric| numeric.feature()).collect())
        .map_err(|source| BundleError::Contract { source })?;
    let (expected, found) = (&manifest.contract.id, contract.id());
    if *expected != found {
        return Err(BundleError::ContractId { expected: expected.clone(), found });
    }
    if manifest.vectorizers.len() > VECTORIZERS_MAX {
        return Err(BundleError::Vectorizers { found: manifest.vectorizers.len() });
    }
    let vectorizers = manifest.vectorizers.iter().map(|terms| vectorizer(terms, files)).collect::<Result<_, _>>()?;
    let scaling = numeric.iter().map(|numeric| numeric.scaling()).collect();
    FeatureTransformer::try_new(contract, scaling, vectorizers).map_err(|source| BundleError::Scaling { source })
}

fn vectorizer(terms: &manifest::Terms, files: &Files) -> Result<Vectorizer, BundleError> {
    let file = &terms.file;
    let vocabulary = vocabulary::parse(file, files.get(file)?)?;
    Vectorizer::try_new(vocabulary, terms.options())
        .map_err(|source| BundleError::Vocabulary { file: file.clone(), source })
}

fn scorer(manifest: &Manifest, onnx: &[u8], transformer: &FeatureTransformer) -> Result<Scorer, BundleError> {
    let numeric = transformer.numeric();
    let terms = transformer.width() - numeric;
    Scorer::load(onnx, &manifest.graph, numeric, terms).map_err(|source| BundleError::Graph { source })
}

fn calibrator(manifest: &Manifest, scorer: &Scorer, policy: &Policy) -> Result<Calibrator, BundleError> {
    let (columns, labels) = (scorer.classes(), manifest.labels.len());
    Calibrator::try_new(manifest.calibration.clone(), manifest.graph.gives, columns, labels, policy.is_exclusive())
        .map_err(|source| BundleError::Calibration { source })
}
