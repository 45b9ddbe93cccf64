//! A record on its way to a verdict: decode -> intake -> identity. Pure but for the look-up of an unknown schema id.

use std::{collections::HashMap, sync::Arc};

use crate::{
    codec::{Lookup, RecordReader, Schemas, wire},
    dedup::{Entry, Identity},
    fault::{Action, Fault},
    hash::Hasher,
    intake::{self, Heard, Reject},
    records::Message,
    stream::Record,
};

/// Header that holds the idempotency key.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Header that holds the revision.
pub const REVISION: &str = "assize-revision";

/// Pause of a lane that waits for the registry.
const REGISTRY_WAIT_MS: std::time::Duration = std::time::Duration::from_millis(1_000);
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
    readers: HashMap<u32, Arc<RecordReader>>,
    value_bytes_max: usize,
}

impl Decoder {
    pub(super) fn new(schemas: Arc<Schemas>, value_bytes_max: usize) -> Self {
        Self { schemas, readers: HashMap::new(), value_bytes_max }
    }

    /// The message of a record. `Err` means that the registry is away and this transaction cannot proceed; the inner
    /// error is a dead letter.
    pub(super) fn decode(&mut self, record: &Record<'_>) -> Result<Result<Message, Reject>, Fault> {
        let Some(value) = record.value else { return Ok(Err(Reject::NullValue)) };
        if value.len() > self.value_bytes_max {
            return Ok(Err(Reject::Oversize));
        }
        let (id, datum) = match wire::split(value) {
            Ok(parts) => parts,
            Err(reject) => return Ok(Err(reject)),
        };
        Ok(match self.reader(id)? {
            Some(reader) => reader.read(datum),
            None => Err(Reject::UnknownSchema),
        })
    }

    fn reader(&mut self, id: u32) -> Result<Option<&RecordReader>, Fault> {
        if !self.readers.contains_key(&id) {
            match self.schemas.reader(id) {
                Lookup::Unknown => return Ok(None),
                Lookup::Away => return Err(Fault::new(Action::Wait(REGISTRY_WAIT_MS), "waiting for a schema id")),
                Lookup::Known(reader) => {
                    if self.readers.len() >= READERS_MAX {
                        self.readers.clear();
                    }
                    self.readers.insert(id, reader);
                }
            }
        }
        Ok(self.readers.get(&id).map(Arc::as_ref))
    }
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
