//! The job that watches predictions and labels beside the stream, without touching it: consumers of their own, groups of
//! their own.
//!
//! ```text
//!  predictions ─► lane ─► panes ─┐
//!                  │ index       ├─► drift-state (compacted, with the offsets) ─► merger ─► drift-reports
//!  labels ──────► lane ─► panes ─┘                     ▲                            │  └──► alerts, retraining
//!                                                      └── merged panes, alarms ◄───┘
//! ```
//!
//! A lane that starts again, wherever it was killed, comes to the same panes and the same reports, byte for byte: it reads
//! its state back, goes on from the offsets that were committed with it, and what counts depends on the records of a
//! partition and their order alone. Silence is the one thing that is measured by a clock.

mod alarms;
mod assembly;
mod fold;
mod lane;
mod merger;
mod partition;
mod predictions;
mod reporter;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod time;
mod truths;
mod waiting;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::runtime::Handle;

use self::{
    assembly::Assembly,
    fold::Fold,
    lane::{DriftLane, LaneLimits},
    merger::Merger,
    predictions::CountsPredictions,
    reporter::Reporter,
    state::Source,
    store::KafkaStore,
    time::PaneClock,
    truths::CountsLabels,
    waiting::WAITING_BYTES_MAX,
};
use super::{
    alert::Alerts,
    labels::{Index, Labels, Model, Models, ReadBack},
    observe::{ObservedTask, Observer, PredictionReader},
    report::Judging,
};
use crate::{
    codec::Schemas,
    config::{AutoOffsetReset, Config},
    failure::Failure,
    fault::{Action, Exit, Fault},
    features::contract::Contract,
    ops::{
        health::{Health, LaneHealth},
        metrics::Metrics,
        shutdown::Shutdown,
    },
    pipeline::{Task, union},
    stream::kafka::{
        KafkaStream, Route,
        topics::{Checked, Role},
    },
};

pub use state::Input;

/// Lanes of the job: one reads predictions, one labels when they are read.
pub fn lanes(config: &Config) -> usize {
    1 + usize::from(config.drift.labels.enabled)
}

/// A lane that cannot go on.
const EXIT: Action = Action::Exit(Exit::Failed);

/// Clients of lanes that have ended and do not close; with more the job does not start.
const CLOSING_MAX: usize = 10;

/// How long a state may take to be read back before it is tried again.
const LOAD_MS_MAX: Duration = Duration::from_millis(120_000);

/// Everything that its lanes need.
pub struct Job {
    config: Config,
    clock: PaneClock,
    tasks: Vec<Task>,
    contract: Contract,
    schemas: Arc<Schemas>,
    metrics: Arc<Metrics>,
    alerts: Arc<Alerts>,
    models: Arc<Models>,
    /// Partitions of the predictions.
    predictions: i32,
    /// Partitions of the labels; none when they are not read.
    labels: Option<i32>,
    /// Partitions of the state.
    state: i32,
    /// Held by each thread that closes clients of a lane that has ended.
    closing: Arc<()>,
}

impl Job {
    /// The job for `tasks`, on `topics` that were checked.
    ///
    /// # Errors
    /// [`Failure`], when no task has a reference, the tasks do not fit together, or nobody could be told of an alarm.
    pub fn try_new(
        config: &Config,
        tasks: &[Task],
        topics: &Checked,
        schemas: Arc<Schemas>,
        metrics: Arc<Metrics>,
        handle: &Handle,
    ) -> Result<Self, Failure> {
        let contract = union(tasks).map_err(|error| Failure::new(Exit::Bundle, error))?;
        if tasks.iter().all(|task| task.bundle.drift_reference().is_none()) {
            let error = anyhow::anyhow!(
                "no bundle of a [[task]] has a drift reference: make one with `assize drift reference` and put it in with \
                 `assize model package --reference`"
            );
            return Err(Failure::new(Exit::Bundle, error));
        }
        let alerts = Alerts::start(&config.drift.alert, handle, &metrics);
        let alerts = alerts.map_err(|error| Failure::new(Exit::Config, error))?;
        let models = Arc::new(Models::new(tasks.iter().map(|task| Model::of(&task.name, &task.bundle)).collect()));
        let partitions = |role| topics.partitions_of(role).unwrap_or(1);
        let (of_predictions, of_labels) = (partitions(Role::Predictions), partitions(Role::Labels));
        if config.drift.labels.enabled && of_labels != of_predictions {
            tracing::warn!(
                of_predictions,
                of_labels,
                "the topics of predictions and labels have different numbers of partitions: labels without a source_partition \
                 are looked for in the wrong one"
            );
        }
        Ok(Self {
            clock: PaneClock::of(&config.drift.windows, config.drift.grace_ms()),
            tasks: tasks.to_vec(),
            contract,
            schemas,
            metrics,
            alerts: Arc::new(alerts),
            models,
            predictions: partitions(Role::Predictions),
            labels: config.drift.labels.enabled.then(|| partitions(Role::Labels)),
            state: partitions(Role::DriftState),
            closing: Arc::default(),
            config: config.clone(),
        })
    }

