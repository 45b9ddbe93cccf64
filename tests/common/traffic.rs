//! Messages of the experiments: several users, repeats of earlier messages, and records that are rejected.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

/// A small generator of pseudo-random numbers (Marsaglia's xorshift64), so that a seed repeats a run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// Uniform in `0..below`, nearly.
    pub fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// How many lines a file has, by what must become of them.
#[derive(Debug, Default)]
pub struct Counts {
    pub judged: usize,
    pub repeats: usize,
    pub rejected: usize,
}

const TEXTS: [&str; 6] = [
    "Are we still meeting for lunch tomorrow at noon?",
    "CONGRATULATIONS!! You have WON a 1000 pound prize, call 09061701461 NOW to claim",
    "ok, see you there &amp; bring the book",
    "Free entry! Text WIN to 80086 http://example.com/win http://example.com/claim",
    "I&#39;ll be late, sorry :(",
    "Ünïcödé tëxt, ﬁne ｗｉｄｅ letters and a soft\u{ad}hyphen",
];

/// An endless row of messages as NDJSON lines: one in twenty repeats an earlier one, one in a hundred is rejected.
pub struct Traffic {
    name: String,
    random: Random,
    line: usize,
    good: Vec<usize>,
    /// What it has given so far.
    pub counts: Counts,
}

impl Traffic {
    pub fn new(name: &str, seed: u64) -> Self {
        let random = Random::new(seed);
        Self { name: name.to_owned(), random, line: 0, good: Vec::new(), counts: Counts::default() }
    }

    /// The next message, without a line end.
    pub fn next_line(&mut self) -> String {
        let (line, name) = (self.line, &self.name);
        self.line += 1;
        if line % 20 == 19 && !self.good.is_empty() {
            self.counts.repeats += 1;
            // Some repeats are close, some far back.
            let back = self.random.below(if line % 40 == 19 { 50 } else { 5_000 }) as usize;
            message(name, self.good[self.good.len() - 1 - back.min(self.good.len() - 1)])
        } else if line % 100 == 50 {
            self.counts.rejected += 1;
            format!(r#"{{"message_id":"{name}-{line}","user_id":{},"text":"   "}}"#, 1 + line % 300)
        } else {
            self.counts.judged += 1;
            self.good.push(line);
            message(name, line)
        }
    }
}

/// Writes `lines` messages as NDJSON.
pub fn write(folder: &Path, name: &str, lines: usize, seed: u64) -> (PathBuf, Counts) {
    let path = folder.join(format!("{name}.ndjson"));
    let mut file = BufWriter::new(File::create(&path).unwrap());
    let mut traffic = Traffic::new(name, seed);
    for _ in 0..lines {
        writeln!(file, "{}", traffic.next_line()).unwrap();
    }
    (path, traffic.counts)
}

fn message(name: &str, line: usize) -> String {
    let text = TEXTS[line % TEXTS.len()];
    let key = if line.is_multiple_of(3) { format!(r#","idempotency_key":"{name}-key-{line}""#) } else { String::new() };
    format!(r#"{{"message_id":"{name}-{line}","user_id":{},"text":"{line}: {text}"{key}}}"#, 1 + line % 300)
}
