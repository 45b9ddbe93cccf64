//! One command at a time; what was asked for meanwhile waits its turn.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    task::JoinHandle,
};

use super::{
    StartError,
    command::{End, Program},
    record::Alert,
};
use crate::{
    config,
    ops::metrics::{Metrics, RetrainResult},
};

/// Most incidents that wait for the command.
pub const RETRAINS_MAX: usize = 16;

/// The worker. Dropping it ends a command that runs, at once.
#[derive(Debug)]
pub(super) struct Retraining {
    queue: mpsc::Sender<Alert>,
    stopping: watch::Sender<bool>,
    metrics: Arc<Metrics>,
    task: JoinHandle<()>,
}

impl Retraining {
    /// None without a command.
    pub(super) fn start(
        config: &config::Alert,
        handle: &Handle,
        metrics: &Arc<Metrics>,
    ) -> Result<Option<Self>, StartError> {
        let Some((program, arguments)) = config.retrain_command.split_first() else { return Ok(None) };
        let folder = config.retrain_folder.clone();
        if let Some(folder) = folder.as_deref().filter(|folder| !Path::is_dir(folder)) {
            return Err(StartError::Folder(folder.display().to_string()));
        }
        let program = Program {
            program: program.clone(),
            arguments: arguments.to_vec(),
            folder,
            wall: Duration::from_secs(config.retrain_seconds_max),
        };
        let (queue, alerts) = mpsc::channel(RETRAINS_MAX);
        let (stopping, stopped) = watch::channel(false);
        let task = handle.spawn(work(program, alerts, stopped, Arc::clone(metrics)));
        Ok(Some(Self { queue, stopping, metrics: Arc::clone(metrics), task }))
    }

    pub(super) fn ask(&self, alert: Alert) {
        if let Err(error) = self.queue.try_send(alert) {
            self.metrics.drift().retrain(RetrainResult::Dropped);
            let id = error.into_inner().id;
            tracing::error!(
                id = %id.escape_debug(),
                "retraining is dropped: {RETRAINS_MAX} incidents wait already; start it by hand, and shorten the command"
            );
        }
    }

    pub(super) fn unsure(&self, alert: &Alert) {
        self.metrics.drift().retrain(RetrainResult::Dropped);
        tracing::error!(
            id = %alert.id.escape_debug(),
            "retraining is dropped: the answer to the commit before it was lost; unless another process has run it, start \
             it by hand"
        );
    }

    /// Ends the command that runs; those that wait are dropped, as they are once they were asked for.
    pub(super) async fn stop(mut self) {
        let _ = self.stopping.send(true);
        let _ = (&mut self.task).await;
    }
}

impl Drop for Retraining {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn work(
    program: Program,
    mut alerts: mpsc::Receiver<Alert>,
    mut stopping: watch::Receiver<bool>,
    metrics: Arc<Metrics>,
) {
    loop {
        let alert = tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => break,
            Some(alert) = alerts.recv() => alert,
            else => break,
        };
        metrics.drift().retrain(RetrainResult::Started);
        let end = program.run(&alert, &mut stopping).await;
        metrics.drift().retrain(match end {
            End::Succeeded => RetrainResult::Succeeded,
            End::Failed => RetrainResult::Failed,
            End::TimedOut => RetrainResult::TimedOut,
            End::Stopped => RetrainResult::Dropped,
        });
    }
    while let Ok(alert) = alerts.try_recv() {
        metrics.drift().retrain(RetrainResult::Dropped);
        tracing::warn!(id = %alert.id.escape_debug(), "retraining is dropped: the job ends before its turn");
    }
}
