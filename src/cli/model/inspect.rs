//! `assize model inspect`: what a bundle is.

use std::{fmt::Write as _, fs, path::PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

use super::manifest::{manifest, short};
use crate::{
    cli::{
        classify::load,
        output::{plain, print},
        table::table,
    },
    failure::Failure,
    fault::Exit,
    model::Bundle,
};

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The bundle's folder.
    #[arg(value_name = "DIR")]
    bundle: PathBuf,
    /// Print JSON: the manifest as it is, and what it does not say.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
The bundle is loaded as for serving, first in a process of its own: digests are checked, golden vectors come out.

Examples:
  assize model inspect models/spam-sms
  assize model inspect models/spam-sms --json | jq -r .sha256
  assize model inspect models/spam-sms --json | jq .manifest.decision

Exit codes: 0 done; 1 a file changed meanwhile; 2 wrong use; 65 the bundle is refused.";

/// All of it.
#[derive(Serialize)]
struct Inspected {
    sha256: String,
    files: Vec<FileEntry>,
    /// Path through the scorer.
    scorer: &'static str,
    columns: usize,
    /// Numbers that the graph gives a row.
    gives: usize,
    numeric_features: usize,
    terms: usize,
    contract_id: String,
    /// None where the bundle has none.
    drift_reference: Option<DriftReference>,
    manifest: Value,
}

#[derive(Serialize)]
struct DriftReference {
    rows: u64,
    from: String,
}

#[derive(Serialize)]
struct FileEntry {
    name: String,
    bytes: u64,
    sha256: String,
}

impl Args {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let bundle = load(&self.bundle)?;
        let inspected = self.inspect(&bundle)?;
        let json = || serde_json::to_string_pretty(&inspected).map_err(anyhow::Error::new);
        print(&if self.json { json()? + "\n" } else { inspected.text() })?;
        Ok(Exit::Done)
    }

    fn inspect(&self, bundle: &Bundle) -> anyhow::Result<Inspected> {
        let file = |(name, digest): (&String, &crate::model::Digest)| {
            let path = self.bundle.join(name);
            let bytes = fs::metadata(&path).with_context(|| format!("{} cannot be read", path.display()))?.len();
            Ok(FileEntry { name: name.clone(), bytes, sha256: digest.to_string() })
        };
        let (transformer, scorer) = (bundle.transformer(), bundle.scorer());
        Ok(Inspected {
            sha256: bundle.digest().to_string(),
            files: bundle.manifest().files.iter().map(file).collect::<anyhow::Result<_>>()?,
            scorer: scorer.path(),
            columns: scorer.columns(),
            gives: scorer.classes(),
            numeric_features: transformer.numeric(),
            terms: transformer.width() - transformer.numeric(),
            contract_id: transformer.contract().id(),
            drift_reference: bundle
                .drift_reference()
                .map(|reference| DriftReference { rows: reference.rows, from: reference.from.clone() }),
            manifest: manifest(&self.bundle, bundle)?,
        })
    }
}

impl Inspected {
    fn text(&self) -> String {
        let of = |field: &str| short(&self.manifest[field]);
        let labels = self.manifest["labels"].as_array().into_iter().flatten().map(short).collect::<Vec<_>>().join(", ");
        let mut text = format!("{} {}, {}: {labels}\n", of("name"), of("version"), of("kind"));
        let _ = writeln!(text, "SHA-256 {}, format {}, Unicode {}", self.sha256, of("format"), of("unicode"));
        let _ = writeln!(
            text,
            "reads {} columns ({} numeric features, {} terms), gives {} numbers a row, by {}",
            self.columns, self.numeric_features, self.terms, self.gives, self.scorer
        );
        let _ = match &self.drift_reference {
            Some(DriftReference { rows, from }) => {
                writeln!(text, "drift reference of {rows} predictions: {}", plain(from))
            }
            None => writeln!(text, "no drift reference"),
        };
        for part in
            [self.decision(), self.files(), self.contract(), self.vectorizers(), self.training(), self.metrics()]
        {
            text.push('\n');
            text.push_str(&part);
        }
        text
    }

    fn decision(&self) -> String {
        let manifest = &self.manifest;
        let (graph, calibration, decision) = (&manifest["graph"], &manifest["calibration"], &manifest["decision"]);
        format!("graph {graph}\ncalibration {calibration}\ndecision {decision}\n")
    }

    fn files(&self) -> String {
        let row = |file: &FileEntry| [file.name.clone(), file.bytes.to_string(), file.sha256.clone()];
        table(["FILE", "BYTES", "SHA-256"], &self.files.iter().map(row).collect::<Vec<_>>())
    }

    fn contract(&self) -> String {
        let row = |feature: &Value| {
            let of = |field: &str| short(&feature[field]);
            let clip = format!("{}..{}", feature["clip"][0], feature["clip"][1]);
            [of("name"), of("origin"), of("unit"), of("default"), clip, of("mean"), of("scale")]
        };
        let features = self.manifest["contract"]["features"].as_array().into_iter().flatten();
        let header = ["FEATURE", "ORIGIN", "UNIT", "DEFAULT", "CLIP", "MEAN", "SCALE"];
        format!("contract {}\n{}", self.contract_id, table(header, &features.map(row).collect::<Vec<_>>()))
    }

    fn vectorizers(&self) -> String {
        let one = |vectorizer: &Value| {
            let options = vectorizer.as_object().into_iter().flatten();
            let options: Vec<_> = options.map(|(name, value)| format!("{name} {}", short(value))).collect();
            format!("vectorizer: {}\n", options.join(", "))
        };
        self.manifest["vectorizers"].as_array().into_iter().flatten().map(one).collect()
    }

    fn training(&self) -> String {
        let lines = self.manifest["training"].as_object().into_iter().flatten();
        let value = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        lines.map(|(name, found)| format!("training {name}: {}\n", value(found))).collect()
    }

    fn metrics(&self) -> String {
        let sets = self.manifest["metrics"].as_object().into_iter().flatten();
        let figures = sets.flat_map(|(set, figures)| {
            let figures = figures.as_object().into_iter().flatten();
            figures.map(move |(name, figure)| [format!("{set} {name}"), short(figure)])
        });
        table(["METRIC", ""], &figures.collect::<Vec<_>>())
    }
}
