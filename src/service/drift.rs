//! The drift job: a process of its own, or threads beside the lanes of a stream.

use std::{
    fs::File,
    sync::Arc,
    thread::{self, Scope},
    time::Duration,
};

use super::{
    ended,
    setup::{check_topics, load_tasks, lock_instance, runtime, schemas, tell_stopping, try_models},
};
use crate::{
    codec,
    config::{self, Config},
    drift::job::{Job, LANES},
    failure::Failure,
    fault::{Action, Exit, Fault},
    ops::{
        health::Health,
        http::{Access, HttpServer},
        metrics::Metrics,
        shutdown::Shutdown,
    },
    stream::kafka::topics::Role,
};

/// What the job's threads, and those of its clients, give way by: verdicts come first.
const NICE: i32 = 19;

/// Runs the drift job until SIGTERM or SIGINT.
///
/// # Errors
/// [`Failure`], with its exit code and what to do.
pub fn run_drift(config: &Config) -> Result<Exit, Failure> {
    codec::limit_allocations();
    let _lock = lock(config)?;
    let access = Access::load(&config.admin).map_err(|error| Failure::new(Exit::Config, error))?;
    try_models(&config.tasks)?;
    let tasks = load_tasks(&config.tasks)?;
    let runtime = runtime()?;
    let handle = runtime.handle();
    let shutdown = Shutdown::new(Duration::from_millis(config.stream.shutdown_ms_max));
    shutdown.on_signals(handle).map_err(|error| Failure::new(Exit::Failed, error))?;
    let (metrics, health) = (Metrics::new(), Health::new(LANES));
    let topics = check_topics(config, &Role::of_drift(config))?;
    let _http = HttpServer::start(config.admin.listen, access, Arc::clone(&metrics), Arc::clone(&health), handle)
        .map_err(|error| Failure::new(Exit::Unavailable, error))?;
    let schemas = schemas(config, &metrics, handle)?;
    let job = Job::try_new(config, &tasks, &topics, schemas, Arc::clone(&metrics), handle)?;
    health.set_model_loaded(true);
    tell_stopping(&shutdown, &health, handle);
    let result = job.run(&shutdown, &health, &|| {
        shutdown.request();
    });
    job.stop(handle);
    shutdown.drained();
    ended(result)
}

/// Refuses a second job of this host with the same identity, also one beside a stream.
pub(super) fn lock(config: &Config) -> Result<File, Failure> {
    let group_id = config.drift.group_id(&config.kafka.group_id);
    lock_instance(&config::Kafka { group_id, ..config.kafka.clone() })
}

/// Runs the job beside the lanes of a stream. Should it end with a fault, verdicts go on without it.
///
/// # Errors
/// [`Fault`], when there is no thread for it.
pub(super) fn spawn_beside<'scope>(
    job: &'scope Job,
    shutdown: &'scope Shutdown,
    scope: &'scope Scope<'scope, '_>,
) -> Result<(), Fault> {
    let run = move || {
        // Threads inherit it, those of the Kafka clients too. Where the system does not allow it the job costs more.
        let _ = rustix::process::nice(NICE);
        // Its health is its own: a stream is ready without it.
        if job.run(shutdown, &Health::new(LANES), &|| ()).is_err() {
            tracing::error!("verdicts go on without the drift job; restart the process to have it back");
        }
    };
    thread::Builder::new()
        .name("drift".into())
        .spawn_scoped(scope, run)
        .map(drop)
        .map_err(|error| Fault::caused(Action::Exit(Exit::Failed), "starting the drift job", error))
}
