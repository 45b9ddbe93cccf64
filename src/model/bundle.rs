use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use thiserror::Error;

use super::{
    Digest, GraphError, Manifest, Scorer,
    golden::{self, GoldenError},
    manifest::FORMAT,
};
use crate::{
    decision::{Binary, Policy, PolicyError},
    features::{
        contract::{Contract, ContractError},
        tfidf::{Vectorizer, VectorizerError},
        vector::{FeatureTransformer, TransformerError},
    },
    records::{Kind, ModelRef},
};

/// Files that a manifest may name.
pub const FILES_MAX: usize = 16;

/// Size of a graph, bytes.
pub const GRAPH_BYTES_MAX: u64 = 256 * 1024 * 1024;

const MANIFEST: &str = "manifest.json";
const GRAPH: &str = "model.onnx";
const VOCABULARY: &str = "vocabulary.tsv";
const GOLDEN: &str = "golden.json";

/// Size limit of a bundle's file.
fn bytes_max(file: &str) -> u64 {
    const MIB: u64 = 1024 * 1024;
    match file {
        MANIFEST => MIB,
        GRAPH => GRAPH_BYTES_MAX,
        _ => 32 * MIB,
    }
}

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
    #[error("manifest.json names {found} files; at most {FILES_MAX} are allowed")]
    Files { found: usize },
    #[error("manifest.json names the file {found:?}; give plain file names only")]
    FileName { found: String },
    #[error("manifest.json gives no SHA-256 for {file}; every bundle has that file")]
    Missing { file: &'static str },
    #[error("{file} has the SHA-256 {found}; manifest.json says {expected}")]
    Digest { file: String, expected: Digest, found: Digest },
    #[error("the kind of the model is {found:?}; this version serves BINARY models")]
    Kind { found: Kind },
    #[error("manifest.json gives no usable decision policy")]
    Policy { source: PolicyError },
    #[error("manifest.json gives no usable feature contract")]
    Contract { source: ContractError },
    #[error("the feature contract has the id {found}; manifest.json says {expected}")]
    ContractId { expected: String, found: String },
    #[error("{VOCABULARY}, line {line}: {found:?} is no term, tab, idf")]
    VocabularyLine { line: usize, found: String },
    #[error("{VOCABULARY} is not UTF-8")]
    VocabularyText { source: std::str::Utf8Error },
    #[error("{VOCABULARY} is no usable vocabulary")]
    Vocabulary { source: VectorizerError },
    #[error("manifest.json gives no usable scaling")]
    Scaling { source: TransformerError },
    #[error("{GRAPH} is no usable graph")]
    Graph { source: GraphError },
    #[error("{GOLDEN} is not valid")]
    GoldenFile { source: serde_path_to_error::Error<serde_json::Error> },
    #[error("the bundle does not reproduce its golden vectors")]
    Golden { source: GoldenError },
}

/// A model with all that serves it, checked: whoever holds one may score with it. Shared by all lanes, immutable.
#[derive(Debug)]
pub struct Bundle {
    manifest: Manifest,
    digest: Digest,
    transformer: FeatureTransformer,
    scorer: Scorer,
    policy: Policy,
}

