use super::{Axis, Markup};

pub(super) const WIDTH: f64 = 440.0;
const LEFT: f64 = 54.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 44.0;

/// Colours, by what they stand for; the style sheet has one for light and one for dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// What the picture is about.
    Main,
    /// What it is held against.
    Other,
    /// What stands behind.
    Muted,
    /// What is chosen.
    Ink,
    /// A person looks.
    Review,
    /// Kept from its readers.
    Block,
}

impl Tone {
    /// Its class in the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Self::Main => "tone main",
            Self::Other => "tone other",
            Self::Muted => "tone muted",
            Self::Ink => "tone ink",
            Self::Review => "tone review",
            Self::Block => "tone block",
        }
    }
}

/// A bar of a histogram, in the numbers of the axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// Left and right end.
    pub x: [f64; 2],
    /// How far it reaches from 0.
    pub y: f64,
    /// What it says when pointed at.
    pub says: String,
}

/// A picture with two axes; what is added later lies above.
#[derive(Debug)]
pub struct Chart {
    says: String,
    x: Axis,
    y: Axis,
    height: f64,
    layers: Markup,
}

impl Chart {
    /// Empty but for its axes; `says` is for readers who do not see it.
    pub fn new(says: &str, x: Axis, y: Axis, height: u32) -> Self {
        let mut chart = Self { says: says.into(), x, y, height: height.into(), layers: Markup::default() };
        let grid = chart.grid();
        chart.layers.push(&grid);
        chart
    }

    /// From point to point.
    pub fn line(&mut self, points: &[(f64, f64)], tone: Tone) {
        self.path(points, tone, "line");
    }

    /// The same in dashes.
    pub fn dashes(&mut self, points: &[(f64, f64)], tone: Tone) {
        self.path(points, tone, "line dashes");
    }

    /// All between two lines is coloured: at each `x` from `low` to `high`.
    pub fn between(&mut self, ends: &[(f64, [f64; 2])], tone: Tone) {
        let lows = ends.iter().map(|&(x, [low, _])| (x, low));
        let highs = ends.iter().rev().map(|&(x, [_, high])| (x, high));
        self.path(&lows.chain(highs).collect::<Vec<_>>(), tone, "band");
    }

    /// A dot, with what it says when pointed at.
    pub fn dot(&mut self, (x, y): (f64, f64), tone: Tone, says: &str) {
        let (x, y) = (number(self.across(x)), number(self.down(y)));
        self.add("circle", &[("class", &class("dot", tone)), ("cx", &x), ("cy", &y), ("r", "4")], says);
    }

    /// A dot with the intervals that it lies in, to both sides and upwards.
    pub fn dot_in(&mut self, at: (f64, f64), x: Option<[f64; 2]>, y: Option<[f64; 2]>, tone: Tone, says: &str) {
        if let Some([low, high]) = x {
            self.path(&[(low, at.1), (high, at.1)], tone, "interval");
        }
        if let Some([low, high]) = y {
            self.path(&[(at.0, low), (at.0, high)], tone, "interval");
        }
        self.dot(at, tone, says);
    }

    /// Bars from 0 up, or down.
    pub fn bars(&mut self, bars: &[Bar], tone: Tone) {
        let gap = if bars.len() > 20 { 0.5 } else { 1.5 };
        for Bar { x: [from, to], y, says } in bars.iter().filter(|bar| bar.y != 0.0) {
            let (left, right) = (self.across(*from) + gap, self.across(*to) - gap);
            let (zero, end) = (self.down(0.0), self.down(*y));
            self.rectangle([left, right], [zero.min(end), zero.max(end)], &class("bar", tone), says);
        }
    }

    /// All of the height between two places is coloured, under a name.
    pub fn band(&mut self, [from, to]: [f64; 2], tone: Tone, says: &str) {
        let (left, right) = (self.across(from), self.across(to));
        self.rectangle([left, right], [TOP, self.height - BOTTOM], &class("band", tone), says);
    }

    /// A line up at `x` under a name, which stands `row` lines below the top.
    pub fn upright(&mut self, x: f64, tone: Tone, name: &str, row: u8) {
        let at = self.across(x);
        self.stroke([at, at], [TOP, self.height - BOTTOM], &class("rule", tone));
        // To the side where there is more room.
        let (shift, anchor) = if at > WIDTH / 2.0 { (-5.0, "end") } else { (5.0, "start") };
        self.label((at + shift, TOP + 12.0 + 14.0 * f64::from(row)), anchor, tone, name);
    }

    /// A line across at `y` under a name.
    pub fn level(&mut self, y: f64, tone: Tone, name: &str) {
        let at = self.down(y);
        self.stroke([LEFT, WIDTH - RIGHT], [at, at], &class("rule", tone));
        self.label((LEFT + 6.0, at + 14.0), "start", tone, name);
    }

    /// The picture.
    pub fn finish(self) -> Markup {
        let size = format!("0 0 {WIDTH} {}", self.height);
        let [across, up] = self.titles();
        let attributes = [("viewBox", size.as_str()), ("role", "img"), ("aria-label", &self.says)];
        Markup::element("svg", &attributes, [self.layers, across, up])
    }

    fn across(&self, x: f64) -> f64 {
        LEFT + self.x.place(x) * (WIDTH - LEFT - RIGHT)
    }

    fn down(&self, y: f64) -> f64 {
        self.height - BOTTOM - self.y.place(y) * (self.height - TOP - BOTTOM)
    }

