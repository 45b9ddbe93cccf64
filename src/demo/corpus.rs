use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::held_out_file;
use crate::intake;

/// One labelled message.
#[derive(Clone, Debug)]
pub struct Example {
    /// `sms-00001` and on.
    pub id: String,
    /// Its true label.
    pub label: String,
    /// Its text.
    pub text: String,
    /// Whether neither training nor threshold saw it.
    pub held_out: bool,
}

/// Labelled messages, and which of them the model never saw.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// In the order of the file.
    pub examples: Vec<Example>,
}

/// Why there is no corpus.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A file is not there.
    #[error("{path} cannot be read; `./dev data` fetches the messages")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line is not `label<TAB>text`.
    #[error("{path}:{line}: expected a label, a tab and a text")]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
}

impl Corpus {
    /// Reads the messages, and from the bundle which of them are held out: the first 16 hex digits of SHA-256 of each
    /// sanitized text.
    ///
    /// # Errors
    /// [`CorpusError`].
    pub fn read(messages: &Path, bundle: &Path) -> Result<Self, CorpusError> {
        let list = read(&held_out_file(bundle))?;
        let held_out: HashSet<&str> = list.lines().map(str::trim).collect();
        let text = read(messages)?;
        let mut examples = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line_error = || CorpusError::Line { path: messages.to_owned(), line: index + 1 };
            let (label, text) = line.split_once('\t').ok_or_else(line_error)?;
            let hash: String = Sha256::digest(intake::sanitize(text).as_bytes())
                .iter()
                .take(8)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            examples.push(Example {
                id: format!("sms-{:05}", index + 1),
                label: label.to_owned(),
                text: text.to_owned(),
                held_out: held_out.contains(hash.as_str()),
            });
        }
        Ok(Self { examples })
    }
}

fn read(path: &Path) -> Result<String, CorpusError> {
    fs::read_to_string(path).map_err(|source| CorpusError::Read { path: path.to_owned(), source })
}
