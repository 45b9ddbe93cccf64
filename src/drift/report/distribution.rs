//! Both sides of a number or category in few bins, for pictures.

use std::cmp::Reverse;

use crate::{
    drift::sketch::{Categories, Counts, Reference},
    records::DistributionBin,
};

/// Bins of a distribution, for the sake of the report's size.
pub const BINS_MAX: usize = 32;
/// Parts of the reference, about equal. A last part may take what is left, and above the largest number is one more bin.
const PARTS: u128 = BINS_MAX as u128 - 2;

pub(super) fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Bins that end on edges of the reference: the first reaches down without bound, the last up. None of counts on other
/// edges.
pub(super) fn of_number(reference: &Reference, current: &Counts) -> Vec<DistributionBin> {
    let (edges, ours, theirs) = (reference.edges().at(), reference.counts().slots(), current.slots());
    if !current.fits(reference.edges()) || ours.len() != theirs.len() {
        return Vec::new();
    }
    let bin = |low, high, (before, after)| DistributionBin {
        low,
        high,
        name: None,
        before: whole(before),
        after: whole(after),
    };
    let inside: u128 = ours[..2 * edges.len()].iter().map(|&count| u128::from(count)).sum();
    let (mut bins, mut low, mut counts, mut up_to, mut part) = (Vec::new(), None, (0, 0), 0, 1);
    for (edge, &high) in edges.iter().enumerate() {
        // What lies below the edge, and on it.
        for slot in [2 * edge, 2 * edge + 1] {
            counts = (counts.0 + ours[slot], counts.1 + theirs[slot]);
            up_to += u128::from(ours[slot]);
        }
        if PARTS * up_to >= part * inside.max(1) || edge + 1 == edges.len() {
            bins.push(bin(low, Some(high), std::mem::take(&mut counts)));
            low = Some(high);
            part = PARTS * up_to / inside.max(1) + 1;
        }
    }
    bins.extend(ours.last().zip(theirs.last()).map(|(&before, &after)| bin(low, None, (before, after))));
    bins
}

/// The names with the largest shares of both sides together, then the rest, if there is one, without a name.
pub(super) fn of_category(reference: &Categories, current: &Categories) -> Vec<DistributionBin> {
    let (n, m) = (u128::from(reference.values().max(1)), u128::from(current.values().max(1)));
    let mut pairs = reference.pairs(current);
    // ours / n + theirs / m, without division; what has no name comes last, and those alike stay in their order.
    pairs.sort_by_key(|&(name, ours, theirs)| (name.is_none(), Reverse(u128::from(ours) * m + u128::from(theirs) * n)));
    let named = pairs.iter().take_while(|(name, ..)| name.is_some()).count().min(BINS_MAX - 1);
    let bin = |name: Option<&str>, before, after| DistributionBin {
        low: None,
        high: None,
        name: name.map(str::to_owned),
        before: whole(before),
        after: whole(after),
    };
    let mut bins: Vec<_> = pairs[..named].iter().map(|&(name, ours, theirs)| bin(name, ours, theirs)).collect();
    let rest = pairs[named..].iter().fold((0, 0), |(ours, theirs), pair| (ours + pair.1, theirs + pair.2));
    if rest != (0, 0) {
        bins.push(bin(None, rest.0, rest.1));
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bins: &[DistributionBin]) -> Vec<(Option<f64>, Option<f64>, i64, i64)> {
        bins.iter().map(|bin| (bin.low, bin.high, bin.before, bin.after)).collect()
    }

    fn counted(reference: &Reference, values: &[f64]) -> Counts {
        let mut counts = Counts::on(reference.edges());
        values.iter().for_each(|&value| counts.add(reference.edges(), Some(value)));
        counts
    }

    #[test]
    fn a_bin_lies_above_its_low_end_and_reaches_up_to_its_high_end() {
        let reference = Reference::of(&[1.0, 2.0, 2.0, 3.0].map(Some));
        let found = of_number(&reference, &counted(&reference, &[0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 9.0, 9.5]));
        let expected = [
            (None, Some(1.0), 1, 2),
            (Some(1.0), Some(2.0), 2, 2),
            (Some(2.0), Some(3.0), 1, 2),
            (Some(3.0), None, 0, 2),
        ];
        assert_eq!(told(&found), expected);
    }

    #[test]
    fn many_edges_are_parts_of_about_equal_share() {
        let reference = Reference::of(&(0..10_000).map(|value| Some(f64::from(value))).collect::<Vec<_>>());
        let found = of_number(&reference, &counted(&reference, &[5.0; 7]));
        assert!(found.len() <= BINS_MAX, "{}", found.len());
        let parts = &found[..found.len() - 1];
        assert!(parts.iter().all(|bin| (270..=400).contains(&bin.before)), "{:?}", told(&found));
        assert_eq!(
            found.iter().map(|bin| (bin.before, bin.after)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1)),
            (10_000, 7)
        );
        assert!(found.windows(2).all(|pair| pair[0].high == pair[1].low && pair[0].high.is_some()));
    }

    #[test]
    fn edges_without_values_and_values_without_edges_have_bins_too() {
        let edges = Reference::of(&(0..300).map(|value| Some(f64::from(value))).collect::<Vec<_>>()).edges().clone();
        let bare = Reference::on(edges);
        let found = of_number(&bare, &counted(&bare, &[-1.0, 5.0, 1e9]));
        let last = bare.edges().at().last().copied();
        assert_eq!(told(&found), [(None, last, 0, 2), (last, None, 0, 1)]);
        let nothing = Reference::of(&[None]);
        assert_eq!(told(&of_number(&nothing, &counted(&nothing, &[4.0]))), [(None, None, 0, 1)]);
    }

    #[test]
    fn names_come_by_their_share_on_both_sides_and_the_rest_has_none() {
        let counted = |names: &[(&str, usize)]| {
            let mut counts = Categories::default();
            names.iter().for_each(|&(name, count)| (0..count).for_each(|_| counts.add(name)));
            counts
        };
        // de is gone: by its share it stands before fr, although the window is larger than the reference.
        let found = of_category(&counted(&[("en", 6), ("de", 4)]), &counted(&[("en", 90), ("fr", 10)]));
        let told: Vec<_> = found.iter().map(|bin| (bin.name.as_deref(), bin.before, bin.after)).collect();
        assert_eq!(told, [(Some("en"), 6, 90), (Some("de"), 4, 0), (Some("fr"), 0, 10)]);
        let many: Vec<_> = (0..40).map(|name| format!("{name:02}")).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), 2)).collect();
        let found = of_category(&counted(&many), &counted(&many[..1]));
        assert_eq!((found.len(), found[0].name.as_deref()), (BINS_MAX, Some("00")));
        assert_eq!((found[31].name.as_deref(), found[31].before, found[31].after), (None, 18, 0));
    }
}
