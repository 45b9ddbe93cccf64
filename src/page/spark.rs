use super::{
    Markup, Tone,
    chart::{class, number},
};

const WIDTH: f64 = 96.0;
const HEIGHT: f64 = 26.0;

/// A picture for a cell of a table: two distributions over the same bins, `before` as bars behind, `after` as a line of
/// steps. Each is as high as its share of the largest.
pub fn spark(says: &str, before: &[f64], after: &[f64]) -> Markup {
    let size = format!("0 0 {WIDTH} {HEIGHT}");
    let title = Markup::element("title", &[], [Markup::text(says)]);
    let most = before.iter().chain(after).copied().fold(0.0, f64::max);
    let across = |bin: usize| number(bin as f64 * WIDTH / before.len().max(after.len()).max(1) as f64);
    // A line at the very edge would be cut.
    let down = |share: f64| number((HEIGHT - 1.0) - if most > 0.0 { share / most * (HEIGHT - 2.0) } else { 0.0 });
    let bottom = down(0.0);
    let steps = |shares: &[f64]| -> String {
        let step =
            |(bin, &share): (usize, &f64)| format!("L{} {y}L{} {y}", across(bin), across(bin + 1), y = down(share));
        shares.iter().enumerate().map(step).collect()
    };
    let path = |shares: &[f64], kind: &str, tone: Tone| {
        let path = format!("M0 {bottom}{}L{WIDTH} {bottom}", steps(shares));
        Markup::element("path", &[("class", &class(kind, tone)), ("d", &path)], [])
    };
    let layers = [title, path(before, "behind", Tone::Muted), path(after, "line", Tone::Main)];
    Markup::element("svg", &[("viewBox", &size), ("role", "img"), ("aria-label", says)], layers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_drawn_on_one_scale() {
        let svg = spark("<x>", &[0.5, 0.5], &[0.0, 1.0]).to_string();
        assert!(svg.contains("d=\"M0 25L0 13L48 13L48 13L96 13L96 25\""), "{svg}");
        assert!(svg.contains("d=\"M0 25L0 25L48 25L48 1L96 1L96 25\""), "{svg}");
        assert!(svg.contains("<title>&lt;x&gt;</title>"), "{svg}");
        let nothing = spark("", &[], &[]).to_string();
        assert!(!nothing.contains("NaN") && !nothing.contains("inf"), "{nothing}");
    }
}