    /// Its lanes.
    pub fn lanes(&self) -> usize {
        lanes(&self.config)
    }

    /// Runs its lanes until a stop is asked for, or one of them ends with a fault or a panic: the other ends with it.
    /// `tell` hears when the job is up, and when one of its lanes has ended, for whatever reason. It can be run again.
    ///
    /// # Errors
    /// [`Fault`] with [`Action::Exit`]: that of the lane that failed first.
    pub fn run(&self, shutdown: &Shutdown, health: &Arc<Health>, tell: &(dyn Fn(bool) + Sync)) -> Result<(), Fault> {
        let told = |is_up| {
            self.metrics.drift().set_up(is_up);
            tell(is_up);
        };
        self.metrics.drift().starts();
        if Arc::strong_count(&self.closing) > CLOSING_MAX {
            return Err(Fault::new(EXIT, "starting the drift job: the clients of former starts do not close"));
        }
        let start = &Start {
            process: shutdown,
            lanes: shutdown.part(),
            health,
            has_failed: AtomicBool::new(false),
            tell: &told,
        };
        // Recent predictions: one lane writes them, the other asks.
        let index = &Index::new(Arc::clone(&self.models), self.config.drift.labels.index_bytes_max);
        thread::scope(|scope| {
            if self.labels.is_none() {
                return start.run(Input::Predictions, || self.run_predictions(None, start));
            }
            let labels = move || start.run(Input::Labels, || self.run_labels(index, start));
            let labels = thread::Builder::new().name("drift-labels".into()).spawn_scoped(scope, labels);
            let labels = labels.map_err(|error| Fault::caused(EXIT, "starting the lane of labels", error))?;
            let predictions = start.run(Input::Predictions, || self.run_predictions(Some(index), start));
            predictions.and(labels.join().unwrap_or_else(|_| Err(panicked())))
        })
    }

    /// Ends what tells of alarms: a command that runs gets SIGTERM, and SIGKILL some seconds later.
    pub fn stop(self) {
        if let Some(alerts) = Arc::into_inner(self.alerts) {
            alerts.stop();
        }
    }

    fn run_predictions(&self, index: Option<&Index>, start: &Start<'_>) -> Result<(), Fault> {
        let drift = &self.config.drift;
        let observed: Vec<_> = self.tasks.iter().filter_map(observed).collect();
        let observer = Observer::try_new(&observed, &self.contract)
            .map_err(|error| Fault::caused(Action::Exit(Exit::Bundle), "observing the tasks", error))?;
        let reader = PredictionReader::new(Arc::clone(&self.schemas));
        let future_ms_max = drift.future_seconds_max as i64 * 1_000;
        let metrics = Arc::clone(&self.metrics);
        let index = index.cloned();
        let sample_ratio = drift.sample_ratio;
        let fold = CountsPredictions { reader, observer, future_ms_max, sample_ratio, index, metrics };
        self.run_lane(fold, Some(self.merger()?), start)
    }

    fn run_labels(&self, index: &Index, start: &Start<'_>) -> Result<(), Fault> {
        let Config { drift, kafka, topics, .. } = &self.config;
        let (schemas, models) = (&self.schemas, &self.models);
        let past = ReadBack::new(
            kafka,
            &topics.predictions,
            Arc::clone(schemas),
            Arc::clone(models),
            drift.labels.read_back_ms_max,
        );
        let metrics = Arc::clone(&self.metrics);
        let labels = Labels::new(drift, Arc::clone(models), index.clone(), past, Arc::clone(schemas), metrics);
        let fold = CountsLabels::new(labels, drift.labels.remembered_max, Arc::clone(&self.metrics));
        self.run_lane(fold, None, start)
    }

    fn merger(&self) -> Result<Merger, Fault> {
        let Self { config, clock, .. } = self;
        let drift = &config.drift;
        let sources = |input, count: i32| (0..count).map(move |partition| Source { input, partition });
        let labels = sources(Input::Labels, self.labels.unwrap_or_default());
        let sources = sources(Input::Predictions, self.predictions).chain(labels);
        let assembly = Assembly::new(&drift.windows, *clock, sources, WAITING_BYTES_MAX);
        let reporter = Reporter::new(&self.tasks, Judging { rule: drift.rule.rule(), alarm: drift.alarm.clone() });
        let writer = self.schemas.drift_report_writer(&config.topics.drift_reports).map_err(|error| {
            Fault::caused(Action::Exit(Exit::Unavailable), "asking for the id of our schema of reports", error)
        })?;
        let (alerts, metrics) = (Arc::clone(&self.alerts), Arc::clone(&self.metrics));
        Ok(Merger::new(assembly, &drift.windows, reporter, writer, alerts, metrics))
    }

