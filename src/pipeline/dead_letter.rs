//! The answer to a reject: the record as it came, with where it stood and why it was rejected.

use crate::{
    codec::wire,
    intake::Reject,
    stream::{Header, Outputs, Record, Topic},
};

/// Headers that say why a record is a dead letter, as Kafka Connect does (KIP-298).
pub const ERROR_HEADERS: &str = "__connect.errors.";

/// Header of a dead letter whose value is larger than its topic takes: the size, bytes. The value stays where it came
/// from, at the topic, partition and offset that the other headers name.
pub const VALUE_OMITTED: &str = "__connect.errors.value.omitted.bytes";

/// Header with the id of the schema that the value names, where it names one: also there when the value is left out.
pub const SCHEMA_ID: &str = "__connect.errors.schema.id";

/// What a header takes besides its name and value, at most.
const HEADER_BYTES: usize = 10;

/// Writes the dead letters of one lane.
pub(super) struct DeadLetters {
    pub(super) input_topic: String,
    /// Largest one that the topic takes: key, value and headers.
    pub(super) bytes_max: usize,
}

impl DeadLetters {
    /// Copies key, value and headers byte for byte, as far as the topic takes them.
    pub(super) fn write(&self, record: &Record<'_>, reject: Reject, outputs: &mut Outputs) {
        let mut headers = self.headers(record, reject);
        let (mut key, mut value) = (record.key, record.value);
        let size = |key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header]| {
            len(key) + len(value) + headers.iter().map(header_bytes).sum::<usize>()
        };
        if size(key, value, &headers) > self.bytes_max {
            headers.push((VALUE_OMITTED.as_bytes().to_vec(), Some(len(value).to_string().into_bytes())));
            value = None;
        }
        if size(key, value, &headers) > self.bytes_max {
            headers.retain(|(name, _)| name.starts_with(ERROR_HEADERS.as_bytes()));
            key = None;
        }
        outputs.copy(Topic::DeadLetters, record.partition, key, value, headers);
    }

    /// The original headers and ours. A dead letter that was sent in again keeps one set of ours: the newest.
    fn headers(&self, record: &Record<'_>, reject: Reject) -> Vec<Header> {
        let original = record
            .headers()
            .filter(|(name, _)| !name.starts_with(ERROR_HEADERS.as_bytes()))
            .map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec)));
        let ours = [
            ("topic", self.input_topic.clone()),
            ("partition", record.partition.to_string()),
            ("offset", record.offset.to_string()),
            ("stage", reject.stage().to_owned()),
            ("class.name", reject.code().to_owned()),
            ("exception.message", reject.text().to_owned()),
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ];
        let ours = ours.map(|(name, value)| (format!("{ERROR_HEADERS}{name}").into_bytes(), Some(value.into_bytes())));
        let schema_id = wire::split(record.value.unwrap_or_default()).ok();
        let schema_id = schema_id.map(|(id, _)| (SCHEMA_ID.as_bytes().to_vec(), Some(id.to_string().into_bytes())));
        original.chain(ours).chain(schema_id).collect()
    }
}

fn len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(0, <[u8]>::len)
}

fn header_bytes((name, value): &Header) -> usize {
    name.len() + len(value.as_deref()) + HEADER_BYTES
}
