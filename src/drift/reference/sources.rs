//! Where the predictions of a reference come from: a file, or what lies in a topic between two times. Both are read twice.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{BuildError, Builder, Built};
use crate::{
    codec::Schemas,
    config::Kafka,
    drift::row::{self, Row},
    tail::{Decoder, Log, Record, Span, Start, TailError, TopicReader},
};

/// Predictions between two progress reports.
const PROGRESS_ROWS: u64 = 1_024;

/// Predictions that come again when they are read again.
pub enum Source<'a> {
    /// NDJSON, as `assize drift check` reads it.
    File(&'a Path),
    /// Records.
    Topic(TopicSource<'a>),
}

/// The committed predictions of a topic between two times.
pub struct TopicSource<'a> {
    kafka: &'a Kafka,
    topic: &'a str,
    schemas: &'a Schemas,
    spans: Vec<(i32, Span)>,
}

/// Why there is no reference.
#[derive(Debug, Error)]
pub enum SourceError {
    /// A file.
    #[error("{} cannot be read", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What would not come again.
    #[error("{}: predictions are read twice; give a file", .0.display())]
    NotAFile(PathBuf),
    /// The topic.
    #[error(transparent)]
    Tail(#[from] TailError),
    /// The predictions.
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl<'a> TopicSource<'a> {
    /// Everything in `topic` that was written from `from_ms` on and before `to_ms`, milliseconds since the epoch; at most
    /// what can be read committed now.
    ///
    /// # Errors
    /// [`TailError`].
    pub fn open(
        kafka: &'a Kafka,
        topic: &'a str,
        schemas: &'a Schemas,
        (from_ms, to_ms): (Option<i64>, Option<i64>),
    ) -> Result<Self, TailError> {
        let log = Log::connect(kafka)?;
        let mut spans = log.spans(topic, &[], from_ms.map_or(Start::Beginning, Start::TimeMs))?;
        if let Some(to_ms) = to_ms {
            for (partition, Span { low, end }) in &mut spans {
                *end = log.offset_at(topic, *partition, to_ms)?.map_or(*end, |to| to.clamp(*low, *end));
            }
        }
        Ok(Self { kafka, topic, schemas, spans })
    }

    /// One partition after the other, so that the order is the same each time.
    fn each(&self, with: &mut impl FnMut(&str, u64, Result<Row, String>)) -> Result<(), TailError> {
        let (reader, decoder) = (TopicReader::connect(self.kafka, self.topic)?, Decoder(self.schemas));
        for &(partition, span) in &self.spans {
            let name = format!("{}:{partition}", self.topic);
            let mut reading = reader.read(&[(partition, span)])?;
            while let Some(message) = reading.next()? {
                let record = Record::of(&message);
                let decoded = decoder.decode(record.value);
                let problem = decoded.problem().unwrap_or_default();
                let row = decoded.into_json().ok_or(problem).and_then(Row::of_record);
                with(&name, record.offset as u64, row);
            }
        }
        Ok(())
    }
}

impl Source<'_> {
    /// Builds a reference of at least `rows_min` predictions; `from` says for people which they are. `progress` is told
    /// how many records of both passes were read, `bad` each that is no prediction: where it is and what is wrong.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn build(
        &self,
        builder: &Builder<'_>,
        from: String,
        rows_min: u64,
        progress: impl Fn(u64),
        mut bad: impl FnMut(&str, u64, &str),
    ) -> Result<Built, SourceError> {
        let (mut sampling, mut read) = (builder.sampling(), 0_u64);
        let mut count = || {
            read += 1;
            if read.is_multiple_of(PROGRESS_ROWS) {
                progress(read);
            }
        };
        self.each(|_, _, row| {
            count();
            row.iter().for_each(|row| sampling.add(row));
        })?;
        let mut counting = sampling.counting();
        self.each(|name, place, row| {
            count();
            match row {
                Ok(row) => counting.add(&row),
                Err(problem) => bad(name, place, &problem),
            }
        })?;
        Ok(counting.finish(from, rows_min)?)
    }

    /// Calls `with` for every record: in which file or partition, its line or offset, and the prediction or what is wrong.
    fn each(&self, mut with: impl FnMut(&str, u64, Result<Row, String>)) -> Result<(), SourceError> {
        let file = match self {
            Self::File(file) => *file,
            Self::Topic(topic) => return Ok(topic.each(&mut with)?),
        };
        let unreadable = |source| SourceError::Read { file: file.to_owned(), source };
        if !fs::metadata(file).map_err(unreadable)?.is_file() {
            return Err(SourceError::NotAFile(file.to_owned()));
        }
        let name = file.display().to_string();
        row::each_line(Some(file), |line, row| with(&name, line, row)).map_err(unreadable)
    }
}
