//! `assize model package`: files and a draft of their manifest become a bundle.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail, ensure};
use serde_json::{Map, Value, json};

use super::decided;
use crate::{
    cli::{classify::load, output::print},
    drift::reference,
    failure::Failure,
    fault::Exit,
    model::{Digest, FILES_MAX, GRAPH_BYTES_MAX},
};

const MANIFEST: &str = "manifest.json";
const GRAPH: &str = "model.onnx";
const GOLDEN: &str = "golden.json";
/// Key of the manifest.
const DRIFT_REFERENCE: &str = "drift_reference";
/// What other tools read of a bundle.
const FOR_OTHERS: [&str; 2] = ["MLmodel", "input_example.json"];
/// A draft is read whole.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The manifest without `files`; vocabularies and golden.json are beside it. MLmodel and input_example.json are taken
    /// along when they are there.
    #[arg(long, value_name = "FILE")]
    manifest: PathBuf,
    /// The graph [default: model.onnx beside the manifest].
    #[arg(long, value_name = "FILE")]
    onnx: Option<PathBuf>,
    /// One more file for people, as held_out.txt; can be given more than once.
    #[arg(long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Another decision in place of the manifest's: a JSON file, as `assize model tune --json | jq .decision` gives it.
    /// The manifest may then be that of a bundle, whose files are taken along.
    #[arg(long, value_name = "FILE")]
    decision: Option<PathBuf>,
    /// Another drift reference, or the first: a file of `assize drift reference`. The manifest may then be that of a
    /// bundle, too.
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
    /// The bundle's folder.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Take the place of a bundle that is there already.
    #[arg(long)]
    force: bool,
}

const EXAMPLES: &str = "\
Digests are written into the manifest, and the whole is loaded as for serving, first in a process of its own: nothing is \
left unless its golden vectors come out. These are made by the training, from its own Python; they are never made up here. \
With --decision only their labels are written anew, by what that decision makes of their probabilities. \
docs/bundles.md says what belongs into a manifest.

Examples:
  assize model package --manifest draft/manifest.json --out models/mine
  assize model package --manifest draft/manifest.json --onnx export.onnx --file draft/held_out.txt --out models/mine
  assize model package --manifest models/spam-sms/manifest.json --decision decision.json --out models/tuned
  assize model package --manifest models/spam-sms/manifest.json --reference week.json --out models/spam-sms-week

Prints the digest of the bundle, by which verdicts name it. Exit codes: 0 done; 1 a file is missing or cannot be written, \
or the folder is there; 2 wrong use; 65 the bundle is refused.";

