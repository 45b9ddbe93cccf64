//! What the audit takes from each record: the few fields that name its message. The input is decoded as the pipeline
//! does, so that both can read the same records.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{Message as _, message::BorrowedMessage};
use rustc_hash::FxHasher;
use serde::{Deserialize, de::DeserializeOwned};

use super::{AuditError, DeadLetter, Ids, Prediction, Verdict};
use crate::{
    codec::{Lookup, RecordReader, Schemas, wire},
    dedup::Identity,
    intake,
    pipeline::VALUE_OMITTED,
    records::Message,
    stream::kafka::for_each_header,
};

/// How long the registry may stay silent; a schema id that it does not know is believed after 30 s.
const REGISTRY_MS_MAX: Duration = Duration::from_millis(60_000);
/// Pause between two questions.
const ASK_AGAIN_MS: Duration = Duration::from_millis(200);

#[derive(Deserialize)]
#[serde(rename = "Verdict")]
struct VerdictHead {
    message_id: String,
    user_id: i64,
    verdict_id: String,
    #[serde(default)]
    idempotency_key: Option<String>,
    #[serde(default)]
    revision: i32,
    source_partition: i32,
    source_offset: i64,
    decided_at: i64,
}

#[derive(Deserialize)]
#[serde(rename = "Prediction")]
struct PredictionHead {
    message_id: String,
    #[serde(default)]
    idempotency_key: Option<String>,
    #[serde(default)]
    revision: i32,
    source_partition: i32,
    source_offset: i64,
}

/// An output, or why it is not one: partition of its input and what it says.
pub(super) type Output<T> = Result<(i32, T), &'static str>;

/// Reads heads with the schemas of their writers.
pub(super) struct Heads<'a>(pub(super) &'a Schemas);

impl Heads<'_> {
    /// What an input record says it is; none when it cannot be read.
    pub(super) fn message(&self, message: &BorrowedMessage<'_>) -> Result<Option<Ids>, AuditError> {
        let Some(head) = self.read::<Message>(message)? else { return Ok(None) };
        let Some((key, revision)) = key_and_revision(message) else { return Ok(None) };
        let key = key.as_deref().unwrap_or(&head.message_id);
        Ok(Some(Ids {
            identity: Identity::new(head.user_id, revision, key),
            ids: hash_ids(&head.message_id, Some(key), revision),
        }))
    }

    pub(super) fn verdict(&self, message: &BorrowedMessage<'_>) -> Result<Output<Verdict>, AuditError> {
        let Some(head) = self.read::<VerdictHead>(message)? else { return Ok(Err("it is no verdict")) };
        let Some(identity) = Identity::from_hex(&head.verdict_id) else {
            return Ok(Err("its verdict_id is not 32 hex digits"));
        };
        let verdict = Verdict {
            source: head.source_offset,
            identity,
            ids: hash_ids(&head.message_id, head.idempotency_key.as_deref(), head.revision),
            user_id: head.user_id,
            decided_at_ms: head.decided_at,
        };
        Ok(Ok((head.source_partition, verdict)))
    }

    pub(super) fn prediction(&self, message: &BorrowedMessage<'_>) -> Result<Output<Prediction>, AuditError> {
        let Some(head) = self.read::<PredictionHead>(message)? else {
            return Ok(Err("it is no prediction"));
        };
        let ids = hash_ids(&head.message_id, head.idempotency_key.as_deref(), head.revision);
        Ok(Ok((head.source_partition, Prediction { source: head.source_offset, ids })))
    }

    /// A value without a schema that is known, or that does not fit it, is none.
    fn read<T: DeserializeOwned>(&self, message: &BorrowedMessage<'_>) -> Result<Option<T>, AuditError> {
        let Ok((id, datum)) = wire::split(message.payload().unwrap_or_default()) else { return Ok(None) };
        Ok(self.reader(id)?.and_then(|reader| reader.read(datum).ok()))
    }

    fn reader(&self, id: u32) -> Result<Option<Arc<RecordReader>>, AuditError> {
        let deadline = Instant::now() + REGISTRY_MS_MAX;
        loop {
            match self.0.reader(id, &mut ASK_AGAIN_MS.clone()) {
                Lookup::Known(reader) => return Ok(Some(reader)),
                Lookup::Unknown | Lookup::Unreadable => return Ok(None),
                Lookup::Away if Instant::now() > deadline => return Err(AuditError::Registry(id)),
                Lookup::Away => thread::sleep(ASK_AGAIN_MS),
            }
        }
    }
}

/// A dead letter names its input in its headers; the last of each name counts, because a dead letter that was sent
/// again carries those of its first life too.
pub(super) fn dead_letter(message: &BorrowedMessage<'_>, input: &str) -> Output<DeadLetter> {
    let (mut topic, mut partition, mut offset, mut omitted) = (None, None, None, false);
    each_header(message, |name, value| match name {
        "__connect.errors.topic" => topic = text(value),
        "__connect.errors.partition" => partition = text(value),
        "__connect.errors.offset" => offset = text(value),
        VALUE_OMITTED => omitted = true,
        _ => {}
    });
    if topic.as_deref() != Some(input) {
        return Err("its header __connect.errors.topic does not name the input topic");
    }
    let partition = partition.and_then(|text| text.parse().ok());
    let source = offset.and_then(|text| text.parse().ok());
    let (Some(partition), Some(source)) = (partition, source) else {
        return Err("its headers __connect.errors.partition and offset are not decimal numbers");
    };
    Ok((partition, DeadLetter { source, bytes: (!omitted).then(|| hash_bytes(message)) }))
}

/// Of key and value.
pub(super) fn hash_bytes(message: &BorrowedMessage<'_>) -> u64 {
    hash(&(message.key(), message.payload()))
}

/// None where intake refuses a header.
fn key_and_revision(message: &BorrowedMessage<'_>) -> Option<(Option<String>, i32)> {
    let (mut key, mut revision) = (None, None);
    each_header(message, |name, value| match (name, value) {
        ("idempotency-key", Some(value)) => key = Some(value.to_vec()),
        ("assize-revision", Some(value)) => revision = Some(value.to_vec()),
        _ => {}
    });
    let key = key.map(|key| intake::idempotency_key(&key).map(str::to_owned)).transpose().ok()?;
    let revision = revision.map(|revision| intake::revision(&revision)).transpose().ok()?;
    Some((key, revision.unwrap_or_default()))
}

fn each_header(message: &BorrowedMessage<'_>, mut each: impl FnMut(&str, Option<&[u8]>)) {
    if let Some(headers) = message.headers() {
        // Every name of ours is UTF-8.
        for_each_header(headers, |name, value| str::from_utf8(name).into_iter().for_each(|name| each(name, value)));
    }
}

fn text(value: Option<&[u8]>) -> Option<String> {
    value.map(|value| String::from_utf8_lossy(value).into_owned())
}

/// Without a key, the message id is the key.
fn hash_ids(message_id: &str, key: Option<&str>, revision: i32) -> u64 {
    hash(&(message_id, key.unwrap_or(message_id), revision))
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    value.hash(&mut hasher);
    hasher.finish()
}
