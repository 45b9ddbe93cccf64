//! What was heard for labels by attempts that ended early, so that the next one gets on.

use std::collections::HashMap;

use super::{
    Found, Hints, Models, Wanted,
    answers::{Answers, Best},
};

/// A [`Wanted`] that can be kept.
type Question = (String, String, Hints);

/// By label: the best answer, and the offset up to which the partition was heard.
#[derive(Default)]
pub(super) struct Heard(HashMap<Question, (Best, i64)>);

/// Everything was heard that may answer.
const ALL: i64 = i64::MAX;

fn question(wanted: &Wanted<'_>) -> Question {
    (wanted.message_id.to_owned(), wanted.task.to_owned(), wanted.hints)
}

impl Heard {
    /// Labels that are kept.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is left to be heard for a label.
    pub(super) fn is_all(&self, wanted: &Wanted<'_>) -> bool {
        self.0.get(&question(wanted)).is_some_and(|(_, to)| *to == ALL)
    }

    /// Hears what is left of the offsets from `from` on for these labels. `read` reads from an offset, calls
    /// [`Answers::hear`], and returns the offset that it came to, and an error when that is not the end.
    pub(super) fn hear<E>(
        &mut self,
        models: &Models,
        wanted: &[&Wanted<'_>],
        from: i64,
        read: impl FnOnce(i64, &mut Answers<'_>) -> (i64, Result<(), E>),
    ) -> Result<(), E> {
        // Several labels may ask the same.
        let known = |wanted: &&Wanted<'_>| self.0.get(&question(wanted)).cloned().unwrap_or((None, from));
        let known: Vec<_> = wanted.iter().map(known).collect();
        let left = known.iter().map(|(_, to)| *to).min().unwrap_or(from).max(from);
        let best = known.into_iter().map(|(best, _)| best);
        let mut answers = Answers::new(models, wanted.iter().copied().zip(best));
        let (to, result) = read(left, &mut answers);
        let to = if result.is_ok() { ALL } else { to };
        let kept = wanted.iter().zip(answers.into_best()).map(|(wanted, best)| (question(wanted), (best, to)));
        self.0.extend(kept);
        result
    }

    /// The answers, in the order of the labels.
    pub(super) fn into_found(self, wanted: &[Wanted<'_>]) -> Vec<Option<Found>> {
        let found = |wanted: &Wanted<'_>| self.0.get(&question(wanted)).and_then(|(best, _)| best.clone());
        wanted.iter().map(|wanted| found(wanted).map(|(_, found)| found)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::labels::testing::{about, judged, models, predicted, spam};

    const NOW: i64 = 1_000_000_000;

    #[test]
    fn attempts_that_end_early_hear_every_prediction_and_answer_as_one_that_does_not() {
        let models = models();
        let predictions: Vec<_> = [("a", 400), ("b", 0), ("a", 100), ("a", 700), ("b", 5)]
            .iter()
            .zip(0..)
            .map(|(&(id, off), offset)| predicted(id, judged(0, offset, NOW + off), spam(0.9)))
            .collect();
        // The second is decided at no time that a prediction has, so that all must be heard.
        let near = |number: usize, at| {
            let label = about(&predictions[number], &["spam"], NOW);
            crate::records::Label { source_offset: None, decided_at: Some(NOW + at), ..label }
        };
        let labels = [near(0, 110), near(1, 3), near(0, 110)];
        let wanted = labels.each_ref().map(|label| Wanted {
            message_id: &label.message_id,
            task: &label.task,
            hints: Hints::of(label, 0),
        });
        let members: Vec<_> = wanted.iter().collect();
        let answers = |each: usize| {
            let (mut heard, mut attempts, mut starts) = (Heard::default(), 0, Vec::new());
            while !wanted.iter().all(|wanted| heard.is_all(wanted)) {
                let read = |from: i64, answers: &mut Answers<'_>| {
                    starts.push(from);
                    let from = usize::try_from(from).unwrap();
                    let to = predictions.len().min(from + each);
                    predictions[from..to].iter().for_each(|predicted| answers.hear(&predicted.view()));
                    (to as i64, if to == predictions.len() { Ok(()) } else { Err(()) })
                };
                attempts += usize::from(heard.hear(&models, &members, 0, read).is_err());
                assert!(attempts < 9, "gets on");
            }
            let offsets: Vec<_> =
                heard.into_found(&wanted).into_iter().map(|found| found.map(|found| found.judged.offset)).collect();
            (offsets, starts)
        };
        assert_eq!(answers(9), (vec![Some(2), Some(4), Some(2)], vec![0]));
        assert_eq!(answers(2), (vec![Some(2), Some(4), Some(2)], vec![0, 2, 4]));
    }
}
