//! Messages from a file, judged by a bundle with no services: what `assize classify`, `model tune` and `model diff` share.
//!
//! ```text
//!  file or stdin ─► Reader: rows, intake ─► cases ─► Judge: features, rows, scores, decisions ─► Judgement of each
//!                     └ bad line: told and counted                 └ labels, where there are any ─► Marks
//! ```
//!
//! The stages are those of [`crate::pipeline`], without identity, look-ups and answers: a message is judged here as it is
//! on the stream, given the same user features. At most [`BATCH`] cases are held at a time.

mod judge;
mod logged;
mod marks;
mod reader;

pub use judge::{Judge, Judgement};
pub use logged::Logged;
pub use marks::{LabelReport, Marks, MarksReport, RANKED_MAX};
pub use reader::{BadLine, Case, ReadError, Reader, Source};

/// Cases that are judged at once.
pub const BATCH: usize = crate::model::TILE_ROWS_MAX;
