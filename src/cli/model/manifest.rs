//! A bundle's manifest.json as it stands on disk.

use std::{fs, path::Path};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::model::{Bundle, Digest};

/// The manifest of a bundle that was loaded from `folder`: all fields, in whichever format.
pub(super) fn manifest(folder: &Path, bundle: &Bundle) -> anyhow::Result<Value> {
    let file = folder.join("manifest.json");
    let bytes = fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    ensure!(Digest::of(&bytes) == bundle.digest(), "{} changed while it was looked at; try again", file.display());
    Ok(serde_json::from_slice(&bytes)?)
}

/// A value in a line, cut where it is long.
pub(super) fn short(value: &Value) -> String {
    const CHARS_MAX: usize = 48;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match text.char_indices().nth(CHARS_MAX) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}
