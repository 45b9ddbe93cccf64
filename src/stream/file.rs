//! The stream over files: inputs from memory, outputs as one JSON object a line, to look at.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    time::Duration,
};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Chunk, NextOffsets, Outputs, Polled, Restore, Stream, Topic,
    memory::{Input, MemoryStream, Written},
};
use crate::{
    codec::{CodecError, RecordReader, wire},
    dedup::{Window, WindowLimits},
    fault::{Action, Exit, Fault},
    records::{
        Prediction, Verdict,
        schema::{PREDICTION, VERDICT},
    },
};

/// Why files cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The folder or a file in it cannot be made.
    #[error("output folder {folder} cannot be written")]
    Create {
        /// The folder.
        folder: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A published schema cannot be parsed.
    #[error("published schema")]
    Schema(#[from] CodecError),
}

/// Inputs in memory, outputs in `verdicts.ndjson`, `predictions.ndjson` and `dead-letters.ndjson`.
pub struct FileStream {
    memory: MemoryStream,
    verdicts: (RecordReader, BufWriter<File>),
    predictions: (RecordReader, BufWriter<File>),
    dead_letters: BufWriter<File>,
    progress: Box<dyn FnMut(usize) + Send>,
}

impl FileStream {
    /// Makes `folder` and the three files, empty; `progress` is told how many inputs are answered after each commit.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn create(
        inputs: Vec<Input>,
        folder: &Path,
        progress: impl FnMut(usize) + Send + 'static,
    ) -> Result<Self, FileError> {
        let failed = |source| FileError::Create { folder: folder.display().to_string(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let create = |name: &str| File::create(folder.join(name)).map(BufWriter::new).map_err(failed);
        Ok(Self {
            memory: MemoryStream::new(inputs),
            verdicts: (RecordReader::try_new(VERDICT)?, create("verdicts.ndjson")?),
            predictions: (RecordReader::try_new(PREDICTION)?, create("predictions.ndjson")?),
            dead_letters: create("dead-letters.ndjson")?,
            progress: Box::new(progress),
        })
    }

    fn write(&mut self, written: &Written) -> io::Result<()> {
        match written.topic {
            Topic::Verdicts => {
                let (reader, file) = &mut self.verdicts;
                write_record::<Verdict<'_>>(reader, written, file)
            }
            Topic::Predictions => {
                let (reader, file) = &mut self.predictions;
                write_record::<Prediction<'_>>(reader, written, file)
            }
            Topic::DeadLetters => write_line(&dead_letter(written), &mut self.dead_letters),
            // No lane over files writes there.
            Topic::DriftReports | Topic::DriftState => Ok(()),
        }
    }

    fn write_all(&mut self) -> io::Result<()> {
        for written in self.memory.take_written() {
            self.write(&written)?;
        }
        self.verdicts.1.flush()?;
        self.predictions.1.flush()?;
        self.dead_letters.flush()
    }
}

impl Stream for FileStream {
    fn poll(&mut self, chunk: &mut Chunk, records_max: usize, wait: Duration) -> Result<Polled, Fault> {
        self.memory.poll(chunk, records_max, wait)
    }

    fn begin(&mut self) -> Result<(), Fault> {
        self.memory.begin()
    }

    fn send(&mut self, outputs: &Outputs) -> Result<(), Fault> {
        self.memory.send(outputs)
    }

    fn commit(&mut self, offsets: &NextOffsets) -> Result<(), Fault> {
        self.memory.commit(offsets)?;
        (self.progress)(self.memory.committed());
        // A disk that is full now is full on a second attempt too.
        self.write_all().map_err(|error| Fault::caused(Action::Exit(Exit::Failed), "writing the output files", error))
    }

    fn recover(&mut self, fault: &Fault) -> Result<NextOffsets, Fault> {
        self.memory.recover(fault)
    }

    fn hold(&mut self, partition: i32) -> Result<(), Fault> {
        self.memory.hold(partition)
    }

    fn release(&mut self, partition: i32) -> Result<(), Fault> {
        self.memory.release(partition)
    }

    fn rebuilds(&self) -> u64 {
        self.memory.rebuilds()
    }

    fn input(&self) -> &str {
        self.memory.input()
    }

    fn lag(&self, partition: i32) -> Option<i64> {
        self.memory.lag(partition)
    }
}

fn write_record<T: Serialize + serde::de::DeserializeOwned>(
    reader: &RecordReader,
    written: &Written,
    file: &mut impl Write,
) -> io::Result<()> {
    let value = written.value.as_deref().unwrap_or_default();
    let record = wire::split(value).and_then(|(_, datum)| reader.read::<T>(datum));
    let record =
        record.map_err(|reject| io::Error::other(format!("an answer of ours does not read: {}", reject.code())))?;
    write_line(&readable(serde_json::to_value(record)?), file)
}

fn write_line(value: &Value, file: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *file, value)?;
    file.write_all(b"\n")
}

/// The same record with hashes in hex.
pub fn readable(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| {
                    let value = if matches!(name.as_str(), "payload_hash" | "user_hash" | "text_hash" | "digest") {
                        hex(&value).unwrap_or(value)
                    } else {
                        readable(value)
                    };
                    (name, value)
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(readable).collect()),
        other => other,
    }
}

fn hex(value: &Value) -> Option<Value> {
    let bytes: Option<Vec<u64>> = value.as_array()?.iter().map(Value::as_u64).collect();
    Some(bytes?.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
}

/// Key, value and headers of a dead letter; bytes that are no text are in hex.
fn dead_letter(written: &Written) -> Value {
    let show = |bytes: &Option<Vec<u8>>| match bytes.as_deref() {
        None => Value::Null,
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains(char::is_control) => text.into(),
            _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
        },
    };
    let headers: Map<String, Value> = written.headers.iter().map(|(name, value)| (name.clone(), show(value))).collect();
    Value::Object(Map::from_iter([
        ("key".to_owned(), show(&written.key)),
        ("value".to_owned(), show(&written.value)),
        ("headers".to_owned(), headers.into()),
    ]))
}

impl Restore for FileStream {
    fn restore(&mut self, partition: i32, limits: WindowLimits, go_on: &dyn Fn() -> bool) -> Result<Window, Fault> {
        self.memory.restore(partition, limits, go_on)
    }
}
