//! Whom the drift job tells of an alarm: the log, a webhook, and a command that retrains.
//!
//! ```text
//!  transaction: DriftReport ─► Alert::of ─► outbox in drift-state
//!                                             │ committed
//!                                             ▼
//!               Alerts::tell ─► log line ─► queue ─► webhook: again and again, in order ─► Alerts::done
//!                                                                                            │
//!  a later transaction takes it out of the outbox ◄──────────────────────────────────────────┘
//!
//!  transaction: takes the trigger out ─► committed ─► Alerts::retrain ─► queue ─► one command at a time
//! ```
//!
//! What is still in the outbox after a restart, or after it found no room, is handed over again: the webhook gets every
//! alert **at least once**, and its id with it, by which repeats are known. The trigger is gone before the command starts:
//! it runs **at most once**.

mod command;
mod outbox;
mod record;
mod retrain;
mod sentence;
#[cfg(test)]
mod tests;
mod webhook;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::runtime::Handle;

use self::{
    outbox::{Outbox, lock},
    retrain::Retraining,
    webhook::Webhook,
};
use crate::{
    config::{self, SecretError},
    ops::metrics::Metrics,
};

pub use command::GRACE_SECONDS;
pub use outbox::ALERTS_MAX;
pub use record::{Alert, LABELS_MAX, MOVED_MAX, Miscalibrated, Model, Moved, Time, report_key};
pub use retrain::RETRAINS_MAX;

/// Why nobody could be told.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The token of the webhook cannot be had.
    #[error(transparent)]
    Token(#[from] SecretError),
    /// It cannot be sent in a header.
    #[error("config key drift.alert.webhook_token: the secret has characters that no header may hold; write another")]
    TokenText,
    /// No HTTP client can be made.
    #[error("no HTTP client for drift.alert.webhook: are the system's certificates readable?")]
    Client(#[source] reqwest::Error),
    /// The command has nowhere to run.
    #[error("config key drift.alert.retrain_folder: {0} is no folder; make it, or name another")]
    Folder(String),
}

/// Tells of alarms, on tasks of its own. Dropping it ends them, and a command that runs, at once.
#[derive(Debug)]
pub struct Alerts {
    outbox: Mutex<Outbox>,
    retraining: Option<Retraining>,
    webhook: Option<Arc<Webhook>>,
    handle: Handle,
    metrics: Arc<Metrics>,
}

impl Alerts {
    /// Starts what is configured on `handle`; without a webhook or command there is only the log.
    ///
    /// # Errors
    /// [`StartError`], naming the config key.
    pub fn start(config: &config::Alert, handle: &Handle, metrics: &Arc<Metrics>) -> Result<Self, StartError> {
        Self::with_pauses(config, handle, metrics, webhook::PAUSES)
    }

    fn with_pauses(
        config: &config::Alert,
        handle: &Handle,
        metrics: &Arc<Metrics>,
        pauses: webhook::Pauses,
    ) -> Result<Self, StartError> {
        let webhook = Webhook::try_new(config, pauses)?.map(Arc::new);
        let retraining = Retraining::start(config, handle, metrics)?;
        let outbox = Mutex::new(Outbox::start(webhook.clone(), handle, metrics));
        Ok(Self { outbox, retraining, webhook, handle: handle.clone(), metrics: Arc::clone(metrics) })
    }

    /// Takes an alert whose transaction is committed: one log line, and the webhook in its turn. Never waits. An alert
    /// that is here already is not taken twice. When [`ALERTS_MAX`] are here it stays in the outbox, and so do all that
    /// come after it, until [`Self::has_room`].
    pub fn tell(&self, alert: Alert) {
        lock(&self.outbox).tell(alert);
    }

    /// Whether there is room again: all that are in the outbox are then to be handed over again, in their order.
    pub fn has_room(&self) -> bool {
        lock(&self.outbox).has_room()
    }

    /// Ids with which nothing is left to do, each once: delivered, given up, or without a webhook.
    pub fn done(&self) -> Vec<String> {
        lock(&self.outbox).done()
    }

    /// Another process tells from now on: nothing of what is here goes out any more.
    pub fn forget(&self) {
        *lock(&self.outbox) = Outbox::start(self.webhook.clone(), &self.handle, &self.metrics);
    }

    /// Whether there is a command that retrains.
    pub fn retrains(&self) -> bool {
        self.retraining.is_some()
    }

    /// Runs the command for an alert whose trigger is taken out already. Never waits. With [`RETRAINS_MAX`] waiting it is
    /// dropped, logged and counted: twice is worse than not at all.
    pub fn retrain(&self, alert: Alert) {
        if let Some(retraining) = &self.retraining {
            retraining.ask(alert);
        }
    }

    /// The trigger of an alert was taken out, and nobody knows by whom: the command may not have run. It is logged and counted
    /// as dropped.
    pub fn retrain_unsure(&self, alert: &Alert) {
        if let Some(retraining) = &self.retraining {
            retraining.unsure(alert);
        }
    }

    /// Ends it: what is not delivered stays in the outbox, a command that runs gets SIGTERM, and SIGKILL
    /// [`GRACE_SECONDS`] later. Blocks for as long; not to be called from a task.
    pub fn stop(self) {
        let Self { outbox, retraining, handle, .. } = self;
        drop(outbox);
        if let Some(retraining) = retraining {
            // Then it is dropped, which does not wait.
            let patience = Duration::from_secs(GRACE_SECONDS + 2);
            let _ = handle.block_on(async { tokio::time::timeout(patience, retraining.stop()).await });
        }
    }
}
