//! From a record of the prediction log into a pane. Pure but for the look-up of a schema id that is new.
//!
//! ```text
//!  Record ─► PredictionReader ─► PredictionView ─► is_sampled, event_ms ─► Observer ─► PredictionPane
//!              │     └ null, no prediction, its schema is of no use: Unreadable
//!              └ its schema id is not known yet: Away, the partition waits
//! ```
//!
//! What is counted depends on the record and on the pane alone.

mod reader;
mod sample;
mod task;
#[cfg(test)]
mod tests;

pub use reader::{PredictionReader, Read};
pub use sample::{event_ms, is_sampled};
pub use task::ObservedTask;

use self::task::{Scratch, Watched};
use super::panes::PredictionPane;
use crate::{features::contract::Contract, records::PredictionView};

/// Arms of a task that a pane has a series for. Predictions of further ones are `unlike` of the first arm of the alphabet.
pub const ARMS_MAX: usize = 16;
/// Of an arm's name; a longer one is cut.
pub const ARM_BYTES_MAX: usize = 128;

/// Why a task cannot be observed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObserverError {
    /// The reference is of something else than this version counts.
    #[error(
        "task {0}: its reference has other numbers or categories than its model; make the bundle's reference again"
    )]
    Reference(String),
    /// The predictions lack a feature.
    #[error(
        "task {task}: predictions have no feature {feature:?} of its reference; make the reference of this bundle again"
    )]
    Feature {
        /// Name of the task.
        task: String,
        /// Name of the feature.
        feature: String,
    },
}

/// Counts predictions of the configured tasks.
pub struct Observer {
    /// Of the predictions: that of all tasks together.
    contract: String,
    width: usize,
    tasks: Vec<Watched>,
    scratch: Scratch,
}

impl Observer {
    /// An observer of these tasks, in the order of the stream; `union` is what they together read
    /// ([`crate::pipeline::union`]).
    ///
    /// # Errors
    /// [`ObserverError`], when a reference does not go with its task.
    pub fn try_new(tasks: &[ObservedTask<'_>], union: &Contract) -> Result<Self, ObserverError> {
        let watched = tasks.iter().map(|task| Watched::try_new(task, union));
        Ok(Self {
            contract: union.id(),
            width: union.features().len(),
            tasks: watched.collect::<Result<_, _>>()?,
            scratch: Scratch::default(),
        })
    }

    /// Counts a prediction in the pane of its event time: in the series of each task that is configured, by arm. By another
    /// bundle or feature contract than the reference is of, or with other numbers or labels than its model has, it is
    /// `unlike`. As is everything of a series that was begun on another bundle's reference.
    pub fn observe(&mut self, view: &PredictionView<'_>, pane: &mut PredictionPane) {
        let Self { contract, width, tasks, scratch } = self;
        scratch.features.clear();
        scratch.features.extend(view.features());
        let is_ours = view.feature_contract == contract && scratch.features.len() == *width;
        for entry in view.tasks() {
            let Some(task) = tasks.iter().find(|task| task.name() == entry.task) else { continue };
            let Some((series, is_own)) = task.series(entry.arm, pane) else { continue };
            if is_ours && is_own && task.is_of(series, entry.digest) && scratch.hear(task, &entry) {
                task.count(view, &entry, scratch, series);
            } else {
                series.unlike += 1;
            }
        }
    }
}
