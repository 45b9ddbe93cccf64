use super::{
    Markup, Tone,
    chart::{WIDTH, class, number, words},
};

const NAME_CHARS_MAX: usize = 18;
const LEFT: f64 = 128.0;
/// Room for the figures at the end of the longest bar.
const RIGHT: f64 = 112.0;
const ROW: f64 = 28.0;
const BAR: f64 = 9.0;

/// A name with its two shares.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The name; a long one is cut where it is drawn, not where it is pointed at.
    pub name: String,
    /// Share on the side that it is held against, 0..=1.
    pub before: f64,
    /// Share of what the picture is about.
    pub after: f64,
    /// The figures, at the end of the bars.
    pub figures: String,
    /// What it says when pointed at.
    pub says: String,
}

/// Two bars a name, one name under the other.
pub fn pairs(says: &str, rows: &[Pair]) -> Markup {
    let most = rows.iter().flat_map(|row| [row.before, row.after]).fold(0.0, f64::max);
    let width = |share: f64| if most > 0.0 { share / most * (WIDTH - LEFT - RIGHT) } else { 0.0 };
    let size = format!("0 0 {WIDTH} {}", number(rows.len() as f64 * ROW));
    let drawn = rows.iter().enumerate().map(|(index, row)| {
        let top = index as f64 * ROW + (ROW - 2.0 * BAR) / 2.0;
        let bar = |at: f64, share: f64, tone: Tone| {
            let (y, wide, high) = (number(at), number(width(share)), number(BAR));
            let left = number(LEFT);
            let attributes =
                [("class", &*class("bar", tone)), ("x", &left), ("y", &y), ("width", &wide), ("height", &high)];
            Markup::element("rect", &attributes, [])
        };
        let middle = top + BAR + 4.0;
        let title = Markup::element("title", &[], [Markup::text(&row.says)]);
        let name = words((LEFT - 8.0, middle), "end", "name", &cut(&row.name));
        let end = LEFT + width(row.before).max(width(row.after)) + 6.0;
        let figures = words((end, middle), "start", "tick", &row.figures);
        let bars = [bar(top, row.before, Tone::Muted), bar(top + BAR, row.after, Tone::Main)];
        Markup::element("g", &[], [title, name].into_iter().chain(bars).chain([figures]))
    });
    Markup::element("svg", &[("viewBox", &size), ("role", "img"), ("aria-label", says)], drawn)
}

fn cut(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_shares_and_names_are_cut() {
        let row = |name: &str, before, after| Pair {
            name: name.into(),
            before,
            after,
            figures: "to".into(),
            says: format!("all of {name}"),
        };
        let svg = pairs("", &[row("<en>", 1.0, 0.5), row("a name of more than so many letters", 0.0, 0.0)]).to_string();
        assert!(svg.contains("width=\"200\"") && svg.contains("width=\"100\"") && svg.contains("width=\"0\""), "{svg}");
        assert!(svg.contains(">&lt;en&gt;<") && svg.contains(">a name of more tha…<"), "{svg}");
        assert!(svg.contains("viewBox=\"0 0 440 56\""), "{svg}");
        assert!(!pairs("", &[row("x", 0.0, 0.0)]).to_string().contains("NaN"));
    }
}
