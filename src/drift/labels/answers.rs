//! The best answer to each label among the predictions that go by.

use std::collections::HashMap;

use super::{Found, Judged, Models, Rank, Wanted};
use crate::records::PredictionView;

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

    /// A prediction goes by.
    pub(super) fn hear(&mut self, prediction: &PredictionView<'_>) {
        let judged = Judged::from(prediction);
        for &number in self.by_id.get(prediction.message_id).into_iter().flatten() {
            let (wanted, best) = (self.wanted[number], &mut self.best[number]);
            let is_better = |rank: &Rank| best.as_ref().is_none_or(|(best, _)| rank < best);
            let Some(rank) = wanted.hints.rank(judged).filter(is_better) else { continue };
            let said = self.models.said(wanted.task, prediction);
            if !said.is_empty() {
                let was_exact = best.as_ref().is_some_and(|(best, _)| wanted.hints.is_exact(*best));
                self.open -= usize::from(wanted.hints.is_exact(rank) && !was_exact);
                *best = Some((rank, Found { judged, said }));
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
