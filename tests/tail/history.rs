//! What lies in the topics: two judged messages and six rejected ones.
//!
//! ```text
//!   partition 0   0 judged (user 7)   1 BAD_MAGIC      2 TRAILING_BYTES   3 BAD_USER_ID
//!   partition 1   0 NULL_VALUE        1 UNKNOWN_SCHEMA 2 judged (user 8)  3 BAD_MAGIC
//! ```

use std::{process::Output, time::Duration};

use assize::{codec::RecordWriter, records::Message, stream::kafka::base};
use rdkafka::{
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use serde_json::Value as Json;

use crate::{
    bench::{Bench, Running, SPAM},
    common::Sandbox,
};

pub const HAM: &str = "see you at lunch, bring the xylophone";
pub const SPAM_TEXT: &str = "WINNER!! You have won a 900 pound prize. Call 09061701461 now!";
/// A key that clears a terminal, and a value that no text is.
pub const WILD_KEY: &[u8] = b"\x1b[2J";
pub const WILD_VALUE: &[u8] = b"\xff\xfe\x00";

/// The topics, and the process that goes on answering.
pub struct History {
    pub bench: Bench,
    _running: Running,
}

impl History {
    pub fn new(name: &str) -> Self {
        let bench = Bench::new(name, 2, SPAM);
        let running = bench.start("teller", None);
        let history = Self { bench, _running: running };
        let mut trailing = message(7, "m-2", HAM);
        trailing.push(0);
        let mut unknown = message(4711, "m-5", HAM);
        unknown[4] = 99;
        let (billing, chat) =
            (&[("client-id", &b"billing"[..]), ("trace", b"\xff\x00")], &[("client-id", &b"chat"[..])]);
        history.send(0, b"7", Some(&message(7, "m-0", HAM)), &[]);
        history.send(0, b"47-a", Some(b"not Avro"), billing);
        history.send(0, b"7", Some(&trailing), chat);
        history.send(0, b"0", Some(&message(0, "m-3", HAM)), chat);
        history.send(1, b"48", None, &[]);
        history.send(1, b"4711", Some(&unknown), billing);
        history.send(1, b"8", Some(&message(8, "m-6", SPAM_TEXT)), &[]);
        history.send(1, WILD_KEY, Some(WILD_VALUE), &[]);
        history.bench.wait_until_drained();
        history
    }

    /// One record of the input.
    pub fn send(&self, partition: i32, key: &[u8], value: Option<&[u8]>, headers: &[(&str, &[u8])]) {
        send(&self.bench.sandbox, partition, key, value, headers);
    }

    /// Runs a command to its end, which must be exit code 0, with nothing on stderr. Returns the lines of its stdout.
    #[track_caller]
    pub fn lines(&self, args: &[&str]) -> Vec<String> {
        let output = self.output(args);
        assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// The same as JSON.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Vec<Json> {
        self.lines(args).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn output(&self, args: &[&str]) -> Output {
        self.bench.sandbox.assize(args).env("ASSIZE_HASH_KEY", "a key for tests only").output().unwrap()
    }

    /// The command is refused with `code`, and says `words`.
    #[track_caller]
    pub fn refused(&self, args: &[&str], code: i32, words: &str) {
        let output = self.output(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(words) && output.stdout.is_empty(), "{args:?}: {said}");
    }
}

/// One record of the input.
pub fn send(sandbox: &Sandbox, partition: i32, key: &[u8], value: Option<&[u8]>, headers: &[(&str, &[u8])]) {
    let producer: BaseProducer = base(&sandbox.config.kafka).create().unwrap();
    let headers = headers
        .iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(*value) }));
    let mut record = BaseRecord::to(&sandbox.config.topics.messages).partition(partition).key(key).headers(headers);
    if let Some(value) = value {
        record = record.payload(value);
    }
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(Duration::from_secs(20)).unwrap();
}

/// A message in the wire format.
pub fn message(user_id: i64, message_id: &str, text: &str) -> Vec<u8> {
    let (message_id, text) = (message_id.to_owned(), text.to_owned());
    let message = Message {
        message_id,
        user_id,
        text,
        language: None,
        metadata: Default::default(),
        created_at: 1_700_000_000_000,
    };
    let mut value = Vec::new();
    RecordWriter::new(1).write(&message, &mut value);
    value
}
