use apache_avro::{reader::datum::GenericDatumReader, writer::datum::GenericDatumWriter};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    codec::{Datum, RecordReader},
    records::{ModelRef, Prediction, TaskPrediction},
};

fn tasks() -> impl Strategy<Value = TaskPrediction<'static>> {
    let numbers = || prop::collection::vec(any::<f64>(), 0..4);
    let labels = prop::collection::vec("[a-c]{0,3}", 0..3);
    let parts = (".{0,9}", labels, numbers(), numbers(), any::<[u8; 32]>(), "[a-z]{0,6}", any::<(bool, Option<f64>)>());
    parts.prop_map(|(task, labels, raw, calibrated, digest, arm, (shadow, unknown_term_ratio))| TaskPrediction {
        task: task.into(),
        labels: labels.into_iter().map(Into::into).collect(),
        raw,
        calibrated,
        model: ModelRef { name: "n".into(), version: "1".into(), digest, arm: arm.into() },
        shadow,
        unknown_term_ratio,
    })
}

fn predictions() -> impl Strategy<Value = Prediction<'static>> {
    use UserFeatures::{Cached, Default, Fresh, Stale, Unknown, Unused};
    let names = (".{0,20}", prop::option::of(".{0,9}"), ".{0,3}", prop::collection::vec("[a-z:]{0,9}", 0..3));
    let numbers = any::<(i32, i64, i64, i64, Option<i64>, Option<f64>, Option<i32>)>();
    let symbols = (
        prop::sample::select(vec![Action::Allow, Action::Review, Action::Block]),
        prop::sample::select(vec![Fresh, Cached, Stale, Default, Unknown, Unused]),
    );
    let features = prop::collection::vec(any::<Option<f64>>(), 0..12);
    let parts = (names, numbers, symbols, features, prop::collection::vec(tasks(), 0..3));
    parts.prop_map(|(names, numbers, (action, user_features), features, tasks)| Prediction {
        message_id: names.0.into(),
        idempotency_key: names.1.map(Into::into),
        revision: numbers.0,
        user_hash: [1; 16],
        text_hash: [2; 32],
        hash_key_id: "k".into(),
        source_partition: numbers.0,
        source_offset: numbers.1,
        created_at: numbers.2,
        decided_at: numbers.3,
        language: names.2.into(),
        action,
        degraded: names.3.into_iter().map(Into::into).collect(),
        user_features,
        user_features_age_ms: numbers.4,
        features,
        feature_contract: "c".into(),
        unknown_term_ratio: numbers.5,
        text_chars: numbers.6,
        tasks,
    })
}

/// As text, so that a NaN equals itself.
fn told(view: &PredictionView<'_>) -> String {
    let tasks: Vec<_> = (view.tasks())
        .map(|task| {
            let (labels, calibrated): (Vec<_>, Vec<_>) = (task.labels().collect(), task.calibrated().collect());
            (task.task, labels, calibrated, task.digest, task.arm, task.shadow, task.unknown_term_ratio)
        })
        .collect();
    let (degraded, features): (Vec<_>, Vec<_>) = (view.degraded().collect(), view.features().collect());
    let PredictionView { message_id, source_partition, source_offset, created_at, decided_at, .. } = view;
    let PredictionView { language, action, user_features, feature_contract, text_chars, .. } = view;
    let place = (message_id, source_partition, source_offset, created_at, decided_at);
    format!("{:?}", (place, language, action, degraded, user_features, features, feature_contract, text_chars, tasks))
}

fn told_of(record: &Prediction<'_>) -> String {
    let tasks: Vec<_> = (record.tasks.iter().enumerate())
        .map(|(place, task)| {
            let of_first = record.unknown_term_ratio.filter(|_| place == 0);
            let TaskPrediction { task, labels, calibrated, model, shadow, unknown_term_ratio, .. } = task;
            (task, labels, calibrated, model.digest, &model.arm, shadow, unknown_term_ratio.or(of_first))
        })
        .collect();
    let Prediction { message_id, source_partition, source_offset, created_at, decided_at, .. } = record;
    let Prediction { language, action, degraded, user_features, features, .. } = record;
    let Prediction { feature_contract, text_chars, .. } = record;
    let place = (message_id, source_partition, source_offset, created_at, decided_at);
    format!("{:?}", (place, language, action, degraded, user_features, features, feature_contract, text_chars, tasks))
}