    fn grid(&self) -> Markup {
        let (bottom, right) = (self.height - BOTTOM, WIDTH - RIGHT);
        let mut grid = Markup::default();
        for (at, text) in self.x.ticks() {
            let x = self.across(*at);
            grid.push(&stroke([x, x], [TOP, bottom], "grid"));
            grid.push(&words((x, bottom + 16.0), "middle", "tick", text));
        }
        let mut last = f64::INFINITY;
        for (at, text) in self.y.ticks() {
            let y = self.down(*at);
            grid.push(&stroke([LEFT, right], [y, y], "grid"));
            // Marks that would lie on each other are left out.
            if (last - y).abs() > 11.0 {
                grid.push(&words((LEFT - 7.0, y + 4.0), "end", "tick", text));
                last = y;
            }
        }
        grid
    }

    fn titles(&self) -> [Markup; 2] {
        let middle = (self.height - BOTTOM + TOP) / 2.0;
        let across = words(((WIDTH + LEFT - RIGHT) / 2.0, self.height - 8.0), "middle", "axis", &self.x.title);
        let turned = format!("rotate(-90 14 {middle})");
        let (y, class) = (number(middle), "axis");
        let attributes =
            [("x", "14"), ("y", y.as_str()), ("transform", &turned), ("text-anchor", "middle"), ("class", class)];
        [across, Markup::element("text", &attributes, [Markup::text(&self.y.title)])]
    }

    fn path(&mut self, points: &[(f64, f64)], tone: Tone, kind: &str) {
        let place = |&(x, y): &(f64, f64)| format!("{} {}", number(self.across(x)), number(self.down(y)));
        let places: Vec<_> = points.iter().map(place).collect();
        if !places.is_empty() {
            let path = format!("M{}", places.join("L"));
            self.layers.push(&Markup::element("path", &[("class", &class(kind, tone)), ("d", &path)], []));
        }
    }

    fn rectangle(&mut self, [left, right]: [f64; 2], [top, bottom]: [f64; 2], class: &str, says: &str) {
        let [x, y, width, height] = [left, top, (right - left).max(0.0), bottom - top].map(number);
        self.add("rect", &[("class", class), ("x", &x), ("y", &y), ("width", &width), ("height", &height)], says);
    }

    fn stroke(&mut self, x: [f64; 2], y: [f64; 2], class: &str) {
        self.layers.push(&stroke(x, y, class));
    }

    fn label(&mut self, at: (f64, f64), anchor: &str, tone: Tone, text: &str) {
        self.layers.push(&words(at, anchor, &class("label", tone), text));
    }

    fn add(&mut self, name: &'static str, attributes: &[(&'static str, &str)], says: &str) {
        let title = Markup::element("title", &[], [Markup::text(says)]);
        self.layers.push(&Markup::element(name, attributes, [title]));
    }
}

pub(super) fn class(kind: &str, tone: Tone) -> String {
    format!("{kind} {}", tone.class())
}

pub(super) fn stroke(x: [f64; 2], y: [f64; 2], class: &str) -> Markup {
    let ([x1, x2], [y1, y2]) = (x.map(number), y.map(number));
    Markup::element("line", &[("class", class), ("x1", &x1), ("x2", &x2), ("y1", &y1), ("y2", &y2)], [])
}

pub(super) fn words((x, y): (f64, f64), anchor: &str, class: &str, text: &str) -> Markup {
    let attributes = [("x", &*number(x)), ("y", &*number(y)), ("text-anchor", anchor), ("class", class)];
    Markup::element("text", &attributes, [Markup::text(text)])
}

/// A tenth of a pixel is enough, and keeps the file small.
pub(super) fn number(at: f64) -> String {
    let text = format!("{at:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_draws_what_it_is_given_where_it_belongs() {
        let mut chart = Chart::new("a chart", Axis::share("recall"), Axis::share("precision"), 256);
        chart.line(&[(0.0, 1.0), (1.0, 0.0)], Tone::Main);
        chart.upright(0.5, Tone::Ink, "<here>", 0);
        chart.between(&[(0.0, [0.0, 0.5]), (1.0, [0.5, 1.0])], Tone::Main);
        chart.bars(&[Bar { x: [0.0, 0.5], y: 0.5, says: "7".into() }], Tone::Other);
        let svg = chart.finish().to_string();
        // Corners of the frame: 54 from the left, 12 from the top; 440 - 16 and 256 - 44.
        assert!(svg.contains("d=\"M54 12L424 212\""), "{svg}");
        assert!(svg.contains("d=\"M54 212L424 112L424 12L54 112\""), "{svg}");
        assert!(svg.contains("x1=\"239\" x2=\"239\"") && svg.contains("&lt;here&gt;"), "{svg}");
        assert!(svg.contains("x=\"55.5\" y=\"112\" width=\"182\" height=\"100\"><title>7</title>"), "{svg}");
    }

    #[test]
    fn nothing_to_draw_is_an_empty_frame() {
        let mut chart = Chart::new("empty", Axis::share("x"), Axis::counts("y", 0), 200);
        chart.line(&[], Tone::Main);
        chart.bars(&[], Tone::Main);
        let svg = chart.finish().to_string();
        assert!(!svg.contains("NaN") && !svg.contains("<path") && !svg.contains("<rect"), "{svg}");
    }
}
