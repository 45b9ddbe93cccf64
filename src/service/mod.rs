//! One process: everything is checked before anything is consumed, then N lanes run until a signal or a fault.
//!
//! ```text
//! config ─► hash key ─► bundles (golden vectors) ─► registry ─► store ─► /livez /readyz /metrics ─► lanes ─► drain
//! ```

mod drift;
mod setup;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use crate::{
    codec,
    config::Config,
    dedup::WindowLimits,
    drift::job::Job,
    failure::Failure,
    fault::{Action, Exit, Fault},
    features::store::RedisStore,
    hash::Hasher,
    lane::{BatchLimits, Lane, StormLimits},
    ops::{
        health::{Health, LaneHealth},
        http::{Access, HttpServer},
        metrics::Metrics,
        shutdown::Shutdown,
    },
    pipeline::{Pipeline, Shared},
    stream::{
        Restore,
        kafka::{KafkaStream, Restorer, Route, topics::Role},
    },
};
use setup::{check_topics, lock_instance, schemas, tell_stopping};

pub use drift::run_drift;
pub use setup::{load_tasks, runtime, shared, try_models};
pub(crate) use setup::{lock_path, redis};

/// Runs the stream until SIGTERM or SIGINT.
///
/// # Errors
/// [`Failure`], with its exit code and what to do.
pub fn run(config: &Config) -> Result<Exit, Failure> {
    codec::limit_allocations();
    let _lock = lock_instance(&config.kafka)?;
    let _drift_lock = config.drift.enabled.then(|| drift::lock(config)).transpose()?;
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
    let topics = check_topics(config, &Role::of_run(config))?;
    let _http = HttpServer::start(config.admin.listen, access, Arc::clone(&metrics), Arc::clone(&health), handle)
        .map_err(|error| unavailable(error.into()))?;

    let schemas = schemas(config, &metrics, handle)?;
    let mut shared = shared(config, tasks, schemas, hasher, Arc::clone(&metrics), |names| {
        Ok(Arc::new(RedisStore::connect(redis(&config.features)?, names, handle.clone())?))
    })?;
    shared.dead_letter_bytes_max = topics.dead_letter_bytes_max();
    let job = config
        .drift
        .enabled
        .then(|| {
            Job::try_new(config, &shared.tasks, &topics, Arc::clone(&shared.schemas), Arc::clone(&metrics), handle)
        })
        .transpose()?;
    health.set_model_loaded(true);
    tell_stopping(&shutdown, &health, handle);

    let result = std::thread::scope(|scope| {
        if let Some(job) = &job {
            drift::spawn_beside(job, &shutdown, &health, scope)?;
        }
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
    if let Some(job) = job {
        job.stop();
    }
    shutdown.drained();
    ended(result)
}

/// How the process ends.
fn ended(result: Result<(), Fault>) -> Result<Exit, Failure> {
    let Err(fault) = result else { return Ok(Exit::Done) };
    let exit = if let Action::Exit(exit) = fault.action { exit } else { Exit::Failed };
    Err(Failure::new(exit, fault))
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
