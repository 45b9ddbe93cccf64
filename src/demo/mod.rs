//! The demo: labelled messages from a file through the pipeline that `run` uses, with files in place of Kafka.
//!
//! ```text
//! messages.tsv ─► Message ─► Avro ─► FileStream ─► Lane ─► verdicts.ndjson, predictions.ndjson, dead-letters.ndjson
//!      └ labels, held-out list ────────────────────────────────┴─► Report: counts, precision, recall, throughput
//! ```

mod corpus;
mod report;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use secrecy::SecretBox;

use crate::{
    clock::now_ms,
    codec::{self, RecordWriter, Schemas},
    config::{self, Config},
    failure::Failure,
    features::store::MemoryStore,
    hash::Hasher,
    ops::{health::Health, metrics::Metrics, shutdown::Shutdown},
    pipeline::Shared,
    records::Message,
    service,
    stream::{
        Restore,
        file::FileStream,
        memory::{Input, MemoryStream},
    },
};

pub use corpus::{Corpus, CorpusError, Example};
pub use report::Report;

/// Authors that the messages are spread over: the collection names none.
const USERS: i64 = 500;
/// Messages judged again to measure the throughput.
const MEASURED_MESSAGES: usize = 200_000;
/// The demo's hash key. It is public, so its hashes hide nothing: the messages are public too.
const PUBLIC_KEY: &[u8] = b"assize-demo-public-key";

/// What the demo reads and where it writes.
#[derive(Clone, Debug)]
pub struct Demo {
    /// Labelled messages: label, tab, text, one a line.
    pub messages: PathBuf,
    /// The bundle that judges them.
    pub bundle: PathBuf,
    /// Where the answers go.
    pub out: PathBuf,
}

impl Demo {
    /// Judges every message once into files, telling `progress` how many are answered and of how many; then measures the throughput on one core without files.
    ///
    /// # Errors
    /// [`Failure`], saying which input is missing or wrong.
    pub fn run(&self, mut progress: impl FnMut(u64, u64) + Send + 'static) -> Result<Report, Failure> {
        codec::limit_allocations();
        let config = self.config();
        let corpus = Corpus::read(&self.messages, &self.bundle).map_err(anyhow::Error::from)?;
        let runtime = service::runtime()?;
        let schemas = Schemas::try_new(&config.schemas, runtime.handle()).context("published schemas")?;
        let key = SecretBox::new(Box::new(PUBLIC_KEY.to_vec()));
        let hasher = Hasher::try_new("demo-public", key).context("hash key")?;
        let tasks = service::load_tasks(&config.tasks)?;
        let shared = service::shared(&config, tasks, Arc::new(schemas), hasher, Metrics::new(), |names| {
            Ok(Arc::new(MemoryStore::new(names)))
        })?;

        let inputs = encode(&corpus.examples, &config, 1);
        let length = inputs.len() as u64;
        let files =
            FileStream::create(inputs, &self.out, move |done| progress(done as u64, length)).context("output files")?;
        drive(files, &config, &shared)?;

        let passes = MEASURED_MESSAGES.div_ceil(corpus.examples.len().max(1));
        let inputs = encode(&corpus.examples, &config, passes);
        let (count, start) = (inputs.len(), Instant::now());
        drive(MemoryStream::forgetful(inputs), &config, &shared)?;
        let per_second = count as f64 / start.elapsed().as_secs_f64();
        Ok(Report::read(&self.out, corpus, &shared.tasks[0].bundle, per_second)?)
    }

    fn config(&self) -> Config {
        let task = config::Task { name: "spam".into(), bundle: self.bundle.clone(), digest: None };
        // A file of bad lines is read to its end: nobody is upstream who could mend it meanwhile.
        let dead_letters = config::DeadLetters { pause_ratio_max: 1.0, ..config::DeadLetters::default() };
        Config { tasks: vec![task], dead_letters, ..Config::default() }
    }
}

/// Runs one lane over `stream` to its end.
fn drive<S: Restore>(stream: S, config: &Config, shared: &Shared) -> Result<(), Failure> {
    let shutdown = Shutdown::new(Duration::from_millis(config.stream.shutdown_ms_max));
    let health = Health::new(1).lane(0);
    let mut lane = service::lane_over(stream, config, shared, &shutdown, health).map_err(anyhow::Error::from)?;
    lane.run().map_err(|fault| anyhow::Error::from(fault).into())
}

/// The messages as a producer would publish them, `passes` times over with ids of their own.
fn encode(examples: &[Example], config: &Config, passes: usize) -> Vec<Input> {
    let writer = RecordWriter::new(config.schemas.ids.message);
    let mut inputs = Vec::with_capacity(examples.len() * passes);
    for pass in 0..passes {
        for (index, example) in examples.iter().enumerate() {
            let message = Message {
                message_id: if pass == 0 { example.id.clone() } else { format!("{}-{pass}", example.id) },
                user_id: 1 + index as i64 % USERS,
                text: example.text.clone(),
                language: None,
                metadata: [("platform".to_owned(), "sms".to_owned())].into(),
                created_at: now_ms(),
            };
            let mut value = Vec::new();
            writer.write(&message, &mut value);
            let key = Some(message.user_id.to_string().into_bytes());
            inputs.push(Input { key, value: Some(value), headers: Vec::new() });
        }
    }
    inputs
}

/// Name of the file that lists the held-out messages of a bundle.
fn held_out_file(bundle: &Path) -> PathBuf {
    bundle.join("held_out.txt")
}
