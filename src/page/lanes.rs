use super::{
    Axis, Markup, Tone,
    chart::{class, number, stroke, words},
};

const WIDTH: f64 = 980.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 16.0;
const ROW: f64 = 26.0;
const BAR: f64 = 14.0;
const BOTTOM: f64 = 40.0;

/// What is the case for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    /// From and to, in the numbers of the axis.
    pub x: [f64; 2],
    /// What is the case.
    pub tone: Tone,
    /// What it says when pointed at.
    pub says: String,
}

/// A row of stretches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lane {
    /// Beside it.
    pub name: String,
    /// What was the case when.
    pub stretches: Vec<Stretch>,
    /// Moments, with what they say when pointed at.
    pub marks: Vec<(f64, Tone, String)>,
}

/// Lanes one under the other, over one axis.
pub fn lanes(says: &str, x: &Axis, lanes: &[Lane]) -> Markup {
    let bottom = lanes.len() as f64 * ROW;
    let across = |at: f64| LEFT + x.place(at) * (WIDTH - LEFT - RIGHT);
    let mut layers = Markup::default();
    for (at, text) in x.ticks() {
        let at = across(*at);
        layers.push(&stroke([at, at], [0.0, bottom], "grid"));
        layers.push(&words((at, bottom + 16.0), "middle", "tick", text));
    }
    for (row, lane) in lanes.iter().enumerate() {
        let top = row as f64 * ROW + (ROW - BAR) / 2.0;
        layers.push(&words((LEFT - 10.0, top + BAR - 3.0), "end", "name", &lane.name));
        for Stretch { x: [from, to], tone, says } in &lane.stretches {
            let (left, right) = (across(*from), across(*to));
            // So that a short one shows.
            let (left, wide) = (number(left), number((right - left).max(1.5)));
            let (y, high, class) = (number(top), number(BAR), class("lane", *tone));
            let attributes = [("class", &*class), ("x", &left), ("y", &y), ("width", &wide), ("height", &high)];
            layers.push(&Markup::element("rect", &attributes, [title(says)]));
        }
        for (at, tone, says) in &lane.marks {
            let (cx, cy, class) = (number(across(*at)), number(top + BAR / 2.0), class("mark", *tone));
            let attributes = [("class", &*class), ("cx", &cx), ("cy", &cy), ("r", "6")];
            layers.push(&Markup::element("circle", &attributes, [title(says)]));
        }
    }
    layers.push(&words(((WIDTH + LEFT - RIGHT) / 2.0, bottom + BOTTOM - 6.0), "middle", "axis", x.title()));
    let size = format!("0 0 {WIDTH} {}", number(bottom + BOTTOM));
    let svg = Markup::element("svg", &[("viewBox", &size), ("role", "img"), ("aria-label", says)], [layers]);
    // On a narrow screen it is moved sideways: smaller it could not be read.
    Markup::element("div", &[("class", "lanes")], [svg])
}

fn title(says: &str) -> Markup {
    Markup::element("title", &[], [Markup::text(says)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_lies_over_its_time() {
        let stretch = |x, says: &str| Stretch { x, tone: Tone::Block, says: says.into() };
        let lane = Lane {
            name: "<1h>".into(),
            stretches: vec![stretch([0.0, 0.5], "first"), stretch([1.0, 1.0], "last")],
            marks: vec![(0.5, Tone::Ink, "now".into())],
        };
        let svg = lanes("", &Axis::share("time"), &[lane]).to_string();
        assert!(svg.contains("x=\"150\" y=\"6\" width=\"407\" height=\"14\"><title>first</title>"), "{svg}");
        assert!(svg.contains("width=\"1.5\"") && svg.contains("cx=\"557\"") && svg.contains(">&lt;1h&gt;<"), "{svg}");
    }
}
