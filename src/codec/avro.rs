//! One cached Avro reader or writer per schema, on `apache-avro`'s direct serde path: no intermediate value.
//!
//! Evolution is writer schema -> struct: a field the writer did not know takes the struct's `#[serde(default)]`, a
//! field the struct does not know is skipped.

use std::{collections::HashSet, sync::OnceLock};

use apache_avro::{Schema, reader::datum::GenericDatumReader};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Cursor,
    datum::Datum,
    json::JsonReader,
    passable::let_pass_over,
    resolve::Resolver,
    shape::{DEPTH_MAX, Shape},
    wire,
};
use crate::{
    intake::Reject,
    records::{Message, PredictionView},
};

/// Largest single allocation the decoder makes on the word of a length in the data, bytes.
const ALLOCATION_BYTES_MAX: usize = 32 << 20;

/// Why a schema or a record of ours cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Not an Avro schema.
    #[error("schema cannot be parsed")]
    Parse(#[source] Box<apache_avro::Error>),
    /// Not even JSON.
    #[error("schema is not JSON")]
    Json(#[source] serde_json::Error),
    /// A record that holds itself can nest without bound, and the decoder's stack is bounded.
    #[error("schema {0} is recursive, which is not accepted; publish one without recursion")]
    Recursive(String),
    /// Values of it could nest deeper than the decoder's stack is sure to hold.
    #[error("schema nests deeper than {DEPTH_MAX} levels, which is not accepted; publish a flatter one")]
    Deep,
    /// The registry did not answer, or not as a registry does.
    #[error("schema registry: {0}")]
    Registry(String),
    /// A secret or a certificate for the registry cannot be had.
    #[error("{0}")]
    Settings(String),
    /// The registry understood, and does not take our schema.
    #[error("schema registry refuses: {0}; compare the schemas of that subject, or use another topic")]
    Refused(String),
}

/// Bounds what a hostile length in a datum can allocate. Call once, at start.
pub fn limit_allocations() {
    apache_avro::util::max_allocation_bytes(ALLOCATION_BYTES_MAX);
}

fn parse(text: &str) -> Result<(&'static Schema, Shape), CodecError> {
    let schema = Schema::parse_str(text).map_err(|error| CodecError::Parse(Box::new(error)))?;
    let shape = Shape::try_new(&schema)?;
    // Readers borrow their schema and live as long as the process: ids are immutable, and their number is bounded
    // by the cache that asks.
    Ok((Box::leak(Box::new(schema)), shape))
}

/// Reads datums that one writer schema wrote.
pub struct RecordReader {
    shape: Shape,
    reader: GenericDatumReader<'static>,
    /// As its writer published it.
    schema: String,
    /// Whether that is how our own messages are written.
    writes_our_messages: bool,
    /// Whether that is how our own predictions are written.
    writes_our_predictions: bool,
    /// From other predictions to ours. Made when it is first asked for; none when the schema allows none.
    predictions: OnceLock<Option<Resolver>>,
    /// Made when it is first asked for; none when the schema allows none.
    json: OnceLock<Option<JsonReader>>,
}

impl RecordReader {
    /// # Errors
    /// [`CodecError`] when `schema` is not Avro, recursive, or too deep.
    pub fn try_new(schema: &str) -> Result<Self, CodecError> {
        Self::with(schema, schema)
    }

    fn with(schema: &str, read_as: &str) -> Result<Self, CodecError> {
        let writes = |is_ours: fn(&Schema) -> bool| Schema::parse_str(schema).is_ok_and(|schema| is_ours(&schema));
        let (read_as, shape) = parse(read_as)?;
        let reader = GenericDatumReader::builder(read_as)
            .human_readable(false)
            .build()
            .map_err(|error| CodecError::Parse(Box::new(error)))?;
        Ok(Self {
            shape,
            reader,
            schema: schema.to_owned(),
            writes_our_messages: writes(Message::is_written_by),
            writes_our_predictions: writes(PredictionView::is_written_by),
            predictions: OnceLock::new(),
            json: OnceLock::new(),
        })
    }

    /// A reader for structs that leave out fields of the schema, or that do not know those its writer added; fields
    /// that are enums are among those left out.
    ///
    /// # Errors
    /// [`CodecError`] when `schema` is not Avro, recursive, or too deep.
    pub fn for_parts(schema: &str) -> Result<Self, CodecError> {
        let mut passable: Value = serde_json::from_str(schema).map_err(CodecError::Json)?;
        let_pass_over(&mut passable, "", &mut HashSet::new());
        Self::with(schema, &passable.to_string())
    }

    /// Reads one datum that fills `datum` to its end.
    ///
    /// # Errors
    /// [`Reject::Undecodable`] or [`Reject::TrailingBytes`].
    pub fn read<T: DeserializeOwned>(&self, datum: &[u8]) -> Result<T, Reject> {
        self.shape.check(datum)?;
        let mut rest = datum;
        let record = self.reader.read_deser(&mut rest).map_err(|_| Reject::Undecodable)?;
        if rest.is_empty() { Ok(record) } else { Err(Reject::TrailingBytes) }
    }

    /// Reads one message, as [`Self::read`] does, but several times faster where its writer has our published schema.
    ///
    /// # Errors
    /// [`Reject::Undecodable`] or [`Reject::TrailingBytes`].
    pub fn read_message(&self, datum: &[u8]) -> Result<Message, Reject> {
        if !self.writes_our_messages {
            return self.read(datum);
        }
        let mut cursor = Cursor::new(datum);
        let message = Message::decode(&mut cursor).ok_or(Reject::Undecodable)?;
        if cursor.is_at_end() { Ok(message) } else { Err(Reject::TrailingBytes) }
    }

    /// Reads one prediction in place where its writer has our published schema. One by another schema is resolved to ours
    /// first, into `resolved`: that takes several times as long.
    ///
    /// # Errors
    /// [`Reject::Undecodable`] or [`Reject::TrailingBytes`]; [`Reject::Oversize`] above 2 MiB of another schema.
    pub fn read_prediction<'a>(
        &self,
        datum: &'a [u8],
        resolved: &'a mut Vec<u8>,
    ) -> Result<PredictionView<'a>, Reject> {
        if self.writes_our_predictions {
            return PredictionView::of(datum);
        }
        self.shape.check(datum)?;
        let resolver =
            self.predictions.get_or_init(|| Resolver::try_new(parse(&self.schema).ok()?.0, PredictionView::schema()?));
        *resolved = resolver.as_ref().ok_or(Reject::Undecodable)?.resolve(datum)?;
        PredictionView::of(resolved)
    }

    /// Whether the lengths and counts in a datum can be true: what [`Self::read`] asks first.
    ///
    /// # Errors
    /// [`Reject::Undecodable`].
    pub fn check(&self, datum: &[u8]) -> Result<(), Reject> {
        self.shape.check(datum)
    }

    /// Reads one datum, whatever its schema, for people to look at: unions as what they hold, bytes as hex.
    ///
    /// # Errors
    /// [`Reject::Undecodable`] or [`Reject::TrailingBytes`]; [`Reject::Oversize`] above 2 MiB.
    pub fn read_json(&self, datum: &[u8]) -> Result<Value, Reject> {
        self.shape.check(datum)?;
        let json = self.json.get_or_init(|| JsonReader::try_new(parse(&self.schema).ok()?.0));
        json.as_ref().ok_or(Reject::Undecodable)?.read(datum)
    }
}

