//! The edges that numbers are counted on.

use serde::{Deserialize, Serialize};

use super::Unit;

/// Parts that the quantiles cut the reference into. Between two edges lies less than one of them.
pub const QUANTILES: usize = 256;
/// The least number and the quantiles.
pub const EDGES_MAX: usize = QUANTILES + 1;

/// Numbers of the reference, ascending and distinct: its least, and its quantiles 1/256, 2/256, ... up to its largest.
/// A number that makes up 1/256 of the reference is an edge, so every number of a discrete feature can be one.
///
/// In JSON they are text: many a reader of JSON numbers, serde_json's too, may be off by the last bit, and an edge must
/// equal the numbers that it was made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Edges {
    at: Vec<f64>,
    unit: Unit,
    id: u64,
}

/// Why numbers are no edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("edges are at most {EDGES_MAX} finite numbers, each larger than the one before; build the reference again")]
pub struct EdgesError;

impl Edges {
    /// The edges of these numbers; those that are not finite are passed over.
    pub fn of(mut numbers: Vec<f64>) -> Self {
        numbers.retain(|number| number.is_finite());
        // No -0.0, which equals 0.0 and has other bytes.
        numbers.iter_mut().for_each(|number| *number += 0.0);
        numbers.sort_unstable_by(f64::total_cmp);
        let quantile = |part: usize| numbers[((part * numbers.len()).div_ceil(QUANTILES)).max(1) - 1];
        let mut at: Vec<_> = if numbers.is_empty() { Vec::new() } else { (0..=QUANTILES).map(quantile).collect() };
        at.dedup();
        Self::new(at)
    }

    fn new(at: Vec<f64>) -> Self {
        let unit = Unit::for_numbers_up_to(at.iter().fold(0.0, |largest: f64, edge| largest.max(edge.abs())));
        let id = fnv1a(at.iter().flat_map(|edge| edge.to_le_bytes()));
        Self { at, unit, id }
    }

    /// The edges, ascending.
    pub fn at(&self) -> &[f64] {
        &self.at
    }

    /// What sums of numbers are rounded to.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// Tells edges apart: FNV-1a of their bytes.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// One for each edge, one before the first and one behind each.
    pub fn slots(&self) -> usize {
        2 * self.at.len() + 1
    }

    /// Where a number belongs: 0 below the first edge, 1 on it, 2 between it and the second, and so on.
    #[inline]
    pub fn slot(&self, number: f64) -> usize {
        let index = self.at.partition_point(|&edge| edge < number);
        let on = self.at.get(index).is_some_and(|&edge| edge == number);
        2 * index + usize::from(on)
    }
}

/// FNV-1a, 64 bits (Fowler, Noll and Vo).
pub(crate) fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl TryFrom<Vec<f64>> for Edges {
    type Error = EdgesError;

    fn try_from(at: Vec<f64>) -> Result<Self, EdgesError> {
        let ascending = at.windows(2).all(|pair| pair[0] < pair[1]);
        // Not -0.0 beside 0.0 either: they are equal.
        let valid = at.len() <= EDGES_MAX && at.iter().all(|edge| edge.is_finite()) && ascending;
        valid.then(|| Self::new(at)).ok_or(EdgesError)
    }
}

impl TryFrom<Vec<String>> for Edges {
    type Error = EdgesError;

    fn try_from(at: Vec<String>) -> Result<Self, EdgesError> {
        let numbers: Result<Vec<f64>, _> = at.iter().map(|edge| edge.parse()).collect();
        numbers.map_err(|_| EdgesError)?.try_into()
    }
}

impl From<Edges> for Vec<String> {
    fn from(edges: Edges) -> Self {
        edges.at.iter().map(|edge| format!("{edge:?}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_numbers_of_few_are_all_edges() {
        assert_eq!(Edges::of(vec![3.0, 1.0, -0.0, 1.0, f64::NAN, 0.0, f64::INFINITY]).at(), [0.0, 1.0, 3.0]);
        assert_eq!(Edges::of(vec![7.0; 5_000]).at(), [7.0]);
        assert_eq!(Edges::of(Vec::new()).slots(), 1);
    }

    #[test]
    fn a_number_lies_on_an_edge_or_beside_it() {
        let edges = Edges::of(vec![1.0, 2.0]);
        let slots = [0.5, 1.0, 1.5, 2.0, 2.5, f64::NEG_INFINITY, f64::INFINITY].map(|number| edges.slot(number));
        assert_eq!(slots, [0, 1, 2, 3, 4, 0, 4]);
    }

    #[test]
    fn many_numbers_have_257_edges_and_json_keeps_them() {
        let edges = Edges::of((0..10_000).map(|index| f64::from(index).sqrt()).collect());
        assert_eq!((edges.at().len(), edges.at()[0], edges.at()[256]), (EDGES_MAX, 0.0, 9_999_f64.sqrt()));
        let json = serde_json::to_string(&edges).unwrap();
        assert_eq!(serde_json::from_str::<Edges>(&json).unwrap(), edges);
        for wrong in [r#"["1","1"]"#, r#"["2","1"]"#, r#"["1e999"]"#, r#"["x"]"#, "[1]"] {
            assert!(serde_json::from_str::<Edges>(wrong).is_err(), "{wrong}");
        }
    }
}
