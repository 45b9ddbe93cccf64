//! Lines of files, and records of topics, that are not what is read.

use super::output::plain;
use crate::fault::Exit;

/// Bad lines that are told one by one; all are counted.
const TOLD_MAX: u64 = 20;

/// Tells bad lines by their number, and counts them.
#[derive(Debug, Default)]
pub(super) struct BadLines {
    /// Lines so far.
    pub(super) count: u64,
}

impl BadLines {
    /// One more: in which file or partition, its line or offset, and what is wrong with it.
    pub(super) fn tell(&mut self, source: &str, place: u64, problem: &str) {
        self.count += 1;
        if self.count <= TOLD_MAX {
            eprintln!("assize: {}:{place}: {}", plain(source), plain(problem));
        }
    }

    /// The exit code that it comes to, and what there is to say.
    pub(super) fn exit(&self) -> Exit {
        match self.count {
            0 => Exit::Done,
            count => {
                let rest = count.saturating_sub(TOLD_MAX);
                let rest = if rest > 0 { format!(", {rest} of them not told above") } else { String::new() };
                eprintln!("assize: {count} bad lines were passed over{rest}");
                Exit::Failed
            }
        }
    }
}
