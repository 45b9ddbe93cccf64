use std::{borrow::Cow, iter};

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use super::html;
use crate::pystr::{self, Class};

/// The text as the models see it: HTML references replaced, NFKC, without category C (but newline, carriage return and
/// tab), white space joined to single spaces. Borrowed where nothing changes and no ampersand stands.
pub fn sanitize(text: &str) -> Cow<'_, str> {
    let plain = html::unescape(text);
    if is_clean(&plain) { plain } else { Cow::Owned(join(&normalize(&plain))) }
}

/// Whether the text is in NFKC, [`join`]ed, and without category C.
fn is_clean(text: &str) -> bool {
    let outer_space = text.starts_with(' ') || text.ends_with(' ');
    !outer_space
        && !has_double_space(text.as_bytes())
        && if text.is_ascii() { bytes_are_clean(text.as_bytes()) } else { text.chars().all(is_clean_char) }
}

// The next two are without branches, so that the compiler makes vector code of them.

fn has_double_space(bytes: &[u8]) -> bool {
    let pairs = iter::zip(bytes, bytes.get(1..).unwrap_or_default());
    pairs.fold(false, |found, (&a, &b)| found | (a == b' ') & (b == b' '))
}

/// [`is_clean_char`] of all.
fn bytes_are_clean(ascii: &[u8]) -> bool {
    ascii.iter().fold(true, |clean, &byte| clean & matches!(byte, b' '..=b'~'))
}

/// Whether the character stays as it is wherever it stands, spaces beside spaces aside.
fn is_clean_char(c: char) -> bool {
    let class = Class::of(c);
    class.is(Class::NORMAL) && !class.is(Class::OTHER) && (!class.is(Class::SPACE) || c == ' ')
}

fn normalize(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfkc_quick(text.chars()) == IsNormalized::Yes {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfkc().collect())
    }
}

/// Drops category C and joins the words by single spaces. One pass: what is dropped separates nothing.
fn join(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut space_before = false;
    for c in text.chars().filter(|&c| matches!(c, '\n' | '\r' | '\t') || !pystr::is_other(c)) {
        if pystr::is_space(c) {
            space_before = !joined.is_empty();
            continue;
        }
        if space_before {
            joined.push(' ');
            space_before = false;
        }
        joined.push(c);
    }
    joined
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(sanitize(text), expected, "{text:?}");
    }

    #[test]
    fn clean_text_is_borrowed() {
        assert!(matches!(sanitize("Ok, see you at 8!"), Cow::Borrowed(_)));
    }

    #[test]
    fn white_space_is_joined() {
        check(" a\t\r\nb  c ", "a b c");
        check("a\u{a0}b\u{2028}c\u{3000}d", "a b c d");
        check("", "");
        check(" ", "");
    }

    #[test]
    fn category_c_is_dropped_and_separates_nothing() {
        check("a\u{b}b\u{1c}c\u{85}d\u{200b}e\u{ad}f\u{e000}g", "abcdefg");
        check("\u{7f}", "");
        check("👩\u{200d}💻", "👩💻");
    }

    #[test]
    fn references_then_compatibility_forms() {
        check("&nbsp;&#xFB01;x&half;", "fix1⁄2");
        check("e&#x301;", "é");
        // A reference that appears only by normalizing is text.
        check("＆amp;", "&amp;");
        check("&amp;amp;", "&amp;");
    }

    /// Python's is not idempotent either: an escaped escape is one more step, and a dropped character may have kept two
    /// others from composing.
    #[test]
    fn twice_is_not_once() {
        check("&amp;lt;", "&lt;");
        check("&lt;", "<");
        check("e\u{200d}\u{301}", "e\u{301}");
        check("e\u{301}", "é");
    }

    fn text() -> impl Strategy<Value = String> {
        let special = prop::sample::select(
            " \t\n\u{b}\u{1c}\u{a0}\u{3000}\u{200d}\u{ad}&;#x1aé\u{301}\u{345}ﬁ¨가ᄀ".chars().collect::<Vec<_>>(),
        );
        prop::collection::vec(prop_oneof![special, any::<char>()], 0..40).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn what_is_left_is_words_and_single_spaces(text in text()) {
            let sanitized = sanitize(&text);
            prop_assert!(!sanitized.starts_with(' ') && !sanitized.ends_with(' ') && !sanitized.contains("  "));
            prop_assert!(sanitized.chars().all(|c| c == ' ' || !pystr::is_other(c) && !pystr::is_space(c)));
        }

        #[test]
        fn the_short_way_changes_no_result(text in text()) {
            let plain = html::unescape(&text);
            prop_assert_eq!(sanitize(&text), join(&plain.nfkc().collect::<String>()));
        }

        #[test]
        fn twice_is_once_without_references_and_category_c(text in text()) {
            let text: String = text.nfkc().filter(|&c| c != '&' && !pystr::is_other(c)).collect();
            let once = sanitize(&text);
            prop_assert_eq!(&sanitize(&once), &once);
        }
    }
}
