//! The records are a public interface: the structs write exactly what `schemas/*.avsc` publish, older writers are read
//! with the defaults, and newer writers are read without what we do not know.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use apache_avro::{
    Schema,
    reader::datum::GenericDatumReader,
    schema::{RecordSchema, Schema as S},
    types::Value,
    writer::datum::GenericDatumWriter,
};
use assize::{
    codec::{RecordReader, RecordWriter, wire},
    dedup::Identity,
    records::{
        Action, Kind, Label, LabelSource, Message, Prediction, ReasonSource, ReasonsStatus, UserFeatures, Verdict,
        schema,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value as Json;

const ID: u32 = 7;

const MESSAGE: &str = include_str!("../schemas/examples/message.json");
const VERDICT: &str = include_str!("../schemas/examples/verdict.json");
const PREDICTION: &str = include_str!("../schemas/examples/prediction.json");
const LABEL: &str = include_str!("../schemas/examples/label.json");

/// The datum of a record written by its struct.
fn written<T: Serialize>(record: &T, schema: &str) -> Vec<u8> {
    let mut value = Vec::new();
    RecordWriter::try_new(ID, schema).unwrap().write(record, &mut value).unwrap();
    let (id, datum) = wire::split(&value).unwrap();
    assert_eq!(id, ID);
    datum.to_vec()
}

/// What any reader of the published schema sees.
fn generic(schema: &Schema, mut datum: &[u8]) -> Value {
    let value = GenericDatumReader::builder(schema).build().unwrap().read_value(&mut datum).unwrap();
    assert!(datum.is_empty(), "the struct wrote more than the schema has");
    value
}

/// The same value in the form of the examples.
fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(bool) => Json::from(*bool),
        Value::Int(int) => Json::from(*int),
        Value::Long(long) | Value::TimestampMillis(long) => Json::from(*long),
        Value::Double(double) => Json::from(*double),
        Value::String(text) | Value::Enum(_, text) => Json::from(text.as_str()),
        Value::Fixed(_, bytes) => Json::from(bytes.clone()),
        Value::Union(_, value) => json(value),
        Value::Array(items) => items.iter().map(json).collect(),
        Value::Map(map) => map.iter().map(|(key, value)| (key.clone(), json(value))).collect(),
        Value::Record(fields) => fields.iter().map(|(name, value)| (name.clone(), json(value))).collect(),
        other => panic!("no record has a {other:?}"),
    }
}

/// Example -> struct -> Avro -> struct, and -> Avro -> the published schema's own view: all the same.
fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(example: &str, avsc: &str) {
    let expected: Json = serde_json::from_str(example).unwrap();
    let record: T = serde_json::from_str(example).unwrap();
    assert_eq!(serde_json::to_value(&record).unwrap(), expected, "the example has every field, and no other");

    let datum = written(&record, avsc);
    assert_eq!(RecordReader::try_new(avsc).unwrap().read::<T>(&datum).unwrap(), record);
    assert_eq!(json(&generic(&Schema::parse_str(avsc).unwrap(), &datum)), expected);

    older_writers_are_read_with_the_defaults::<T>(&datum, avsc);
    newer_writers_are_read_without_what_they_added(&record, &datum, avsc);
}

#[test]
fn message() {
    check::<Message>(MESSAGE, schema::MESSAGE);
}

