//! Everything that is watched of one task and arm: numbers and categories, in a fixed order.

use serde::{Deserialize, Serialize};

use super::{
    sketch::{Categories, Counts, Mismatch, Reference},
    verdict::{Finding, Rule, Verdict},
};

/// What was normal, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Features, unknown-term ratio, scores.
    pub numbers: Vec<(String, Reference)>,
    /// Language, label, action, ...
    pub categories: Vec<(String, Categories)>,
}

/// What a window counted of the same, in the same order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// One per number of the baseline.
    pub numbers: Vec<Counts>,
    /// One per category of the baseline.
    pub categories: Vec<Categories>,
}

impl Baseline {
    /// One more row of when all was well, in the order of the names. A category that is not known is not counted.
    pub fn add(&mut self, numbers: impl Iterator<Item = Option<f64>>, categories: &[Option<String>]) {
        self.numbers.iter_mut().zip(numbers).for_each(|((_, reference), value)| reference.add(value));
        let categories = self.categories.iter_mut().zip(categories);
        categories.for_each(|((_, counts), name)| name.iter().for_each(|name| counts.add(name)));
    }

    /// Holds a window against it. One multiple-test correction spans all its tests.
    pub fn judge(&self, window: &Window, rule: &Rule) -> Verdict {
        let numbers = self.numbers.iter().zip(&window.numbers);
        let numbers = numbers.map(|((name, reference), counts)| Finding::number(name, reference, counts, rule));
        let categories = self.categories.iter().zip(&window.categories);
        let categories = categories.map(|((name, known), found)| Finding::category(name, known, found, rule));
        Verdict::of(numbers.chain(categories).collect(), rule)
    }
}

impl Window {
    /// An empty one.
    pub fn of(baseline: &Baseline) -> Self {
        Self {
            numbers: baseline.numbers.iter().map(|(_, reference)| Counts::on(reference.edges())).collect(),
            categories: vec![Categories::default(); baseline.categories.len()],
        }
    }

    /// One more row, in the order of `baseline`, which it must be [`Window::of`].
    pub fn add(
        &mut self,
        baseline: &Baseline,
        numbers: impl Iterator<Item = Option<f64>>,
        categories: &[Option<String>],
    ) {
        let edges = baseline.numbers.iter().map(|(_, reference)| reference.edges());
        let numbers = self.numbers.iter_mut().zip(edges).zip(numbers);
        numbers.for_each(|((counts, edges), value)| counts.add(edges, value));
        let categories = self.categories.iter_mut().zip(categories);
        categories.for_each(|(counts, name)| name.iter().for_each(|name| counts.add(name)));
    }

    /// Adds what another partition, or another part of the window, counted.
    ///
    /// # Errors
    /// [`Mismatch`], when that was by another baseline; nothing is added then.
    pub fn merge(&mut self, other: &Self) -> Result<(), Mismatch> {
        let mut numbers = self.numbers.clone();
        if numbers.len() != other.numbers.len() || self.categories.len() != other.categories.len() {
            return Err(Mismatch { ours: 0, theirs: 0 });
        }
        for (ours, theirs) in numbers.iter_mut().zip(&other.numbers) {
            ours.merge(theirs)?;
        }
        self.numbers = numbers;
        self.categories.iter_mut().zip(&other.categories).for_each(|(ours, theirs)| ours.merge(theirs));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_of_another_baseline_changes_nothing() {
        let baseline = |last: f64| Baseline {
            numbers: vec![
                ("a".into(), Reference::of(&[Some(1.0), Some(2.0)])),
                ("b".into(), Reference::of(&[Some(1.0), Some(last)])),
            ],
            categories: vec![("c".into(), Categories::default())],
        };
        let (ours, theirs) = (baseline(2.0), baseline(3.0));
        let (mut window, mut other) = (Window::of(&ours), Window::of(&theirs));
        other.numbers[0].add(theirs.numbers[0].1.edges(), Some(1.0));
        other.categories[0].add("x");
        assert!(window.merge(&other).is_err());
        assert_eq!(window, Window::of(&ours));
        window.merge(&window.clone()).unwrap();
    }
}
