//! Sends a file of messages to the input topic, as an upstream producer would.
//!
//! ```text
//! file or stdin ──► Rows (NDJSON, CSV, TSV) ──► Schedule ──► Publisher ──► messages topic
//!                    └ bad line: an error        └ full speed, or open loop at a rate
//! ```
//!
//! Open loop: each message has its time, set before the first is sent. A slow broker makes messages late; it does not
//! make them fewer, and a message without a `created_at` carries the time that it was due, so that latency counted from
//! there leaves out nothing.

mod publisher;
mod schedule;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{
    codec::Schemas,
    config::Config,
    records::Message,
    rows::{BadRow, Format, Rows, object_or_its_text},
};
use schedule::Schedule;

pub use publisher::PublishError;
pub(crate) use publisher::Publisher;

/// How long a message waits for others to travel with.
const LINGER_MS: &str = "5";

/// What to send, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file; none means standard input.
    pub file: Option<PathBuf>,
    /// How its rows are written.
    pub format: Format,
    /// The topic.
    pub topic: String,
    /// Messages a second; none means full speed.
    pub rate: Option<f64>,
    /// Messages to send at most, over all rounds.
    pub messages_max: u64,
    /// How often the file is sent; message ids and idempotency keys of later rounds get a suffix.
    pub rounds: u64,
    /// Pass over bad lines and count them, instead of stopping at the first.
    pub skip_bad: bool,
}

/// The fields of a message and its optional headers. Values are not judged: a producer may well send a bad message.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) message_id: Option<String>,
    pub(crate) user_id: i64,
    pub(crate) text: String,
    pub(crate) language: Option<String>,
    #[serde(default, deserialize_with = "object_or_its_text")]
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) created_at: Option<i64>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) revision: Option<i64>,
}

/// What became of it.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Messages that the broker has.
    pub delivered: u64,
    /// Messages that it did not take.
    pub failed: u64,
    /// Why the first of them was not taken.
    pub first_failure: Option<String>,
    /// Lines passed over.
    pub skipped: u64,
    /// From the first message to the last acknowledgement.
    pub took: Duration,
    /// How late the latest message was handed to the client; zero at full speed.
    pub latest: Duration,
}

/// Why sending stopped.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The input cannot be opened or read.
    #[error("{name} cannot be read")]
    Read {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Standard input comes once.
    #[error("standard input cannot be sent {0} times; put it into a file, or leave --repeat out")]
    Repeat(u64),
    /// A line is not a message.
    #[error("{name}:{line}: {problem} ({sent} messages before it were sent; --skip-bad passes over bad lines)")]
    BadLine {
        /// The file.
        name: String,
        /// Line in it, from 1.
        line: u64,
        /// What is wrong.
        problem: String,
        /// Messages before it.
        sent: u64,
    },
    /// The broker or the registry.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// Sends what `options` say; `progress` is told of every message. Blocks; not to be called from a runtime's thread.
///
/// # Errors
/// [`SendError`]. Messages that the broker does not take are no error: they are counted.
pub fn send(
    config: &Config,
    schemas: &Schemas,
    options: &Options,
    progress: impl FnMut(),
) -> Result<Summary, SendError> {
    if options.file.is_none() && options.rounds > 1 {
        return Err(SendError::Repeat(options.rounds));
    }
    let publisher = Publisher::connect(&config.kafka, &options.topic, schemas, LINGER_MS)?;
    let schedule = Schedule::start_now(options.rate);
    let mut sender = Sender { options, publisher, schedule, sent: 0, skipped: 0, progress };
    let sent = (1..=options.rounds).try_for_each(|round| sender.send_round(round));
    let summary = sender.finish();
    sent.map(|()| summary)
}

struct Sender<'a, P> {
    options: &'a Options,
    publisher: Publisher,
    schedule: Schedule,
    sent: u64,
    skipped: u64,
    progress: P,
}

impl<P: FnMut()> Sender<'_, P> {
    fn send_round(&mut self, round: u64) -> Result<(), SendError> {
        let name = self.options.file.as_ref().map_or_else(|| "<stdin>".into(), |file| file.display().to_string());
        let read = |source| SendError::Read { name: name.clone(), source };
        let mut rows = Rows::open(self.options.file.as_deref(), self.options.format).map_err(read)?;
        while self.sent < self.options.messages_max {
            match rows.next_row() {
                None => break,
                Some(Ok((line, row))) => self.send_row(row, line, round)?,
                Some(Err(BadRow::Read(source))) => return Err(read(source)),
                Some(Err(BadRow::Bad { .. })) if self.options.skip_bad => self.skipped += 1,
                Some(Err(BadRow::Bad { line, problem })) => {
                    return Err(SendError::BadLine { name, line, problem, sent: self.sent });
                }
            }
        }
        Ok(())
    }

    fn send_row(&mut self, row: Row, line: u64, round: u64) -> Result<(), SendError> {
        let due_ms = self.schedule.wait_for(self.sent);
        let Row { message_id, user_id, text, language, metadata, created_at, mut idempotency_key, revision } = row;
        let mut message_id = message_id.unwrap_or_else(|| stable_id(line, user_id, &text));
        if round > 1 {
            // Later rounds are other messages, not repeats of the first.
            for id in std::iter::once(&mut message_id).chain(&mut idempotency_key) {
                id.push_str(&format!("-r{round}"));
            }
        }
        let created_at = created_at.unwrap_or(due_ms);
        let message = Message { message_id, user_id, text, language, metadata, created_at };
        self.publisher.publish(&message, idempotency_key.as_deref(), revision)?;
        self.sent += 1;
        (self.progress)();
        Ok(())
    }

    fn finish(self) -> Summary {
        let (failed, first_failure) = self.publisher.finish();
        Summary {
            delivered: self.sent - failed.min(self.sent),
            failed,
            first_failure,
            skipped: self.skipped,
            took: self.schedule.elapsed(),
            latest: self.schedule.latest(),
        }
    }
}

/// The id of a message that has none: the same line of the same file is the same message, also when it is sent again.
fn stable_id(line: u64, user_id: i64, text: &str) -> String {
    let hash = Sha256::new()
        .chain_update(line.to_be_bytes())
        .chain_update(user_id.to_be_bytes())
        .chain_update(text.as_bytes())
        .finalize();
    let mut first = [0; 16];
    first.copy_from_slice(&hash[..16]);
    format!("{:032x}", u128::from_be_bytes(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_id_depends_on_line_user_and_text_only() {
        let id = stable_id(1, 7, "hello");
        assert_eq!(id, stable_id(1, 7, "hello"));
        assert_eq!(id.len(), 32);
        for other in [stable_id(2, 7, "hello"), stable_id(1, 8, "hello"), stable_id(1, 7, "hello!")] {
            assert_ne!(id, other);
        }
    }
}
