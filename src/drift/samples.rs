//! The edges of numbers that do not fit into memory: from a sample of each.

use super::{
    Baseline,
    names::CATEGORIES,
    sketch::{Categories, Edges, Reference},
};
use crate::decision::tune::Random;

/// Values of a number from which its edges come: 256 KB. All of its values are counted on them.
const SAMPLE_MAX: usize = 32_768;

/// A uniform sample of each number of a task, the same for the same rows in the same order.
pub(super) struct Samples(Vec<Sample>);

/// Reservoir sampling (Vitter 1985, algorithm R) from a fixed seed.
struct Sample {
    values: Vec<f64>,
    seen: usize,
    random: Random,
}

impl Samples {
    pub(super) fn of(numbers: usize) -> Self {
        let sample = |seed| Sample { values: Vec::new(), seen: 0, random: Random::new(seed as u64) };
        Self((0..numbers).map(sample).collect())
    }

    /// One more row: a value of each number.
    pub(super) fn add(&mut self, numbers: impl Iterator<Item = Option<f64>>) {
        let values = self.0.iter_mut().zip(numbers);
        values.for_each(|(sample, value)| value.into_iter().for_each(|value| sample.add(value)));
    }

    /// A baseline of nothing, on the edges of the samples.
    pub(super) fn baseline(self, names: Vec<String>) -> Baseline {
        let references = self.0.into_iter().map(|sample| Reference::on(Edges::of(sample.values)));
        Baseline {
            numbers: names.into_iter().zip(references).collect(),
            categories: CATEGORIES.iter().map(|&name| (name.to_owned(), Categories::default())).collect(),
        }
    }
}

impl Sample {
    fn add(&mut self, value: f64) {
        self.seen += 1;
        if self.values.len() < SAMPLE_MAX {
            self.values.push(value);
        } else if let Some(place) = self.values.get_mut(self.random.below(self.seen)) {
            *place = value;
        }
    }
}
