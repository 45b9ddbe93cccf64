//! What is asked of Redis for a user, and in which slot of a cluster the answer lies.
//!
//! One `GETRANGE key 0 65536` a user, all of a chunk in one pipeline: a round trip as one MGET is, but each key has an
//! answer of its own (a list under one key is that user's error, not silence), it works across the slots of a cluster,
//! and a huge value is cut off by the server before it costs a deadline.

use redis::{Pipeline, ServerError, Value};

use super::Failure;
use super::parse::VALUE_BYTES_MAX;

/// Slots of a Redis Cluster.
pub(super) const SLOTS: usize = 16_384;

/// Keys of users: a prefix and the user id in decimal.
#[derive(Clone)]
pub(super) struct Keys {
    prefix: String,
}

/// What a look-up learned, in the order of its users.
#[derive(Default)]
pub(super) struct Answers {
    /// None: not answered. An error is of that key alone.
    pub(super) values: Vec<Option<Value>>,
    /// Whether anything was sent, or would have been had there been a connection.
    pub(super) asked: bool,
    /// Why some or all are not answered.
    pub(super) failure: Option<Failure>,
}

impl Keys {
    pub(super) fn new(prefix: String) -> Self {
        Self { prefix }
    }

    /// The request for the users, one answer each. With `asking`, of a node that is about to get their slots, each has
    /// the answer to ASKING before it.
    pub(super) fn request(&self, users: impl ExactSizeIterator<Item = i64>, asking: bool) -> Pipeline {
        let mut request = Pipeline::with_capacity(users.len() << u8::from(asking));
        for user in users {
            if asking {
                request.cmd("ASKING");
            }
            request.cmd("GETRANGE").arg(self.key(user)).arg(0).arg(VALUE_BYTES_MAX);
        }
        request
    }

    /// The slot of a user's key: of what stands in its first braces, when there is something, else of all of it.
    pub(super) fn slot(&self, user: i64) -> usize {
        let key = self.key(user);
        let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
        usize::from(crc16(tag.filter(|tag| !tag.is_empty()).unwrap_or(&key).as_bytes())) % SLOTS
    }

    fn key(&self, user: i64) -> String {
        format!("{}{user}", self.prefix)
    }
}

impl Answers {
    /// A request failed; the first failure counts.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.asked = true;
        self.failure.get_or_insert(failure);
    }
}

/// The server's refusal to say anything about a key. WRONGTYPE is an answer.
pub(super) fn refusal(answer: &Value) -> Option<&ServerError> {
    match answer {
        Value::ServerError(error) if error.code() != "WRONGTYPE" => Some(error),
        _ => None,
    }
}

/// CRC-16/XMODEM, polynomial 0x1021: the hash of Redis Cluster.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc: u16, _| (crc << 1) ^ if crc >> 15 == 1 { 0x1021 } else { 0 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        // As CLUSTER KEYSLOT says.
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(Keys::new("features:user:".into()).slot(7), 3685);
        let tagged = Keys::new("{features}:user:".into());
        assert_eq!((tagged.slot(7), tagged.slot(8)), (15_237, 15_237));
        assert_eq!(Keys::new("{}features:user:".into()).slot(7), 12_817);
        assert_eq!(Keys::new("features:user:".into()).slot(-1), 8_076);
    }

    #[test]
    fn a_request_is_bounded_on_both_sides() {
        let request = Keys::new("u:".into()).request([7].into_iter(), false);
        assert_eq!(
            String::from_utf8(request.get_packed_pipeline()).unwrap(),
            "*4\r\n$8\r\nGETRANGE\r\n$3\r\nu:7\r\n$1\r\n0\r\n$5\r\n65536\r\n"
        );
        assert_eq!(Keys::new("u:".into()).request([7, 8].into_iter(), true).len(), 4);
    }
}
