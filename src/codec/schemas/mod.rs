//! Schema ids -> readers: from the config's table, or from a registry whose ids are immutable. Nobody waits for the
//! registry longer than they say: the question goes on as a task, and its answer is there for the next call.
//!
//! ```text
//! reader(id, patience) ─► known ───────────────────────────────────────────────────────────────► Known
//!                      └► Board: is it its turn? ──► task: Client, at most 5 s ─► schema ─► Disk ─► Known
//!                            ▲    └ registry away ──────────────┐   └ away, not found ─► kept on Disk? ─► Known
//!                            └──── the answer, within patience ◄┴──────────────────────────┘
//!                                                    else Away: the caller comes again; or Unknown, once confirmed
//! ```

mod board;
mod client;
mod disk;
mod probe;
mod queue;
mod readers;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::runtime::Handle;

use self::{
    client::{Client, Problem},
    disk::Disk,
    readers::{KEPT_MS_MAX, Readers},
};
use super::{CodecError, RecordReader, RecordWriter};
use crate::{
    config,
    ops::metrics::Metrics,
    records::schema::{DRIFT_REPORT, LABEL, MESSAGE, PREDICTION, VERDICT},
};

pub use client::Compatibility;
pub(crate) use probe::{Probe, Silence};

/// What is known of a schema id.
#[derive(Clone)]
pub enum Lookup {
    /// Its reader.
    Known(Arc<RecordReader>),
    /// Confirmed: no such id.
    Unknown,
    /// There is such an id, and its schema cannot be read: recursive, too deep, split over subjects, or no Avro.
    Unreadable,
    /// Not known yet; ask again later.
    Away,
}

/// The registry, and what is kept of it.
struct Registry {
    client: Client,
    disk: Option<Disk>,
    runtime: Handle,
}

impl Registry {
    fn has_kept(&self, id: u32) -> bool {
        self.disk.as_ref().is_some_and(|disk| disk.has(id))
    }
}

/// The readers by schema id, shared by all lanes, and the writers of our own records.
pub struct Schemas {
    readers: Arc<Readers>,
    ids: config::SchemaIds,
    patience: Duration,
}

impl Schemas {
    /// A source as configured; nothing is asked yet. `runtime` runs the questions to the registry.
    ///
    /// # Errors
    /// [`CodecError`] when the registry's settings cannot be used or a published schema cannot be parsed.
    pub fn try_new(config: &config::Schemas, runtime: &Handle) -> Result<Self, CodecError> {
        let (mut known, ids) = (HashMap::new(), config.ids.clone());
        let registry = if config.registry.is_some() {
            let client = Client::try_new(config)?;
            let disk = Disk::open(config, client.url());
            Some(Registry { client, disk, runtime: runtime.clone() })
        } else {
            let ours = [
                (ids.message, MESSAGE),
                (ids.verdict, VERDICT),
                (ids.prediction, PREDICTION),
                (ids.label, LABEL),
                (ids.drift_report, DRIFT_REPORT),
            ];
            for (id, schema) in ours {
                known.insert(id, Arc::new(RecordReader::for_parts(schema)?));
            }
            None
        };
        let patience = Duration::from_millis(config.deadline_ms);
        Ok(Self { readers: Arc::new(Readers::new(registry, known)), ids, patience })
    }

    /// Counts what questions to the registry bring.
    pub fn report_to(&self, metrics: Arc<Metrics>) {
        self.readers.report_to(metrics);
    }

    /// How long one chunk may wait for the registry, over all its ids.
    pub fn chunk_patience(&self) -> Duration {
        self.patience
    }

    /// The reader for `id`, for structs as [`RecordReader::for_parts`] takes them. Waits at most `patience` for the
    /// registry and takes the waited time off it; with none left it only sees to it that the registry is asked in its
    /// turn, whether or not anybody comes again: at most once a second for an id, and not at all for a while after an
    /// outage.
    pub fn reader(&self, id: u32, patience: &mut Duration) -> Lookup {
        let start = Instant::now();
        let lookup = self.readers.find(id, start, *patience);
        *patience = patience.saturating_sub(start.elapsed());
        lookup
    }

