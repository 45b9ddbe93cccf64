//! A record on its way to a verdict: decode -> intake -> identity. Pure but for the look-up of an unknown schema id.

use std::{collections::HashMap, sync::Arc, time::Duration};

use rustc_hash::FxBuildHasher;

use crate::{
    codec::{Lookup, RecordReader, Schemas, wire},
    dedup::{Entry, Identity},
    hash::Hasher,
    intake::{self, Heard, Reject},
    records::Message,
    stream::Record,
};

/// Header that holds the idempotency key.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Header that holds the revision.
pub const REVISION: &str = "assize-revision";

/// Readers that a lane keeps at hand; past it they are asked for again.
const READERS_MAX: usize = 1_000;

/// A message that may be judged, with its record and its identity.
pub(super) struct Case<'c> {
    pub record: Record<'c>,
    pub heard: Heard,
    /// The idempotency key from the header; none means the message id.
    pub key: Option<&'c str>,
    pub revision: i32,
    pub identity: Identity,
    pub payload_hash: [u8; 16],
}

impl Case<'_> {
    /// What the window keeps of it.
    pub(super) fn entry(&self, decided_at_ms: i64) -> Entry {
        Entry::new(self.identity, &self.payload_hash, self.record.offset, decided_at_ms)
    }

    /// Whether the record's key is its user id, as order per user needs it.
    pub(super) fn is_keyed_by_user(&self) -> bool {
        let key = self.record.key.and_then(|key| std::str::from_utf8(key).ok());
        key.is_some_and(|key| key.parse() == Ok(self.heard.user_id))
    }
}

/// A lane's own readers: no lock on the hot path.
pub(super) struct Decoder {
    schemas: Arc<Schemas>,
    readers: HashMap<u32, Arc<RecordReader>, FxBuildHasher>,
    value_bytes_max: usize,
    /// What this chunk may still wait for the registry.
    patience: Duration,
}

impl Decoder {
    pub(super) fn new(schemas: Arc<Schemas>, value_bytes_max: usize) -> Self {
        Self { schemas, readers: HashMap::default(), value_bytes_max, patience: Duration::ZERO }
    }

    /// A new chunk: it may wait for the registry as long as configured, over all its schema ids.
    pub(super) fn start_chunk(&mut self) {
        self.patience = self.schemas.chunk_patience();
    }

    /// The message of a record, or why it is a dead letter, or the schema id that must be known first.
    pub(super) fn decode(&mut self, record: &Record<'_>) -> Decoded {
        let (id, datum) = match self.split(record) {
            Ok(parts) => parts,
            Err(reject) => return Decoded::Now(Err(reject)),
        };
        if let Some(reader) = self.readers.get(&id) {
            return Decoded::Now(reader.read_message(datum));
        }
        match self.schemas.reader(id, &mut self.patience) {
            Lookup::Known(reader) => Decoded::Now(self.keep(id, reader).read_message(datum)),
            Lookup::Unknown => Decoded::Now(Err(Reject::UnknownSchema)),
            Lookup::Unreadable => Decoded::Now(Err(Reject::UnreadableSchema)),
            Lookup::Away => Decoded::Later(id),
        }
    }

    /// Asks for the schema id of a record that is not decoded now, so that all ids of a chunk are asked for at once.
    pub(super) fn ask_ahead(&mut self, record: &Record<'_>) {
        if let Ok((id, _)) = self.split(record) {
            self.glance(id);
        }
    }

    /// Whether `id` is known, or known not to exist.
    pub(super) fn is_settled(&self, id: u32) -> bool {
        !matches!(self.glance(id), Lookup::Away)
    }

    /// What is known of `id` now; if nothing is, it is asked for.
    fn glance(&self, id: u32) -> Lookup {
        let mut no_patience = Duration::ZERO;
        self.schemas.reader(id, &mut no_patience)
    }

    fn split<'r>(&self, record: &Record<'r>) -> Result<(u32, &'r [u8]), Reject> {
        let value = record.value.ok_or(Reject::NullValue)?;
        if value.len() > self.value_bytes_max {
            return Err(Reject::Oversize);
        }
        wire::split(value)
    }

    fn keep(&mut self, id: u32, reader: Arc<RecordReader>) -> &RecordReader {
        if self.readers.len() >= READERS_MAX {
            self.readers.clear();
        }
        self.readers.entry(id).insert_entry(reader).into_mut()
    }
}

/// What decoding a record came to.
pub(super) enum Decoded {
    /// A message, or a dead letter.
    Now(Result<Message, Reject>),
    /// It waits for this schema id.
    Later(u32),
}

/// Validates, sanitizes and identifies a decoded message.
pub(super) fn hear<'c>(record: Record<'c>, message: Message, hasher: &Hasher) -> Result<Case<'c>, Reject> {
    let key = record.header(IDEMPOTENCY_KEY).map(intake::idempotency_key).transpose()?;
    let revision = record.header(REVISION).map(intake::revision).transpose()?.unwrap_or(0);
    let heard = intake::hear(message)?;
    let identity = Identity::new(heard.user_id, revision, key.unwrap_or(&heard.message_id));
    let payload_hash = hasher.payload(&heard.text, heard.language.as_str(), &heard.metadata);
    Ok(Case { record, heard, key, revision, identity, payload_hash })
}
