//! The best answer to each label among the predictions that go by.

use std::collections::HashMap;

use serde::Deserialize;

use super::{Found, Judged, Models, Rank, Spoken, Wanted};
use crate::records::TaskPrediction;

/// What is read of every prediction.
#[derive(Deserialize)]
#[serde(rename = "Prediction")]
pub(super) struct Id {
    pub(super) message_id: String,
}

/// What a search reads.
#[derive(Deserialize)]
#[serde(rename = "Prediction")]
pub(super) struct Source {
    pub(super) source_offset: i64,
}

/// What is read of one that may answer.
#[derive(Deserialize)]
#[serde(rename = "Prediction")]
pub(super) struct Part {
    message_id: String,
    source_partition: i32,
    source_offset: i64,
    decided_at: i64,
    tasks: Vec<TaskPrediction<'static>>,
}

impl Part {
    pub(super) fn spoken(&self) -> Spoken<'_> {
        let &Self { source_partition: partition, source_offset: offset, decided_at, .. } = self;
        Spoken { message_id: &self.message_id, judged: Judged { partition, offset, decided_at }, tasks: &self.tasks }
    }
}

/// Labels, and what was heard so far.
pub(super) struct Answers<'w> {
    models: &'w Models,
    wanted: Vec<&'w Wanted<'w>>,
    by_id: HashMap<&'w str, Vec<usize>>,
    best: Vec<Option<(Rank, Found)>>,
    /// Labels that may still be answered better.
    open: usize,
}

impl<'w> Answers<'w> {
    pub(super) fn new(models: &'w Models, wanted: impl IntoIterator<Item = &'w Wanted<'w>>) -> Self {
        let wanted: Vec<_> = wanted.into_iter().collect();
        let mut by_id: HashMap<_, Vec<_>> = HashMap::new();
        wanted.iter().enumerate().for_each(|(number, wanted)| by_id.entry(wanted.message_id).or_default().push(number));
        Self { models, by_id, best: vec![None; wanted.len()], open: wanted.len(), wanted }
    }

    /// Whether any label is about this message.
    pub(super) fn want(&self, message_id: &str) -> bool {
        self.by_id.contains_key(message_id)
    }

    /// A prediction goes by.
    pub(super) fn hear(&mut self, spoken: &Spoken<'_>) {
        for &number in self.by_id.get(spoken.message_id).into_iter().flatten() {
            let (wanted, best) = (self.wanted[number], &mut self.best[number]);
            let is_better = |rank: &Rank| best.as_ref().is_none_or(|(best, _)| rank < best);
            let Some(rank) = wanted.hints.rank(spoken.judged).filter(is_better) else { continue };
            let said = self.models.said(wanted.task, spoken.tasks);
            if !said.is_empty() {
                let was_exact = best.as_ref().is_some_and(|(best, _)| wanted.hints.is_exact(*best));
                self.open -= usize::from(wanted.hints.is_exact(rank) && !was_exact);
                *best = Some((rank, Found { judged: spoken.judged, said }));
            }
        }
    }

    /// Whether any label may still be answered better.
    pub(super) fn are_open(&self) -> bool {
        self.open > 0
    }

    /// The answers, in the order of the labels.
    pub(super) fn into_found(self) -> Vec<Option<Found>> {
        self.best.into_iter().map(|best| best.map(|(_, found)| found)).collect()
    }
}
