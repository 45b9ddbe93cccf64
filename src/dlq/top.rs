//! Counts by key where keys can be without number: exact sums in bounded memory.

use std::collections::HashMap;

/// What stands for all keys that are not counted apart.
pub(super) const OTHERS: &str = "(others)";

/// Keys that are counted apart, at most; twice as many are held before the rarest are folded.
pub(super) const KEYS_MAX: usize = 2_000;

/// Something that can be added up.
pub trait Add: Default {
    /// Adds `other`.
    fn add(&mut self, other: &Self);
    /// How much it is.
    fn size(&self) -> u64;
}

/// The most frequent keys. While there are at most twice `keys_max` every count is exact; beyond that the rarest are
/// folded into the others, and a count can miss what was folded before.
#[derive(Clone, Debug)]
pub struct Top<V> {
    keys_max: usize,
    counts: HashMap<String, V>,
    others: V,
}

impl<V: Add> Default for Top<V> {
    fn default() -> Self {
        Self::new(KEYS_MAX)
    }
}

impl<V: Add> Top<V> {
    /// Counts at least `keys_max` keys apart.
    pub fn new(keys_max: usize) -> Self {
        Self { keys_max, counts: HashMap::new(), others: V::default() }
    }

    /// The count of `key`.
    pub fn entry(&mut self, key: &str) -> &mut V {
        if self.counts.len() >= 2 * self.keys_max && !self.counts.contains_key(key) {
            self.fold();
        }
        // An entry by reference would save the second look-up; std has none that is stable.
        if !self.counts.contains_key(key) {
            self.counts.insert(key.to_owned(), V::default());
        }
        self.counts.entry(key.to_owned()).or_default()
    }

    /// Keeps the `keys_max` most frequent.
    fn fold(&mut self) {
        let mut sizes: Vec<u64> = self.counts.values().map(V::size).collect();
        let at = sizes.len() - self.keys_max;
        let (_, smallest, _) = sizes.select_nth_unstable(at);
        let (smallest, mut room) = (*smallest, self.keys_max);
        room -= sizes[at..].iter().filter(|size| **size > smallest).count();
        let others = &mut self.others;
        self.counts.retain(|_, count| {
            let stays = count.size() > smallest || (count.size() == smallest && room > 0);
            if !stays {
                others.add(count);
            } else if count.size() == smallest {
                room -= 1;
            }
            stays
        });
    }

    /// The `rows` most frequent in order, and everything else together where there is more.
    pub fn rows(&self, rows: usize) -> Vec<(&str, V)> {
        let mut counts: Vec<_> = self.counts.iter().map(|(key, count)| (key.as_str(), count)).collect();
        counts.sort_by(|a, b| b.1.size().cmp(&a.1.size()).then(a.0.cmp(b.0)));
        let copy = |count: &V| {
            let mut copy = V::default();
            copy.add(count);
            copy
        };
        let mut others = copy(&self.others);
        counts.iter().skip(rows).for_each(|(_, count)| others.add(count));
        let mut top: Vec<_> = counts.into_iter().take(rows).map(|(key, count)| (key, copy(count))).collect();
        if others.size() > 0 {
            top.push((OTHERS, others));
        }
        top
    }
}

impl Add for u64 {
    fn add(&mut self, other: &Self) {
        *self += other;
    }

    fn size(&self) -> u64 {
        *self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_and_memory_is_bounded() {
        let mut top = Top::<u64>::new(10);
        let mut keys_max = 0;
        for index in 0..10_000 {
            *top.entry(&format!("rare-{index}")) += 1;
            *top.entry("often") += 1;
            keys_max = keys_max.max(top.counts.len());
        }
        assert_eq!(keys_max, 20);
        let rows = top.rows(3);
        assert_eq!(rows[0], ("often", 10_000));
        assert_eq!(rows[3].0, OTHERS);
        assert_eq!(rows.iter().map(|(_, count)| count).sum::<u64>(), 20_000);
    }

    #[test]
    fn few_keys_are_counted_exactly() {
        let mut top = Top::<u64>::new(2);
        for key in ["b", "a", "b", "c"] {
            *top.entry(key) += 1;
        }
        assert_eq!(top.rows(9), [("b", 2), ("a", 1), ("c", 1)]);
        assert_eq!(top.rows(1), [("b", 2), (OTHERS, 2)]);
    }
}
