//! Numbers of a window, counted on the edges of a reference.

use serde::{Deserialize, Serialize};

use super::{Edges, Mismatch, Moments, digits};

/// What a number looked like when all was well: its edges, and its own counts on them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    edges: Edges,
    counts: Counts,
}

/// How many numbers lie on each edge and between each two. 4 KB with all 257 edges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// [`Edges::id`].
    #[serde(with = "digits")]
    edges: u64,
    /// As [`Edges::slot`] numbers them: the first is below all edges, the last above.
    slots: Vec<u64>,
    /// Values that were not there, or not a number.
    missing: u64,
    /// Of the finite numbers: an infinite one is below or above, and has no mean.
    moments: Moments,
}

impl Reference {
    /// The reference that these values are. `None` is missing.
    pub fn of(values: &[Option<f64>]) -> Self {
        let mut reference = Self::on(Edges::of(values.iter().copied().flatten().collect()));
        values.iter().for_each(|&value| reference.add(value));
        reference
    }

    /// An empty reference on given edges, for more values than fit in memory: edges from a sample of them, then all of
    /// them by [`Reference::add`].
    pub fn on(edges: Edges) -> Self {
        let counts = Counts::on(&edges);
        Self { edges, counts }
    }

    /// One more value.
    pub fn add(&mut self, value: Option<f64>) {
        self.counts.add(&self.edges, value);
    }

    /// The edges.
    pub fn edges(&self) -> &Edges {
        &self.edges
    }

    /// The reference's own counts.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl Counts {
    /// Of nothing.
    pub fn on(edges: &Edges) -> Self {
        Self { edges: edges.id(), slots: vec![0; edges.slots()], missing: 0, moments: Moments::default() }
    }

    /// One more value; `edges` must be those it was made on, else it counts as missing.
    #[inline]
    pub fn add(&mut self, edges: &Edges, value: Option<f64>) {
        debug_assert_eq!(self.edges, edges.id(), "counts of other edges");
        let slot = value.filter(|number| !number.is_nan()).map(|number| (edges.slot(number), number));
        match slot.and_then(|(slot, number)| Some((self.slots.get_mut(slot)?, number))) {
            Some((count, number)) => {
                *count += 1;
                if number.is_finite() {
                    self.moments.add(number, edges.unit());
                }
            }
            None => self.missing += 1,
        }
    }

    /// Adds what another window counted.
    ///
    /// # Errors
    /// [`Mismatch`], when that was on other edges.
    pub fn merge(&mut self, other: &Self) -> Result<(), Mismatch> {
        if self.edges != other.edges || self.slots.len() != other.slots.len() {
            return Err(Mismatch { ours: self.edges, theirs: other.edges });
        }
        self.slots.iter_mut().zip(&other.slots).for_each(|(ours, theirs)| *ours += theirs);
        self.missing += other.missing;
        self.moments.merge(&other.moments);
        Ok(())
    }

    /// Whether they were counted on these edges.
    pub fn fits(&self, edges: &Edges) -> bool {
        self.edges == edges.id() && self.slots.len() == edges.slots()
    }

    /// The counts, as [`Edges::slot`] numbers them.
    pub fn slots(&self) -> &[u64] {
        &self.slots
    }

    /// Numbers: values that are there.
    pub fn numbers(&self) -> u64 {
        self.slots.iter().sum()
    }

    /// Values that were not there, or not a number.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// All values.
    pub fn values(&self) -> u64 {
        self.numbers() + self.missing
    }

    /// Below the first edge, the reference's least number.
    pub fn below(&self) -> u64 {
        self.slots.first().copied().unwrap_or_default()
    }

    /// Above the last edge, the reference's largest number. Without edges every number is below.
    pub fn above(&self) -> u64 {
        if self.slots.len() > 1 { self.slots.last().copied().unwrap_or_default() } else { 0 }
    }

    /// Count, sum and sum of squares of the finite numbers.
    pub fn moments(&self) -> &Moments {
        &self.moments
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(edges: &Edges, values: &[Option<f64>]) -> Counts {
        let mut counts = Counts::on(edges);
        values.iter().for_each(|&value| counts.add(edges, value));
        counts
    }

    fn json(counts: &Counts) -> String {
        serde_json::to_string(counts).unwrap()
    }

    fn values() -> impl Strategy<Value = Vec<Option<f64>>> {
        let number = prop_oneof![any::<f64>(), -2.0..3.0, (0..4).prop_map(f64::from), Just(f64::INFINITY)];
        proptest::collection::vec(proptest::option::of(number), 0..200)
    }

    proptest! {
        #[test]
        fn the_order_and_the_split_of_values_leave_the_same_bytes(
            reference in values(),
            (values, shuffled) in values().prop_flat_map(|values| (Just(values.clone()), Just(values).prop_shuffle())),
            split in any::<prop::sample::Index>(),
        ) {
            let reference = Reference::of(&reference);
            let edges = reference.edges();
            let whole = counts(edges, &values);
            let (first, second) = shuffled.split_at(split.index(shuffled.len() + 1));
            let (first, second) = (counts(edges, first), counts(edges, second));
            for (mut sum, other) in [(first.clone(), &second), (second.clone(), &first)] {
                sum.merge(other).unwrap();
                prop_assert_eq!(json(&sum), json(&whole));
            }
            let again: Counts = serde_json::from_str(&json(&whole)).unwrap();
            prop_assert_eq!(&again, &whole);
            prop_assert_eq!(whole.values(), values.len() as u64);
        }
    }

    #[test]
    fn what_lies_outside_and_what_is_missing_is_counted_apart() {
        let edges = Edges::of(vec![1.0, 2.0]);
        let found = counts(&edges, &[None, Some(f64::NAN), Some(0.0), Some(1.0), Some(1.5), Some(f64::INFINITY)]);
        assert_eq!((found.missing(), found.below(), found.above()), (2, 1, 1));
        assert_eq!((found.numbers(), found.moments().n), (4, 3));
        assert_eq!(found.moments().mean(edges.unit()), Some(2.5 / 3.0));
    }

    #[test]
    fn counts_of_other_edges_are_not_added() {
        let mut ours = Counts::on(&Edges::of(vec![1.0, 2.0]));
        assert!(ours.merge(&Counts::on(&Edges::of(vec![1.0, 3.0]))).is_err());
    }
}