    /// A writer of `Message` for `topic`, as an upstream producer would have.
    ///
    /// # Errors
    /// [`CodecError`] when the registry refuses, or does not answer and the id is not kept on disk.
    pub fn message_writer(&self, topic: &str) -> Result<RecordWriter, CodecError> {
        self.writer(topic, MESSAGE, self.ids.message)
    }

    /// A writer of `Verdict` for `topic`.
    ///
    /// # Errors
    /// [`CodecError`] when the registry refuses, or does not answer and the id is not kept on disk.
    pub fn verdict_writer(&self, topic: &str) -> Result<RecordWriter, CodecError> {
        self.writer(topic, VERDICT, self.ids.verdict)
    }

    /// A writer of `Prediction` for `topic`.
    ///
    /// # Errors
    /// [`CodecError`] when the registry refuses, or does not answer and the id is not kept on disk.
    pub fn prediction_writer(&self, topic: &str) -> Result<RecordWriter, CodecError> {
        self.writer(topic, PREDICTION, self.ids.prediction)
    }

    /// A writer of `Label` for `topic`, as whoever labels messages would have.
    ///
    /// # Errors
    /// [`CodecError`] when the registry refuses, or does not answer and the id is not kept on disk.
    pub fn label_writer(&self, topic: &str) -> Result<RecordWriter, CodecError> {
        self.writer(topic, LABEL, self.ids.label)
    }

    /// A writer of `DriftReport` for `topic`.
    ///
    /// # Errors
    /// [`CodecError`] when the registry refuses, or does not answer and the id is not kept on disk.
    pub fn drift_report_writer(&self, topic: &str) -> Result<RecordWriter, CodecError> {
        self.writer(topic, DRIFT_REPORT, self.ids.drift_report)
    }

    fn writer(&self, topic: &str, schema: &str, id: u32) -> Result<RecordWriter, CodecError> {
        let id = match self.readers.registry() {
            None => id,
            Some(registry) => self.registered_or_kept(registry, &subject(topic), schema)?,
        };
        Ok(RecordWriter::new(id))
    }

    fn registered_or_kept(&self, registry: &Registry, subject: &str, schema: &str) -> Result<u32, CodecError> {
        let kept = registry.disk.as_ref().and_then(|disk| disk.writer(subject, schema));
        // The client has its own limit.
        let limit = if kept.is_some() { KEPT_MS_MAX } else { Duration::MAX };
        let answer = registry.runtime.block_on(async {
            let question = registry.client.register(subject, schema);
            tokio::time::timeout(limit, question).await.unwrap_or_else(|_| Err(Problem::late(limit)))
        });
        match (answer, kept) {
            (Ok(id), _) => {
                if let Some(disk) = &registry.disk {
                    disk.keep_writer(subject, schema, id);
                }
                self.readers.enter(id, schema);
                Ok(id)
            }
            (Err(problem), Some(id)) if !problem.is_refusal() => {
                tracing::warn!(subject, id, %problem, "going on without the registry: the id kept on disk is taken");
                self.readers.quiet(&problem);
                Ok(id)
            }
            (Err(problem), _) => Err(problem.of(subject)),
        }
    }

    /// Registers `schema` under `subject`, or finds it there: its id, and whether it is new. None without a registry.
    ///
    /// # Errors
    /// [`CodecError::Refused`] when the registry does not take it, [`CodecError::Registry`] when it does not answer.
    pub fn register(&self, subject: &str, schema: &str) -> Result<Option<(u32, bool)>, CodecError> {
        let Some(Registry { client, runtime, .. }) = self.readers.registry() else { return Ok(None) };
        let answer = runtime.block_on(async {
            let there = client.registered(subject, schema).await?;
            Ok((client.register(subject, schema).await?, there.is_none()))
        });
        answer.map(Some).map_err(|problem: Problem| problem.of(subject))
    }

    /// What the registry itself says of `schema` as the next version of `subject`; none without a registry.
    ///
    /// # Errors
    /// [`CodecError::Registry`] when it does not answer.
    pub fn compatibility(&self, subject: &str, schema: &str) -> Result<Option<Compatibility>, CodecError> {
        let Some(Registry { client, runtime, .. }) = self.readers.registry() else { return Ok(None) };
        runtime.block_on(client.compatibility(subject, schema)).map(Some).map_err(|problem| problem.of(subject))
    }
}

/// The subject of a topic's values.
pub fn subject(topic: &str) -> String {
    format!("{topic}-value")
}
