//! The records are a public interface: the structs write exactly what `schemas/*.avsc` publish, older writers are read
//! with the defaults, and newer writers are read without what we do not know.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::HashMap;

use apache_avro::{
    Schema,
    reader::datum::GenericDatumReader,
    schema::{Name, RecordSchema, ResolvedSchema, Schema as S},
    types::Value,
    writer::datum::GenericDatumWriter,
};
use assize::{
    codec::{Datum, RecordReader, RecordWriter, wire},
    dedup::Identity,
    records::{
        Action, AlarmChange, AlarmKind, AlarmState, DriftReport, DriftStatistic, DriftStatus, FeatureKind, Figure,
        Kind, Label, LabelSource, Message, Prediction, ReasonSource, ReasonsStatus, UserFeatures, Verdict, schema,
    },
};
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value as Json;

const ID: u32 = 7;

const MESSAGE: &str = include_str!("../schemas/examples/message.json");
const VERDICT: &str = include_str!("../schemas/examples/verdict.json");
const PREDICTION: &str = include_str!("../schemas/examples/prediction.json");
const LABEL: &str = include_str!("../schemas/examples/label.json");
const DRIFT_REPORT: &str = include_str!("../schemas/examples/drift-report.json");

/// The datum of a record written by its struct.
fn written(record: &impl Datum) -> Vec<u8> {
    let mut value = Vec::new();
    RecordWriter::new(ID).write(record, &mut value);
    let (id, datum) = wire::split(&value).unwrap();
    assert_eq!(id, ID);
    datum.to_vec()
}

