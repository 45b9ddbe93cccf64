//! All dead letters that are meant, partition by partition, up to the ends as they are when it starts.

use std::{io, ops::ControlFlow};

use super::{Filter, Letter};
use crate::{
    config::Kafka,
    tail::{Log, Record, Start, TailError, TopicReader},
};

/// Why a scan ended early.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The topic.
    #[error(transparent)]
    Tail(#[from] TailError),
    /// What was found could not be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// What to scan.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'a> {
    /// The topic of the dead letters.
    pub topic: &'a str,
    /// These partitions, or all.
    pub partitions: &'a [i32],
    /// Those that are meant.
    pub filter: &'a Filter,
    /// In which header producers say who they are.
    pub client_header: &'a str,
}

impl Scan<'_> {
    /// Calls `each` with every dead letter that is meant, in order of partition and offset, until it breaks off.
    /// `progress` is told the offsets read so far and how many there are.
    ///
    /// # Errors
    /// [`ScanError`]: the topic, or what `each` returns.
    pub fn run(
        &self,
        kafka: &Kafka,
        mut progress: impl FnMut(u64, u64),
        mut each: impl FnMut(&Letter<'_>) -> io::Result<ControlFlow<()>>,
    ) -> Result<(), ScanError> {
        let start = self.filter.since_ms.map_or(Start::Beginning, Start::TimeMs);
        let spans = Log::connect(kafka)?.spans(self.topic, self.partitions, start)?;
        let offsets = spans.iter().map(|(_, span)| span.offsets()).sum();
        let reader = TopicReader::connect(kafka, self.topic)?;
        let mut done = 0;
        for (partition, span) in spans {
            let mut reading = reader.read(&[(partition, span)])?;
            while let Some(message) = reading.next()? {
                let letter = Letter::of(Record::of(&message), self.client_header);
                progress(done + (letter.record.offset + 1 - span.low) as u64, offsets);
                if self.filter.matches(&letter) && each(&letter)?.is_break() {
                    return Ok(());
                }
            }
            done += span.offsets();
        }
        Ok(())
    }
}