proptest! {
    /// Whatever the bytes: cut, with some of them changed, with others behind them. The third way is that of other
    /// schemas: this one has another namespace in the record of a task, so it is resolved.
    #[test]
    fn all_ways_of_reading_agree(
        prediction in predictions(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::weighted(0.3, any::<prop::sample::Index>()),
        behind in prop::collection::vec(any::<u8>(), 0..2),
    ) {
        let mut datum = Vec::new();
        prediction.encode(&mut datum);
        for (at, byte) in changes {
            let at = at.index(datum.len());
            datum[at] = byte;
        }
        if let Some(cut) = cut {
            datum.truncate(cut.index(datum.len() + 1));
        }
        datum.extend(behind);
        let straight = PredictionView::of(&datum).map(|view| told(&view));
        let whole = RecordReader::try_new(PREDICTION).unwrap().read::<Prediction<'_>>(&datum);
        prop_assert_eq!(&straight, &whole.map(|record| told_of(&record)));
        let renamed = PREDICTION.replace(r#""name": "TaskPrediction""#, r#""name": "elsewhere.TaskPrediction""#);
        prop_assert!(!PredictionView::is_written_by(&Schema::parse_str(&renamed).unwrap()));
        let mut resolved = Vec::new();
        let read = RecordReader::for_parts(&renamed).unwrap();
        let view = read.read_prediction(&datum, &mut resolved).map(|view| told(&view));
        prop_assert_eq!(&straight, &view);
    }
}

#[test]
fn the_published_schema_is_read_straight() {
    assert!(PredictionView::is_written_by(&Schema::parse_str(PREDICTION).unwrap()));
}

/// What a writer of another version, whose schema is ours with `change`, writes of this prediction.
fn written_by(change: impl Fn(&mut serde_json::Value), of: &Prediction<'_>) -> (RecordReader, Vec<u8>) {
    let mut schema = serde_json::from_str(PREDICTION).unwrap();
    change(&mut schema);
    let (text, theirs) = (schema.to_string(), Schema::parse(&schema).unwrap());
    let mut ours = Vec::new();
    of.encode(&mut ours);
    let reader = GenericDatumReader::builder(PredictionView::schema().unwrap()).reader_schema(&theirs);
    let value = reader.build().unwrap().read_value(&mut ours.as_slice()).unwrap();
    let datum = GenericDatumWriter::builder(&theirs).build().unwrap().write_value_to_vec(value).unwrap();
    (RecordReader::for_parts(&text).unwrap(), datum)
}

proptest! {
    #[test]
    fn other_versions_are_read_by_the_names_of_fields_and_symbols(prediction in predictions()) {
        // A newer one: an enum and a record before everything else, symbols in another order.
        let (reader, datum) = written_by(
            |schema| {
                let fields = schema["fields"].as_array_mut().unwrap();
                fields[11]["type"]["symbols"].as_array_mut().unwrap().reverse();
                let channel = json!({"type": "enum", "name": "Channel", "symbols": ["APP", "WEB"]});
                let inner = json!([{"name": "only", "type": "string", "default": "x"}]);
                let record = json!({"type": "record", "name": "Added", "fields": inner});
                fields.insert(0, json!({"name": "channel", "type": channel, "default": "WEB"}));
                fields.insert(0, json!({"name": "added", "type": record, "default": {"only": "x"}}));
            },
            &prediction,
        );
        let mut resolved = Vec::new();
        let found = reader.read_prediction(&datum, &mut resolved).map(|view| told(&view));
        prop_assert_eq!(found, Ok(told_of(&prediction)));
        prop_assert_eq!(reader.read_prediction(&[&datum[..], b"x"].concat(), &mut resolved).err(), Some(Reject::TrailingBytes));

        // An older one: without what has a default.
        let (reader, datum) = written_by(
            |schema| schema["fields"].as_array_mut().unwrap().retain(|field| field.get("default").is_none()),
            &prediction,
        );
        let old = Prediction { degraded: vec![], unknown_term_ratio: None, text_chars: None, ..prediction };
        let found = reader.read_prediction(&datum, &mut resolved).map(|view| told(&view));
        prop_assert_eq!(found, Ok(told_of(&old)));
    }
}
