//! Avro's promotions, which the decoder leaves out: what a compatible writer schema may have in place of ours.
//!
//! | ours | a writer's |
//! |---|---|
//! | `long` | `int` |
//! | `string` | `bytes` of UTF-8 |
//! | `["null", "string"]` | `string`, `null`, or more branches |

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};

use crate::intake::METADATA_CHARS_MAX;

/// A string.
pub(super) fn string<'de, D: Deserializer<'de>>(value: D) -> Result<String, D::Error> {
    Text::deserialize(value).map(|Text(text)| text)
}

/// A string that may be null.
pub(super) fn optional_string<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    struct OrNull;
    impl<'de> Visitor<'de> for OrNull {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string or null")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
            Ok(Some(text))
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(text.to_owned()))
        }

        fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
            TextVisitor.visit_byte_buf(bytes).map(|Text(text)| Some(text))
        }
    }
    value.deserialize_any(OrNull)
}

/// A long.
pub(super) fn long<'de, D: Deserializer<'de>>(value: D) -> Result<i64, D::Error> {
    struct Long;
    impl Visitor<'_> for Long {
        type Value = i64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an int or a long")
        }

        fn visit_i64<E>(self, number: i64) -> Result<i64, E> {
            Ok(number)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
            i64::try_from(number).map_err(|_| E::custom("a number beyond a long"))
        }
    }
    value.deserialize_any(Long)
}

/// Metadata of so many bytes is beyond what intake takes: a character has at most four.
pub(super) const BYTES_ENOUGH: usize = 4 * METADATA_CHARS_MAX;

/// A map of strings. One that is beyond what intake takes is kept as far as shows that.
pub(super) fn strings<'de, D: Deserializer<'de>>(value: D) -> Result<BTreeMap<String, String>, D::Error> {
    struct Strings;
    impl<'de> Visitor<'de> for Strings {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of strings")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let (mut strings, mut bytes) = (BTreeMap::new(), 0);
            while bytes <= BYTES_ENOUGH {
                let Some((name, Text(value))) = entries.next_entry::<String, Text>()? else { return Ok(strings) };
                bytes += name.len() + value.len();
                strings.insert(name, value);
            }
            while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(strings)
        }
    }
    value.deserialize_map(Strings)
}

struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, or bytes of UTF-8")
    }

    fn visit_string<E>(self, text: String) -> Result<Text, E> {
        Ok(Text(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Text, E> {
        String::from_utf8(bytes).map(Text).map_err(|_| E::custom("bytes that are not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use crate::{
        intake::{METADATA_CHARS_MAX, Reject, hear},
        records::Message,
    };

    #[test]
    fn metadata_beyond_its_limit_takes_no_more_memory() {
        let mut entries = String::new();
        (0..100_000).for_each(|entry| write!(entries, r#""{entry:x}":"","#).unwrap());
        let json = format!(
            r#"{{"message_id":"m","user_id":7,"text":"hello","created_at":5,"metadata":{{{}}}}}"#,
            entries.trim_end_matches(',')
        );
        let message: Message = serde_json::from_str(&json).unwrap();
        assert!(message.metadata.len() < 4 * METADATA_CHARS_MAX, "{}", message.metadata.len());
        assert_eq!(hear(message), Err(Reject::MetadataTooLarge));
    }
}
