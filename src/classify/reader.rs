use std::{collections::BTreeMap, io, path::PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::BATCH;
use crate::{
    features::store::user_values,
    intake::{self, Heard},
    records::{Kind, Message},
    rows::{BadRow, Format, Rows, object_or_its_text},
};

/// Between several labels of one message in a table.
const SEPARATOR: char = '|';
/// A message without an id is judged all the same; this one is never shown.
const NO_ID: &str = "-";

/// Where the messages are.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file; none means standard input.
    pub file: Option<PathBuf>,
    /// How its rows are written.
    pub format: Format,
    /// What labels of the file are called by the model, where it calls them otherwise.
    pub label_map: BTreeMap<String, String>,
}

/// A message to be judged.
#[derive(Clone, Debug)]
pub struct Case {
    /// Line in the file, from 1.
    pub line: u64,
    /// As the file gives it.
    pub message_id: Option<String>,
    /// What the models may see.
    pub heard: Heard,
    /// User features in the order of the names that the [`Reader`] was given; NaN is missing.
    pub user: Vec<f64>,
    /// The true labels, in the model's names, sorted and each once; none where the file has none.
    pub truth: Option<Vec<String>>,
}

/// A line that holds no message to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Line in the file, from 1.
    pub line: u64,
    /// What is wrong.
    pub problem: String,
    /// Whether its labels are: the models do not know one, or their kind has another number of them.
    pub bad_labels: bool,
}

/// Why a row is no case.
struct NoCase {
    problem: String,
    bad_labels: bool,
}

impl From<String> for NoCase {
    fn from(problem: String) -> Self {
        Self { problem, bad_labels: false }
    }
}

/// The file cannot be opened or read on.
#[derive(Debug, Error)]
#[error("{name} cannot be read")]
pub struct ReadError {
    name: String,
    source: io::Error,
}

/// A row of the file; other fields are passed over.
#[derive(Deserialize)]
struct Row {
    text: String,
    message_id: Option<String>,
    user_id: Option<i64>,
    language: Option<String>,
    #[serde(default, deserialize_with = "object_or_its_text")]
    user: Map<String, Value>,
    label: Option<String>,
    labels: Option<Vec<String>>,
}

/// Reads messages for models with certain labels and user features.
pub struct Reader {
    name: String,
    rows: Rows,
    label_map: BTreeMap<String, String>,
    labels: Vec<String>,
    kind: Kind,
    user_names: Vec<String>,
}

impl Source {
    /// Its name in messages.
    pub fn name(&self) -> String {
        self.file.as_ref().map_or_else(|| "<stdin>".into(), |file| file.display().to_string())
    }
}

