//! What a process needs before its lanes: each is checked, and refused with what to do.

use std::{
    fs::{File, TryLockError},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use secrecy::SecretString;
use tokio::runtime::{Handle, Runtime};

use crate::{
    codec::Schemas,
    config::{self, Config, SecretError},
    failure::Failure,
    fault::Exit,
    features::store::{FeatureStore, MemoryStore, RedisConfig, SentinelConfig},
    hash::Hasher,
    model::{Bundle, isolate},
    ops::{health::Health, metrics::Metrics, shutdown::Shutdown},
    pipeline::{Shared, Task, union},
    stream::kafka::topics::{self, Checked, Role},
};

/// Threads for what waits: Redis, the registry, HTTP.
const WAITING_THREADS: usize = 2;

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
pub(super) fn check_topics(config: &Config, roles: &[Role]) -> Result<Checked, Failure> {
    topics::check(config, roles).map_err(|findings| {
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        Failure::new(Exit::Unavailable, anyhow::anyhow!("{}", findings.join("\n")))
    })
}

/// Where schemas come from; what is asked is counted.
///
/// # Errors
/// [`Failure`], when the registry's settings cannot be used.
pub(super) fn schemas(config: &Config, metrics: &Arc<Metrics>, handle: &Handle) -> Result<Arc<Schemas>, Failure> {
    let schemas = Schemas::try_new(&config.schemas, handle).map_err(|error| Failure::new(Exit::Config, error))?;
    schemas.report_to(Arc::clone(metrics));
    Ok(Arc::new(schemas))
}

/// Once a stop is asked for, the process is no longer ready.
pub(super) fn tell_stopping(shutdown: &Shutdown, health: &Arc<Health>, handle: &Handle) {
    let (stopping, told) = (shutdown.clone(), Arc::clone(health));
    handle.spawn(async move {
        stopping.wait().await;
        told.set_stopping();
    });
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
pub(super) fn lock_instance(kafka: &config::Kafka) -> Result<File, Failure> {
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
