//! Topics that exist for one bench alone, and how its processes are told of them.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::Context;
use tokio::runtime::Runtime;

use super::{Options, usage};
use crate::{
    clock::now_ms,
    codec::Schemas,
    config::{Config, Topics},
    failure::Failure,
    fault::Exit,
    hash::Hasher,
    ops::shutdown::Shutdown,
    service,
    stream::kafka::topics::{self, Role, TopicsError, Wanted},
};

/// After a signal, for deleting the topics.
const CLEAN_UP_SECONDS_MAX: Duration = Duration::from_secs(30);

/// Where it all happens; its topics are deleted when it is dropped.
pub(super) struct Ground {
    config: Config,
    name: String,
    partitions: i32,
    pub(super) schemas: Schemas,
    broker: Vec<i32>,
    /// Whether there may be topics to delete.
    made: AtomicBool,
    shutdown: Shutdown,
    /// Keeps the registry's tasks and the listener for signals alive.
    _runtime: Runtime,
}

/// One drain: the same input, outputs and a group of its own.
pub(super) struct Pass {
    pub(super) config: Config,
    pub(super) partitions: i32,
}

impl Ground {
    pub(super) fn prepare(config: &Config, options: &Options) -> Result<Self, Failure> {
        // The processes need it: better to hear it now than after publishing a backlog.
        Hasher::load(&config.hash_key).map_err(|error| Failure::new(Exit::Config, error))?;
        let runtime = service::runtime()?;
        let schemas =
            Schemas::try_new(&config.schemas, runtime.handle()).map_err(|error| Failure::new(Exit::Config, error))?;
        let shutdown = Shutdown::new(CLEAN_UP_SECONDS_MAX);
        shutdown.on_signals(runtime.handle()).context("listening for signals")?;
        // Two that start in the same millisecond are told apart.
        let name = format!("assize-bench-{:x}-{}", now_ms(), std::process::id());
        let broker = usage::listeners(&config.kafka.bootstrap_servers);
        let (partitions, made) = (options.partitions, AtomicBool::new(false));
        Ok(Self { config: config.clone(), name, partitions, schemas, broker, made, shutdown, _runtime: runtime })
    }

    /// Whether to go on: not after a signal.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.shutdown.requested() {
            return Err(Failure::new(
                Exit::Failed,
                anyhow::anyhow!("a signal ended the bench; its topics are deleted"),
            ));
        }
        Ok(())
    }

    /// Makes the topics of a pass; the input is that of all.
    pub(super) fn pass(&self, name: &str) -> Result<Pass, Failure> {
        let mut config = self.config.clone();
        let of_pass = |topic: &str| format!("{}-{name}-{topic}", self.name);
        config.topics = Topics {
            messages: format!("{}-messages", self.name),
            verdicts: of_pass("verdicts"),
            predictions: of_pass("predictions"),
            dead_letters: of_pass("dead-letters"),
            labels: of_pass("labels"),
            drift_reports: of_pass("drift-reports"),
            drift_state: of_pass("drift-state"),
        };
        config.kafka.group_id = format!("{}-{name}", self.name);
        let wanted = Wanted { partitions: Some(self.partitions), replicas: None };
        let made = topics::create(&config, &Role::of_run(&config), wanted);
        // Without a connection there is nothing to delete, nor a way to.
        self.made.fetch_or(!matches!(made, Err(TopicsError::Connect(_))), Ordering::Relaxed);
        made.map_err(|error| Failure::new(Exit::Unavailable, error))?;
        Ok(Pass { config, partitions: self.partitions })
    }

    /// Processes of the broker, where it runs on this machine.
    pub(super) fn broker(&self) -> &[i32] {
        &self.broker
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if !*self.made.get_mut() {
            return;
        }
        if let Err(error) = topics::delete(&self.config, &format!("{}-", self.name)) {
            eprintln!("bench: topics {}-* are left on the broker: {error}", self.name);
        }
        self.shutdown.drained();
    }
}

impl Pass {
    /// What a process is told beside the configuration file.
    pub(super) fn environment(&self, process: usize) -> BTreeMap<&'static str, String> {
        let (topics, kafka) = (&self.config.topics, &self.config.kafka);
        [
            ("ASSIZE_TOPICS__MESSAGES", topics.messages.clone()),
            ("ASSIZE_TOPICS__VERDICTS", topics.verdicts.clone()),
            ("ASSIZE_TOPICS__PREDICTIONS", topics.predictions.clone()),
            ("ASSIZE_TOPICS__DEAD_LETTERS", topics.dead_letters.clone()),
            ("ASSIZE_TOPICS__LABELS", topics.labels.clone()),
            ("ASSIZE_TOPICS__DRIFT_REPORTS", topics.drift_reports.clone()),
            ("ASSIZE_TOPICS__DRIFT_STATE", topics.drift_state.clone()),
            ("ASSIZE_KAFKA__GROUP_ID", kafka.group_id.clone()),
            ("ASSIZE_KAFKA__INSTANCE", format!("bench-{process}")),
            // A port of its own.
            ("ASSIZE_ADMIN__LISTEN", "127.0.0.1:0".to_owned()),
        ]
        .into()
    }

    /// How long its processes may take to end.
    pub(super) fn stop_max(&self) -> Duration {
        Duration::from_millis(self.config.stream.shutdown_ms_max) + Duration::from_secs(5)
    }
}
