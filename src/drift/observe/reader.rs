use std::{collections::HashMap, sync::Arc, time::Duration};

use rustc_hash::FxBuildHasher;

use crate::{
    codec::{Lookup, RecordReader, Schemas, wire},
    records::PredictionView,
    stream::Record,
};

/// Readers that a lane keeps at hand; past it they are asked for again.
const READERS_MAX: usize = 1_000;

/// What a record of the prediction log is.
#[derive(Clone, Copy, Debug)]
pub enum Read<'a> {
    /// A prediction.
    Prediction(PredictionView<'a>),
    /// None: null, of another format, or of a schema that is not there or of no use.
    Unreadable,
    /// This schema id must be known first; the partition waits.
    Away(u32),
}

/// A lane's reader of predictions: its own readers by schema id, without a lock, and memory that is used again and again.
pub struct PredictionReader {
    schemas: Arc<Schemas>,
    readers: HashMap<u32, Arc<RecordReader>, FxBuildHasher>,
    /// What this chunk may still wait for the registry.
    patience: Duration,
    resolved: Vec<u8>,
}

impl PredictionReader {
    /// Of predictions by any schema of these.
    pub fn new(schemas: Arc<Schemas>) -> Self {
        Self { schemas, readers: HashMap::default(), patience: Duration::ZERO, resolved: Vec::new() }
    }

    /// A new chunk: it may wait for the registry as long as configured, over all its schema ids.
    pub fn start_chunk(&mut self) {
        self.patience = self.schemas.chunk_patience();
    }

    /// Reads a record in place.
    pub fn read<'a>(&'a mut self, record: &Record<'a>) -> Read<'a> {
        let Some((id, datum)) = record.value.and_then(|value| wire::split(value).ok()) else { return Read::Unreadable };
        if !self.readers.contains_key(&id) {
            match self.schemas.reader(id, &mut self.patience) {
                Lookup::Known(reader) => self.keep(id, reader),
                Lookup::Unknown | Lookup::Unreadable => return Read::Unreadable,
                Lookup::Away => return Read::Away(id),
            }
        }
        let reader = self.readers.get(&id);
        let view = reader.and_then(|reader| reader.read_prediction(datum, &mut self.resolved).ok());
        view.map_or(Read::Unreadable, Read::Prediction)
    }

    fn keep(&mut self, id: u32, reader: Arc<RecordReader>) {
        if self.readers.len() >= READERS_MAX {
            self.readers.clear();
        }
        self.readers.insert(id, reader);
    }
}
