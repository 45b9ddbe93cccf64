//! Where reports come from: a file, or their topic.

use std::path::Path;

use serde_json::Value;

use super::{Filter, Kept};
use crate::{
    codec::Schemas,
    config::Kafka,
    model::Digest,
    records::DriftReport,
    rows::{BadRow, Format, Rows},
    tail::{Decoder, Log, Record, Start, TailError, TopicReader},
};

/// Adds the reports of `file`, or of standard input where there is none. `bad` is told each line that is passed over, and
/// why.
///
/// # Errors
/// When the file cannot be read.
pub fn read_file(
    file: Option<&Path>,
    filter: &Filter,
    kept: &mut Kept,
    mut bad: impl FnMut(u64, &str),
) -> std::io::Result<()> {
    let mut rows = Rows::open(file, Format::Ndjson)?;
    while let Some(row) = rows.next_row::<Value>() {
        match row {
            Ok((line, value)) => add(value, filter, kept).unwrap_or_else(|problem| bad(line, &problem)),
            Err(BadRow::Bad { line, problem }) => {
                kept.unreadable();
                bad(line, &problem);
            }
            Err(BadRow::Read(error)) => return Err(error),
        }
    }
    Ok(())
}

/// Adds the reports of `topic` that were written since `filter.from_ms`, or all, up to its ends as they are now. `bad` is
/// told partition and offset of each record that is passed over, and why.
///
/// # Errors
/// [`TailError`].
pub fn read_topic(
    kafka: &Kafka,
    topic: &str,
    schemas: &Schemas,
    filter: &Filter,
    kept: &mut Kept,
    mut bad: impl FnMut(i32, i64, &str),
) -> Result<(), TailError> {
    // A report is written when its window has ended.
    let start = filter.from_ms.map_or(Start::Beginning, Start::TimeMs);
    let spans = Log::connect(kafka)?.spans(topic, &[], start)?;
    let reader = TopicReader::connect(kafka, topic)?;
    let mut reading = reader.read(&spans)?;
    while let Some(message) = reading.next()? {
        let record = Record::of(&message);
        let decoded = Decoder(schemas).decode(record.value);
        let added = match decoded.json() {
            Some(value) => add(value.clone(), filter, kept),
            None => {
                kept.unreadable();
                Err(decoded.problem().unwrap_or_default())
            }
        };
        added.unwrap_or_else(|problem| bad(record.partition, record.offset, &problem));
    }
    Ok(())
}

fn add(value: Value, filter: &Filter, kept: &mut Kept) -> Result<(), String> {
    let report = report(value).inspect_err(|_| kept.unreadable())?;
    if filter.matches(&report) { kept.add(report) } else { Ok(()) }
}

/// A report as its JSON, or as `assize watch` shows it: wrapped in `value`, with the digest as hex digits.
fn report(mut value: Value) -> Result<DriftReport, String> {
    if let Some(wrapped) = value.get_mut("value") {
        value = wrapped.take();
    }
    if let Some(digest) = value.pointer_mut("/model/digest")
        && let Some(hex) = digest.as_str()
    {
        let bytes: Digest = hex.parse().map_err(|_| "model.digest is no SHA-256 in hex digits".to_owned())?;
        *digest = bytes.0.as_slice().into();
    }
    serde_json::from_value(value).map_err(|error| format!("no drift report: {error}"))
}