/// The pipeline reads messages of producers that it does not know, and passes over whatever they added.
#[test]
fn what_producers_add_to_a_message_is_passed_over() {
    let message: Message = serde_json::from_str(MESSAGE).unwrap();
    let rest = written(&message, schema::MESSAGE);
    for (added, bytes) in [
        (r#"{"type":"enum","name":"E","symbols":["APP","WEB"]}"#, &b"\x02"[..]),
        (r#"["null",{"type":"enum","name":"E","symbols":["APP","WEB"]}]"#, b"\x02\x02"),
        (r#"{"type":"record","name":"One","fields":[{"name":"a","type":"string"}]}"#, b"\x02x"),
        (
            r#"{"type":"record","name":"Two","fields":[{"name":"a","type":"int"},{"name":"b","type":"boolean"}]}"#,
            b"\x02\x01",
        ),
        (
            r#"{"type":"array","items":{"type":"record","name":"Two","fields":[{"name":"a","type":"int"}]}}"#,
            b"\x02\x02\x00",
        ),
        (r#"{"type":"map","values":"double"}"#, b"\x02\x02k\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
        (r#"{"type":"fixed","name":"F","size":3}"#, b"abc"),
    ] {
        let kind: Json = serde_json::from_str(added).unwrap();
        let field = serde_json::json!({"name": "added", "type": kind});
        let newer = change(schema::MESSAGE, &|fields| {
            // Of the message itself, not of a record that was added to it.
            if fields.iter().any(|field| field["name"] == "message_id") {
                fields.insert(0, field.clone());
            }
        });
        let reader = RecordReader::for_parts(&serde_json::to_string(&newer).unwrap()).unwrap();
        let datum = [bytes, &rest].concat();
        assert_eq!(reader.read::<Message>(&datum), Ok(message.clone()), "{added}");
    }
}

#[test]
fn verdict() {
    check::<Verdict<'_>>(VERDICT, schema::VERDICT);
    let verdict: Verdict<'_> = serde_json::from_str(VERDICT).unwrap();
    let key = verdict.idempotency_key.as_deref().unwrap();
    assert_eq!(Identity::new(verdict.user_id, verdict.revision, key).to_string(), verdict.verdict_id);
}

#[test]
fn prediction() {
    check::<Prediction<'_>>(PREDICTION, schema::PREDICTION);
}

#[test]
fn label() {
    check::<Label>(LABEL, schema::LABEL);
}

/// The symbols of the enum called `name`, wherever it is in the schema.
fn symbols(schema: &Json, name: &str) -> Option<Json> {
    match schema {
        Json::Object(object) if object.get("symbols").is_some() && schema["name"] == name => {
            Some(schema["symbols"].clone())
        }
        Json::Object(object) => object.values().find_map(|part| symbols(part, name)),
        Json::Array(parts) => parts.iter().find_map(|part| symbols(part, name)),
        _ => None,
    }
}

#[test]
fn variants_are_the_symbols_in_their_order() {
    fn check<T: Serialize>(avsc: &str, name: &str, variants: &[T]) {
        let variants = serde_json::to_value(variants).unwrap();
        assert_eq!(symbols(&serde_json::from_str(avsc).unwrap(), name), Some(variants), "{name}");
    }
    use UserFeatures::{Cached, Default, Fresh, Stale, Unknown, Unused};
    check(schema::VERDICT, "Action", &[Action::Allow, Action::Review, Action::Block]);
    check(schema::PREDICTION, "Action", &[Action::Allow, Action::Review, Action::Block]);
    check(schema::VERDICT, "Kind", &[Kind::Binary, Kind::Multiclass, Kind::Multilabel]);
    check(schema::VERDICT, "ReasonSource", &[ReasonSource::Model, ReasonSource::Rule]);
    let statuses = [ReasonsStatus::None, ReasonsStatus::Complete, ReasonsStatus::Skipped];
    check(schema::VERDICT, "ReasonsStatus", &statuses);
    check(schema::PREDICTION, "UserFeatures", &[Fresh, Cached, Stale, Default, Unknown, Unused]);
    use LabelSource::{Appeal, Moderator, Other, UserReport};
    check(schema::LABEL, "LabelSource", &[Moderator, UserReport, Appeal, Other]);
}

/// A change of every record of a schema, also of nested ones.
fn change(schema: &str, each: &impl Fn(&mut Vec<Json>)) -> Schema {
    fn visit(schema: &mut Json, each: &impl Fn(&mut Vec<Json>)) {
        match schema {
            Json::Object(object) => {
                object.values_mut().for_each(|value| visit(value, each));
                if let Some(Json::Array(fields)) = object.get_mut("fields") {
                    each(fields);
                }
            }
            Json::Array(items) => items.iter_mut().for_each(|item| visit(item, each)),
            _ => {}
        }
    }
    let mut schema: Json = serde_json::from_str(schema).unwrap();
    visit(&mut schema, each);
    Schema::parse(&schema).unwrap()
}

/// `value` as a writer with `schema` would have it: fields that it lacks are gone, fields that it added are filled.
fn fit(value: Value, schema: &Schema) -> Value {
    match (value, schema) {
        (Value::Record(fields), S::Record(RecordSchema { fields: wanted, .. })) => Value::Record(
            wanted
                .iter()
                .map(|field| {
                    let had = fields.iter().find(|(name, _)| *name == field.name);
                    let value = had.map_or_else(
                        || Value::String("added later".into()),
                        |(_, value)| fit(value.clone(), &field.schema),
                    );
                    (field.name.clone(), value)
                })
                .collect(),
        ),
        (Value::Array(items), S::Array(array)) => {
            Value::Array(items.into_iter().map(|item| fit(item, &array.items)).collect())
        }
        (value, _) => value,
    }
}

fn written_by(schema: &Schema, datum: &[u8], published: &str) -> Vec<u8> {
    let value = fit(generic(&Schema::parse_str(published).unwrap(), datum), schema);
    GenericDatumWriter::builder(schema).build().unwrap().write_value_to_vec(value).unwrap()
}

fn read_by_struct<T: DeserializeOwned>(schema: &Schema, datum: &[u8]) -> T {
    RecordReader::try_new(&serde_json::to_string(schema).unwrap()).unwrap().read(datum).unwrap()
}

/// Every field that the schema gives a default is one that an older writer may lack.
fn older_writers_are_read_with_the_defaults<T: Serialize + DeserializeOwned>(datum: &[u8], avsc: &str) {
    let published: Json = serde_json::from_str(avsc).unwrap();
    let older = change(avsc, &|fields| fields.retain(|field| field.get("default").is_none()));
    let read: T = read_by_struct(&older, &written_by(&older, datum, avsc));
    let read = serde_json::to_value(&read).unwrap();
    let mut defaults = 0;
    for field in published["fields"].as_array().unwrap() {
        if let Some(default) = field.get("default") {
            assert_eq!(&read[field["name"].as_str().unwrap()], default, "{field}");
            defaults += 1;
        }
    }
    assert!(defaults > 0);
}

fn newer_writers_are_read_without_what_they_added<T>(record: &T, datum: &[u8], avsc: &str)
where
    T: DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let added = serde_json::json!({"name": "added", "type": "string", "default": ""});
    // First, so that a reader that does not pass over it misreads everything behind it.
    let newer = change(avsc, &|fields| fields.insert(0, added.clone()));
    assert_eq!(&read_by_struct::<T>(&newer, &written_by(&newer, datum, avsc)), record);
}
