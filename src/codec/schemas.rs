//! Schema ids -> readers: from the config's table, or from a registry whose ids are immutable.
//!
//! ```text
//! id ──► known for life ─────────────────────────────► Known
//!    └─► ask, at most once a second an id ──► answer ─► Known
//!                                        ├──► 404 ────► Away, until seen three times over 30 s: Unknown for a minute
//!                                        └──► outage ─► Away: the caller waits and loses nothing
//! ```

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use schema_registry_converter::{
    async_impl::schema_registry::{SrSettings, get_schema_by_id, post_schema},
    error::SRCError,
    schema_registry_common::{SchemaType, SuppliedSchema},
};
use tokio::runtime::Handle;

use super::{CodecError, RecordReader, RecordWriter};
use crate::{
    config,
    records::schema::{MESSAGE, PREDICTION, VERDICT},
};

/// How long one question to the registry may take.
const REGISTRY_MS_MAX: Duration = Duration::from_millis(5_000);
/// Pause between two questions for the same id.
const ASK_AGAIN_MS: Duration = Duration::from_millis(1_000);
/// An id is unknown when it was "not found" this often ...
const NOT_FOUND_TIMES_MIN: u32 = 3;
/// ... over at least this long; a registry that restarts empty for a moment must not cause dead letters.
const NOT_FOUND_SECONDS_MIN: Duration = Duration::from_secs(30);
/// How long "unknown" is believed before the registry is asked again.
const UNKNOWN_SECONDS_MAX: Duration = Duration::from_secs(60);
/// Ids kept; a producer that invents ids cannot fill the memory.
const IDS_MAX: usize = 10_000;

/// What is known of a schema id.
#[derive(Clone)]
pub enum Lookup {
    /// Its reader.
    Known(Arc<RecordReader>),
    /// Confirmed: no such id, or not a schema that can be read.
    Unknown,
    /// Not known yet; ask again later.
    Away,
}

enum Slot {
    Known(Arc<RecordReader>),
    Unknown { since: Instant },
    NotFound { times: u32, first: Instant, asked: Instant },
    Outage { asked: Instant },
}

impl Slot {
    fn is_recent_outage(&self) -> bool {
        matches!(self, Self::Outage { asked } if asked.elapsed() < ASK_AGAIN_MS)
    }
}

enum Source {
    Table(config::SchemaIds),
    Registry { settings: SrSettings, handle: Handle },
}

/// The readers by schema id, shared by all lanes, and the writers of our own records.
pub struct Schemas {
    source: Source,
    slots: Mutex<HashMap<u32, Slot>>,
}

impl Schemas {
    /// A source as configured; nothing is asked yet. `handle` runs the registry's client.
    ///
    /// # Errors
    /// [`CodecError`] when the registry's URL cannot be used or a published schema cannot be parsed.
    pub fn try_new(config: &config::Schemas, handle: &Handle) -> Result<Self, CodecError> {
        let mut slots = HashMap::new();
        let source = match &config.registry {
            Some(url) => {
                let settings = SrSettings::new_builder(url.clone())
                    .set_timeout(REGISTRY_MS_MAX)
                    .build()
                    .map_err(|error| CodecError::Registry(error.to_string()))?;
                Source::Registry { settings, handle: handle.clone() }
            }
            None => {
                let ids = config.ids.clone();
                for (id, schema) in [(ids.message, MESSAGE), (ids.verdict, VERDICT), (ids.prediction, PREDICTION)] {
                    slots.insert(id, Slot::Known(Arc::new(RecordReader::for_parts(schema)?)));
                }
                Source::Table(ids)
            }
        };
        Ok(Self { source, slots: Mutex::new(slots) })
    }

    /// The reader for `id`, for structs as [`RecordReader::for_parts`] takes them; asks the registry at most once a
    /// second for an id, and for none within a second of an outage. Blocks at most 5 s.
    pub fn reader(&self, id: u32) -> Lookup {
        let earlier = {
            let slots = self.slots();
            match slots.get(&id) {
                Some(Slot::Known(reader)) => return Lookup::Known(Arc::clone(reader)),
                Some(Slot::Unknown { since }) if since.elapsed() < UNKNOWN_SECONDS_MAX => return Lookup::Unknown,
                Some(Slot::NotFound { asked, .. } | Slot::Outage { asked }) if asked.elapsed() < ASK_AGAIN_MS => {
                    return Lookup::Away;
                }
                _ if slots.values().any(Slot::is_recent_outage) => return Lookup::Away,
                Some(Slot::NotFound { times, first, .. }) => Some((*times, *first)),
                // It was confirmed: one more "not found" confirms it again, without stopping the stream for 30 s.
                Some(Slot::Unknown { since }) => Some((NOT_FOUND_TIMES_MIN, *since)),
                _ => None,
            }
        };
        let slot = self.ask(id, earlier);
        let lookup = match &slot {
            Slot::Known(reader) => Lookup::Known(Arc::clone(reader)),
            Slot::Unknown { .. } => Lookup::Unknown,
            Slot::NotFound { .. } | Slot::Outage { .. } => Lookup::Away,
        };
        let mut slots = self.slots();
        if slots.len() >= IDS_MAX {
            slots.retain(|_, slot| matches!(slot, Slot::Known(_)));
        }
        slots.insert(id, slot);
        lookup
    }

