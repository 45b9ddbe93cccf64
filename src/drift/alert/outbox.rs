//! What is to be told, and what is done. One worker delivers in order, so a raised alarm comes before it is cleared.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};

use super::{
    record::{Alert, about},
    sentence::plain,
    webhook::Webhook,
};
use crate::{
    ops::metrics::{AlertResult, Metrics},
    records::AlarmChange,
};

/// Most alerts that are here at once: waiting, on their way, or done and not yet asked for.
pub const ALERTS_MAX: usize = 256;
/// Once some were refused for want of room, there is room when no more than these are here: they are read back all at once.
pub(super) const ALERTS_LOW: usize = ALERTS_MAX / 2;
/// Ids that were refused for want of room: their log line is written already.
const REFUSED_MAX: usize = 1_024;

/// See [`super::Alerts`].
#[derive(Debug)]
pub(super) struct Outbox {
    ledger: Arc<Mutex<Ledger>>,
    /// None without a webhook: what was logged is done.
    courier: Option<(mpsc::Sender<Alert>, JoinHandle<()>)>,
}

/// Ids only.
#[derive(Debug, Default)]
struct Ledger {
    /// All that are here.
    known: BTreeSet<String>,
    /// Of these, those that are done.
    done: Vec<String>,
    refused: BTreeSet<String>,
    /// One was refused: all that come after it are too, so that they stay in order.
    is_full: bool,
}

impl Outbox {
    pub(super) fn start(webhook: Option<Arc<Webhook>>, handle: &Handle, metrics: &Arc<Metrics>) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let courier = webhook.map(|webhook| {
            let (sender, receiver) = mpsc::channel(ALERTS_MAX);
            (sender, handle.spawn(deliver(receiver, webhook, Arc::clone(&ledger), Arc::clone(metrics))))
        });
        Self { ledger, courier }
    }

    pub(super) fn tell(&self, alert: Alert) {
        let mut ledger = lock(&self.ledger);
        if ledger.known.contains(&alert.id) {
            return;
        }
        ledger.is_full |= ledger.known.len() >= ALERTS_MAX;
        if ledger.is_full {
            // The log does not wait for a webhook that is dead.
            if ledger.refused.len() < REFUSED_MAX && ledger.refused.insert(alert.id.clone()) {
                log(&alert);
                tracing::warn!(alerts_max = ALERTS_MAX, "too many alerts wait for the webhook: this one is told later");
            }
            return;
        }
        if !ledger.refused.remove(&alert.id) {
            log(&alert);
        }
        ledger.known.insert(alert.id.clone());
        match &self.courier {
            None => ledger.done.push(alert.id),
            // There is room for as many as are known; it is closed only when the runtime has ended.
            Some((sender, _)) => drop(sender.try_send(alert)),
        }
    }

    pub(super) fn has_room(&self) -> bool {
        let mut ledger = lock(&self.ledger);
        let has_room = ledger.is_full && ledger.known.len() <= ALERTS_LOW;
        ledger.is_full &= !has_room;
        has_room
    }

    pub(super) fn done(&self) -> Vec<String> {
        let mut ledger = lock(&self.ledger);
        let done = std::mem::take(&mut ledger.done);
        for id in &done {
            ledger.known.remove(id);
        }
        done
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        if let Some((_, task)) = &self.courier {
            task.abort();
        }
    }
}

async fn deliver(
    mut alerts: mpsc::Receiver<Alert>,
    webhook: Arc<Webhook>,
    ledger: Arc<Mutex<Ledger>>,
    metrics: Arc<Metrics>,
) {
    while let Some(alert) = alerts.recv().await {
        let delivered = webhook.deliver(&alert, || metrics.drift().alert(AlertResult::Retried)).await;
        metrics.drift().alert(if delivered { AlertResult::Delivered } else { AlertResult::GivenUp });
        lock(&ledger).done.push(alert.id);
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Ids stay ids whatever panicked while they were held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn log(alert: &Alert) {
    let Alert { id, sentence, about: kind, task, arm, window, window_start, retrain, .. } = alert;
    let (id, task, arm, window) = (id.escape_debug(), plain(task), plain(arm), plain(window));
    let (kind, start) = (about(*kind), &window_start.time);
    if alert.change == AlarmChange::Cleared {
        tracing::info!(%id, about = kind, change = "CLEARED", task, arm, window, start, "alarm cleared: {sentence}");
    } else {
        tracing::warn!(%id, about = kind, change = "RAISED", task, arm, window, start, retrain, "alarm raised: {sentence}");
    }
}
