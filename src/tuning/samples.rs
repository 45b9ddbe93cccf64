use crate::decision::tune::{Random, Sample};

/// Probabilities that are kept, over all labels: 16 bytes each where the one before calibration is kept too. Of more
/// messages than fit, each has the same chance to be among those kept.
pub const SAMPLES_MAX: usize = 4_000_000;

/// What was said of messages, and what is so.
#[derive(Clone, Debug)]
pub struct Samples {
    columns: Vec<Column>,
    /// Messages that were offered.
    seen: u64,
    messages_max: usize,
    random: Random,
}

/// One label; messages stand in the same order in all columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Column {
    /// As the bundle gives it.
    pub(super) after: Vec<Sample>,
    /// Before calibration; empty where that is not known.
    pub(super) before: Vec<Sample>,
}

impl Samples {
    /// For `labels` labels; the same seed keeps the same messages.
    pub fn new(labels: usize, seed: u64) -> Self {
        let messages_max = SAMPLES_MAX / labels.max(1);
        Self { columns: vec![Column::default(); labels], seen: 0, messages_max, random: Random::new(seed) }
    }

    /// One message: per label whether it has it, the probability, and the one before calibration.
    pub fn add(&mut self, truth: &[bool], after: &[f32], before: Option<&[f32]>) {
        self.seen += 1;
        let kept = self.messages();
        // Reservoir sampling: the n-th message takes the place of one that is kept with probability kept / n.
        let place = if kept < self.messages_max { kept } else { self.random.below(self.seen as usize) };
        if place >= self.messages_max {
            return;
        }
        for (label, column) in self.columns.iter_mut().enumerate() {
            let sample = |all: &[f32]| Sample { probability: all[label].clamp(0.0, 1.0), truth: truth[label] };
            put(&mut column.after, place, sample(after));
            if let Some(before) = before {
                put(&mut column.before, place, sample(before));
            }
        }
    }

    /// Messages that were offered.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Messages that are kept.
    pub fn messages(&self) -> usize {
        self.columns.first().map_or(0, |column| column.after.len())
    }

    pub(super) fn column(&self, label: usize) -> &Column {
        &self.columns[label]
    }

    /// `MULTICLASS`: per message the most probable label and the true one.
    pub(super) fn said(&self) -> impl Iterator<Item = Said> {
        (0..self.messages()).map(|message| {
            let of = |label: usize| self.columns[label].after[message];
            // Of equal probabilities the first, as the policy has it.
            let first = |best: usize, next: usize| {
                if of(next).probability > of(best).probability { next } else { best }
            };
            let label = (0..self.columns.len()).reduce(first).unwrap_or_default();
            let truth = (0..self.columns.len()).find(|&label| of(label).truth);
            Said { label, truth, probability: of(label).probability }
        })
    }
}

/// The most probable label of a message.
pub(super) struct Said {
    pub(super) label: usize,
    pub(super) truth: Option<usize>,
    pub(super) probability: f32,
}

fn put(samples: &mut Vec<Sample>, place: usize, sample: Sample) {
    match samples.get_mut(place) {
        Some(there) => *there = sample,
        None => samples.push(sample),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_messages_a_fair_part_is_kept() {
        let mut samples = Samples { messages_max: 1_000, ..Samples::new(1, 7) };
        // Sorted by label, as files often are: the first 1,000 alone would have no positive.
        for message in 0..10_000 {
            samples.add(&[message >= 5_000], &[0.5], Some(&[0.25]));
        }
        let column = samples.column(0);
        assert_eq!((samples.seen(), column.after.len(), column.before.len()), (10_000, 1_000, 1_000));
        let positives = column.after.iter().filter(|sample| sample.truth).count();
        assert!((440..=560).contains(&positives), "{positives}");
        let same = column.after.iter().zip(&column.before).all(|(after, before)| after.truth == before.truth);
        assert!(same, "both columns keep the same messages");
    }

    #[test]
    fn the_most_probable_label_is_said_and_of_equals_the_first() {
        let mut samples = Samples::new(3, 1);
        samples.add(&[false, true, false], &[0.25, 0.375, 0.375], None);
        let said: Vec<_> = samples.said().map(|said| (said.label, said.truth, said.probability)).collect();
        assert_eq!(said, [(1, Some(1), 0.375)]);
    }
}
