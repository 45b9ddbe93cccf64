/// p values adjusted for how many there are: of those that are at most alpha then, on average at most a share alpha is
/// chance, also when the tests go together (Benjamini and Hochberg 1995; Benjamini and Yekutieli 2001). In the order
/// given; as `scipy.stats.false_discovery_control`.
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<_> = (0..p_values.len()).collect();
    order.sort_unstable_by(|&a, &b| p_values[b].total_cmp(&p_values[a]));
    let (mut adjusted, mut least) = (vec![1.0; p_values.len()], 1.0_f64);
    for (larger, index) in order.into_iter().enumerate() {
        let rank = p_values.len() - larger;
        least = least.min(p_values[index] * p_values.len() as f64 / rank as f64);
        adjusted[index] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_p_never_becomes_the_smaller_one() {
        let found = benjamini_hochberg(&[0.04, 0.01, 0.03, 0.9]);
        let expected = [0.16 / 3.0, 0.04, 0.16 / 3.0, 0.9];
        assert!(found.iter().zip(expected).all(|(ours, theirs)| (ours - theirs).abs() < 1e-15), "{found:?}");
        assert_eq!(benjamini_hochberg(&[]), Vec::<f64>::new());
    }
}
