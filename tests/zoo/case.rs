//! A model of the zoo with what must come of it.

use std::{fs, path::Path};

use assize::{
    decision::Gives,
    features::vector::Rows,
    model::{Scorer, Scores},
};
use serde::Deserialize;

/// How far a number may be from onnxruntime's: 1e-5, of scores beyond 1 relative to them.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    #[serde(skip)]
    pub(crate) name: String,
    #[serde(skip)]
    pub(crate) onnx: Vec<u8>,
    /// What the refusal must say.
    pub(crate) refused: Option<String>,
    output: Option<String>,
    gives: Option<String>,
    /// Null is NaN.
    #[serde(default)]
    rows: Vec<Vec<Option<f32>>>,
    #[serde(default)]
    expected: Vec<Vec<f64>>,
}

/// All of the zoo, by name.
pub(crate) fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zoo/files");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|found| found == "json")).collect();
    files.sort();
    files
        .into_iter()
        .map(|path| Case {
            name: path.file_stem().unwrap().to_string_lossy().into(),
            onnx: fs::read(path.with_extension("onnx")).unwrap(),
            ..serde_json::from_slice(&fs::read(&path).unwrap()).unwrap()
        })
        .collect()
}

impl Case {
    pub(crate) fn open(&self) -> Result<Scorer, String> {
        let gives = if self.gives.as_deref() == Some("scores") { Gives::Scores } else { Gives::Probabilities };
        Scorer::open(&self.onnx, self.output.as_deref(), gives).map_err(|error| chain(&error))
    }

    /// Why it does not score as onnxruntime does.
    pub(crate) fn differs(&self) -> Option<String> {
        let scorer = match self.open() {
            Ok(scorer) => scorer,
            Err(error) => return Some(error),
        };
        let mut rows = Rows::default();
        for row in &self.rows {
            rows.push_dense(&row.iter().map(|value| value.unwrap_or(f32::NAN)).collect::<Vec<_>>());
        }
        let mut scores = Scores::default();
        if let Err(error) = scorer.score(&mut scorer.state().unwrap(), &rows, &mut scores) {
            return Some(chain(&error));
        }
        for (index, (found, expected)) in scores.rows().zip(&self.expected).enumerate() {
            let far = |(found, expected): (&f32, &f64)| {
                (f64::from(*found) - expected).abs() > TOLERANCE * expected.abs().max(1.0)
            };
            if found.len() != expected.len() || found.iter().zip(expected).any(far) {
                return Some(format!("row {index}: {found:?}, onnxruntime {expected:?}"));
            }
        }
        None
    }
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(|cause| format!(": {}", chain(cause)));
    format!("{error}{}", cause.unwrap_or_default())
}
