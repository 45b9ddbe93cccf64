//! The paragraph: from a chunk of records to its answers. The only module that knows every stage.
//!
//! ```text
//!  Chunk ─► decode ─► hear ─► dedup ─► user features ─► text features ─► rows ─► scores ─► decide ─► Outputs
//!             │ │      │        ├ repeat: counted                                                     ▲
//!             │ └──────┴────────┴ reject: dead letter ────────────────────────────────────────────────┘
//!             └ its schema id is not known yet: its partition waits, from that record on
//! ```
//!
//! Everything here is a pure function of the chunk, the models and the windows, but for two look-ups: a schema id that
//! is new to the lane, and the user features.

mod answer;
mod case;
mod dead_letter;
mod tally;
mod task;
mod users;

use std::{sync::Arc, time::Instant};

use crate::{
    clock::now_ms,
    codec::{RecordWriter, Schemas},
    decision::{Outcome, Policy},
    dedup::{Pending, Seen, Windows},
    fault::Fault,
    features::{contract::Contract, store::FeatureStore, text},
    hash::Hasher,
    intake::Reject,
    ops::metrics::{LaneMetrics, Metrics, Stage, TransactionResult},
    records::{Message, ModelRef},
    stream::{Chunk, NextOffsets, Outputs},
};
use answer::{AnswerWriter, Findings};
use case::{Case, Decoded, Decoder};
use dead_letter::DeadLetters;
use task::TaskLane;
use users::Users;

pub use case::{IDEMPOTENCY_KEY, REVISION};
pub use dead_letter::{ERROR_HEADERS, SCHEMA_ID, VALUE_OMITTED};
pub use tally::{Tallies, Tally};
pub use task::{Task, union};

/// What all lanes share.
#[derive(Clone)]
pub struct Shared {
    /// Readers by schema id.
    pub schemas: Arc<Schemas>,
    /// The classifiers.
    pub tasks: Arc<[Task]>,
    /// What the tasks together read of text and user.
    pub contract: Arc<Contract>,
    /// User features.
    pub store: Arc<dyn FeatureStore>,
    /// Keyed hashes.
    pub hasher: Hasher,
    /// Metrics of the process.
    pub metrics: Arc<Metrics>,
    /// Name of the input topic, for dead letters.
    pub input_topic: String,
    /// Largest value that is decoded, bytes.
    pub value_bytes_max: usize,
    /// Largest dead letter that its topic takes, key, value and headers, bytes.
    pub dead_letter_bytes_max: usize,
}

/// What a lane's open transaction holds besides its outputs: an abort drops all of it at once.
#[must_use = "a batch is committed or dropped with its transaction"]
pub struct Batch {
    /// Where the input goes on.
    pub next: NextOffsets,
    /// Identities that join the window on commit.
    pub pending: Pending,
    /// Event times of the verdicts, milliseconds since the epoch.
    pub created_at_ms: Vec<i64>,
    /// Input records.
    pub records: usize,
    /// Records and dead letters by partition.
    pub tallies: Tallies,
    /// When the first record came.
    pub opened: Instant,
}

impl Batch {
    /// An empty batch.
    pub fn open() -> Self {
        Self {
            next: NextOffsets::default(),
            pending: Pending::default(),
            created_at_ms: Vec::new(),
            records: 0,
            tallies: Tallies::default(),
            opened: Instant::now(),
        }
    }

    /// An empty batch in the memory of one that was committed, whose identities have joined the window: a batch grows to
    /// megabytes, and the system clears new memory page by page.
    pub fn reopen(self) -> Self {
        let Self { mut pending, mut created_at_ms, .. } = self;
        drop(pending.drain());
        created_at_ms.clear();
        Self { pending, created_at_ms, ..Self::open() }
    }
}

/// What decoding a chunk came to.
#[must_use]
pub struct Messages {
    /// One for each record that is left in the chunk.
    decoded: Vec<Result<Message, Reject>>,
    /// Partitions whose later records were taken out of the chunk.
    pub waiting: Vec<Waiting>,
}

/// A partition whose next record has a schema id that is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The partition.
    pub partition: i32,
    /// The id.
    pub schema_id: u32,
}

/// What one task made of one message.
#[derive(Clone)]
pub(crate) struct Judged<'a> {
    pub(crate) task: &'a str,
    pub(crate) policy: &'a Policy,
    pub(crate) outcome: Outcome,
    /// The graph's numbers.
    pub(crate) raw: &'a [f32],
    /// One per label.
    pub(crate) probabilities: &'a [f32],
    /// Share of the text's terms that the vocabulary lacks.
    pub(crate) unknown_term_ratio: Option<f64>,
    pub(crate) model: ModelRef<'a>,
}

