use std::{collections::BTreeMap, fmt, str};

use super::Reject;

/// A longer text is cut, and its verdict flagged.
pub const TEXT_CHARS_MAX: usize = 10_000;
/// Of a message id and an idempotency key.
pub const IDENTIFIER_CHARS_MAX: usize = 128;
/// Of all keys and values of a message's metadata.
pub const METADATA_CHARS_MAX: usize = 1_000;

/// Event times, milliseconds since the epoch: the years 1 to 9999. Verdicts carry the time on, and clients that make a
/// date of it, as Python's do, can read no other.
pub const CREATED_AT_MS: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// Two lower-case ASCII letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language([u8; 2]);

impl Language {
    /// What a message without a language is taken for.
    pub const ENGLISH: Self = Self(*b"en");

    /// None unless `name` is two lower-case ASCII letters.
    pub fn new(name: &str) -> Option<Self> {
        let letters: [u8; 2] = name.as_bytes().try_into().ok()?;
        letters.iter().all(u8::is_ascii_lowercase).then_some(Self(letters))
    }

    /// The two letters.
    pub fn as_str(&self) -> &str {
        // Never the default: `new` lets only ASCII in.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Language({self})")
    }
}

pub(super) fn user_id(user_id: i64) -> Result<(), Reject> {
    if user_id > 0 { Ok(()) } else { Err(Reject::BadUserId) }
}

pub(super) fn language(name: Option<&str>) -> Result<Language, Reject> {
    name.map_or(Some(Language::ENGLISH), Language::new).ok_or(Reject::BadLanguage)
}

pub(super) fn metadata(metadata: &BTreeMap<String, String>) -> Result<(), Reject> {
    let bytes: usize = metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    // Characters are never more than bytes, so most maps need no counting.
    if bytes <= METADATA_CHARS_MAX {
        return Ok(());
    }
    let chars: usize = metadata.iter().map(|(key, value)| key.chars().count() + value.chars().count()).sum();
    if chars <= METADATA_CHARS_MAX { Ok(()) } else { Err(Reject::MetadataTooLarge) }
}

pub(super) fn message_id(id: &str) -> Result<(), Reject> {
    if is_identifier(id) { Ok(()) } else { Err(Reject::BadMessageId) }
}

pub(super) fn created_at(time_ms: i64) -> Result<(), Reject> {
    if CREATED_AT_MS.contains(&time_ms) { Ok(()) } else { Err(Reject::BadCreatedAt) }
}

/// The value of a record's `idempotency-key` header: UTF-8, 1..=128 characters.
pub fn idempotency_key(header: &[u8]) -> Result<&str, Reject> {
    str::from_utf8(header).ok().filter(|key| is_identifier(key)).ok_or(Reject::BadIdempotencyKey)
}

/// The value of a record's `assize-revision` header: ASCII digits, 0..=2,147,483,647.
pub fn revision(header: &[u8]) -> Result<i32, Reject> {
    let digits = str::from_utf8(header).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or(Reject::BadRevision)
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && (text.len() <= IDENTIFIER_CHARS_MAX || text.chars().count() <= IDENTIFIER_CHARS_MAX)
}

/// Cuts `text` to [`TEXT_CHARS_MAX`] code points; says whether there was more.
pub(super) fn cut(text: &mut String) -> bool {
    if text.len() <= TEXT_CHARS_MAX {
        return false;
    }
    let Some((end, _)) = text.char_indices().nth(TEXT_CHARS_MAX) else { return false };
    text.truncate(end);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_two_lower_case_letters() {
        assert_eq!(language(None), Ok(Language::ENGLISH));
        assert_eq!(language(Some("pt")).map(|found| found.to_string()), Ok("pt".into()));
        for bad in ["", "e", "eng", "EN", "e1", "é", "e "] {
            assert_eq!(language(Some(bad)), Err(Reject::BadLanguage), "{bad:?}");
        }
    }

    #[test]
    fn limits_count_characters_not_bytes() {
        assert_eq!(message_id(&"é".repeat(128)), Ok(()));
        assert_eq!(message_id(&"é".repeat(129)), Err(Reject::BadMessageId));
        assert_eq!(message_id(""), Err(Reject::BadMessageId));

        let map = |value: String| BTreeMap::from([("key".to_owned(), value)]);
        assert_eq!(metadata(&map("é".repeat(997))), Ok(()));
        assert_eq!(metadata(&map("é".repeat(998))), Err(Reject::MetadataTooLarge));

        let mut text = "é".repeat(TEXT_CHARS_MAX);
        assert!(!cut(&mut text));
        text.push('!');
        assert!(cut(&mut text));
        assert_eq!(text.chars().count(), TEXT_CHARS_MAX);
        assert!(text.ends_with('é'));
    }

    #[test]
    fn headers_are_held_to_their_form() {
        assert_eq!(idempotency_key("ключ".as_bytes()), Ok("ключ"));
        assert_eq!(idempotency_key(b""), Err(Reject::BadIdempotencyKey));
        assert_eq!(idempotency_key(b"\xff"), Err(Reject::BadIdempotencyKey));
        assert_eq!(idempotency_key(&[b'k'; 129]), Err(Reject::BadIdempotencyKey));

        assert_eq!(revision(b"0"), Ok(0));
        assert_eq!(revision(b"2147483647"), Ok(i32::MAX));
        for bad in [&b""[..], b"-1", b"+1", b" 1", b"1.0", b"2147483648", b"\xff"] {
            assert_eq!(revision(bad), Err(Reject::BadRevision), "{bad:?}");
        }
    }

    #[test]
    fn an_event_time_is_a_date() {
        for time in [*CREATED_AT_MS.start(), -1, 0, *CREATED_AT_MS.end()] {
            assert_eq!(created_at(time), Ok(()));
        }
        // The last is a time in microseconds.
        for time in [i64::MIN, CREATED_AT_MS.start() - 1, CREATED_AT_MS.end() + 1, 1_732_372_800_000_000] {
            assert_eq!(created_at(time), Err(Reject::BadCreatedAt), "{time}");
        }
    }

    #[test]
    fn a_user_id_is_positive() {
        assert_eq!(user_id(1), Ok(()));
        assert_eq!(user_id(0), Err(Reject::BadUserId));
        assert_eq!(user_id(-1), Err(Reject::BadUserId));
    }
}
