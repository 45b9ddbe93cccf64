//! Stdout, whose reader may leave before the end, as `head` does: that ends a command quietly, it is no failure.

use std::io::{self, BufWriter, ErrorKind, StdoutLock, Write};

use crate::{failure::Failure, fault::Exit};

/// Stdout for many small writes; to be flushed.
pub(super) fn buffered() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(64 << 10, io::stdout().lock())
}

/// Prints all of `text`.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    written(output.write_all(text.as_bytes()).and_then(|()| output.flush()))
}

/// What a write that failed means for the command: nothing when the reader has left.
pub(super) fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Failed, anyhow::Error::new(error).context("stdout cannot be written")))
        }
        _ => Ok(()),
    }
}

/// Whether an error is that of a write to stdout whose reader has left.
pub(super) fn reader_left(error: &anyhow::Error) -> bool {
    let kind = |cause: &(dyn std::error::Error + 'static)| match cause.downcast_ref::<serde_json::Error>() {
        Some(error) => error.io_error_kind(),
        None => cause.downcast_ref::<io::Error>().map(io::Error::kind),
    };
    error.chain().any(|cause| kind(cause) == Some(ErrorKind::BrokenPipe))
}

/// A name out of a file, for the terminal: without control characters.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}
