//! How far a command is, on stderr.

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

/// Between two lines of progress.
const PROGRESS_MS: Duration = Duration::from_millis(1_000);

/// How many messages were judged, told once a second.
pub(super) struct Progress {
    start: Instant,
    told: Instant,
    how: Telling,
    /// Messages so far.
    pub(super) judged: u64,
}

enum Telling {
    Not,
    /// One line on a terminal, written over and over.
    Over,
    Lines,
}

impl Progress {
    pub(super) fn new(asked_for: bool) -> Self {
        let how = match () {
            () if io::stderr().is_terminal() => Telling::Over,
            () if asked_for => Telling::Lines,
            () => Telling::Not,
        };
        Self { start: Instant::now(), told: Instant::now(), how, judged: 0 }
    }

    pub(super) fn add(&mut self, messages: usize) {
        self.judged += messages as u64;
        if self.told.elapsed() < PROGRESS_MS {
            return;
        }
        self.told = Instant::now();
        let says = format!("{} messages judged, {:.0}/s", self.judged, self.per_second());
        match self.how {
            Telling::Not => {}
            Telling::Over => eprint!("\r{says}\x1b[K"),
            Telling::Lines => eprintln!("{says}"),
        }
    }

    pub(super) fn finish(&self) {
        if matches!(self.how, Telling::Over) {
            eprint!("\r\x1b[K");
        }
    }

    /// Since the start.
    pub(super) fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Messages a second since the start.
    pub(super) fn per_second(&self) -> f64 {
        self.judged as f64 / self.seconds().max(1e-9)
    }
}
