use crate::drift::sketch::Counts;

/// The two-sample Kolmogorov-Smirnov test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Smirnov {
    /// D, 0..=1: the largest distance between the two shares of numbers up to x, over all x on the edges and directly
    /// below them.
    pub distance: f64,
    /// D over all x is at most this much larger: between two edges, the smaller of the two shares that lie there.
    pub error: f64,
    /// [`kolmogorov_p`] of D. With ties it is too large, never too small.
    pub p_value: f64,
}

/// The test on counts of the same edges; none when one has no numbers, or the edges are others.
///
/// Kolmogorov 1933, Smirnov 1948. Between edges a < b, with F and G the two shares up to x:
/// `G(x) - F(x) <= G(b-) - F(a) = [G(b-) - F(b-)] + F's share inside`, and the same with G's share, and for F - G; so D
/// over all x is D on the edges plus at most the smaller share inside. Quantile edges leave less than 1/256 of the
/// reference between two.
pub fn smirnov(reference: &Counts, current: &Counts) -> Option<Smirnov> {
    let (n, m) = (reference.numbers() as f64, current.numbers() as f64);
    if n == 0.0 || m == 0.0 || reference.slots().len() != current.slots().len() {
        return None;
    }
    let (mut up_to, mut distance, mut error) = ((0, 0), 0.0_f64, 0.0_f64);
    for (slot, (&ours, &theirs)) in reference.slots().iter().zip(current.slots()).enumerate() {
        up_to = (up_to.0 + ours, up_to.1 + theirs);
        distance = distance.max((up_to.0 as f64 / n - up_to.1 as f64 / m).abs());
        if slot % 2 == 0 {
            error = error.max((ours as f64 / n).min(theirs as f64 / m));
        }
    }
    Some(Smirnov { distance, error, p_value: kolmogorov_p(distance, n, m) })
}

/// How often two samples of one distribution, of n and m numbers, are at least this far apart: the asymptotic
/// `Q(D sqrt(nm / (n + m)))`, `Q(x) = 2 sum over k >= 1 of (-1)^(k-1) exp(-2 k^2 x^2)`, as `scipy.stats.kstwobign.sf`.
pub fn kolmogorov_p(distance: f64, n: f64, m: f64) -> f64 {
    let x = distance * (n * m / (n + m)).sqrt();
    if x < 0.2 {
        // 1 - Q is below 1e-12.
        return 1.0;
    }
    let p = if x < 1.0 {
        // The other series of the same function: it converges where the first one does not.
        let term = |k: i32| (-(f64::from(2 * k - 1) * std::f64::consts::PI / x).powi(2) / 8.0).exp();
        1.0 - std::f64::consts::TAU.sqrt() / x * (1..=8).map(term).sum::<f64>()
    } else {
        let term = |k: i32| f64::from(2 * (k % 2) - 1) * (-2.0 * (f64::from(k) * x).powi(2)).exp();
        2.0 * (1..=8).map(term).sum::<f64>()
    };
    p.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::sketch::Reference;
    use proptest::prelude::*;

    fn counts(reference: &Reference, values: &[f64]) -> Counts {
        let mut counts = Counts::on(reference.edges());
        values.iter().for_each(|&value| counts.add(reference.edges(), Some(value)));
        counts
    }

    /// D over all x, of the values themselves.
    fn raw(ours: &[f64], theirs: &[f64]) -> f64 {
        let up_to = |values: &[f64], x: f64| values.iter().filter(|&&value| value <= x).count() as f64;
        let apart = |&x: &f64| (up_to(ours, x) / ours.len() as f64 - up_to(theirs, x) / theirs.len() as f64).abs();
        ours.iter().chain(theirs).map(apart).fold(0.0, f64::max)
    }

    fn numbers(length: usize) -> impl Strategy<Value = Vec<f64>> {
        let number = prop_oneof![-1.0..1.0, (0..3).prop_map(f64::from), Just(0.5)];
        proptest::collection::vec(number, 1..length)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_edges_miss_at_most_what_lies_between_them(ours in numbers(900), theirs in numbers(300)) {
            let reference = Reference::of(&ours.iter().copied().map(Some).collect::<Vec<_>>());
            let found = smirnov(reference.counts(), &counts(&reference, &theirs)).unwrap();
            let raw = raw(&ours, &theirs);
            prop_assert!(found.error <= 1.0 / 256.0, "{found:?}");
            prop_assert!(found.distance <= raw + 1e-12 && raw <= found.distance + found.error + 1e-12, "{found:?} {raw}");
        }

        #[test]
        fn equal_samples_are_not_apart(ours in numbers(900)) {
            let reference = Reference::of(&ours.iter().copied().map(Some).collect::<Vec<_>>());
            let found = smirnov(reference.counts(), reference.counts()).unwrap();
            prop_assert_eq!((found.distance, found.p_value), (0.0, 1.0));
        }
    }

    #[test]
    fn a_number_between_two_edges_is_seen() {
        // On edges 1 and 3 alone, without what lies between them, the two agree.
        let reference = Reference::of(&[1.0, 3.0].map(Some));
        let found = smirnov(reference.counts(), &counts(&reference, &[1.0, 2.0])).unwrap();
        assert_eq!(found.distance, 0.5);
        let constant = Reference::of(&[Some(7.0); 9]);
        for elsewhere in [6.9, 7.1] {
            assert_eq!(smirnov(constant.counts(), &counts(&constant, &[elsewhere])).unwrap().distance, 1.0);
        }
    }

    #[test]
    fn nothing_is_not_compared() {
        let reference = Reference::of(&[Some(1.0)]);
        assert_eq!(smirnov(reference.counts(), &Counts::on(reference.edges())), None);
    }
}
