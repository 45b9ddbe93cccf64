//! Reports as pages: one HTML file each, with its pictures inside. Nothing is fetched and no script runs, so that a page
//! can be mailed, kept beside a model, and opened in ten years.
//!
//! ```text
//!  text ─► Markup (escaped as it is made) ─► page: shell, style, light and dark ─► FILE.html
//!  numbers ─► Chart: axes, then lines, bars, bands, marks ─► Markup (inline SVG)
//!             pairs: two shares a name; lanes: stretches of time; spark: a picture in a table
//! ```
//!
//! [`Markup`] is the only way into a page, and it is made of text by escaping it: no label, path or name can add markup.

mod axis;
mod chart;
mod lanes;
mod markup;
mod pairs;
mod parts;
mod spark;

pub use axis::Axis;
pub use chart::{Bar, Chart, Tone};
pub use lanes::{Lane, Stretch, lanes};
pub use markup::Markup;
pub use pairs::{Pair, pairs};
pub use parts::{badge, beneath, facts, figure, figures, fold, legend, more, paragraph, part, section, table};
pub use spark::spark;

const STYLE: &str = include_str!("page.css");
/// What a browser may load for the page: its own style, nothing else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The whole file.
pub fn page(title: &str, body: impl IntoIterator<Item = Markup>) -> String {
    let head = [
        Markup::void("meta", &[("charset", "utf-8")]),
        Markup::element("title", &[], [Markup::text(title)]),
        Markup::void("meta", &[("http-equiv", "Content-Security-Policy"), ("content", POLICY)]),
        Markup::void("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]),
        Markup::void("meta", &[("name", "color-scheme"), ("content", "light dark")]),
        Markup::style(STYLE),
    ];
    let body = Markup::element("main", &[], body);
    let document = Markup::element(
        "html",
        &[("lang", "en")],
        [Markup::element("head", &[], head), Markup::element("body", &[], [body])],
    );
    format!("<!doctype html>\n{document}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_whole_and_asks_for_nothing() {
        let text = page("a <b> & \"c\"", [paragraph("</main><script>alert(1)</script>")]);
        assert!(text.contains("<title>a &lt;b&gt; &amp; &quot;c&quot;</title>"), "{text}");
        assert!(text.contains("&lt;/main&gt;&lt;script&gt;alert(1)"), "{text}");
        for fetches in ["<script", "src=", "href=\"http", "url(", "@import"] {
            assert!(!text.contains(fetches), "{fetches}");
        }
    }
}