impl Args {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        ensure_free(&self.out, self.force)?;
        // Beside its place, so that it comes there whole or not at all.
        let beside = self.out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(beside).with_context(|| format!("{} cannot be made", beside.display()))?;
        let name = self.out.file_name().context("--out names no folder")?.to_string_lossy();
        let draft = Draft(beside.join(format!(".{name}.{}", std::process::id())));
        self.gather(&draft.0)?;
        let bundle = load(&draft.0)?;
        // The old one goes aside first and is gone only when the new one has its place.
        let old = Draft(beside.join(format!(".{name}.{}.old", std::process::id())));
        if self.force && self.out.exists() {
            fs::rename(&self.out, &old.0).with_context(|| format!("{} cannot be replaced", self.out.display()))?;
        }
        put(&draft.0, &self.out, old, |from, to| fs::rename(from, to))?;
        print(&format!("{}\n", bundle.digest()))?;
        Ok(Exit::Done)
    }

    /// Copies the files and writes the manifest that names them.
    fn gather(&self, draft: &Path) -> anyhow::Result<()> {
        let mut manifest = self.manifest()?;
        let mut named = manifest.as_object_mut().and_then(|fields| fields.remove("files")).unwrap_or_default();
        self.refer(&mut manifest, &mut named);
        let policy = self.decision.as_ref().map(|file| decided::decide(&mut manifest, file)).transpose()?;
        fs::create_dir(draft).with_context(|| format!("{} cannot be made", draft.display()))?;
        let mut files = Map::new();
        for (name, from) in self.files(&manifest, &named)? {
            ensure!(files.len() < FILES_MAX, "a bundle has at most {FILES_MAX} files");
            let to = draft.join(&name);
            copy(&from, &to)?;
            let mut digest = digest_of(&to)?;
            let due = named.get(&name).filter(|_| from == self.beside().join(&name));
            let as_named = due.is_none_or(|due| *due == json!(digest));
            ensure!(as_named, "{} is not the file that the manifest names by its digest", from.display());
            if let Some(policy) = policy.as_ref().filter(|_| name == GOLDEN) {
                decided::relabel(&to, policy)?;
                digest = digest_of(&to)?;
            }
            ensure!(files.insert(name.clone(), json!(digest)).is_none(), "{name} is given twice");
        }
        manifest["files"] = Value::Object(files);
        fs::write(draft.join(MANIFEST), serde_json::to_string_pretty(&manifest)? + "\n")?;
        Ok(())
    }

    fn manifest(&self) -> anyhow::Result<Value> {
        let shown = self.manifest.display();
        let size = fs::metadata(&self.manifest).with_context(|| format!("{shown} cannot be read"))?.len();
        ensure!(size <= MANIFEST_BYTES_MAX, "{shown} has {size} bytes; a manifest has at most {MANIFEST_BYTES_MAX}");
        let manifest: Value =
            serde_json::from_slice(&fs::read(&self.manifest)?).with_context(|| format!("{shown} is not valid JSON"))?;
        ensure!(manifest.is_object(), "{shown} is no JSON object");
        let draft = manifest.get("files").is_none() || self.decision.is_some() || self.reference.is_some();
        ensure!(draft, "{shown} has \"files\" already; leave them out of a draft");
        Ok(manifest)
    }

    /// The drift reference before does not come along where another is given, or where another decision makes other labels
    /// and actions of its messages.
    fn refer(&self, manifest: &mut Value, named: &mut Value) {
        if self.reference.is_none() && self.decision.is_none() {
            return;
        }
        let before = manifest.as_object_mut().and_then(|fields| fields.remove(DRIFT_REFERENCE));
        if let Some(before) = before.as_ref().and_then(Value::as_str) {
            named.as_object_mut().map(|named| named.remove(before));
            if self.reference.is_none() {
                eprintln!(
                    "assize: the drift reference is left out: it counts what the decision before made of its messages. \
                     Build another with `assize drift reference` and give it by --reference"
                );
            }
        }
        if self.reference.is_some() {
            manifest[DRIFT_REFERENCE] = json!(reference::FILE);
        }
    }

    fn beside(&self) -> &Path {
        self.manifest.parent().unwrap_or(Path::new(""))
    }

    /// The files of the bundle by their names in it; `named` are those of the bundle that the manifest is taken from.
    fn files(&self, manifest: &Value, named: &Value) -> anyhow::Result<Vec<(String, PathBuf)>> {
        let beside = self.beside();
        let graph = self.onnx.clone().unwrap_or_else(|| beside.join(GRAPH));
        let golden = beside.join(GOLDEN);
        if !golden.exists() {
            bail!("{} is not there; golden vectors come from the training, see docs/bundles.md", golden.display());
        }
        let mut files = vec![(GRAPH.to_owned(), graph), (GOLDEN.to_owned(), golden)];
        for vectorizer in manifest["vectorizers"].as_array().into_iter().flatten() {
            let name = vectorizer["file"].as_str().context("a vectorizer of the manifest names no file")?;
            ensure!(![MANIFEST, GRAPH, GOLDEN].contains(&name), "a vectorizer's file cannot be {name}");
            take(name, beside, &mut files)?;
        }
        match (&self.reference, manifest[DRIFT_REFERENCE].as_str()) {
            (Some(reference), _) => files.push((reference::FILE.to_owned(), reference.clone())),
            (None, Some(name)) => take(name, beside, &mut files)?,
            (None, None) => {}
        }
        for file in &self.file {
            let name = file.file_name().and_then(|name| name.to_str());
            let name = name.ok_or_else(|| anyhow!("{} has no name to use", file.display()))?;
            ensure!(name != MANIFEST, "{MANIFEST} is what --manifest gives");
            let twice = files.iter().any(|(before, _)| before == name);
            ensure!(!twice, "{name} is given twice");
            files.push((name.to_owned(), file.clone()));
        }
        for name in named.as_object().into_iter().flat_map(Map::keys) {
            take(name, beside, &mut files)?;
        }
        for name in FOR_OTHERS.into_iter().filter(|name| beside.join(name).is_file()) {
            take(name, beside, &mut files)?;
        }
        Ok(files)
    }
}

