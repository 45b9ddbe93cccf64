use std::sync::Arc;

use crate::{
    codec::{RecordWriter, Schemas},
    config,
    drift::observe::{PredictionReader, Read},
    stream::Chunk,
};

/// What a record with this value is, by these settings.
fn read(settings: &config::Schemas, value: Option<&[u8]>) -> String {
    let runtime = crate::service::runtime().unwrap();
    let schemas = Arc::new(Schemas::try_new(settings, runtime.handle()).unwrap());
    let mut chunk = Chunk::default();
    chunk.push(0, 1, None, value);
    let mut reader = PredictionReader::new(schemas);
    let record = chunk.records().next().unwrap();
    match reader.read(&record) {
        Read::Prediction(view) => view.message_id.to_owned(),
        Read::Unreadable => "unreadable".into(),
        Read::Away(id) => format!("away: {id}"),
    }
}

#[test]
fn a_record_is_a_prediction_or_unreadable_or_waits_for_its_schema() {
    let mut table = config::Schemas { registry: None, ..config::Schemas::default() };
    let mut value = Vec::new();
    RecordWriter::new(table.ids.prediction).write(&super::prediction(vec![]), &mut value);
    assert_eq!(read(&table, Some(&value)), "m");
    for bad in [None, Some(&b"{}"[..]), Some(&value[..value.len() - 1]), Some(&[0, 0, 1, 0, 0, 0])] {
        assert_eq!(read(&table, bad), "unreadable", "{bad:?}");
    }
    // Nobody listens there.
    (table.registry, table.cache_folder) = (Some("http://127.0.0.1:1".into()), Some("".into()));
    value[..5].copy_from_slice(&[0, 0, 0, 1, 1]);
    assert_eq!(read(&table, Some(&value)), "away: 257");
}
