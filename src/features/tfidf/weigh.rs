//! From the columns of a text's terms, as often as they occur, to its row.

use std::{iter, mem};

use super::{Norm, Options};

/// Widest vocabulary whose columns are counted by place: 4 MiB of counts a lane.
const COUNTED_COLUMNS_MAX: usize = 1 << 20;
/// Words of the bitmap that are looked through in the time in which one more column is sorted.
const WORDS_PER_SORTED: usize = 8;
/// Counts whose weight is looked up.
const KNOWN_COUNTS: usize = 64;

/// Weighs the counts of terms. Immutable.
#[derive(Debug)]
pub(super) struct Weigher {
    idf: Vec<f64>,
    norm: Norm,
    sublinear: bool,
    /// Weights of the first counts.
    frequencies: [f64; KNOWN_COUNTS],
}

/// Buffers of [`Weigher::weigh`].
#[derive(Debug, Default)]
pub(super) struct Scratch {
    counts: Counts,
    columns: Vec<u32>,
    weights: Vec<f64>,
}

/// How often columns were found. All of it is 0 between texts.
#[derive(Debug, Default)]
struct Counts {
    /// By column.
    of: Vec<u32>,
    /// A bit for each column that has a count.
    touched: Vec<u64>,
    /// Which words of it are not 0.
    words: Vec<u32>,
}

impl Weigher {
    pub(super) fn new(idf: Vec<f64>, options: &Options) -> Self {
        let sublinear = options.sublinear_tf;
        let frequencies = std::array::from_fn(|count| frequency(count as u32, sublinear));
        Self { idf, norm: options.norm, sublinear, frequencies }
    }

    pub(super) fn columns(&self) -> usize {
        self.idf.len()
    }

    /// Replaces `row` by the (column, weight) pairs of `found`, in the order of the columns, each once. The order of
    /// `found` may change.
    pub(super) fn weigh(&self, found: &mut [u32], scratch: &mut Scratch, row: &mut Vec<(u32, f32)>) {
        let Scratch { counts, columns, weights } = scratch;
        if self.columns() <= COUNTED_COLUMNS_MAX && self.columns().div_ceil(64) <= found.len() * WORDS_PER_SORTED {
            counts.add(found, self.columns());
            counts.drain_columns_into(columns, found.len(), self.columns());
            let weight = |&column: &u32| self.weight(column, mem::take(&mut counts.of[column as usize]));
            weights.clear();
            weights.extend(columns.iter().map(weight));
        } else {
            found.sort_unstable();
            columns.clear();
            columns.extend(found.chunk_by(u32::eq).map(|same| same[0]));
            weights.clear();
            weights.extend(found.chunk_by(u32::eq).map(|same| self.weight(same[0], same.len() as u32)));
        }
        let norm = match self.norm {
            Norm::L1 => sum(weights, |weight| weight),
            Norm::L2 => sum(weights, |weight| weight * weight).sqrt(),
            Norm::None => 1.0,
        };
        let scale = if norm > 0.0 { 1.0 / norm } else { 1.0 };
        row.clear();
        row.extend(iter::zip(columns, weights).map(|(&mut column, weight)| (column, (*weight * scale) as f32)));
    }

    #[inline]
    fn weight(&self, column: u32, count: u32) -> f64 {
        self.frequency(count) * self.idf[column as usize]
    }

    #[inline]
    fn frequency(&self, count: u32) -> f64 {
        match self.frequencies.get(count as usize) {
            Some(known) => *known,
            None => frequency(count, self.sublinear),
        }
    }
}

fn frequency(count: u32, sublinear: bool) -> f64 {
    let count = f64::from(count);
    if sublinear { 1.0 + count.ln() } else { count }
}

/// Adds up in four sums at once: an addition need not wait for the one before.
fn sum(weights: &[f64], of: impl Fn(f64) -> f64) -> f64 {
    let (fours, rest) = weights.as_chunks::<4>();
    let sums =
        fours.iter().fold([0.0; 4], |sums: [f64; 4], four| std::array::from_fn(|lane| sums[lane] + of(four[lane])));
    sums.iter().sum::<f64>() + rest.iter().map(|&weight| of(weight)).sum::<f64>()
}

impl Counts {
    fn add(&mut self, found: &[u32], width: usize) {
        if self.of.len() < width {
            self.of.resize(width, 0);
            self.touched.resize(width.div_ceil(64), 0);
        }
        for &column in found {
            self.of[column as usize] += 1;
            self.touched[column as usize / 64] |= 1 << (column % 64);
        }
    }

    /// Replaces `columns` by those that have a count, in order; they are at most `most`.
    ///
    /// Terms that stand beside each other in a vocabulary are often found together: most words of the bitmap are empty,
    /// and most others have up to four bits. Those are written in any case, and kept by moving on or not, so that hardly
    /// a branch is guessed wrong.
    fn drain_columns_into(&mut self, columns: &mut Vec<u32>, most: usize, width: usize) {
        let Self { touched, words, .. } = self;
        let touched = &mut touched[..width.div_ceil(64)];
        words.resize(touched.len() + 1, 0);
        let mut used = 0;
        for (index, word) in (0..).zip(&*touched) {
            words[used] = index;
            used += usize::from(*word != 0);
        }
        columns.resize(most + 4, 0);
        let mut len = 0;
        for &word in &words[..used] {
            let mut bits = mem::take(&mut touched[word as usize]);
            let mut write_lowest = || {
                columns[len] = word * 64 + bits.trailing_zeros();
                len += usize::from(bits != 0);
                bits &= bits.wrapping_sub(1);
                bits != 0
            };
            (0..3).for_each(|_| _ = write_lowest());
            while write_lowest() {}
        }
        columns.truncate(len);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counting_by_place_is_sorting(
            texts in prop::collection::vec(prop::collection::vec(prop_oneof![0..40_u32, 0..9_000_u32], 0..400), 1..4)
        ) {
            let mut counts = Counts::default();
            let mut columns = Vec::new();
            for mut found in texts {
                counts.add(&found, 9_000);
                counts.drain_columns_into(&mut columns, found.len(), 9_000);
                let counted: Vec<_> = columns.iter().map(|&column| mem::take(&mut counts.of[column as usize])).collect();
                found.sort_unstable();
                let same = || found.chunk_by(u32::eq);
                prop_assert_eq!(&columns, &same().map(|same| same[0]).collect::<Vec<_>>());
                prop_assert_eq!(counted, same().map(|same| same.len() as u32).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn high_counts_weigh_as_low_ones_do() {
        let options = Options { sublinear_tf: true, norm: Norm::None, ..Options::default() };
        let (weigher, mut row) = (Weigher::new(vec![2.0; 3], &options), Vec::new());
        let mut found = vec![1; 1_000];
        found.push(2);
        weigher.weigh(&mut found, &mut Scratch::default(), &mut row);
        assert_eq!(row, [(1, (2.0 * (1.0 + 1_000.0_f64.ln())) as f32), (2, 2.0)]);
    }

    #[test]
    fn a_wide_vocabulary_gives_the_same_row() {
        let columns = COUNTED_COLUMNS_MAX + 1;
        let mut found = vec![columns as u32 - 1, 5, 5];
        let (weigher, mut row) = (Weigher::new(vec![1.0; columns], &Options::default()), Vec::new());
        weigher.weigh(&mut found, &mut Scratch::default(), &mut row);
        assert_eq!(row, [(5, 2.0 / 5.0_f32.sqrt()), (columns as u32 - 1, 1.0 / 5.0_f32.sqrt())]);
    }
}
