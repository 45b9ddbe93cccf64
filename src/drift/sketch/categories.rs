//! Names of a window, counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Names that are counted by themselves: more than there are codes of two letters.
pub const NAMES_MAX: usize = 1_024;
/// Of a name; a longer one is cut.
pub const NAME_BYTES_MAX: usize = 128;

/// Counts by name. Of more than 1,024 names the first of the alphabet are kept, the rest is `other`: which ones these are
/// depends on no order, and the count of each that is kept is exact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Categories {
    names: BTreeMap<String, u64>,
    other: u64,
}

impl Categories {
    /// One more.
    pub fn add(&mut self, name: &str) {
        self.add_many(&name[..name.floor_char_boundary(NAME_BYTES_MAX)], 1);
    }

    fn add_many(&mut self, name: &str, count: u64) {
        if let Some(known) = self.names.get_mut(name) {
            *known += count;
            return;
        }
        // A name that is kept at the end was among the first ones from its first record on: it lost none.
        let full = self.names.len() >= NAMES_MAX;
        if full && self.names.last_key_value().is_some_and(|(last, _)| name > last.as_str()) {
            self.other += count;
            return;
        }
        self.names.insert(name.to_owned(), count);
        if full {
            self.other += self.names.pop_last().map_or(0, |(_, count)| count);
        }
    }

    /// Adds what another window counted.
    pub fn merge(&mut self, others: &Self) {
        others.names.iter().for_each(|(name, &count)| self.add_many(name, count));
        self.other += others.other;
    }

    /// Names and their counts, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = (&str, u64)> {
        self.names.iter().map(|(name, &count)| (name.as_str(), count))
    }

    /// How often this name.
    pub fn count(&self, name: &str) -> u64 {
        self.names.get(name).copied().unwrap_or_default()
    }

    /// Those of names that are not kept.
    pub fn other(&self) -> u64 {
        self.other
    }

    /// All.
    pub fn values(&self) -> u64 {
        self.names.values().sum::<u64>() + self.other
    }

    /// The names of both, with the counts of each; the last is what either does not keep.
    pub fn pairs<'a>(&'a self, others: &'a Self) -> Vec<(Option<&'a str>, u64, u64)> {
        let mut both = self.clone();
        both.merge(others);
        let kept = |name: &&'a String| both.names.contains_key(name.as_str());
        let mut names: Vec<_> = self.names.keys().chain(others.names.keys()).filter(kept).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        let mut pairs: Vec<_> =
            names.into_iter().map(|name| (Some(name), self.count(name), others.count(name))).collect();
        let rest = |all: u64, kept: u64| all - kept;
        let (ours, theirs) = pairs.iter().fold((0, 0), |(ours, theirs), (_, one, other)| (ours + one, theirs + other));
        let (ours, theirs) = (rest(self.values(), ours), rest(others.values(), theirs));
        if ours + theirs > 0 {
            pairs.push((None, ours, theirs));
        }
        pairs
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn categories(names: &[u16]) -> Categories {
        let mut categories = Categories::default();
        names.iter().for_each(|name| categories.add(&format!("{name:05}")));
        categories
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_order_and_the_split_of_names_leave_the_same_bytes(
            (names, shuffled) in proptest::collection::vec(0..3_000_u16, 0..4_000)
                .prop_flat_map(|names| (Just(names.clone()), Just(names).prop_shuffle())),
            split in any::<prop::sample::Index>(),
        ) {
            let whole = categories(&names);
            let (first, second) = shuffled.split_at(split.index(shuffled.len() + 1));
            let (first, second) = (categories(first), categories(second));
            for (mut sum, other) in [(first.clone(), &second), (second.clone(), &first)] {
                sum.merge(other);
                prop_assert_eq!(serde_json::to_string(&sum).unwrap(), serde_json::to_string(&whole).unwrap());
            }
            prop_assert_eq!(whole.values(), names.len() as u64);
            for (name, count) in whole.names() {
                prop_assert_eq!(count, names.iter().filter(|drawn| format!("{drawn:05}") == name).count() as u64);
            }
        }
    }

    #[test]
    fn what_one_of_two_does_not_keep_is_kept_of_neither() {
        let (few, many) = (categories(&[9_000]), categories(&(0..2_000).collect::<Vec<_>>()));
        let pairs = few.pairs(&many);
        assert_eq!((pairs.len(), pairs[NAMES_MAX]), (NAMES_MAX + 1, (None, 1, 2_000 - NAMES_MAX as u64)));
        assert_eq!(few.pairs(&few), [(Some("09000"), 1, 1)]);
    }

    #[test]
    fn a_long_name_is_cut_at_a_character() {
        let mut found = Categories::default();
        found.add(&"ü".repeat(100));
        found.add(&format!("{}x", "ü".repeat(64)));
        assert_eq!(found.names().collect::<Vec<_>>(), [("ü".repeat(64).as_str(), 2)]);
    }
}
