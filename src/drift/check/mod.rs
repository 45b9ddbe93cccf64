//! Two files of predictions held against each other.
//!
//! ```text
//!  reference ─┬─ pass 1: a sample of each number ─► Edges ─┐
//!             └─ pass 2: all rows, counted on them ────────┴─► Baseline ─┐
//!  current ───── all rows, counted on the same edges ──────────► Window ─┴─► Verdict per task and arm
//! ```
//!
//! Memory: 256 KB for each number while edges are sought (16 features and two scores: 5 MB; at most 1,281 numbers and 16
//! tasks), then 8 KB; a category takes what its names take, 1,024 at most. The length of the files does not matter.

mod gather;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Serialize;

use self::gather::{Found, Shapes};
use super::{
    Rule, Verdict,
    row::{self, Row},
};

/// Tasks and arms of a file; further ones are bad lines.
pub const TASKS_MAX: usize = 16;

/// What is compared.
#[derive(Clone, Debug)]
pub struct Files {
    /// When all was well. Read twice, so no pipe.
    pub reference: PathBuf,
    /// Now; none is standard input.
    pub current: Option<PathBuf>,
}

/// What a bundle calls its numbers.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Id of its feature contract.
    pub contract: String,
    /// In the contract's order.
    pub features: Vec<String>,
    /// Name of its model.
    pub model: String,
    /// In the order of its scores.
    pub labels: Vec<String>,
}

/// Why files are not compared.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A file cannot be read.
    #[error("{file} cannot be read")]
    Read {
        /// Its name.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The reference would not come again.
    #[error("{0}: the reference is read twice; give a file")]
    NotAFile(String),
    /// There is nothing on one side.
    #[error("{0} holds no predictions that can be compared: give NDJSON of one feature contract and model")]
    Nothing(String),
}

/// What is said of one task and arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskReport {
    /// Name of the task.
    pub task: String,
    /// `live`, or another arm.
    pub arm: String,
    /// Rows of the reference.
    pub rows_before: u64,
    /// Rows of the current file.
    pub rows_after: u64,
    /// Rows of both with another contract or model than the reference's first row: not compared.
    pub rows_unlike: u64,
    /// What moved.
    pub verdict: Verdict,
}

/// A task and arm that nothing is said of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotCompared {
    /// Name of the task.
    pub task: String,
    /// `live`, or another arm.
    pub arm: String,
    /// Why not.
    pub why: Why,
}

/// Why nothing is said of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The reference has it, and one of the files too few values of it, or none.
    TooFew,
    /// Only the current file has it.
    NoReference,
}

/// What is said of the two files.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Something has moved in some task.
    pub drifted: bool,
    /// No task had enough rows to be judged.
    pub too_few: bool,
    /// Lines of both files that are no predictions.
    pub bad_lines: u64,
    /// By what it was judged.
    pub rule: Rule,
    /// In the order of their names.
    pub tasks: Vec<TaskReport>,
    /// Of both files.
    pub tasks_not_compared: Vec<NotCompared>,
}

/// Compares the files; `bad` is told each line that is passed over.
///
/// # Errors
/// [`CheckError`].
pub fn check(
    files: &Files,
    names: &Names,
    rule: &Rule,
    mut bad: impl FnMut(&str, u64, String),
) -> Result<Report, CheckError> {
    let mut bad_lines = 0;
    let mut tell = |file: &str, line: u64, problem: String| {
        bad_lines += 1;
        bad(file, line, problem);
    };
    let reference = Some(files.reference.as_path());
    let unreadable = |source| CheckError::Read { file: name(reference), source };
    if files.reference.as_os_str() == "-" || !fs::metadata(&files.reference).map_err(unreadable)?.is_file() {
        return Err(CheckError::NotAFile(name(reference)));
    }
    let mut shapes = Shapes::default();
    each(
        reference,
        |line, row| shapes.add(&row).unwrap_or_else(|problem| tell(&name(reference), line, problem)),
        None,
    )?;
    let mut found = Found::of(shapes, names);
    each(reference, |_, row| found.add_reference(&row), Some(&mut tell))?;
    if found.is_empty() {
        return Err(CheckError::Nothing(name(reference)));
    }
    let current = files.current.as_deref();
    each(current, |_, row| found.add_current(&row), Some(&mut tell))?;
    let (tasks, tasks_not_compared) = found.judge(rule);
    if tasks.iter().all(|task| task.rows_after == 0) {
        return Err(CheckError::Nothing(name(current)));
    }
    let drifted = tasks.iter().any(|task| task.verdict.drifted);
    let too_few = tasks.iter().all(|task| task.verdict.too_few);
    Ok(Report { drifted, too_few, bad_lines, rule: *rule, tasks, tasks_not_compared })
}

fn name(file: Option<&Path>) -> String {
    file.map_or_else(|| "standard input".to_owned(), |file| file.display().to_string())
}

/// Tells a line that is passed over: file, line, problem.
type Tell<'a> = &'a mut dyn FnMut(&str, u64, String);

/// Calls `with` for every prediction of the file, with its line.
fn each(file: Option<&Path>, mut with: impl FnMut(u64, Row), mut tell: Option<Tell<'_>>) -> Result<(), CheckError> {
    let lines = row::each_line(file, |line, row| match (row, &mut tell) {
        (Ok(row), _) => with(line, row),
        (Err(problem), Some(tell)) => tell(&name(file), line, problem),
        (Err(_), None) => {}
    });
    lines.map_err(|source| CheckError::Read { file: name(file), source })
}
