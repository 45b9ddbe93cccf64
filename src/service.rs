//! One process: everything is checked before anything is consumed, then N lanes run until a signal or a fault.
//!
//! ```text
//! config ─► hash key ─► bundles (golden vectors) ─► registry ─► store ─► /livez /readyz /metrics ─► lanes ─► drain
//! ```

use std::{
    fs::{File, TryLockError},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use secrecy::SecretString;
use tokio::runtime::Runtime;

use crate::{
    codec::{self, Schemas},
    config::{self, Config, SecretError},
    dedup::WindowLimits,
    failure::Failure,
    fault::{Action, Exit, Fault},
    features::store::{FeatureStore, MemoryStore, RedisConfig, RedisStore, SentinelConfig},
    hash::Hasher,
    lane::{BatchLimits, Lane, StormLimits},
    model::{Bundle, isolate},
    ops::{
        health::{Health, LaneHealth},
        http::{Access, HttpServer},
        metrics::Metrics,
        shutdown::Shutdown,
    },
    pipeline::{Pipeline, Shared, Task, union},
    stream::{
        Restore,
        kafka::{
            KafkaStream, Restorer, Route,
            topics::{self, Checked, Role},
        },
    },
};

/// Threads for what waits: Redis, the registry, HTTP.
const WAITING_THREADS: usize = 2;

/// Runs the stream until SIGTERM or SIGINT.
///
/// # Errors
/// [`Failure`], with its exit code and what to do.
pub fn run(config: &Config) -> Result<Exit, Failure> {
    codec::limit_allocations();
    let _lock = lock_instance(&config.kafka)?;
    let hasher = Hasher::load(&config.hash_key).map_err(|error| Failure::new(Exit::Config, error))?;
    let access = Access::load(&config.admin).map_err(|error| Failure::new(Exit::Config, error))?;
    try_models(&config.tasks)?;
    let tasks = load_tasks(&config.tasks)?;
    let runtime = runtime()?;
    let handle = runtime.handle();

    let shutdown = Shutdown::new(Duration::from_millis(config.stream.shutdown_ms_max));
    shutdown.on_signals(handle).map_err(|error| Failure::new(Exit::Failed, error))?;
    let metrics = Metrics::new();
    metrics.set_dedup_window_limit(Duration::from_secs(config.dedup.window_seconds));
    let lanes = config.stream.lanes();
    let health = Health::new(lanes);
    let unavailable = |error: anyhow::Error| Failure::new(Exit::Unavailable, error);
    let topics = check_topics(config)?;
    let _http = HttpServer::start(config.admin.listen, access, Arc::clone(&metrics), Arc::clone(&health), handle)
        .map_err(|error| unavailable(error.into()))?;

    let schemas = Schemas::try_new(&config.schemas, handle).map_err(|error| Failure::new(Exit::Config, error))?;
    schemas.report_to(Arc::clone(&metrics));
    let mut shared = shared(config, tasks, Arc::new(schemas), hasher, Arc::clone(&metrics), |names| {
        Ok(Arc::new(RedisStore::connect(redis(&config.features)?, names, handle.clone())?))
    })?;
    shared.dead_letter_bytes_max = topics.dead_letter_bytes_max();
    health.set_model_loaded(true);
    let (stopping, told) = (shutdown.clone(), Arc::clone(&health));
    handle.spawn(async move {
        stopping.wait().await;
        told.set_stopping();
    });

    let result = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..lanes)
            .map(|lane| {
                let end = LaneEnd { shutdown: &shutdown, health: health.lane(lane) };
                let (shared, topics) = (&shared, &topics);
                let run = move || {
                    run_lane(config, shared, lane, topics.partitions, &end)
                        .inspect_err(|fault| tracing::error!(lane, %fault, "lane ended"))
                };
                // Names are what profilers and `assize bench` show.
                std::thread::Builder::new().name(format!("lane-{lane}")).spawn_scoped(scope, run)
            })
            .collect();
        // All are joined; the first fault that ended one ends the process: its partitions must not wait for a lane that
        // is gone.
        let ended: Vec<_> = threads
            .into_iter()
            .map(|thread| match thread {
                Ok(thread) => thread.join().unwrap_or_else(|_| Err(panicked())),
                Err(error) => Err(Fault::caused(Action::Exit(Exit::Failed), "starting a lane", error)),
            })
            .collect();
        ended.into_iter().collect::<Result<(), Fault>>()
    });
    shutdown.drained();
    match result {
        Ok(()) => Ok(Exit::Done),
        Err(fault) => {
            let exit = if let Action::Exit(exit) = fault.action { exit } else { Exit::Failed };
            Err(Failure::new(exit, fault))
        }
    }
}

