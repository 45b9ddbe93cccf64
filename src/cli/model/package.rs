//! `assize model package`: files and a draft of their manifest become a bundle.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail, ensure};
use serde_json::{Map, Value, json};

use crate::{
    cli::{classify::load, output::print},
    failure::Failure,
    fault::Exit,
    model::{Digest, FILES_MAX, GRAPH_BYTES_MAX},
};

const MANIFEST: &str = "manifest.json";
const GRAPH: &str = "model.onnx";
const GOLDEN: &str = "golden.json";
/// A draft is read whole.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The manifest without `files`; vocabularies and golden.json are beside it.
    #[arg(long, value_name = "FILE")]
    manifest: PathBuf,
    /// The graph [default: model.onnx beside the manifest].
    #[arg(long, value_name = "FILE")]
    onnx: Option<PathBuf>,
    /// One more file for people, as held_out.txt; can be given more than once.
    #[arg(long, value_name = "FILE")]
    file: Vec<PathBuf>,
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
docs/bundles.md says what belongs into a manifest.

Examples:
  assize model package --manifest draft/manifest.json --out models/mine
  assize model package --manifest draft/manifest.json --onnx export.onnx --file draft/held_out.txt --out models/mine

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
        if let Err(error) = fs::rename(&draft.0, &self.out) {
            let _ = fs::rename(&old.0, &self.out);
            return Err(anyhow!(error).context(format!("{} cannot be written", self.out.display())).into());
        }
        print(&format!("{}\n", bundle.digest()))?;
        Ok(Exit::Done)
    }

    /// Copies the files and writes the manifest that names them.
    fn gather(&self, draft: &Path) -> anyhow::Result<()> {
        let mut manifest = self.manifest()?;
        fs::create_dir(draft).with_context(|| format!("{} cannot be made", draft.display()))?;
        let mut files = Map::new();
        for (name, from) in self.files(&manifest)? {
            ensure!(files.len() < FILES_MAX, "a bundle has at most {FILES_MAX} files");
            let to = draft.join(&name);
            copy(&from, &to)?;
            let digest = fs::File::open(&to).and_then(|file| Digest::of_reader(io::BufReader::new(file)))?;
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
        ensure!(manifest.get("files").is_none(), "{shown} has \"files\" already; leave them out of a draft");
        Ok(manifest)
    }

    /// The files of the bundle by their names in it.
    fn files(&self, manifest: &Value) -> anyhow::Result<Vec<(String, PathBuf)>> {
        let beside = self.manifest.parent().unwrap_or(Path::new(""));
        let graph = self.onnx.clone().unwrap_or_else(|| beside.join(GRAPH));
        let golden = beside.join(GOLDEN);
        if !golden.exists() {
            bail!("{} is not there; golden vectors come from the training, see docs/bundles.md", golden.display());
        }
        let mut files = vec![(GRAPH.to_owned(), graph), (GOLDEN.to_owned(), golden)];
        for vectorizer in manifest["vectorizers"].as_array().into_iter().flatten() {
            let name = vectorizer["file"].as_str().context("a vectorizer of the manifest names no file")?;
            ensure!(Path::new(name).file_name().is_some_and(|plain| plain == name), "{name:?} is no plain file name");
            files.push((name.to_owned(), beside.join(name)));
        }
        for file in &self.file {
            let name = file.file_name().and_then(|name| name.to_str());
            let name = name.ok_or_else(|| anyhow!("{} has no name to use", file.display()))?;
            ensure!(name != MANIFEST, "{MANIFEST} is what --manifest gives");
            files.push((name.to_owned(), file.clone()));
        }
        Ok(files)
    }
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

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let size = fs::metadata(from).with_context(|| format!("{} cannot be read", from.display()))?.len();
    ensure!(size <= GRAPH_BYTES_MAX, "{} has {size} bytes; at most {GRAPH_BYTES_MAX} are allowed", from.display());
    fs::copy(from, to).with_context(|| format!("{} cannot be copied", from.display()))?;
    Ok(())
}
