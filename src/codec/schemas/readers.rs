//! The readers by id, and the questions that find new ones: each a task of the runtime.

use std::{
    collections::HashMap,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    Lookup, Registry,
    board::{Board, IDS_MAX, Next, Outcome, QUESTION_MS_MAX, Why},
    client::{Answer, Problem},
};
use crate::{
    codec::RecordReader,
    ops::metrics::{Metrics, SchemaLookup},
};

/// How long the registry may take where the answer is on disk too.
pub(super) const KEPT_MS_MAX: Duration = Duration::from_millis(1_000);

/// How often it is seen to questions that had to wait: for the limits, for a pause to end, or to be asked again.
const TICK_MS: Duration = Duration::from_millis(50);

/// Shared by all lanes and by the questions on their way.
pub(super) struct Readers {
    registry: Option<Registry>,
    known: RwLock<HashMap<u32, Arc<RecordReader>>>,
    board: Mutex<Board>,
    answered: Condvar,
    /// Whether [`tick`] runs.
    ticks: AtomicBool,
    metrics: OnceLock<Arc<Metrics>>,
}

impl Readers {
    pub(super) fn new(registry: Option<Registry>, known: HashMap<u32, Arc<RecordReader>>) -> Self {
        Self {
            registry,
            known: RwLock::new(known),
            board: Mutex::default(),
            answered: Condvar::new(),
            ticks: AtomicBool::new(false),
            metrics: OnceLock::new(),
        }
    }

    pub(super) fn registry(&self) -> Option<&Registry> {
        self.registry.as_ref()
    }

    pub(super) fn report_to(&self, metrics: Arc<Metrics>) {
        // The first holds.
        let _ = self.metrics.set(metrics);
    }