fn panicked() -> Fault {
    Fault::new(Action::Exit(Exit::Failed), "a lane panicked")
}

/// When a lane ends, however it does, the others are asked to drain.
struct LaneEnd<'a> {
    shutdown: &'a Shutdown,
    health: LaneHealth,
}

impl Drop for LaneEnd<'_> {
    fn drop(&mut self) {
        self.health.set_stopped();
        self.shutdown.request();
    }
}

fn run_lane(config: &Config, shared: &Shared, lane: usize, partitions: i32, end: &LaneEnd<'_>) -> Result<(), Fault> {
    // Nothing is consumed yet: whoever started this process may start it again.
    let unavailable = |fault: Fault| match fault.action {
        Action::Exit(_) => fault,
        _ => fault.with_action(Action::Exit(Exit::Unavailable)),
    };
    let (kafka, topics) = (config.kafka.clone(), config.topics.clone());
    let schemas = Arc::clone(&shared.schemas);
    let restorer = Restorer::new(&kafka, &topics.verdicts, schemas, config.dedup.restore_ms_max)?;
    let route = Route { kafka, input: topics.messages.clone(), topics, partitions, tells_ends: false };
    let stream = KafkaStream::connect(route, lane, restorer).map_err(unavailable)?;
    let mut lane = lane_over(stream, config, shared, end.shutdown, end.health.clone())?;
    let result = catch_unwind(AssertUnwindSafe(|| lane.run())).unwrap_or_else(|_| Err(panicked()));
    // Before the lane is dropped: closing a consumer can wait for ever, and the watchdog must run by then.
    end.shutdown.request();
    if result.is_err() {
        // One that was fenced does wait for ever (measured), and nothing is lost without the close: a static member does
        // not leave, and what is open the next producer aborts. So the process ends now, with the fault's own exit code.
        std::mem::forget(lane);
    }
    result
}

/// A lane over any stream, as configured.
///
/// # Errors
/// [`Fault`], when the writers of our own records cannot be had.
pub fn lane_over<'a, S: Restore>(
    stream: S,
    config: &Config,
    shared: &'a Shared,
    shutdown: &'a Shutdown,
    health: LaneHealth,
) -> Result<Lane<'a, S>, Fault> {
    let unavailable =
        |error| Fault::caused(Action::Exit(Exit::Unavailable), "asking for the ids of our schemas", error);
    let verdicts = shared.schemas.verdict_writer(&config.topics.verdicts).map_err(unavailable)?;
    let predictions = shared.schemas.prediction_writer(&config.topics.predictions).map_err(unavailable)?;
    let pipeline = Pipeline::try_new(shared, verdicts, predictions)?;
    let window = WindowLimits {
        age_ms_max: i64::try_from(config.dedup.window_seconds).unwrap_or(i64::MAX).saturating_mul(1000),
        keys_max: config.dedup.window_keys_max,
    };
    let limits = BatchLimits {
        chunk_records_max: config.stream.chunk_records_max,
        gather_max: Duration::from_millis(config.stream.transaction_ms_max),
        records_max: config.stream.transaction_records_max,
        rebuilds_per_minute_max: config.stream.rebuilds_per_minute_max,
        storm: StormLimits {
            ratio_max: config.dead_letters.pause_ratio_max,
            records_min: config.dead_letters.pause_records_min,
            pause_min: Duration::from_secs(config.dead_letters.pause_seconds),
            pause_max: Duration::from_secs(config.dead_letters.pause_seconds_max),
        },
    };
    Ok(Lane::new(stream, pipeline, window, limits, shutdown, health, &shared.metrics))
}

/// What the lanes share; `store` connects the store of the named user features.
///
/// # Errors
/// [`Failure`], when the tasks do not fit together or the store's address cannot be used.
pub fn shared(
    config: &Config,
    tasks: Vec<Task>,
    schemas: Arc<Schemas>,
    hasher: Hasher,
    metrics: Arc<Metrics>,
    store: impl FnOnce(Vec<String>) -> anyhow::Result<Arc<dyn FeatureStore>>,
) -> Result<Shared, Failure> {
    let contract = union(&tasks).map_err(|error| Failure::new(Exit::Bundle, error))?;
    let names = contract.user_names().to_vec();
    let store: Arc<dyn FeatureStore> = if names.is_empty() {
        // No live model asks for any: no connection either.
        Arc::new(MemoryStore::new(names))
    } else {
        store(names).map_err(|error| Failure::new(Exit::Config, error))?
    };
    Ok(Shared {
        schemas,
        tasks: tasks.into(),
        contract: Arc::new(contract),
        store,
        hasher,
        metrics,
        input_topic: config.topics.messages.clone(),
        value_bytes_max: config.stream.message_bytes_max,
        dead_letter_bytes_max: usize::MAX,
    })
}

