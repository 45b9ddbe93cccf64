use std::{path::Path, sync::Arc};

use anyhow::{Context, bail};
use assize::{
    codec::{RecordReader, RecordWriter, Schemas},
    config::{self, Config},
    dedup::{Window, WindowLimits, Windows},
    demo,
    features::store::MemoryStore,
    hash::Hasher,
    ops::metrics::Metrics,
    pipeline::{Pipeline, Shared},
    records::{Message, schema},
    service,
    stream::Chunk,
};
use secrecy::SecretBox;
use tokio::runtime::Runtime;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const CHUNK_RECORDS: usize = 512;
const PARTITIONS: usize = 8;
const USERS: usize = 500;
/// Any time will do, as long as it is the same in every run: 2025-01-01.
const CREATED_AT_MS: i64 = 1_735_689_600_000;

/// The real messages, and what judges them.
pub struct Corpus {
    /// As they come from producers; the collection several times over, each time with ids of its own.
    pub messages: Vec<Message>,
    /// What the pipeline's lanes share.
    pub shared: Shared,
    config: Config,
    _runtime: Runtime,
}

impl Corpus {
    /// The collection `passes` times over.
    ///
    /// # Errors
    /// When the messages or the model are not there.
    pub fn load(passes: usize) -> anyhow::Result<Self> {
        let (file, bundle) =
            (Path::new(ROOT).join("data/spam-sms/messages.tsv"), Path::new(ROOT).join("models/spam-sms"));
        if !file.exists() {
            bail!("{} is not there: `./dev data` fetches it", file.display());
        }
        let examples = demo::Corpus::read(&file, &bundle)?.examples;
        let task = config::Task { name: "spam".into(), bundle, digest: None };
        let config = Config { tasks: vec![task], ..Config::default() };
        let runtime = service::runtime()?;
        let schemas = Arc::new(Schemas::try_new(&config.schemas, runtime.handle()).context("published schemas")?);
        let hasher = Hasher::try_new("public", SecretBox::new(Box::new(b"a-key-that-is-public".to_vec())))?;
        let tasks = service::load_tasks(&config.tasks)?;
        let store = |names| -> anyhow::Result<Arc<dyn assize::features::store::FeatureStore>> {
            Ok(Arc::new(MemoryStore::new(names)))
        };
        let shared = service::shared(&config, tasks, schemas, hasher, Metrics::new(), store)?;
        let message = |number: usize| Message {
            message_id: format!("sms-{number:07}"),
            user_id: 1 + (number % USERS) as i64,
            text: examples[number % examples.len()].text.clone(),
            language: None,
            metadata: [("platform".to_owned(), "sms".to_owned())].into(),
            created_at: CREATED_AT_MS + number as i64,
        };
        let messages = (0..passes * examples.len()).map(message).collect();
        Ok(Self { messages, shared, config, _runtime: runtime })
    }

    /// All messages in the wire format, in full chunks of one partition each.
    pub fn chunks(&self) -> Vec<Chunk> {
        let writer = RecordWriter::new(self.config.schemas.ids.message);
        let mut value = Vec::new();
        let mut chunk_of = |(number, messages): (usize, &[Message])| {
            let mut chunk = Chunk::default();
            for (place, message) in messages.iter().enumerate() {
                value.clear();
                writer.write(message, &mut value);
                let offset = (number / PARTITIONS * CHUNK_RECORDS + place) as i64;
                let key = message.user_id.to_string();
                chunk.push((number % PARTITIONS) as i32, offset, Some(key.as_bytes()), Some(&value));
            }
            chunk
        };
        self.messages.chunks_exact(CHUNK_RECORDS).enumerate().map(&mut chunk_of).collect()
    }

    /// The dedup windows of all partitions. They hold half of the messages, so that one which comes again after all
    /// others is new again.
    pub fn windows(&self) -> Windows {
        let limits = WindowLimits { age_ms_max: i64::MAX / 2, keys_max: self.messages.len() / PARTITIONS / 2 };
        let mut windows = Windows::new(limits);
        (0..PARTITIONS).for_each(|partition| windows.insert(partition as i32, Window::new(limits)));
        windows
    }

    /// A lane's pipeline.
    pub fn pipeline(&self) -> Pipeline {
        let schemas = &self.shared.schemas;
        let verdicts = schemas.verdict_writer(&self.config.topics.verdicts).expect("its id is in the configuration");
        let predictions = schemas.prediction_writer(&self.config.topics.predictions).expect("as is this one");
        Pipeline::try_new(&self.shared, verdicts, predictions).expect("the model has memory for a lane")
    }

    /// A reader of messages.
    pub fn reader(&self) -> RecordReader {
        RecordReader::try_new(schema::MESSAGE).expect("the published schema")
    }
}
