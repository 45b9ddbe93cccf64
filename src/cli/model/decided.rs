//! Another decision for a model that stays as it is: `assize model package --decision`.

use std::{fs, path::Path};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::{decision::Policy, model::GRAPH_BYTES_MAX, records::Kind};

/// A `decision` is read whole.
const DECISION_BYTES_MAX: u64 = 1 << 20;

/// Puts the decision in `file` into the manifest, and gives back what decides by it.
pub(super) fn decide(manifest: &mut Value, file: &Path) -> anyhow::Result<Policy> {
    let decision = json_of(file, DECISION_BYTES_MAX)?;
    let part = |name: &str| manifest.get(name).cloned().with_context(|| format!("the manifest has no {name:?}"));
    let kind: Kind = serde_json::from_value(part("kind")?).context("the manifest's \"kind\"")?;
    let labels: Vec<String> = serde_json::from_value(part("labels")?).context("the manifest's \"labels\"")?;
    let policy = Policy::try_new(kind, &labels, &decision);
    let policy = policy.with_context(|| format!("{} is no decision for this model", file.display()))?;
    manifest["decision"] = decision;
    Ok(policy)
}

/// Gives the golden vectors in `file` the labels that `policy` gives their probabilities; these and all else stay.
pub(super) fn relabel(file: &Path, policy: &Policy) -> anyhow::Result<()> {
    let shown = file.file_name().unwrap_or_default().display();
    let mut goldens = json_of(file, GRAPH_BYTES_MAX)?;
    let vectors = goldens.as_array_mut().with_context(|| format!("{shown} is no list of golden vectors"))?;
    for (index, golden) in vectors.iter_mut().enumerate() {
        let given = golden["probabilities"].as_array().into_iter().flatten().map(Value::as_f64);
        let probabilities: Vec<f32> = given.flatten().map(|probability| probability as f32).collect();
        let labels = policy.labels();
        let (found, due) = (probabilities.len(), labels.len());
        ensure!(found == due, "golden vector {index} has {found} probabilities; the model has {due} labels");
        let chosen = policy.chosen(policy.decide(&probabilities), &probabilities);
        golden["labels"] = json!(chosen.map(|label| &labels[label]).collect::<Vec<_>>());
    }
    // One a line, as the training writes them.
    let lines: Vec<_> = vectors.iter().map(Value::to_string).collect();
    fs::write(file, format!("[\n{}\n]\n", lines.join(",\n"))).with_context(|| format!("{shown} cannot be written"))
}

fn json_of(file: &Path, bytes_max: u64) -> anyhow::Result<Value> {
    let shown = file.display();
    let size = fs::metadata(file).with_context(|| format!("{shown} cannot be read"))?.len();
    ensure!(size <= bytes_max, "{shown} has {size} bytes; at most {bytes_max} are allowed");
    let bytes = fs::read(file).with_context(|| format!("{shown} cannot be read"))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{shown} is not valid JSON"))
}
