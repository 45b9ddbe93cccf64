use std::fmt::{self, Write as _};

/// A piece of a page. Made of text by escaping it, or of other pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Markup(String);

impl Markup {
    /// The text itself, whatever it holds.
    pub fn text(text: &str) -> Self {
        let mut markup = Self::default();
        markup.escape(text);
        markup
    }

    /// An element with attributes and what stands inside.
    pub fn element(
        name: &'static str,
        attributes: &[(&'static str, &str)],
        inside: impl IntoIterator<Item = Self>,
    ) -> Self {
        let mut markup = Self::open(name, attributes);
        inside.into_iter().for_each(|piece| markup.push(&piece));
        // Writing to a String cannot fail.
        let _ = write!(markup.0, "</{name}>");
        markup
    }

    /// An element that has no inside.
    pub fn void(name: &'static str, attributes: &[(&'static str, &str)]) -> Self {
        Self::open(name, attributes)
    }

    /// One more piece.
    pub fn push(&mut self, piece: &Self) {
        self.0.push_str(&piece.0);
    }

    /// The style sheet of this module, which is not to be escaped.
    pub(super) fn style(style: &'static str) -> Self {
        Self(format!("<style>\n{style}</style>"))
    }

    fn open(name: &'static str, attributes: &[(&'static str, &str)]) -> Self {
        let mut markup = Self(format!("<{name}"));
        for (attribute, value) in attributes {
            let _ = write!(markup.0, " {attribute}=\"");
            markup.escape(value);
            markup.0.push('"');
        }
        markup.0.push('>');
        markup
    }

    /// Good in text and in an attribute. Control characters, which HTML does not allow, are shown as what they are not.
    fn escape(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(character),
                control if control.is_control() => self.0.push(char::REPLACEMENT_CHARACTER),
                other => self.0.push(other),
            }
        }
    }
}

impl FromIterator<Markup> for Markup {
    fn from_iter<I: IntoIterator<Item = Markup>>(pieces: I) -> Self {
        let mut all = Self::default();
        pieces.into_iter().for_each(|piece| all.push(&piece));
        all
    }
}

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_place() {
        let hostile = "\"><script>'&\u{0}";
        let markup = Markup::element("p", &[("title", hostile)], [Markup::text(hostile)]).to_string();
        let safe = "&quot;&gt;&lt;script&gt;&#39;&amp;\u{fffd}";
        assert_eq!(markup, format!("<p title=\"{safe}\">{safe}</p>"));
    }
}
