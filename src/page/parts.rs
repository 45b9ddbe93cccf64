//! What pages are put together of.

use super::{Markup, Tone};

/// A paragraph.
pub fn paragraph(text: &str) -> Markup {
    Markup::element("p", &[], [Markup::text(text)])
}

/// A part of the page under a heading, which `#id` leads to.
pub fn section(id: &str, title: &str, inside: impl IntoIterator<Item = Markup>) -> Markup {
    let heading = Markup::element("h2", &[], [Markup::text(title)]);
    Markup::element("section", &[("id", id)], std::iter::once(heading).chain(inside))
}

/// A part that a reader opens and closes; `note` stands beside its title.
pub fn fold(id: &str, title: &str, note: &str, open: bool, inside: impl IntoIterator<Item = Markup>) -> Markup {
    let title = Markup::element("h2", &[], [Markup::text(title)]);
    let note = Markup::element("span", &[("class", "note")], [Markup::text(note)]);
    let summary = Markup::element("summary", &[], [title, note]);
    let attributes: &[_] = if open { &[("id", id), ("open", "")] } else { &[("id", id)] };
    Markup::element("details", attributes, std::iter::once(summary).chain(inside))
}

/// A part of a part.
pub fn part(title: &str, inside: impl IntoIterator<Item = Markup>) -> Markup {
    let heading = Markup::element("h3", &[("class", "part")], [Markup::text(title)]);
    Markup::element("div", &[], std::iter::once(heading).chain(inside))
}

/// What few readers want: closed at first, under a line of words.
pub fn more(says: &str, inside: impl IntoIterator<Item = Markup>) -> Markup {
    let summary = Markup::element("summary", &[], [Markup::text(says)]);
    Markup::element("details", &[("class", "more")], std::iter::once(summary).chain(inside))
}

/// Words in the colour of what they say.
pub fn badge(text: &str, tone: Tone) -> Markup {
    Markup::element("span", &[("class", &format!("badge {}", tone.class()))], [Markup::text(text)])
}

/// A figure with something smaller beneath.
pub fn beneath(text: &str, small: Option<String>) -> Markup {
    let small = small.map(|text| Markup::element("small", &[], [Markup::text(&text)]));
    std::iter::once(Markup::text(text)).chain(small).collect()
}

/// Names with their values.
pub fn facts(facts: &[(&str, String)]) -> Markup {
    let pair = |(name, value): &(&str, String)| {
        let name = Markup::element("dt", &[], [Markup::text(name)]);
        let value = Markup::element("dd", &[], [Markup::text(value)]);
        Markup::element("div", &[], [name, value])
    };
    Markup::element("dl", &[], facts.iter().map(pair))
}

/// A table; the first column is that of the rows' names, the others are numbers.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<Markup>>) -> Markup {
    let cells = |name: &'static str, cells: Vec<Markup>| {
        let cells = cells.into_iter().enumerate().map(|(column, cell)| match column {
            0 => Markup::element("th", &[("scope", "row")], [cell]),
            _ => Markup::element(name, &[], [cell]),
        });
        Markup::element("tr", &[], cells)
    };
    let header = cells("th", header.iter().map(|cell| Markup::text(cell)).collect());
    let head = Markup::element("thead", &[], [header]);
    let body = Markup::element("tbody", &[], rows.into_iter().map(|row| cells("td", row)));
    Markup::element("div", &[("class", "table")], [Markup::element("table", &[], [head, body])])
}

/// A picture under its title; `note` says how to read it.
pub fn figure(title: &str, note: &str, inside: impl IntoIterator<Item = Markup>) -> Markup {
    let heading = Markup::element("h3", &[], [Markup::text(title)]);
    let note = Markup::element("figcaption", &[], [Markup::text(note)]);
    Markup::element("figure", &[], std::iter::once(heading).chain(inside).chain([note]))
}

/// Pictures beside each other where there is room.
pub fn figures(figures: impl IntoIterator<Item = Markup>) -> Markup {
    Markup::element("div", &[("class", "figures")], figures)
}

/// Which colour is what.
pub fn legend(entries: &[(Tone, &str)]) -> Markup {
    let entry = |(tone, name): &(Tone, &str)| {
        let swatch = Markup::element("i", &[("class", tone.class())], []);
        Markup::element("span", &[], [swatch, Markup::text(name)])
    };
    Markup::element("p", &[("class", "legend")], entries.iter().map(entry))
}
