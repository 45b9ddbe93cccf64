//! The files of a bundle, read once, each within its size and with its digest.

use std::{collections::BTreeMap, fs::File, io::Read, path::Path};

use super::{BundleError, Digest, Manifest};

/// Files that a manifest may name.
pub const FILES_MAX: usize = 16;

/// Size of a graph, bytes.
pub const GRAPH_BYTES_MAX: u64 = 256 * 1024 * 1024;

pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const GRAPH: &str = "model.onnx";
pub(super) const GOLDEN: &str = "golden.json";

/// Size limit of a bundle's file.
fn bytes_max(file: &str) -> u64 {
    const MIB: u64 = 1024 * 1024;
    match file {
        MANIFEST => MIB,
        GRAPH => GRAPH_BYTES_MAX,
        _ => 32 * MIB,
    }
}

/// The contents of the files that the manifest names, also of those that only people read.
pub(super) struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    /// Reads and checks them all.
    pub(super) fn read(folder: &Path, manifest: &Manifest) -> Result<Self, BundleError> {
        if manifest.files.len() > FILES_MAX {
            return Err(BundleError::Files { found: manifest.files.len() });
        }
        let mut files = BTreeMap::new();
        for (file, &expected) in &manifest.files {
            if Path::new(file).file_name().is_none_or(|name| name != file.as_str()) {
                return Err(BundleError::FileName { found: file.clone() });
            }
            let bytes = read(folder, file)?;
            let found = Digest::of(&bytes);
            if found != expected {
                return Err(BundleError::Digest { file: file.clone(), expected, found });
            }
            files.insert(file.clone(), bytes);
        }
        Ok(Self(files))
    }

    /// The content of a file that the bundle must have.
    pub(super) fn get(&self, file: &str) -> Result<&[u8], BundleError> {
        self.0.get(file).map(Vec::as_slice).ok_or_else(|| BundleError::Missing { file: file.into() })
    }
}

/// The whole file, unless it is too large.
pub(super) fn read(folder: &Path, file: &str) -> Result<Vec<u8>, BundleError> {
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