/// One lane's pipeline, with the buffers that it uses again and again.
pub struct Pipeline {
    shared: Shared,
    decoder: Decoder,
    answers: AnswerWriter,
    dead_letters: DeadLetters,
    tasks: Vec<TaskLane>,
    users: Users,
    text: text::Scratch,
    raw: Vec<Option<f64>>,
    raw_row: Vec<Option<f64>>,
    metrics: LaneMetrics,
}

impl Pipeline {
    /// The pipeline of one lane.
    ///
    /// # Errors
    /// When a model has no working memory to give.
    pub fn try_new(shared: &Shared, verdicts: RecordWriter, predictions: RecordWriter) -> Result<Self, Fault> {
        let tasks: Result<_, _> =
            shared.tasks.iter().map(|task| TaskLane::try_new(task, &shared.contract, &shared.metrics)).collect();
        Ok(Self {
            decoder: Decoder::new(Arc::clone(&shared.schemas), shared.value_bytes_max),
            answers: AnswerWriter {
                verdicts,
                predictions,
                hasher: shared.hasher.clone(),
                contract: shared.contract.id(),
            },
            dead_letters: DeadLetters {
                input_topic: shared.input_topic.clone(),
                bytes_max: shared.dead_letter_bytes_max,
            },
            tasks: tasks?,
            users: Users::new(shared.contract.uses_user_features()),
            text: text::Scratch::default(),
            raw: Vec::new(),
            raw_row: Vec::new(),
            metrics: shared.metrics.lane(),
            shared: shared.clone(),
        })
    }

    /// Decodes `chunk`, and takes out of it what cannot be decoded yet, with everything behind it in its partition.
    pub fn decode(&mut self, chunk: &mut Chunk) -> Messages {
        let start = Instant::now();
        self.decoder.start_chunk();
        let mut decoded = Vec::with_capacity(chunk.len());
        let mut waiting: Vec<Waiting> = Vec::new();
        chunk.retain(|record| {
            if waiting.iter().any(|waiting| waiting.partition == record.partition) {
                self.decoder.ask_ahead(record);
                return false;
            }
            match self.decoder.decode(record) {
                Decoded::Now(message) => decoded.push(message),
                Decoded::Later(schema_id) => waiting.push(Waiting { partition: record.partition, schema_id }),
            }
            waiting.last().is_none_or(|waiting| waiting.partition != record.partition)
        });
        self.metrics.stage(Stage::Decode, start.elapsed());
        Messages { decoded, waiting }
    }

    /// Whether a schema id is known, or known not to exist.
    pub fn is_settled(&self, schema_id: u32) -> bool {
        self.decoder.is_settled(schema_id)
    }

    /// Judges `chunk`, whose `messages` are decoded: adds its answers to `outputs`, and its offsets and identities to
    /// `batch`.
    ///
    /// # Errors
    /// [`Fault`], when this transaction cannot proceed; bad data never is one.
    pub fn judge(
        &mut self,
        chunk: &Chunk,
        messages: Messages,
        windows: &Windows,
        batch: &mut Batch,
        outputs: &mut Outputs,
    ) -> Result<(), Fault> {
        let decided_at_ms = now_ms();
        let heard = self.hear(chunk, messages, &mut batch.tallies, outputs);
        let fresh = self.deduplicate(heard, windows, batch, decided_at_ms, outputs);
        self.gather_features(&fresh);
        self.score()?;
        self.decide();
        self.answer(&fresh, decided_at_ms, outputs);
        self.account(chunk, &fresh, batch);
        Ok(())
    }