    fn ask(&self, id: u32, earlier: Option<(u32, Instant)>) -> Slot {
        let now = Instant::now();
        let Source::Registry { settings, handle } = &self.source else {
            return Slot::Unknown { since: now };
        };
        match handle.block_on(get_schema_by_id(id, settings)) {
            Ok(schema) => match RecordReader::for_parts(&schema.schema) {
                Ok(reader) => Slot::Known(Arc::new(reader)),
                Err(error) => {
                    tracing::warn!(id, %error, "registered schema cannot be used; its records are dead letters");
                    Slot::Unknown { since: now }
                }
            },
            Err(error) if not_found(&error) => {
                let (times, first) = earlier.map_or((1, now), |(times, first)| (times + 1, first));
                if times >= NOT_FOUND_TIMES_MIN && first.elapsed() >= NOT_FOUND_SECONDS_MIN {
                    return Slot::Unknown { since: now };
                }
                tracing::warn!(id, times, "registry knows no such schema id; asking again before it counts");
                Slot::NotFound { times, first, asked: now }
            }
            Err(error) => {
                tracing::warn!(id, %error, "registry does not answer; waiting for it");
                Slot::Outage { asked: now }
            }
        }
    }

    /// A writer of `Message` for `topic`, as an upstream producer would have.
    ///
    /// # Errors
    /// [`CodecError::Registry`] when the registry refuses or does not answer.
    pub fn message_writer(&self, topic: &str) -> Result<RecordWriter, CodecError> {
        self.writer(topic, MESSAGE, |ids| ids.message)
    }

    /// A writer of `Verdict` for `topic`.
    ///
    /// # Errors
    /// [`CodecError::Registry`] when the registry refuses or does not answer.
    pub fn verdict_writer(&self, topic: &str) -> Result<RecordWriter, CodecError> {
        self.writer(topic, VERDICT, |ids| ids.verdict)
    }

    /// A writer of `Prediction` for `topic`.
    ///
    /// # Errors
    /// [`CodecError::Registry`] when the registry refuses or does not answer.
    pub fn prediction_writer(&self, topic: &str) -> Result<RecordWriter, CodecError> {
        self.writer(topic, PREDICTION, |ids| ids.prediction)
    }

    /// Registers `schema` under `<topic>-value`, which answers with the id it has if it is there already.
    fn writer(
        &self,
        topic: &str,
        schema: &str,
        table: impl Fn(&config::SchemaIds) -> u32,
    ) -> Result<RecordWriter, CodecError> {
        let id = match &self.source {
            Source::Table(ids) => table(ids),
            Source::Registry { settings, handle } => {
                let subject = format!("{topic}-value");
                let supplied = SuppliedSchema::new(None, SchemaType::Avro, schema.to_owned());
                handle
                    .block_on(post_schema(settings, subject.clone(), supplied))
                    .map_err(|error| CodecError::Registry(format!("subject {subject}: {error}")))?
                    .id
            }
        };
        RecordWriter::try_new(id, schema)
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<u32, Slot>> {
        // Nothing panics while it is held; a poisoned map is still a valid map.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Only a 404 says that the id does not exist; every other answer says something about the registry.
fn not_found(error: &SRCError) -> bool {
    error.error.contains("status 404")
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
    };

    use super::*;

    /// A registry that knows nothing.
    fn empty_registry() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        });
        url
    }

    #[test]
    fn an_id_that_is_asked_for_again_and_still_not_found_stays_unknown() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let config = config::Schemas { registry: Some(empty_registry()), ..config::Schemas::default() };
        let schemas = Schemas::try_new(&config, runtime.handle()).unwrap();
        assert!(matches!(schemas.reader(7), Lookup::Away), "the first time proves nothing");
        let long_ago = Instant::now().checked_sub(UNKNOWN_SECONDS_MAX + ASK_AGAIN_MS).unwrap();
        schemas.slots().insert(7, Slot::Unknown { since: long_ago });
        assert!(matches!(schemas.reader(7), Lookup::Unknown));
    }
}