/// Loads the bundle of every task; each reproduces its golden vectors or is refused.
///
/// # Errors
/// [`Failure`], naming the bundle and what is wrong with it.
pub fn load_tasks(tasks: &[config::Task]) -> Result<Vec<Task>, Failure> {
    if tasks.is_empty() {
        let error = anyhow::anyhow!("no [[task]] is configured: name at least one, with its bundle");
        return Err(Failure::new(Exit::Config, error));
    }
    tasks.iter().map(load_task).collect()
}

/// Reads every bundle in a process of its own first: a hostile file ends that one. Only for the program `assize`, which
/// it starts again.
///
/// # Errors
/// [`Failure`], naming the bundle and what is wrong with it.
pub fn try_models(tasks: &[config::Task]) -> Result<(), Failure> {
    tasks.iter().try_for_each(|task| {
        let named = || format!("task {}: bundle {}", task.name, task.bundle.display());
        let refused = |error| Failure::new(Exit::Bundle, anyhow::Error::new(error).context(named()));
        isolate::trial(None, &task.bundle, isolate::Limits::default()).map(drop).map_err(refused)
    })
}

fn load_task(task: &config::Task) -> Result<Task, Failure> {
    let refused = |error: anyhow::Error| {
        Failure::new(Exit::Bundle, error.context(format!("task {}: bundle {}", task.name, task.bundle.display())))
    };
    let pin = task.digest.as_deref().map(str::parse).transpose().map_err(|error| refused(anyhow::Error::new(error)))?;
    let bundle = Bundle::load(&task.bundle, pin).map_err(|error| refused(error.into()))?;
    tracing::info!(task = task.name, model = bundle.manifest().name, digest = %bundle.digest(), "bundle loaded");
    Ok(Task { name: task.name.clone(), bundle: Arc::new(bundle) })
}

/// A record's answers go to the partition number of its input, and the window lives in the verdicts: topics that do
/// not allow it are refused before anything is consumed.
fn check_topics(config: &Config) -> Result<Checked, Failure> {
    topics::check(config, &Role::of_run(config)).map_err(|findings| {
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        Failure::new(Exit::Unavailable, anyhow::anyhow!("{}", findings.join("\n")))
    })
}

/// The runtime of everything that waits.
///
/// # Errors
/// [`Failure`], when the system gives no threads.
pub fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WAITING_THREADS)
        .thread_name("waiting")
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, error))
}

/// The feature store as configured.
pub(crate) fn redis(features: &config::Features) -> Result<RedisConfig, SecretError> {
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    let sentinel = &features.sentinel;
    Ok(RedisConfig {
        url: SecretString::from(features.redis.clone()),
        topology: features.topology,
        username: given(&features.username),
        password: features.password.read("features.password")?,
        sentinel: SentinelConfig {
            master: sentinel.master.clone(),
            username: given(&sentinel.username),
            password: sentinel.password.read("features.sentinel.password")?,
        },
        tls: features.tls.clone(),
        key_prefix: features.key_prefix.clone(),
        deadline: Duration::from_millis(features.deadline_ms),
        cache_entries_max: features.cache_users_max,
        cache_ttl: Duration::from_secs(features.ttl_seconds),
        unknown_ttl: Duration::from_secs(features.unknown_ttl_seconds),
        stale_max: Duration::from_secs(features.stale_seconds_max),
        ..RedisConfig::default()
    })
}

/// The file that a running process of this host holds locked.
pub(crate) fn lock_path(kafka: &config::Kafka) -> PathBuf {
    let name = format!("assize-{}-{}.lock", kafka.group_id, kafka.instance()).replace(['/', '\\'], "_");
    std::env::temp_dir().join(name)
}

/// Refuses a second process of this host with the same identity: the two would fence each other for ever.
fn lock_instance(kafka: &config::Kafka) -> Result<File, Failure> {
    let path = lock_path(kafka);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| Failure::new(Exit::Failed, anyhow::anyhow!("lock file {}: {error}", path.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let error = anyhow::anyhow!(
                "another process on this host runs group {} as instance {}: give each its own kafka.instance",
                kafka.group_id,
                kafka.instance()
            );
            Err(Failure::new(Exit::Fenced, error))
        }
        Err(TryLockError::Error(error)) => {
            Err(Failure::new(Exit::Failed, anyhow::anyhow!("lock file {}: {error}", path.display())))
        }
    }
}