    /// The reader for `id`; waits for it from `start` for as long as `patience`.
    pub(super) fn find(self: &Arc<Self>, id: u32, start: Instant, patience: Duration) -> Lookup {
        if let Some(reader) = self.known(id) {
            return Lookup::Known(reader);
        }
        let Some(registry) = &self.registry else { return Lookup::Unknown };
        let mut board = self.board();
        loop {
            // Readers are entered before the board is told, so none is missed.
            if let Some(reader) = self.known(id) {
                return Lookup::Known(reader);
            }
            let left = patience.saturating_sub(start.elapsed());
            let next = board.next(id, !left.is_zero(), Instant::now());
            self.ask_wanted(registry, &mut board);
            match next {
                Next::Unknown(Why::Absent) => return Lookup::Unknown,
                Next::Unknown(Why::Unreadable) => return Lookup::Unreadable,
                Next::Later | Next::Quiet { look: false } => return Lookup::Away,
                Next::Quiet { look: true } => {
                    drop(board);
                    self.take_kept(registry, id);
                    return self.known(id).map_or(Lookup::Away, Lookup::Known);
                }
                Next::Wait => {}
            }
            if left.is_zero() {
                return Lookup::Away;
            }
            board = self.answered.wait_timeout(board, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Enters the schema of an id; an error in it is logged.
    pub(super) fn enter(&self, id: u32, schema: &str) -> Outcome {
        if self.known(id).is_some() {
            return Outcome::Known;
        }
        let reader = match RecordReader::for_parts(schema) {
            Ok(reader) => reader,
            Err(error) => {
                tracing::warn!(id, %error, "registered schema cannot be used; its records are dead letters");
                return Outcome::Unreadable;
            }
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= IDS_MAX {
            tracing::error!(id, "more than {IDS_MAX} schemas are in use; restart to forget those that are not");
            return Outcome::Outage { whole: false, retry_after: None };
        }
        known.insert(id, Arc::new(reader));
        Outcome::Known
    }

    /// A question elsewhere has found the registry away.
    pub(super) fn quiet(&self, problem: &Problem) {
        self.board().quiet(problem.retry_after(), Instant::now());
    }

    /// Starts the questions that may start now. One task, while anything is wanted, sees to those that may not yet.
    fn ask_wanted(self: &Arc<Self>, registry: &Registry, board: &mut Board) {
        while let Some(id) = board.start(Instant::now()) {
            self.ask(registry, id);
        }
        // Only ever changed under the board's lock.
        if board.has_wanted() && !self.ticks.swap(true, Ordering::Relaxed) {
            registry.runtime.spawn(tick(Arc::downgrade(self)));
        }
    }

    /// Starts a question.
    fn ask(self: &Arc<Self>, registry: &Registry, id: u32) {
        let readers = Arc::clone(self);
        registry.runtime.spawn(async move {
            let Some(registry) = readers.registry() else { return };
            let limit = if registry.has_kept(id) { KEPT_MS_MAX } else { QUESTION_MS_MAX };
            let late = |_| Err(Problem::late(limit));
            let answer = tokio::time::timeout(limit, registry.client.schema(id)).await.unwrap_or_else(late);
            // Parsing and files are no work for the threads of what waits.
            tokio::task::spawn_blocking(move || readers.settle(id, answer));
        });
    }

    fn settle(self: &Arc<Self>, id: u32, answer: Result<Answer, Problem>) {
        let Some(registry) = &self.registry else { return };
        let outcome = match &answer {
            Ok(Answer::Schema(schema)) => self.enter(id, schema),
            Ok(Answer::Unusable(why)) => {
                tracing::warn!(id, why, "registered schema cannot be used; its records are dead letters");
                Outcome::Unreadable
            }
            Err(problem) => self.outcome(id, problem),
        };
        if let (Outcome::Known, Ok(Answer::Schema(schema)), Some(disk)) = (outcome, &answer, &registry.disk) {
            disk.keep_schema(id, schema);
        }
        self.count(match outcome {
            Outcome::Known => SchemaLookup::Known,
            Outcome::Unreadable => SchemaLookup::Unreadable,
            Outcome::NotFound => SchemaLookup::NotFound,
            Outcome::Outage { .. } => SchemaLookup::Outage,
        });
        if answer.is_err() {
            self.take_kept(registry, id);
        }
        let mut board = self.board();
        board.settle(id, outcome, Instant::now());
        if self.known(id).is_some() {
            board.forget(id);
        }
        self.ask_wanted(registry, &mut board);
        self.answered.notify_all();
    }

    /// What an answer that is no schema says of an id.
    fn outcome(&self, id: u32, problem: &Problem) -> Outcome {
        if problem.is_not_found() {
            return Outcome::NotFound;
        }
        if self.board().say_outage(Instant::now()) {
            tracing::warn!(id, %problem, "a schema id cannot be looked up; asking again, nothing is lost");
        }
        Outcome::Outage { whole: !problem.is_of_one_answer(), retry_after: problem.retry_after() }
    }

    /// Enters the schema that an earlier process kept.
    fn take_kept(&self, registry: &Registry, id: u32) {
        if let Some(schema) = registry.disk.as_ref().and_then(|disk| disk.schema(id))
            && self.enter(id, &schema) == Outcome::Known
        {
            self.count(SchemaLookup::Disk);
            tracing::warn!(id, "the registry does not give this schema; the one kept on disk is taken");
        }
    }

    fn count(&self, result: SchemaLookup) {
        if let Some(metrics) = self.metrics.get() {
            metrics.schema_lookup(result);
        }
    }

    fn known(&self, id: u32) -> Option<Arc<RecordReader>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(&id).map(Arc::clone)
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        // Nothing panics while it is held; a poisoned board is still a valid board.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts questions that had to wait, until none is left or nobody has the readers.
async fn tick(readers: Weak<Readers>) {
    loop {
        tokio::time::sleep(TICK_MS).await;
        let Some(readers) = readers.upgrade() else { return };
        let Some(registry) = readers.registry() else { return };
        let mut board = readers.board();
        readers.ask_wanted(registry, &mut board);
        if !board.has_wanted() {
            readers.ticks.store(false, Ordering::Relaxed);
            return;
        }
    }
}