impl Bundle {
    /// Reads the bundle in `folder`, checks it, and replays its golden vectors. With a `pin`, refuses any bundle but
    /// the one with that digest.
    pub fn load(folder: &Path, pin: Option<Digest>) -> Result<Self, BundleError> {
        let bytes = read(folder, MANIFEST)?;
        let digest = Digest::of(&bytes);
        match pin {
            Some(expected) if expected != digest => return Err(BundleError::Pin { expected, found: digest }),
            _ => {}
        }
        let manifest = parse_manifest(&bytes)?;
        let files = Files::read(folder, &manifest)?;
        let policy = policy(&manifest)?;
        let transformer = transformer(&manifest, &files)?;
        let scorer = scorer(&manifest, &files, &transformer)?;
        let goldens = golden::parse(&files.golden).map_err(|source| BundleError::GoldenFile { source })?;
        let bundle = Self { manifest, digest, transformer, scorer, policy };
        golden::replay(&goldens, &bundle.transformer, &bundle.scorer)
            .map_err(|source| BundleError::Golden { source })?;
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

    /// Decides on the scores.
    pub fn policy(&self) -> &Policy {
        &self.policy
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

/// The contents of the files that every bundle has.
struct Files {
    graph: Vec<u8>,
    vocabulary: Vec<u8>,
    golden: Vec<u8>,
}

impl Files {
    /// Reads and checks every file that the manifest names, also those that only people read.
    fn read(folder: &Path, manifest: &Manifest) -> Result<Self, BundleError> {
        if manifest.files.len() > FILES_MAX {
            return Err(BundleError::Files { found: manifest.files.len() });
        }
        let mut files = Self { graph: Vec::new(), vocabulary: Vec::new(), golden: Vec::new() };
        for file in [GRAPH, VOCABULARY, GOLDEN] {
            if !manifest.files.contains_key(file) {
                return Err(BundleError::Missing { file });
            }
        }
        for (file, &expected) in &manifest.files {
            if Path::new(file).file_name().is_none_or(|name| name != file.as_str()) {
                return Err(BundleError::FileName { found: file.clone() });
            }
            let bytes = read(folder, file)?;
            let found = Digest::of(&bytes);
            if found != expected {
                return Err(BundleError::Digest { file: file.clone(), expected, found });
            }
            match file.as_str() {
                GRAPH => files.graph = bytes,
                VOCABULARY => files.vocabulary = bytes,
                GOLDEN => files.golden = bytes,
                _ => {}
            }
        }
        Ok(files)
    }
}

/// The whole file, unless it is too large.
fn read(folder: &Path, file: &str) -> Result<Vec<u8>, BundleError> {
    let (path, bytes_max) = (folder.join(file), bytes_max(file));
    let mut bytes = Vec::new();
    // One byte more than allowed is enough to know, whatever the file system says of the size.
    let read = File::open(&path).and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes));
    match read {
        Err(source) => Err(BundleError::Read { path, source }),
        Ok(_) if bytes.len() as u64 > bytes_max => Err(BundleError::TooLarge { path, bytes_max }),
        Ok(_) => Ok(bytes),
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

fn policy(manifest: &Manifest) -> Result<Policy, BundleError> {
    let Manifest { kind, labels, positive, threshold, actions, .. } = manifest;
    match kind {
        Kind::Binary => {
            let binary = Binary::try_new(labels, positive, *threshold, *actions);
            binary.map(Policy::Binary).map_err(|source| BundleError::Policy { source })
        }
        found => Err(BundleError::Kind { found: *found }),
    }
}

fn transformer(manifest: &Manifest, files: &Files) -> Result<FeatureTransformer, BundleError> {
    let numeric = &manifest.contract.features;
    let contract = Contract::try_new(numeric.iter().map(|numeric| numeric.feature()).collect())
        .map_err(|source| BundleError::Contract { source })?;
    let (expected, found) = (&manifest.contract.id, contract.id());
    if *expected != found {
        return Err(BundleError::ContractId { expected: expected.clone(), found });
    }
    let vectorizer = Vectorizer::try_new(parse_vocabulary(&files.vocabulary)?, manifest.vectorizer)
        .map_err(|source| BundleError::Vocabulary { source })?;
    let scaling = numeric.iter().map(|numeric| numeric.scaling()).collect();
    FeatureTransformer::try_new(contract, scaling, vec![vectorizer]).map_err(|source| BundleError::Scaling { source })
}

fn scorer(manifest: &Manifest, files: &Files, transformer: &FeatureTransformer) -> Result<Scorer, BundleError> {
    let numeric = transformer.numeric();
    let terms = transformer.width() - numeric;
    Scorer::load(&files.graph, &manifest.graph, numeric, terms, manifest.labels.len())
        .map_err(|source| BundleError::Graph { source })
}

/// One term and its idf per line; the line number is the column.
fn parse_vocabulary(bytes: &[u8]) -> Result<Vec<(String, f64)>, BundleError> {
    let text = str::from_utf8(bytes).map_err(|source| BundleError::VocabularyText { source })?;
    let lines = (1..).zip(text.split_terminator('\n'));
    lines
        .map(|(line, found)| {
            let (term, idf) = found.split_once('\t').unwrap_or_default();
            match idf.parse() {
                Ok(idf) => Ok((term.to_owned(), idf)),
                Err(_) => Err(BundleError::VocabularyLine { line, found: found.into() }),
            }
        })
        .collect()
}