/// The same as a general writer makes it, with its eyes on the schema.
fn generally_written<T: Serialize>(record: &T, schema: &str) -> Vec<u8> {
    let schema = Schema::parse_str(schema).unwrap();
    let writer = GenericDatumWriter::builder(&schema).human_readable(false).build().unwrap();
    let mut datum = Vec::new();
    writer.write_ser(&mut datum, record).unwrap();
    datum
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
fn check<T: Datum + Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(example: &str, avsc: &str) {
    let expected: Json = serde_json::from_str(example).unwrap();
    let record: T = serde_json::from_str(example).unwrap();
    assert_eq!(serde_json::to_value(&record).unwrap(), expected, "the example has every field, and no other");

    let datum = written(&record);
    assert_eq!(datum, generally_written(&record, avsc));
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
    let rest = written(&message);
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

/// What Avro lets a compatible writer have in place of a type of ours.
#[test]
fn promotions_of_a_producers_schema_are_read() {
    let message: Message = serde_json::from_str(MESSAGE).unwrap();
    let small = Message { user_id: 48_151, created_at: 1_732, ..message };
    for (field, kind) in [
        ("user_id", r#""int""#),
        ("created_at", r#""int""#),
        ("text", r#""bytes""#),
        ("text", r#"["string","null"]"#),
        ("message_id", r#"{"type":"string","avro.java.string":"String"}"#),
        ("language", r#"["string","null"]"#),
        ("language", r#"["null","int","string"]"#),
        ("language", r#""string""#),
        ("metadata", r#"{"type":"map","values":"bytes"}"#),
    ] {
        let kind: Json = serde_json::from_str(kind).unwrap();
        let theirs = change(schema::MESSAGE, &|fields| {
            let ours = fields.iter_mut().find(|ours| ours["name"] == field).unwrap();
            ours["type"] = kind.clone();
            ours.as_object_mut().unwrap().remove("default");
        });
        let theirs = serde_json::to_string(&theirs).unwrap();
        // `Value` resolves ours into theirs where the struct could not write it.
        let value = generic(&Schema::parse_str(schema::MESSAGE).unwrap(), &written(&small));
        let parsed = Schema::parse_str(&theirs).unwrap();
        let value = swap(value, &parsed);
        let datum = GenericDatumWriter::builder(&parsed).build().unwrap().write_value_to_vec(value).unwrap();
        let reader = RecordReader::for_parts(&theirs).unwrap();
        assert_eq!(reader.read::<Message>(&datum), Ok(small.clone()), "{field} as {kind}");
    }
}

/// A value of ours as the schema of a producer has it.
fn swap(value: Value, schema: &Schema) -> Value {
    match (value, schema) {
        (Value::Record(fields), Schema::Record(record)) => Value::Record(
            fields.into_iter().zip(&record.fields).map(|((name, v), f)| (name, swap(v, &f.schema))).collect(),
        ),
        (Value::Map(map), Schema::Map(kind)) => {
            Value::Map(map.into_iter().map(|(name, value)| (name, swap(value, &kind.types))).collect())
        }
        (Value::Union(_, value), kind) => swap(*value, kind),
        (value, Schema::Union(kinds)) => {
            let position = kinds.variants().iter().position(|kind| matches!(kind, Schema::String)).unwrap();
            Value::Union(u32::try_from(position).unwrap(), Box::new(value))
        }
        (Value::Long(number) | Value::TimestampMillis(number), Schema::Int) => Value::Int(number.try_into().unwrap()),
        (Value::String(text), Schema::Bytes) => Value::Bytes(text.into_bytes()),
        (value, _) => value,
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

#[test]
fn drift_report() {
    check::<DriftReport>(DRIFT_REPORT, schema::DRIFT_REPORT);
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

/// By their names, and by the numbers that are written for them.
fn check_symbols<T: Serialize + Datum>(avsc: &str, name: &str, variants: &[T]) {
    let names = serde_json::to_value(variants).unwrap();
    assert_eq!(symbols(&serde_json::from_str(avsc).unwrap(), name), Some(names), "{name}");
    for (place, variant) in (0_i64..).zip(variants) {
        assert_eq!(written(variant), written(&place), "{name}: symbol {place}");
    }
}

#[test]
fn variants_are_the_symbols_in_their_order() {
    use UserFeatures::{Cached, Default, Fresh, Stale, Unknown, Unused};
    check_symbols(schema::VERDICT, "Action", &[Action::Allow, Action::Review, Action::Block]);
    check_symbols(schema::PREDICTION, "Action", &[Action::Allow, Action::Review, Action::Block]);
    check_symbols(schema::VERDICT, "Kind", &[Kind::Binary, Kind::Multiclass, Kind::Multilabel]);
    check_symbols(schema::VERDICT, "ReasonSource", &[ReasonSource::Model, ReasonSource::Rule]);
    let statuses = [ReasonsStatus::None, ReasonsStatus::Complete, ReasonsStatus::Skipped];
    check_symbols(schema::VERDICT, "ReasonsStatus", &statuses);
    check_symbols(schema::PREDICTION, "UserFeatures", &[Fresh, Cached, Stale, Default, Unknown, Unused]);
    use LabelSource::{Appeal, Moderator, Other, UserReport};
    check_symbols(schema::LABEL, "LabelSource", &[Moderator, UserReport, Appeal, Other]);
}

#[test]
fn variants_of_a_drift_report_are_the_symbols_in_their_order() {
    fn check<T: Serialize + Datum>(name: &str, variants: &[T]) {
        check_symbols(schema::DRIFT_REPORT, name, variants);
    }
    check("DriftStatus", &[DriftStatus::Stable, DriftStatus::Drifted, DriftStatus::TooFew]);
    check("FeatureKind", &[FeatureKind::Number, FeatureKind::Category]);
    use DriftStatistic::{CramersV, JensenShannon, Ks, Mean, Psi};
    check("DriftStatistic", &[Ks, Mean, Psi, JensenShannon, CramersV]);
    check("AlarmKind", &[AlarmKind::Drift, AlarmKind::Calibration]);
    check("AlarmState", &[AlarmState::Quiet, AlarmState::Rising, AlarmState::Raised]);
    check("AlarmChange", &[AlarmChange::None, AlarmChange::Raised, AlarmChange::Cleared]);
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

/// Records that a schema names again after their definition.
type Names = HashMap<Name, Schema>;

fn names(schema: &Schema) -> Names {
    ResolvedSchema::try_from(schema)
        .unwrap()
        .get_names()
        .iter()
        .map(|(name, schema)| (name.clone(), (*schema).clone()))
        .collect()
}

/// `value` as a writer with `schema` would have it: fields that it lacks are gone, fields that it added are filled.
fn fit(value: Value, schema: &Schema, names: &Names) -> Value {
    match (value, schema) {
        (Value::Record(fields), S::Record(RecordSchema { fields: wanted, .. })) => Value::Record(
            wanted
                .iter()
                .map(|field| {
                    let had = fields.iter().find(|(name, _)| *name == field.name);
                    let value = had.map_or_else(
                        || Value::String("added later".into()),
                        |(_, value)| fit(value.clone(), &field.schema, names),
                    );
                    (field.name.clone(), value)
                })
                .collect(),
        ),
        (Value::Array(items), S::Array(array)) => {
            Value::Array(items.into_iter().map(|item| fit(item, &array.items, names)).collect())
        }
        (Value::Union(index, value), S::Union(kinds)) => {
            Value::Union(index, Box::new(fit(*value, &kinds.variants()[index as usize], names)))
        }
        (value, S::Ref { name }) => fit(value, &names[name], names),
        (value, _) => value,
    }
}

fn written_by(schema: &Schema, datum: &[u8], published: &str) -> Vec<u8> {
    let value = fit(generic(&Schema::parse_str(published).unwrap(), datum), schema, &names(schema));
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

proptest! {
    #[test]
    fn a_prediction_is_written_as_a_general_writer_does(
        key in proptest::option::of(".{0,40}"),
        numbers in any::<(i32, i64, i64)>(),
        age in any::<Option<i64>>(),
        features in proptest::collection::vec(any::<Option<f64>>(), 0..20),
        degraded in proptest::collection::vec("[a-z:]{0,9}", 0..3),
        kinds in (0..3_usize, 0..6_usize),
        raw in proptest::collection::vec(any::<f64>(), 0..4),
    ) {
        use UserFeatures::{Cached, Default, Fresh, Stale, Unknown, Unused};
        let mut prediction: Prediction<'_> = serde_json::from_str(PREDICTION).unwrap();
        prediction.idempotency_key = key.map(Into::into);
        (prediction.revision, prediction.source_offset, prediction.created_at) = numbers;
        prediction.user_features_age_ms = age;
        prediction.features = features;
        prediction.degraded = degraded.into_iter().map(Into::into).collect();
        prediction.action = [Action::Allow, Action::Review, Action::Block][kinds.0];
        prediction.user_features = [Fresh, Cached, Stale, Default, Unknown, Unused][kinds.1];
        prediction.tasks[0].raw = raw;
        prop_assert_eq!(written(&prediction), generally_written(&prediction, schema::PREDICTION));
    }

    #[test]
    fn a_verdict_is_written_as_a_general_writer_does(
        key in proptest::option::of(".{0,40}"),
        numbers in any::<(i64, i32, i64, i64)>(),
        flags in proptest::collection::vec("[A-Z_]{0,9}", 0..3),
        kinds in (0..3_usize, 0..3_usize, 0..3_usize),
        scores in 0..3_usize,
        confidence in any::<Option<f64>>(),
    ) {
        let mut verdict: Verdict<'_> = serde_json::from_str(VERDICT).unwrap();
        verdict.idempotency_key = key.map(Into::into);
        (verdict.user_id, verdict.revision, verdict.source_offset, verdict.decided_at) = numbers;
        verdict.flags = flags.into_iter().map(Into::into).collect();
        verdict.action = [Action::Allow, Action::Review, Action::Block][kinds.0];
        let decision = &mut verdict.decisions[0];
        decision.kind = [Kind::Binary, Kind::Multiclass, Kind::Multilabel][kinds.1];
        decision.reasons_status = [ReasonsStatus::None, ReasonsStatus::Complete, ReasonsStatus::Skipped][kinds.2];
        decision.scores.truncate(scores);
        decision.confidence = confidence;
        prop_assert_eq!(written(&verdict), generally_written(&verdict, schema::VERDICT));
    }

    #[test]
    fn a_drift_report_is_written_as_a_general_writer_does(
        numbers in any::<(i64, i64, i64)>(),
        kinds in (0..3_usize, 0..5_usize, 0..3_usize, 0..3_usize),
        effect in any::<f64>(),
        name in proptest::option::of(".{0,40}"),
        ends in any::<(Option<f64>, Option<f64>)>(),
        precision in proptest::option::of(any::<(f64, f64, f64)>()),
        kept in (0..3_usize, 0..2_usize, 0..2_usize),
    ) {
        use DriftStatistic::{CramersV, JensenShannon, Ks, Mean, Psi};
        let mut report: DriftReport = serde_json::from_str(DRIFT_REPORT).unwrap();
        (report.window_start, report.predictions.late, report.labels.unmatched) = numbers;
        report.status = [DriftStatus::Stable, DriftStatus::Drifted, DriftStatus::TooFew][kinds.0];
        report.findings[0].tests[0].statistic = [Ks, Mean, Psi, JensenShannon, CramersV][kinds.1];
        report.findings[0].tests[0].effect = effect;
        report.findings[0].of = name;
        (report.findings[1].distribution[0].low, report.findings[1].distribution[0].high) = ends;
        report.performance[0].precision = precision.map(|(value, low, high)| Figure { value, low, high });
        report.alarms[0].state = [AlarmState::Quiet, AlarmState::Rising, AlarmState::Raised][kinds.2];
        report.alarms[0].change = [AlarmChange::None, AlarmChange::Raised, AlarmChange::Cleared][kinds.3];
        report.findings.truncate(kept.0.max(1));
        report.performance.truncate(kept.1);
        report.alarms.truncate(kept.2);
        prop_assert_eq!(written(&report), generally_written(&report, schema::DRIFT_REPORT));
    }
}