/// One file beside the manifest, unless one of that name is taken already.
fn take(name: &str, beside: &Path, files: &mut Vec<(String, PathBuf)>) -> anyhow::Result<()> {
    ensure!(Path::new(name).file_name().is_some_and(|plain| plain == name), "{name:?} is no plain file name");
    if !files.iter().any(|(taken, _)| taken == name) {
        files.push((name.to_owned(), beside.join(name)));
    }
    Ok(())
}

/// Gives `draft` its place, or the one that went aside its own again.
fn put(draft: &Path, out: &Path, aside: Draft, rename: impl Fn(&Path, &Path) -> io::Result<()>) -> anyhow::Result<()> {
    let Err(error) = rename(draft, out) else { return Ok(()) };
    let mut problem = format!("{} cannot be written", out.display());
    if aside.0.exists() && rename(&aside.0, out).is_err() {
        problem.push_str(&format!("; what was there is now {}", aside.0.display()));
        // The only copy of it that there is.
        std::mem::forget(aside);
    }
    Err(anyhow!(error).context(problem))
}

/// A folder that is gone at the end, unless it came to its place.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        // After the rename there is none.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What --force may replace is a bundle, nothing else.
fn ensure_free(out: &Path, force: bool) -> anyhow::Result<()> {
    if out.symlink_metadata().is_err() {
        return Ok(());
    }
    let shown = out.display();
    ensure!(force, "{shown} is there already; --force replaces it");
    ensure!(out.join(MANIFEST).is_file(), "{shown} is no bundle; --force replaces only bundles");
    Ok(())
}

fn digest_of(file: &Path) -> anyhow::Result<Digest> {
    Ok(fs::File::open(file).and_then(|file| Digest::of_reader(io::BufReader::new(file)))?)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let size = fs::metadata(from).with_context(|| format!("{} cannot be read", from.display()))?.len();
    ensure!(size <= GRAPH_BYTES_MAX, "{} has {size} bytes; at most {GRAPH_BYTES_MAX} are allowed", from.display());
    fs::copy(from, to).with_context(|| format!("{} cannot be copied", from.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_is_never_deleted_before_the_new_one_has_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let [draft, out, aside] = ["draft", "out", "aside"].map(|name| folder.path().join(name));
        let fails = || Err(io::Error::other("the disk is full"));
        let start = || {
            fs::create_dir_all(&draft).unwrap();
            fs::create_dir_all(&aside).unwrap();
            Draft(aside.clone())
        };
        let error = put(&draft, &out, start(), |_, _| fails()).unwrap_err();
        assert!(aside.exists() && error.to_string().contains(aside.to_str().unwrap()), "{error}");
        let back = |from: &Path, to: &Path| if from == draft { fails() } else { fs::rename(from, to) };
        put(&draft, &out, start(), back).unwrap_err();
        assert!(out.exists() && !aside.exists());
        fs::remove_dir(&out).unwrap();
        put(&draft, &out, start(), |from, to| fs::rename(from, to)).unwrap();
        assert!(out.exists() && !aside.exists() && !draft.exists());
    }
}
