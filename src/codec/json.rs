//! A datum as JSON, for people who look at a topic; the stream itself never goes this way.

use apache_avro::{Schema, reader::datum::GenericDatumReader, types::Value as Avro};
use serde_json::{Number, Value};

use crate::intake::Reject;

/// Largest datum that is turned into JSON, bytes. Each of them can become a value of a hundred bytes.
pub(super) const DATUM_BYTES_MAX: usize = 2 << 20;

/// Reads datums of one schema.
pub(super) struct JsonReader(GenericDatumReader<'static>);

impl JsonReader {
    /// None for a schema whose arrays can hold items of no bytes: a short datum could name billions of them.
    pub(super) fn try_new(schema: &'static Schema) -> Option<Self> {
        if !is_bounded(schema) {
            return None;
        }
        GenericDatumReader::builder(schema).human_readable(false).build().ok().map(Self)
    }

    pub(super) fn read(&self, datum: &[u8]) -> Result<Value, Reject> {
        let mut rest = datum;
        if datum.len() > DATUM_BYTES_MAX {
            return Err(Reject::Oversize);
        }
        let value = self.0.read_value(&mut rest).map_err(|_| Reject::Undecodable)?;
        if rest.is_empty() { Ok(to_json(value)) } else { Err(Reject::TrailingBytes) }
    }
}

/// Whether every value of the schema has at most as many parts as its datum has bytes, but for a fixed number.
pub(super) fn is_bounded(schema: &Schema) -> bool {
    match schema {
        Schema::Array(array) => takes_bytes(&array.items) && is_bounded(&array.items),
        Schema::Map(map) => is_bounded(&map.types),
        Schema::Record(record) => record.fields.iter().all(|field| is_bounded(&field.schema)),
        Schema::Union(union) => union.variants().iter().all(is_bounded),
        _ => true,
    }
}

/// Whether every value of the schema takes at least a byte.
fn takes_bytes(schema: &Schema) -> bool {
    match schema {
        // What a name stands for may be empty.
        Schema::Null | Schema::Ref { .. } => false,
        Schema::Fixed(fixed) => fixed.size > 0,
        Schema::Record(record) => record.fields.iter().any(|field| takes_bytes(&field.schema)),
        _ => true,
    }
}

/// Unions are what they hold, enums their symbols, bytes lower-case hex, times their numbers.
fn to_json(value: Avro) -> Value {
    match value {
        Avro::Null => Value::Null,
        Avro::Boolean(value) => value.into(),
        Avro::Int(value) | Avro::Date(value) | Avro::TimeMillis(value) => value.into(),
        Avro::Long(value)
        | Avro::TimeMicros(value)
        | Avro::TimestampMillis(value)
        | Avro::TimestampMicros(value)
        | Avro::TimestampNanos(value)
        | Avro::LocalTimestampMillis(value)
        | Avro::LocalTimestampMicros(value)
        | Avro::LocalTimestampNanos(value) => value.into(),
        Avro::Float(value) => number(value.into()),
        Avro::Double(value) => number(value),
        Avro::Bytes(bytes) | Avro::Fixed(_, bytes) => hex(&bytes).into(),
        Avro::String(text) | Avro::Enum(_, text) => text.into(),
        Avro::Union(_, value) => to_json(*value),
        Avro::Array(items) => items.into_iter().map(to_json).collect(),
        Avro::Map(entries) => entries.into_iter().map(|(key, value)| (key, to_json(value))).collect(),
        Avro::Record(fields) => fields.into_iter().map(|(name, value)| (name, to_json(value))).collect(),
        Avro::Uuid(uuid) => uuid.to_string().into(),
        // Its text can be as long as its exponent is large.
        Avro::Decimal(_) | Avro::BigDecimal(_) | Avro::Duration(_) => "(of a kind that is not shown)".into(),
    }
}

fn number(value: f64) -> Value {
    Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::codec::RecordReader;

    const SCHEMA: &str = r#"{"type":"record","name":"R","fields":[
        {"name":"kind","type":{"type":"enum","name":"E","symbols":["X","Y"]}},
        {"name":"maybe","type":["null","string"]},
        {"name":"none","type":["null","string"]},
        {"name":"bytes","type":"bytes"},
        {"name":"many","type":{"type":"array","items":"double"}}]}"#;

    fn datum() -> Vec<u8> {
        let mut datum = vec![2, 2, 2, b'a', 0, 4, 0xab, 0x01, 4];
        datum.extend(1.5f64.to_le_bytes());
        datum.extend(f64::NAN.to_le_bytes());
        datum.push(0);
        datum
    }

    #[test]
    fn every_part_has_its_plain_form() {
        let expected = json!({"kind": "Y", "maybe": "a", "none": null, "bytes": "ab01", "many": [1.5, "NaN"]});
        // Also from a reader that passes over enums.
        for reader in [RecordReader::try_new(SCHEMA).unwrap(), RecordReader::for_parts(SCHEMA).unwrap()] {
            assert_eq!(reader.read_json(&datum()), Ok(expected.clone()));
        }
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let reader = RecordReader::for_parts(SCHEMA).unwrap();
        let mut datum = datum();
        datum.push(0);
        assert_eq!(reader.read_json(&datum), Err(Reject::TrailingBytes));
        datum.truncate(5);
        assert_eq!(reader.read_json(&datum), Err(Reject::Undecodable));
        assert_eq!(reader.read_json(&vec![0; DATUM_BYTES_MAX + 1]), Err(Reject::Oversize));
    }

    #[test]
    fn items_of_no_bytes_are_not_counted_out() {
        let empty = r#"{"type":"record","name":"N","fields":[{"name":"nothing","type":"null"}]}"#;
        let schema = format!(r#"{{"type":"map","values":{{"type":"array","items":{empty}}}}}"#);
        // One entry, "a": 2^33 items.
        let datum = [2, 2, b'a', 0x80, 0x80, 0x80, 0x80, 0x40, 0, 0];
        assert_eq!(RecordReader::for_parts(&schema).unwrap().read_json(&datum), Err(Reject::Undecodable));
    }
}