/// Writes our records in the wire format.
#[derive(Clone, Copy, Debug)]
pub struct RecordWriter {
    id: u32,
}

impl RecordWriter {
    /// A writer of values whose schema, the published one of the record, has this id.
    pub fn new(id: u32) -> Self {
        Self { id }
    }

    /// Appends header and datum of `record` to `out`.
    pub fn write(&self, record: &impl Datum, out: &mut Vec<u8>) {
        wire::write_header(self.id, out);
        record.encode(out);
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::records::{Action, ModelRef, Prediction, TaskPrediction, UserFeatures, schema::PREDICTION};

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename = "Prediction")]
    struct Head {
        message_id: String,
        source_offset: i64,
        language: String,
    }

    fn datum() -> Vec<u8> {
        let prediction = Prediction {
            message_id: "m".into(),
            idempotency_key: None,
            revision: 0,
            user_hash: [1; 16],
            text_hash: [2; 32],
            hash_key_id: "k".into(),
            source_partition: 3,
            source_offset: 4,
            created_at: 5,
            decided_at: 6,
            language: "en".into(),
            action: Action::Block,
            degraded: vec!["user:stale".into()],
            user_features: UserFeatures::Stale,
            user_features_age_ms: Some(7),
            features: vec![None, Some(8.0)],
            feature_contract: "c".into(),
            unknown_term_ratio: None,
            text_chars: None,
            tasks: vec![TaskPrediction {
                task: "t".into(),
                labels: vec!["l".into()],
                raw: vec![0.5],
                calibrated: vec![0.5],
                model: ModelRef { name: "n".into(), version: "1".into(), digest: [3; 32], arm: "live".into() },
                shadow: false,
                unknown_term_ratio: None,
            }],
        };
        let mut value = Vec::new();
        RecordWriter::new(1).write(&prediction, &mut value);
        wire::split(&value).unwrap().1.to_vec()
    }

    #[test]
    fn a_struct_may_leave_fields_out() {
        let head = RecordReader::for_parts(PREDICTION).unwrap().read::<Head>(&datum());
        assert_eq!(head, Ok(Head { message_id: "m".into(), source_offset: 4, language: "en".into() }));
    }

    #[test]
    fn everything_can_be_passed_over() {
        let schema = r#"{"type":"record","name":"R","namespace":"a","fields":[
            {"name":"one","type":{"type":"enum","name":"E","symbols":["X","Y"]},"default":"X"},
            {"name":"two","type":["null","E"],"default":null},
            {"name":"three","type":{"type":"array","items":"a.E"}},
            {"name":"small","type":{"type":"record","name":"S","fields":[{"name":"only","type":"string"}]}},
            {"name":"none","type":{"type":"record","name":"N","fields":[]}},
            {"name":"four","type":"long"}]}"#;
        #[derive(Deserialize)]
        struct R {
            four: i64,
        }
        let reader = RecordReader::for_parts(schema).unwrap();
        let datum = [2, 2, 2, 4, 0, 2, 0, 2, b's', 14];
        assert_eq!(reader.read::<R>(&datum).map(|record| record.four), Ok(7));
    }

    #[test]
    fn bytes_left_over_or_missing_are_rejected() {
        let reader = RecordReader::for_parts(PREDICTION).unwrap();
        let mut datum = datum();
        datum.push(0);
        assert_eq!(reader.read::<Head>(&datum), Err(Reject::TrailingBytes));
        datum.truncate(datum.len() - 2);
        assert_eq!(reader.read::<Head>(&datum), Err(Reject::Undecodable));
    }

    #[test]
    fn a_recursive_schema_is_refused() {
        let schema = r#"{"type":"record","name":"R","fields":[{"name":"next","type":["null","R"]}]}"#;
        assert!(matches!(RecordReader::try_new(schema), Err(CodecError::Recursive(_))));
    }
}