impl Reader {
    /// Opens `source`. A row whose labels are not among `labels` is bad, and so is one with several labels or none where
    /// `kind` has exactly one; `user_names` are the user features to read.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn open(source: &Source, labels: Vec<String>, kind: Kind, user_names: Vec<String>) -> Result<Self, ReadError> {
        let name = source.name();
        match Rows::open(source.file.as_deref(), source.format) {
            Ok(rows) => Ok(Self { name, rows, label_map: source.label_map.clone(), labels, kind, user_names }),
            Err(source) => Err(ReadError { name, source }),
        }
    }

    /// Fills `cases` with the next ones, at most [`BATCH`]; none at the end. Bad lines between them are told to `bad`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&mut self, cases: &mut Vec<Case>, mut bad: impl FnMut(BadLine)) -> Result<(), ReadError> {
        cases.clear();
        while cases.len() < BATCH {
            match self.rows.next_row() {
                None => break,
                Some(Ok((line, row))) => match self.case(line, row) {
                    Ok(case) => cases.push(case),
                    Err(NoCase { problem, bad_labels }) => bad(BadLine { line, problem, bad_labels }),
                },
                Some(Err(BadRow::Bad { line, problem })) => bad(BadLine { line, problem, bad_labels: false }),
                Some(Err(BadRow::Read(source))) => return Err(ReadError { name: self.name.clone(), source }),
            }
        }
        Ok(())
    }

    fn case(&self, line: u64, row: Row) -> Result<Case, NoCase> {
        let Row { text, message_id, user_id, language, user, label, labels } = row;
        let truth = self.truth(label, labels)?;
        // Most models ask for none, and then a row's own are not looked at.
        let user = match &self.user_names[..] {
            [] => Vec::new(),
            names => user_values(names, &user).map_err(|error| error.to_string())?,
        };
        let heard = intake::hear(Message {
            message_id: message_id.clone().unwrap_or_else(|| NO_ID.into()),
            user_id: user_id.unwrap_or(1),
            text,
            language,
            metadata: BTreeMap::new(),
            created_at: 0,
        });
        let heard = heard.map_err(|reject| format!("{}: {}", reject.code(), reject.text()))?;
        Ok(Case { line, message_id, heard, user, truth })
    }

    fn truth(&self, label: Option<String>, labels: Option<Vec<String>>) -> Result<Option<Vec<String>>, NoCase> {
        let given = match (label, labels) {
            (Some(_), Some(_)) => return Err("label and labels; give one of them".to_owned().into()),
            (Some(label), None) => label.split(SEPARATOR).map(|label| label.trim().to_owned()).collect(),
            (None, Some(labels)) => labels,
            (None, None) => return Ok(None),
        };
        let named = |label: String| {
            let label = self.label_map.get(&label).cloned().unwrap_or(label);
            if self.labels.contains(&label) {
                return Ok(label);
            }
            let known = self.labels.join(", ");
            let problem = format!("label {label:?} is none of {known}; --label-map {label}=NAME renames it");
            Err(NoCase { problem, bad_labels: true })
        };
        let mut truth: Vec<_> = given.into_iter().map(named).collect::<Result<_, _>>()?;
        truth.sort_unstable();
        truth.dedup();
        if self.kind != Kind::Multilabel && truth.len() != 1 {
            let (count, kind) = (truth.len(), format!("{:?}", self.kind).to_uppercase());
            let problem = format!("{count} labels; a message of a {kind} model has one");
            return Err(NoCase { problem, bad_labels: true });
        }
        Ok(Some(truth))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// Truth by line, and the problems.
    fn read(text: &str, format: Format, kind: Kind) -> (Vec<Case>, Vec<String>) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let label_map = BTreeMap::from([("ham".into(), "fine".into())]);
        let source = Source { file: Some(file.path().to_owned()), format, label_map };
        let labels = ["fine", "spam"].map(str::to_owned).to_vec();
        let mut reader = Reader::open(&source, labels, kind, vec!["karma".into()]).unwrap();
        let (mut cases, mut problems) = (Vec::new(), Vec::new());
        reader.read(&mut cases, |bad| problems.push(format!("{}: {}", bad.line, bad.problem))).unwrap();
        (cases, problems)
    }

    #[test]
    fn labels_are_told_by_the_models_names() {
        let text = "{\"text\":\"a\",\"label\":\"ham\"}\n{\"text\":\"b\",\"labels\":[\"spam\",\"fine\"]}\n\
                    {\"text\":\"c\",\"labels\":[]}\n{\"text\":\"d\",\"other\":1}\n";
        let (cases, problems) = read(text, Format::Ndjson, Kind::Multilabel);
        let truth: Vec<_> = cases.into_iter().map(|case| case.truth).collect();
        let some = |labels: &[&str]| Some(labels.iter().map(|&label| label.to_owned()).collect::<Vec<_>>());
        assert_eq!(truth, [some(&["fine"]), some(&["fine", "spam"]), some(&[]), None]);
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn a_label_counts_once_and_one_of_two_labels_is_right() {
        let text = "{\"text\":\"a\",\"labels\":[\"spam\",\"spam\"]}\n{\"text\":\"b\",\"labels\":[\"spam\",\"ham\"]}\n\
                    {\"text\":\"c\",\"labels\":[]}\n{\"text\":\"d\"}\n";
        let (cases, problems) = read(text, Format::Ndjson, Kind::Binary);
        let truth: Vec<_> = cases.into_iter().map(|case| (case.line, case.truth)).collect();
        assert_eq!(truth, [(1, Some(vec!["spam".to_owned()])), (4, None)]);
        let says = |line, count| format!("{line}: {count} labels; a message of a BINARY model has one");
        assert_eq!(problems, [says(2, 2), says(3, 0)]);
    }

    #[test]
    fn a_table_has_labels_and_user_features_in_its_cells() {
        let text = "text,label,user\nhello,ham|spam,\"{\"\"karma\"\": 3}\"\nagain,,\n";
        let (cases, problems) = read(text, Format::Csv, Kind::Multilabel);
        assert_eq!(cases[0].truth, Some(vec!["fine".to_owned(), "spam".to_owned()]), "{problems:?}");
        assert_eq!((cases[0].line, cases[0].user[0]), (2, 3.0));
        assert_eq!(cases[1].truth, None);
        assert!(cases[1].user[0].is_nan());
    }

    #[test]
    fn bad_lines_are_told_and_the_others_read() {
        let text = "{\"text\":\"\"}\nnonsense\n{\"text\":\"a\",\"label\":\"eggs\"}\n\
                    {\"text\":\"a\",\"user\":{\"karma\":\"high\"}}\n{\"text\":\"good\"}\n";
        let (cases, problems) = read(text, Format::Ndjson, Kind::Multilabel);
        assert_eq!(cases.iter().map(|case| case.line).collect::<Vec<_>>(), [5]);
        assert_eq!(problems.len(), 4);
        assert!(problems[0].starts_with("1: EMPTY_TEXT"), "{problems:?}");
        assert_eq!(problems[1], "2: expected ident at column 2");
        assert_eq!(problems[2], "3: label \"eggs\" is none of fine, spam; --label-map eggs=NAME renames it");
        assert!(problems[3].contains("karma"), "{problems:?}");
    }
}
