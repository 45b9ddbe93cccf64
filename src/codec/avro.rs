//! One cached Avro reader or writer per schema, on `apache-avro`'s direct serde path: no intermediate value.
//!
//! Evolution is writer schema -> struct: a field the writer did not know takes the struct's `#[serde(default)]`, a
//! field the struct does not know is skipped.

use std::collections::HashSet;

use apache_avro::{
    Schema,
    reader::datum::GenericDatumReader,
    schema::{Name, RecordSchema},
    writer::datum::GenericDatumWriter,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::wire;
use crate::intake::Reject;

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
    /// A record of ours does not fit its schema.
    #[error("record cannot be written with schema id {id}; check that the registered schema has its fields")]
    Write {
        /// Schema id.
        id: u32,
        /// Why.
        #[source]
        source: Box<apache_avro::Error>,
    },
    /// The registry did not answer, or refused.
    #[error("schema registry: {0}")]
    Registry(String),
}

/// Bounds what a hostile length in a datum can allocate. Call once, at start.
pub fn limit_allocations() {
    apache_avro::util::max_allocation_bytes(ALLOCATION_BYTES_MAX);
}

fn parse(text: &str) -> Result<&'static Schema, CodecError> {
    let schema = Schema::parse_str(text).map_err(|error| CodecError::Parse(Box::new(error)))?;
    refuse_recursion(&schema, &mut Vec::new())?;
    // Readers borrow their schema and live as long as the process: ids are immutable, and their number is bounded
    // by the cache that asks.
    Ok(Box::leak(Box::new(schema)))
}

fn refuse_recursion(schema: &Schema, above: &mut Vec<Name>) -> Result<(), CodecError> {
    match schema {
        Schema::Ref { name } if above.contains(name) => Err(CodecError::Recursive(name.to_string())),
        Schema::Record(RecordSchema { name, fields, .. }) => {
            above.push(name.clone());
            fields.iter().try_for_each(|field| refuse_recursion(&field.schema, above))?;
            above.pop();
            Ok(())
        }
        Schema::Array(array) => refuse_recursion(&array.items, above),
        Schema::Map(map) => refuse_recursion(&map.types, above),
        Schema::Union(union) => union.variants().iter().try_for_each(|variant| refuse_recursion(variant, above)),
        _ => Ok(()),
    }
}

/// The decoder passes over a record that carries this field by field.
const AS_TUPLE: &str = "org.apache.avro.rust.tuple";

/// Makes everything in a schema such that the decoder can pass over it where the struct leaves it out.
///
/// Avro writes an enum as the position of its symbol, an int, and a record as its fields, a tuple: apache-avro passes
/// over ints and tuples, but over no enum or record. Defaults go too: an int has none of an enum.
fn let_pass_over(schema: &mut Value, namespace: &str, enums: &mut HashSet<String>) {
    let full_name = |name: &str, namespace: &str| match name.contains('.') || namespace.is_empty() {
        true => name.to_owned(),
        false => format!("{namespace}.{name}"),
    };
    match schema {
        Value::String(name) if enums.contains(&full_name(name, namespace)) => *schema = "int".into(),
        Value::Array(union) => union.iter_mut().for_each(|variant| let_pass_over(variant, namespace, enums)),
        Value::Object(object) => {
            let own = object.get("namespace").and_then(Value::as_str).unwrap_or(namespace).to_owned();
            let name = object.get("name").and_then(Value::as_str).map(|name| full_name(name, &own));
            // The namespace of a dotted name holds for what is inside.
            let inside =
                name.as_deref().and_then(|name| name.rsplit_once('.')).map_or(own, |(space, _)| space.to_owned());
            if object.get("type").and_then(Value::as_str) == Some("enum") {
                enums.extend(name);
                *schema = "int".into();
                return;
            }
            if object.contains_key("fields") {
                object.insert(AS_TUPLE.to_owned(), true.into());
            }
            if let Some(Value::Array(fields)) = object.get_mut("fields") {
                for field in fields.iter_mut().filter_map(Value::as_object_mut) {
                    field.remove("default");
                    field.get_mut("type").into_iter().for_each(|kind| let_pass_over(kind, &inside, enums));
                }
                // A tuple of one is read as its element, without end; nulls take no bytes.
                for number in fields.len()..2 {
                    fields.push(json!({"name": format!("padding_{number}"), "type": "null"}));
                }
            }
            for part in ["type", "items", "values"] {
                object.get_mut(part).into_iter().for_each(|part| let_pass_over(part, &inside, enums));
            }
        }
        _ => {}
    }
}

/// Reads datums that one writer schema wrote.
pub struct RecordReader(GenericDatumReader<'static>);

impl RecordReader {
    /// # Errors
    /// [`CodecError`] when `schema` is not Avro, or recursive.
    pub fn try_new(schema: &str) -> Result<Self, CodecError> {
        let schema = parse(schema)?;
        GenericDatumReader::builder(schema)
            .human_readable(false)
            .build()
            .map(Self)
            .map_err(|error| CodecError::Parse(Box::new(error)))
    }

    /// A reader for structs that leave out fields of the schema, or that do not know those its writer added; fields
    /// that are enums are among those left out.
    ///
    /// # Errors
    /// [`CodecError`] when `schema` is not Avro, or recursive.
    pub fn for_parts(schema: &str) -> Result<Self, CodecError> {
        let mut schema: Value = serde_json::from_str(schema).map_err(CodecError::Json)?;
        let_pass_over(&mut schema, "", &mut HashSet::new());
        Self::try_new(&schema.to_string())
    }

    /// Reads one datum that fills `datum` to its end.
    ///
    /// # Errors
    /// [`Reject::Undecodable`] or [`Reject::TrailingBytes`].
    pub fn read<T: DeserializeOwned>(&self, datum: &[u8]) -> Result<T, Reject> {
        let mut rest = datum;
        let record = self.0.read_deser(&mut rest).map_err(|_| Reject::Undecodable)?;
        if rest.is_empty() { Ok(record) } else { Err(Reject::TrailingBytes) }
    }
}

/// Writes values of one schema in the wire format.
pub struct RecordWriter {
    id: u32,
    writer: GenericDatumWriter<'static>,
}

impl RecordWriter {
    /// # Errors
    /// [`CodecError`] when `schema` is not Avro, or recursive.
    pub fn try_new(id: u32, schema: &str) -> Result<Self, CodecError> {
        let schema = parse(schema)?;
        let writer = GenericDatumWriter::builder(schema)
            .human_readable(false)
            .build()
            .map_err(|error| CodecError::Parse(Box::new(error)))?;
        Ok(Self { id, writer })
    }

    /// Appends header and datum of `record` to `out`.
    ///
    /// # Errors
    /// [`CodecError::Write`] when the record does not fit the schema; `out` is then as it was.
    pub fn write<T: Serialize>(&self, record: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let start = out.len();
        wire::write_header(self.id, out);
        match self.writer.write_ser(out, record) {
            Ok(_) => Ok(()),
            Err(error) => {
                out.truncate(start);
                Err(CodecError::Write { id: self.id, source: Box::new(error) })
            }
        }
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
            tasks: vec![TaskPrediction {
                task: "t".into(),
                labels: vec!["l".into()],
                raw: vec![0.5],
                calibrated: vec![0.5],
                model: ModelRef { name: "n".into(), version: "1".into(), digest: [3; 32], arm: "live".into() },
                shadow: false,
            }],
        };
        let mut value = Vec::new();
        RecordWriter::try_new(1, PREDICTION).unwrap().write(&prediction, &mut value).unwrap();
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
