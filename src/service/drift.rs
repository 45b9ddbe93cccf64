//! The drift job: a process of its own, or threads beside the lanes of a stream.

use std::{
    collections::VecDeque,
    fs::File,
    sync::Arc,
    thread::{self, Scope},
    time::{Duration, Instant},
};

use super::{
    ended,
    setup::{check_topics, load_tasks, lock_instance, runtime, schemas, tell_stopping, try_models},
};
use crate::{
    codec,
    config::{self, Config},
    drift::job::{self, Job},
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

/// Pause before the job is started again beside a stream; it doubles with each start within an hour ...
const PAUSE_SECONDS_MIN: Duration = Duration::from_secs(1);
/// ... up to this.
const PAUSE_SECONDS_MAX: Duration = Duration::from_secs(60);
/// After so many it stays down.
const STARTS_PER_HOUR_MAX: usize = 10;
const HOUR: Duration = Duration::from_secs(3_600);

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
    let (metrics, health) = (Metrics::new(), Health::new(job::lanes(config)));
    let topics = check_topics(config, &Role::of_drift(config))?;
    let _http = HttpServer::start(config.admin.listen, access, Arc::clone(&metrics), Arc::clone(&health), handle)
        .map_err(|error| Failure::new(Exit::Unavailable, error))?;
    let schemas = schemas(config, &metrics, handle)?;
    let job = Job::try_new(config, &tasks, &topics, schemas, Arc::clone(&metrics), handle)?;
    health.set_model_loaded(true);
    tell_stopping(&shutdown, &health, handle);
    let result = job.run(&shutdown, &health, &|is_up| {
        if !is_up {
            shutdown.request();
        }
    });
    job.stop();
    shutdown.drained();
    ended(result)
}

/// Refuses a second job of this host with the same identity, also one beside a stream.
pub(super) fn lock(config: &Config) -> Result<File, Failure> {
    let group_id = config.drift.group_id(&config.kafka.group_id);
    lock_instance(&config::Kafka { group_id, ..config.kafka.clone() })
}

/// Runs the job beside the lanes of a stream. Should it end with a fault, verdicts go on without it, and it is started
/// again.
///
/// # Errors
/// [`Fault`], when there is no thread for it.
pub(super) fn spawn_beside<'scope>(
    job: &'scope Job,
    shutdown: &'scope Shutdown,
    health: &'scope Health,
    scope: &'scope Scope<'scope, '_>,
) -> Result<(), Fault> {
    let run = move || {
        // Threads inherit it, those of the Kafka clients too. Where the system does not allow it the job costs more.
        let _ = rustix::process::nice(NICE);
        keep_running(job, shutdown, health);
    };
    thread::Builder::new()
        .name("drift".into())
        .spawn_scoped(scope, run)
        .map(drop)
        .map_err(|error| Fault::caused(Action::Exit(Exit::Failed), "starting the drift job", error))
}

/// Until a stop is asked for, or no start would mend it.
fn keep_running(job: &Job, shutdown: &Shutdown, health: &Health) {
    let mut starts = Starts::default();
    loop {
        // The health of its lanes is its own: a stream is ready without it.
        let result = job.run(shutdown, &Health::new(job.lanes()), &|is_up| health.set_drift_down(!is_up));
        let Err(fault) = result else { return };
        let Some(pause) = starts.again(&fault, Instant::now()) else {
            tracing::error!(%fault, "verdicts go on without the drift job; restart the process to have it back");
            return;
        };
        tracing::warn!(%fault, seconds = pause.as_secs(), "verdicts go on without the drift job, which starts again");
        if shutdown.sleep(pause) {
            return;
        }
    }
}

/// When the job was started again, within the last hour.
#[derive(Default)]
struct Starts(VecDeque<Instant>);

impl Starts {
    /// The pause before the next start; none when it shall stay down.
    fn again(&mut self, fault: &Fault, now: Instant) -> Option<Duration> {
        // Two that take each other's place would go on for ever, and what is wrong with a file stays wrong.
        if let Action::Exit(Exit::Config | Exit::Bundle | Exit::Fenced) = fault.action {
            return None;
        }
        while self.0.front().is_some_and(|start| now.duration_since(*start) > HOUR) {
            self.0.pop_front();
        }
        let before = self.0.len();
        (before < STARTS_PER_HOUR_MAX).then(|| {
            self.0.push_back(now);
            PAUSE_SECONDS_MAX.min(PAUSE_SECONDS_MIN * 2_u32.pow(before as u32))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_again_later_and_later_and_then_stays_down() {
        let (mut starts, begin) = (Starts::default(), Instant::now());
        let failed = Fault::new(Action::Exit(Exit::Failed), "a lane panicked");
        let mut seconds = || starts.again(&failed, begin).map(|pause| pause.as_secs());
        let pauses: Vec<_> = std::iter::from_fn(&mut seconds).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
        assert_eq!(starts.again(&failed, begin + HOUR), None);
        let later = begin + HOUR + Duration::from_secs(1);
        assert_eq!(starts.again(&failed, later), Some(PAUSE_SECONDS_MIN));
        let fenced = Fault::new(Action::Exit(Exit::Fenced), "another process has this identity");
        assert_eq!(starts.again(&fenced, later), None);
    }
}