    fn run_lane<F: Fold + Send + 'static>(
        &self,
        fold: F,
        merger: Option<Merger>,
        start: &Start<'_>,
    ) -> Result<(), Fault> {
        let Config { kafka, topics, drift, stream: limits, .. } = &self.config;
        let (input, partitions, group) = match F::INPUT {
            Input::Predictions => (&topics.predictions, self.predictions, ""),
            Input::Labels => (&topics.labels, self.labels.unwrap_or_default(), "-labels"),
        };
        let mut kafka = kafka.clone();
        kafka.group_id = drift.group_id(&kafka.group_id) + group;
        kafka.auto_offset_reset = AutoOffsetReset::Earliest;
        let store = Arc::new(KafkaStore::new(&kafka, &topics.drift_state, self.state, LOAD_MS_MAX)?);
        let route = Route { kafka, topics: topics.clone(), input: input.clone(), partitions, tells_ends: true };
        // Nothing is consumed yet: whoever started this process may start it again.
        let stream = KafkaStream::connect(route, 0, Arc::clone(&store)).map_err(|fault| match fault.action {
            Action::Exit(_) => fault,
            _ => fault.with_action(Action::Exit(Exit::Unavailable)),
        })?;
        if F::INPUT == Input::Predictions {
            start.is_up();
        }
        let limits = LaneLimits {
            chunk_records_max: limits.chunk_records_max,
            snapshot: drift.snapshot(),
            idle: Duration::from_secs(drift.idle_seconds),
            rebuilds_per_minute_max: limits.rebuilds_per_minute_max,
        };
        let metrics = Arc::clone(&self.metrics);
        let health = start.lane_of(F::INPUT);
        let mut lane = DriftLane::new(stream, fold, store, merger, self.clock, limits, &start.lanes, health, metrics);
        let result = catch_unwind(AssertUnwindSafe(|| lane.run())).unwrap_or_else(|_| Err(panicked()));
        let clients = lane.into_clients();
        // Closing a consumer that was fenced can wait for ever (measured): the next start does not wait for it.
        if result.is_err() || !start.process.requested() {
            let clients = (clients, Arc::clone(&self.closing));
            let closing = thread::Builder::new().name("drift-close".into()).spawn(move || drop(clients));
            drop(closing.inspect_err(|error| tracing::warn!(%error, "closing the clients of the lane here")));
        }
        result
    }
}

/// One start of the job.
struct Start<'a> {
    /// Of the whole process.
    process: &'a Shutdown,
    /// Of the lanes: one ends with the other.
    lanes: Shutdown,
    health: &'a Arc<Health>,
    /// Whether a lane has ended with a fault.
    has_failed: AtomicBool,
    /// Hears whether the job is up.
    tell: &'a (dyn Fn(bool) + Sync),
}

impl Start<'_> {
    /// Runs a lane to its end, and then ends the other: one alone would report windows that lack what the other counts, or
    /// none.
    fn run(&self, input: Input, lane: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
        let result = catch_unwind(AssertUnwindSafe(lane)).unwrap_or_else(|_| Err(panicked()));
        self.lane_of(input).set_stopped();
        self.lanes.request();
        (self.tell)(false);
        let result = result.inspect_err(|fault| tracing::error!(%fault, "a lane of the drift job ended"));
        // What becomes of the other lane then says nothing of why the job has ended.
        result.or_else(|fault| if self.has_failed.swap(true, Ordering::Relaxed) { Ok(()) } else { Err(fault) })
    }

    /// A lane that reports is connected. Should the other have ended at this moment, the job is not up.
    fn is_up(&self) {
        (self.tell)(true);
        if self.lanes.requested() {
            (self.tell)(false);
        }
    }

    fn lane_of(&self, input: Input) -> LaneHealth {
        self.health.lane(match input {
            Input::Predictions => 0,
            Input::Labels => 1,
        })
    }
}

fn panicked() -> Fault {
    Fault::new(EXIT, "a lane panicked")
}

fn observed(task: &Task) -> Option<ObservedTask<'_>> {
    Some(ObservedTask {
        name: &task.name,
        digest: task.bundle.digest(),
        labels: task.bundle.policy().labels(),
        reference: task.bundle.drift_reference()?,
    })
}
