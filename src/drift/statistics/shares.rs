use statrs::function::gamma::checked_gamma_ur;

/// Of the shares of the PSI, spread evenly over the bins, so that an empty bin is finite. A share and no count: the index
/// of an emptied bin would grow with the volume.
const PSI_EVEN: f64 = 0.01;
/// Categories of which fewer are expected, on either side, are pooled (Cochran 1954).
pub const EXPECTED_MIN: f64 = 5.0;

/// Pearson's test that two rows of counts have the same shares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChiSquare {
    /// Sum of (observed - expected)^2 / expected.
    pub statistic: f64,
    /// Categories after pooling, less one.
    pub degrees: u32,
    /// Upper tail: the regularised incomplete gamma function Q(degrees / 2, statistic / 2).
    pub p_value: f64,
}

fn totals(pairs: &[(u64, u64)]) -> Option<(f64, f64)> {
    let (ours, theirs) = pairs.iter().fold((0, 0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    (ours > 0 && theirs > 0).then_some((ours as f64, theirs as f64))
}

/// Population stability index: sum of (q - p) ln(q / p), with p = 0.99 count / n + 0.01 / bins. Jeffreys' divergence
/// (Jeffreys 1946); as an index Lewis 1994, where 0.1 is a small shift and 0.2 or 0.25 a large one. Symmetric. None when a
/// side is empty.
pub fn psi(pairs: &[(u64, u64)]) -> Option<f64> {
    let (n, m) = totals(pairs)?;
    let share = |count: u64, all: f64| (1.0 - PSI_EVEN) * count as f64 / all + PSI_EVEN / pairs.len() as f64;
    let term = |&(ours, theirs): &(u64, u64)| {
        let (p, q) = (share(ours, n), share(theirs, m));
        (q - p) * (q / p).ln()
    };
    Some(pairs.iter().map(term).sum())
}

/// Jensen-Shannon distance, 0..=1: the square root of the mean divergence, in bits, of the two from their mean (Lin 1991;
/// Endres and Schindelin 2003). As `scipy.spatial.distance.jensenshannon` with base 2. None when a side is empty.
pub fn jensen_shannon(pairs: &[(u64, u64)]) -> Option<f64> {
    let (n, m) = totals(pairs)?;
    let from = |p: f64, mean: f64| if p > 0.0 { p * (p / mean).log2() } else { 0.0 };
    let term = |&(ours, theirs): &(u64, u64)| {
        let (p, q) = (ours as f64 / n, theirs as f64 / m);
        from(p, f64::midpoint(p, q)) + from(q, f64::midpoint(p, q))
    };
    Some((pairs.iter().map(term).sum::<f64>() / 2.0).clamp(0.0, 1.0).sqrt())
}

/// Cramér's V of the two rows of shares, 0..=1: sqrt(sum of (p - q)^2 / (p + q) / 2). Of the counts themselves V would
/// shrink to nothing when one side is a thousand times the other (Cramér 1946). None when a side is empty.
pub fn shares_apart(pairs: &[(u64, u64)]) -> Option<f64> {
    let (n, m) = totals(pairs)?;
    let term = |&(ours, theirs): &(u64, u64)| {
        let (p, q) = (ours as f64 / n, theirs as f64 / m);
        if ours + theirs == 0 { 0.0 } else { (p - q).powi(2) / (p + q) }
    };
    Some((pairs.iter().map(term).sum::<f64>() / 2.0).sqrt())
}

/// The test (Pearson 1900), with what is rare on either side pooled; a pool that is still rare joins the rarest of the
/// others. None when a side is empty or fewer than two categories are left. As
/// `scipy.stats.chi2_contingency(correction=False)` of the pooled table.
pub fn chi_square(pairs: &[(u64, u64)]) -> Option<ChiSquare> {
    let (n, m) = totals(pairs)?;
    let all = n + m;
    let rare = |&(ours, theirs): &(u64, u64)| (ours + theirs) as f64 * n.min(m) / all < EXPECTED_MIN;
    let (pooled, mut kept): (Vec<_>, Vec<_>) = pairs.iter().copied().partition(rare);
    let pool = pooled.iter().fold((0, 0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    if pool != (0, 0) {
        match kept.iter_mut().min_by_key(|pair| pair.0 + pair.1) {
            Some(rarest) if rare(&pool) => *rarest = (rarest.0 + pool.0, rarest.1 + pool.1),
            _ => kept.push(pool),
        }
    }
    let degrees = u32::try_from(kept.len()).ok()?.checked_sub(1).filter(|&degrees| degrees > 0)?;
    let term = |&(ours, theirs): &(u64, u64)| {
        let expected = |row: f64| (ours + theirs) as f64 * row / all;
        (ours as f64 - expected(n)).powi(2) / expected(n) + (theirs as f64 - expected(m)).powi(2) / expected(m)
    };
    let statistic: f64 = kept.iter().map(term).sum();
    Some(ChiSquare { statistic, degrees, p_value: chi_square_p(statistic, degrees) })
}

/// Upper tail of the chi-square distribution.
pub(crate) fn chi_square_p(statistic: f64, degrees: u32) -> f64 {
    if statistic <= 0.0 {
        return 1.0;
    }
    checked_gamma_ur(f64::from(degrees) / 2.0, statistic / 2.0).map_or(1.0, |p| p.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn turned(pairs: &[(u64, u64)]) -> Vec<(u64, u64)> {
        pairs.iter().map(|&(ours, theirs)| (theirs, ours)).collect()
    }

    proptest! {
        #[test]
        fn both_sides_are_treated_alike(pairs in proptest::collection::vec((0..1_000_u64, 0..1_000_u64), 1..20)) {
            let near = |a: Option<f64>, b: Option<f64>| a.is_some() == b.is_some()
                && a.zip(b).is_none_or(|(a, b)| (a - b).abs() <= 1e-9 * a.abs().max(1.0));
            let turned = turned(&pairs);
            prop_assert!(near(psi(&pairs), psi(&turned)));
            prop_assert!(near(jensen_shannon(&pairs), jensen_shannon(&turned)));
            prop_assert!(near(shares_apart(&pairs), shares_apart(&turned)));
            prop_assert!(near(chi_square(&pairs).map(|found| found.statistic), chi_square(&turned).map(|found| found.statistic)));
        }

        #[test]
        fn what_has_equal_shares_is_not_apart(counts in proptest::collection::vec(0..1_000_u64, 2..20)) {
            prop_assume!(counts.iter().sum::<u64>() > 0);
            let pairs: Vec<_> = counts.iter().map(|&count| (count, count)).collect();
            prop_assert!(psi(&pairs).unwrap().abs() < 1e-9);
            prop_assert!(jensen_shannon(&pairs).unwrap() < 1e-7);
            prop_assert!(shares_apart(&pairs).unwrap() < 1e-9);
            prop_assert!(chi_square(&pairs).is_none_or(|found| found.p_value > 0.999_999));
        }
    }

    #[test]
    fn what_is_wholly_apart_is_one() {
        let apart = [(10, 0), (0, 1_000_000)];
        assert_eq!((jensen_shannon(&apart), shares_apart(&apart)), (Some(1.0), Some(1.0)));
        assert_eq!((psi(&[(0, 0)]), psi(&[(3, 0)]), chi_square(&[(9, 9)])), (None, None, None));
    }

    #[test]
    fn rare_categories_are_pooled() {
        // Each of the three is rare, together they are not.
        assert_eq!(chi_square(&[(50, 50), (2, 2), (3, 1), (1, 3)]), chi_square(&[(50, 50), (6, 6)]));
        // A pool that is still rare joins the rarest of the others.
        assert_eq!(chi_square(&[(50, 50), (20, 30), (1, 2)]), chi_square(&[(50, 50), (21, 32)]));
    }
}
