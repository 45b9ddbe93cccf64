//! The best answer to each label among the predictions that go by.

use std::collections::HashMap;

use super::{Found, Judged, Models, Rank, Wanted};
use crate::records::PredictionView;

/// The best answer to a label so far.
pub(super) type Best = Option<(Rank, Found)>;

/// Labels, and what was heard so far.
pub(super) struct Answers<'w> {
    models: &'w Models,
    wanted: Vec<&'w Wanted<'w>>,
    by_id: HashMap<&'w str, Vec<usize>>,
    best: Vec<Best>,
    /// Labels that may still be answered better.
    open: usize,
}

impl<'w> Answers<'w> {
    /// For labels, each with what was heard before.
    pub(super) fn new(models: &'w Models, wanted: impl IntoIterator<Item = (&'w Wanted<'w>, Best)>) -> Self {
        let (wanted, best): (Vec<&Wanted<'_>>, Vec<_>) = wanted.into_iter().unzip();
        let mut by_id: HashMap<_, Vec<_>> = HashMap::new();
        wanted.iter().enumerate().for_each(|(number, wanted)| by_id.entry(wanted.message_id).or_default().push(number));
        let open = wanted.iter().zip(&best).filter(|(wanted, best)| !is_exact(wanted, best)).count();
        Self { models, wanted, by_id, best, open }
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
                self.open -= usize::from(wanted.hints.is_exact(rank) && !is_exact(wanted, best));
                *best = Some((rank, Found { judged, said }));
            }
        }
    }

    /// Whether any label may still be answered better.
    pub(super) fn are_open(&self) -> bool {
        self.open > 0
    }

    /// The answers, in the order of the labels.
    pub(super) fn into_best(self) -> Vec<Best> {
        self.best
    }
}

fn is_exact(wanted: &Wanted<'_>, best: &Best) -> bool {
    best.as_ref().is_some_and(|(rank, _)| wanted.hints.is_exact(*rank))
}