    fn hear<'c>(
        &mut self,
        chunk: &'c Chunk,
        messages: Messages,
        tallies: &mut Tallies,
        outputs: &mut Outputs,
    ) -> Vec<Case<'c>> {
        let start = Instant::now();
        let mut heard = Vec::with_capacity(chunk.len());
        for (record, message) in chunk.records().zip(messages.decoded) {
            match message.and_then(|message| case::hear(record, message, &self.answers.hasher)) {
                Ok(case) => heard.push(case),
                Err(reject) => {
                    self.metrics.dead_letter(reject.code());
                    tallies.dead_letter(record.partition);
                    self.dead_letters.write(&record, reject, outputs);
                }
            }
        }
        self.metrics.stage(Stage::Intake, start.elapsed());
        heard
    }

    fn deduplicate<'c>(
        &mut self,
        mut cases: Vec<Case<'c>>,
        windows: &Windows,
        batch: &mut Batch,
        decided_at_ms: i64,
        outputs: &mut Outputs,
    ) -> Vec<Case<'c>> {
        let start = Instant::now();
        cases.retain(|case| {
            let (partition, entry) = (case.record.partition, case.entry(decided_at_ms));
            match windows.seen(&batch.pending, partition, &entry) {
                Seen::Fresh => {
                    batch.pending.add(partition, entry);
                    return true;
                }
                Seen::Repeat => self.metrics.repeats(1),
                Seen::Conflict => {
                    self.metrics.dead_letter(Reject::IdempotencyConflict.code());
                    batch.tallies.dead_letter(partition);
                    self.dead_letters.write(&case.record, Reject::IdempotencyConflict, outputs);
                }
            }
            false
        });
        self.metrics.stage(Stage::Dedup, start.elapsed());
        cases
    }

    /// Fills `raw`: one row of the contract's numbers per case.
    fn gather_features(&mut self, cases: &[Case<'_>]) {
        let start = Instant::now();
        self.users.look_up(cases.iter().map(|case| case.heard.user_id), &*self.shared.store, &self.metrics);
        self.raw.clear();
        for (index, case) in cases.iter().enumerate() {
            let text = match self.shared.contract.uses_text_features() {
                true => text::extract(&case.heard.text, &mut self.text),
                false => Default::default(),
            };
            self.shared.contract.raw(&text, self.users.values(index), &mut self.raw_row);
            self.raw.extend_from_slice(&self.raw_row);
        }
        for task in &mut self.tasks {
            task.gather(cases.iter().map(|case| case.heard.text.as_str()), &self.raw);
        }
        self.metrics.stage(Stage::Features, start.elapsed());
    }

    fn score(&mut self) -> Result<(), Fault> {
        let start = Instant::now();
        self.tasks.iter_mut().try_for_each(TaskLane::score)?;
        self.metrics.stage(Stage::Model, start.elapsed());
        Ok(())
    }

    fn decide(&mut self) {
        let start = Instant::now();
        self.tasks.iter_mut().for_each(TaskLane::decide);
        self.metrics.stage(Stage::Decision, start.elapsed());
    }

    fn answer(&mut self, cases: &[Case<'_>], decided_at_ms: i64, outputs: &mut Outputs) {
        let start = Instant::now();
        let width = self.shared.contract.features().len();
        for (index, case) in cases.iter().enumerate() {
            let findings = Findings {
                case,
                user_features: self.users.origin(index),
                user_features_age_ms: self.users.age_ms(index),
                features: &self.raw[index * width..(index + 1) * width],
                decided_at_ms,
            };
            let judged = self.tasks.iter().map(|task| task.judged(index));
            self.answers.write(&findings, judged, outputs);
        }
        self.metrics.stage(Stage::Encode, start.elapsed());
    }

    /// Counts the chunk and moves the offsets behind it.
    fn account(&mut self, chunk: &Chunk, cases: &[Case<'_>], batch: &mut Batch) {
        for record in chunk.records() {
            batch.next.advance_past(record.partition, record.offset);
            batch.tallies.record(record.partition);
        }
        for (index, case) in cases.iter().enumerate() {
            batch.created_at_ms.push(case.heard.created_at);
            self.metrics.verdict_features(self.users.origin(index));
            if !case.is_keyed_by_user() {
                self.metrics.off_key();
            }
        }
        batch.records += chunk.len();
        self.metrics.verdicts(cases.len() as u64);
        self.tasks.iter_mut().for_each(TaskLane::count);
    }

    /// A stage of the transaction that the lane itself runs.
    pub fn stage(&mut self, stage: Stage, since: Instant) {
        self.metrics.stage(stage, since.elapsed());
    }

    /// The transaction was committed: what it counted becomes public.
    pub fn committed(&mut self, batch: &Batch) {
        let committed_at_ms = now_ms();
        for &created_at_ms in &batch.created_at_ms {
            self.metrics.end_to_end(created_at_ms, committed_at_ms);
        }
        self.metrics.finish(TransactionResult::Committed, batch.opened.elapsed());
        self.tasks.iter_mut().for_each(TaskLane::publish);
    }

    /// The transaction ended otherwise: what it counted never happened.
    pub fn discarded(&mut self, result: TransactionResult, opened: Instant) {
        self.metrics.finish(result, opened.elapsed());
        self.tasks.iter_mut().for_each(TaskLane::discard);
    }
}
