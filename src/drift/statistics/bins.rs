use crate::drift::sketch::Counts;

/// Parts of the reference, about equal. Few: chance alone gives a PSI of about (bins - 1)(1/n + 1/m), which would reach
/// the usual floor of 0.2 with the 256 parts of the edges at n = 2,500.
pub const BINS: usize = 10;

/// Counts of a reference and of a window in the same bins: missing, below, the reference's tenths (fewer where one number
/// is more than a tenth), above. None when they were counted on other edges.
pub fn bins(reference: &Counts, current: &Counts) -> Option<Vec<(u64, u64)>> {
    let (ours, theirs) = (reference.slots(), current.slots());
    if ours.len() != theirs.len() {
        return None;
    }
    let mut bins = vec![(reference.missing(), current.missing()), (reference.below(), current.below())];
    if ours.len() == 1 {
        return Some(bins);
    }
    let last = ours.len() - 1;
    let inside: u128 = ours[1..last].iter().map(|&count| u128::from(count)).sum();
    let (mut up_to, mut part, mut bin) = (0, 1, (0, 0));
    for slot in 1..last {
        bin = (bin.0 + ours[slot], bin.1 + theirs[slot]);
        up_to += u128::from(ours[slot]);
        // A part ends on the edge that completes it.
        if (BINS as u128 * up_to >= part * inside && slot % 2 == 1 && ours[slot] > 0) || slot + 1 == last {
            bins.push(std::mem::take(&mut bin));
            part = BINS as u128 * up_to / inside.max(1) + 1;
        }
    }
    bins.push((reference.above(), current.above()));
    Some(bins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::sketch::Reference;

    fn binned(reference: &[f64], current: &[Option<f64>]) -> Vec<(u64, u64)> {
        let reference = Reference::of(&reference.iter().copied().map(Some).collect::<Vec<_>>());
        let mut counts = Counts::on(reference.edges());
        current.iter().for_each(|&value| counts.add(reference.edges(), value));
        bins(reference.counts(), &counts).unwrap()
    }

    #[test]
    fn tenths_of_the_reference_and_what_is_beside_them() {
        let reference: Vec<_> = (0..1_000).map(f64::from).collect();
        let found = binned(&reference, &[None, Some(-1.0), Some(0.0), Some(999.0), Some(1_000.0), Some(2_000.0)]);
        let ours: Vec<_> = found.iter().map(|bin| bin.0).collect();
        assert_eq!((found[0], found[1], found[BINS + 2]), ((0, 1), (0, 1), (0, 2)));
        assert!(ours[2..12].iter().all(|count| (96..=104).contains(count)) && found.len() == BINS + 3, "{ours:?}");
    }

    #[test]
    fn a_frequent_number_is_a_bin_of_its_own() {
        let mut reference = vec![0.0; 950];
        reference.extend((1..=50).map(f64::from));
        assert_eq!(binned(&reference, &[Some(0.0), Some(1.0)]), [(0, 0), (0, 0), (950, 1), (50, 1), (0, 0)]);
        assert_eq!(binned(&[7.0; 9], &[Some(6.0), Some(8.0)]), [(0, 0), (0, 1), (9, 0), (0, 1)]);
        assert_eq!(binned(&[], &[Some(6.0), None]), [(0, 1), (0, 1)]);
    }
}
