//! HTML character references, by the rules of Python's `html.unescape`, which are those of the HTML standard with two
//! additions: references to control characters and non-characters vanish, and a name without its semicolon is
//! replaced wherever it stands.

use std::borrow::Cow;

use markup5ever::data::{C1_REPLACEMENTS, NAMED_ENTITIES};
use memchr::memchr;

/// The longest name that the standard also knows without a semicolon, such as `Aacute`.
const LEGACY_NAME_BYTES_MAX: usize = 6;
/// The longest name, `CounterClockwiseContourIntegral`.
const NAME_BYTES_MAX: usize = 31;

/// `html.unescape(text)`.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    let Some(first) = memchr(b'&', text.as_bytes()) else { return Cow::Borrowed(text) };
    let mut plain = String::with_capacity(text.len());
    plain.push_str(&text[..first]);
    let mut rest = &text[first..];
    while let Some(at) = memchr(b'&', rest.as_bytes()) {
        plain.push_str(&rest[..at]);
        let reference = &rest[at + 1..];
        let read = push_reference(reference, &mut plain);
        if read == 0 {
            plain.push('&');
        }
        rest = &reference[read..];
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// Pushes what the reference behind an ampersand stands for. Returns the bytes it took, 0 if it is no reference.
fn push_reference(reference: &str, plain: &mut String) -> usize {
    match reference.as_bytes() {
        [b'#', b'x' | b'X', digits @ ..] => push_number(digits, 16, plain).map_or(0, |read| read + 2),
        [b'#', digits @ ..] => push_number(digits, 10, plain).map_or(0, |read| read + 1),
        _ => push_name(reference, plain),
    }
}

fn push_number(bytes: &[u8], radix: u32, plain: &mut String) -> Option<usize> {
    let digits = bytes.iter().map_while(|&byte| char::from(byte).to_digit(radix));
    let (count, number) = digits.fold((0, 0_u32), |(count, number), digit| {
        // Saturated is far past the last code point, as it has to be.
        (count + 1, number.saturating_mul(radix).saturating_add(digit))
    });
    if count == 0 {
        return None;
    }
    plain.extend(character(number));
    Some(count + usize::from(bytes.get(count) == Some(&b';')))
}

/// What a numeric reference stands for; none: nothing at all.
fn character(number: u32) -> Option<char> {
    let c = match number {
        0 => char::REPLACEMENT_CHARACTER,
        // Written by people who meant windows-1252.
        0x80..=0x9f => C1_REPLACEMENTS[number as usize - 0x80].unwrap_or(char::from(number as u8)),
        // None: a surrogate, or past the last code point.
        _ => char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER),
    };
    (!vanishes(number)).then_some(c)
}

/// Control characters and non-characters.
fn vanishes(number: u32) -> bool {
    matches!(number, 0x01..=0x08 | 0x0b | 0x0e..=0x1f | 0x7f | 0xfdd0..=0xfdef)
        || (number <= 0x10_ffff && number & 0xfffe == 0xfffe)
}

fn push_name(reference: &str, plain: &mut String) -> usize {
    let name = reference.bytes().take(NAME_BYTES_MAX + 1).take_while(u8::is_ascii_alphanumeric).count();
    if reference.as_bytes().get(name) == Some(&b';') && push_entity(&reference[..=name], plain) {
        return name + 1;
    }
    (2..=name.min(LEGACY_NAME_BYTES_MAX)).rev().find(|&end| push_entity(&reference[..end], plain)).unwrap_or(0)
}

/// Pushes the one or two characters of a name of the standard; says whether it is one.
fn push_entity(name: &str, plain: &mut String) -> bool {
    // The table also holds the beginnings of names, as (0, 0), and 0 for no second character.
    let found = NAMED_ENTITIES.get(name).filter(|characters| characters.0 != 0);
    let Some(&(first, second)) = found else { return false };
    plain.extend(char::from_u32(first));
    plain.extend(char::from_u32(second).filter(|&c| c != '\0'));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(unescape(text), expected, "{text:?}");
    }

    #[test]
    fn names() {
        check("a &lt; b &amp;&amp; c", "a < b && c");
        check("&ampersand &notit; &not", "&ersand ¬it; ¬");
        check("&NotEqualTilde;", "≂̸");
        check("&CounterClockwiseContourIntegral;", "∳");
        check("&unknown; &; & &&", "&unknown; &; & &&");
        check("&LT;&Lt;&lT;", "<≪&lT;");
    }

    #[test]
    fn numbers() {
        check("&#65;&#x41;&#X41&#065 &#", "AAAA &#");
        check("&#x; &#xg; &#; &#a", "&#x; &#xg; &#; &#a");
        check("&#150;&#x80;&#129;", "–€\u{81}");
        check("&#0;&#xd800;&#x110000;&#99999999999999999999;", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
        check("a&#1;&#11;&#127;&#xfdd0;&#xffff;&#x10fffe;b", "ab");
        check("&#9;&#10;&#12;&#13;", "\t\n\u{c}\r");
    }

    #[test]
    fn text_without_references_is_borrowed() {
        assert!(matches!(unescape("plain; text#"), Cow::Borrowed(_)));
    }

    #[test]
    fn the_limits_fit_the_table() {
        let names = || NAMED_ENTITIES.entries().filter(|(_, characters)| characters.0 != 0).map(|(name, _)| name);
        let legacy = names().filter(|name| !name.ends_with(';')).map(|name| name.len()).max();
        assert_eq!(legacy, Some(LEGACY_NAME_BYTES_MAX));
        assert_eq!(names().map(|name| name.len()).max(), Some(NAME_BYTES_MAX + 1));
        assert_eq!(names().count(), 2231);
    }
}
