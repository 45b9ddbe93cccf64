//! Python's `str`, where it differs from Rust's. Models are trained in Python, so its white space, its word characters
//! and its lower case are the ones that count:
//!
//! | Python | Rust's nearest | the difference |
//! |---|---|---|
//! | `str.isspace`, `str.split()`, `str.strip()` | `char::is_whitespace` | Python adds the separators U+001C..=U+001F |
//! | `\w` of `re` | `char::is_alphanumeric` | Python leaves combining marks out and has `_` |
//! | `str.isupper` of one character | `char::is_uppercase` | none |
//! | `str.lower` | `str::to_lowercase` | none |
//!
//! `tests/parity.rs` compares all of it with Python 3.11 (Unicode 14), code point by code point.

mod class;
mod span;

pub(crate) use class::Class;
pub(crate) use span::Span;

/// `c.isspace()`, which is also what `str.split()` splits at.
#[inline]
pub fn is_space(c: char) -> bool {
    Class::of(c).is(Class::SPACE)
}

/// [`is_space`] for ASCII; false for every other byte.
#[inline]
pub const fn is_space_byte(byte: u8) -> bool {
    matches!(byte, 0x09..=0x0d | 0x1c..=0x20)
}

/// Whether `\w` of Python's `re` matches: `c.isalnum() or c == "_"`.
#[inline]
pub fn is_word(c: char) -> bool {
    Class::of(c).is(Class::WORD)
}

/// [`is_word`] for ASCII; false for every other byte.
#[inline]
pub const fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// `c.isupper()`.
#[inline]
pub fn is_upper(c: char) -> bool {
    Class::of(c).is(Class::UPPER)
}

/// Whether `unicodedata.category(c)` starts with `C`: control, format, surrogate, private use, unassigned.
#[inline]
pub fn is_other(c: char) -> bool {
    Class::of(c).is(Class::OTHER)
}

/// `text.strip()`.
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Replaces `spans` by where the words of `text.split()` stand.
pub(crate) fn split_into(text: &str, spans: &mut Vec<Span>) {
    span::fill(text, |byte| !is_space_byte(byte), |c| !is_space(c), spans);
}

/// Replaces `spans` by where `\w+` matches.
pub(crate) fn word_runs_into(text: &str, spans: &mut Vec<Span>) {
    span::fill(text, is_word_byte, is_word, spans);
}

/// Replaces the content of `lower` by `text.lower()`.
pub fn lower_into(text: &str, lower: &mut String) {
    lower.clear();
    if text.is_ascii() {
        lower.push_str(text);
        lower.make_ascii_lowercase();
    } else if text.contains('Σ') {
        // The only mapping that looks at its neighbours: a sigma that ends a word. Rare enough to allocate.
        lower.push_str(&text.to_lowercase());
    } else {
        for c in text.chars() {
            if Class::of(c).is(Class::LOWERS) { lower.extend(c.to_lowercase()) } else { lower.push(c) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&[u8]> {
        let mut spans = Vec::new();
        split_into(text, &mut spans);
        spans.iter().map(|span| span.of(text)).collect()
    }

    #[test]
    fn separators_are_white_space() {
        assert!(('\u{1c}'..='\u{1f}').all(is_space));
        assert_eq!(strip("\u{1c} a\u{a0}b\u{3000}"), "a\u{a0}b");
        assert_eq!(split(" a\u{1f}b\u{2028}\u{85}c "), [b"a", b"b", b"c"]);
        assert_eq!(split(" a\u{1f}b \n\tc "), [b"a", b"b", b"c"]);
    }

    #[test]
    fn marks_are_no_word_characters() {
        assert!(is_word('_') && is_word('é') && is_word('²') && is_word('Ⅻ') && is_word('न'));
        assert!(!is_word('\u{94d}') && !is_word('\u{301}') && !is_word('-') && !is_word('€'));
    }

    #[test]
    fn bytes_and_characters_agree() {
        for byte in 0..=0x7f {
            assert_eq!(is_space_byte(byte), is_space(char::from(byte)), "{byte:#x}");
            assert_eq!(is_word_byte(byte), is_word(char::from(byte)), "{byte:#x}");
        }
    }

    #[test]
    fn lowers_as_python_does() {
        let lower = |text: &str| {
            let mut lower = "left over".to_owned();
            lower_into(text, &mut lower);
            lower
        };
        assert_eq!(lower("HeLLo"), "hello");
        assert_eq!(lower("ÀÉİ"), "àéi\u{307}");
        assert_eq!(lower("ΟΔΥΣΣΕΥΣ Σ"), "οδυσσευς σ");
    }
}
