//! A record as it lies in its topic, and how its bytes are shown to people.

use std::fmt::Write as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use rdkafka::{Message as _, message::BorrowedMessage};
use serde_json::{Map, Value};

use crate::stream::kafka::for_each_header;

/// Name and value of a header; a value is none when null.
pub type Header = (Vec<u8>, Option<Vec<u8>>);

/// A record, with the bytes that the client still owns.
#[derive(Clone, Debug)]
pub struct Record<'m> {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// When it was written, milliseconds since the epoch.
    pub time_ms: i64,
    /// The key; none when absent.
    pub key: Option<&'m [u8]>,
    /// The value; none when null.
    pub value: Option<&'m [u8]>,
    /// In their order.
    pub headers: Vec<Header>,
}

impl<'m> Record<'m> {
    /// Copies the headers only.
    pub fn of(message: &'m BorrowedMessage<'_>) -> Self {
        let mut headers = Vec::new();
        if let Some(borrowed) = message.headers() {
            for_each_header(borrowed, |name, value| headers.push((name.to_vec(), value.map(<[u8]>::to_vec))));
        }
        Self {
            partition: message.partition(),
            offset: message.offset(),
            time_ms: message.timestamp().to_millis().unwrap_or_default(),
            key: message.key(),
            value: message.payload(),
            headers,
        }
    }

    /// The value of the last header called `name`; null values do not count.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().rev().filter(|(found, _)| found == name.as_bytes()).find_map(|(_, value)| value.as_deref())
    }

    /// Everything but the value, for machines.
    pub fn json(&self) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("partition".into(), self.partition.into());
        object.insert("offset".into(), self.offset.into());
        object.insert("timestamp".into(), rfc3339(self.time_ms).into());
        put(&mut object, "key", self.key);
        let headers = self.headers.iter().map(|(name, value)| {
            let mut header = Map::new();
            put(&mut header, "name", Some(name));
            put(&mut header, "value", value.as_deref());
            header
        });
        object.insert("headers".into(), headers.collect());
        object
    }

    /// Adds the value as it is: null, a string, or `value_base64`.
    pub fn put_value(&self, object: &mut Map<String, Value>) {
        put(object, "value", self.value);
    }
}

/// Bytes as JSON under `name`: null, a string, or base64 under `<name>_base64` where they are not UTF-8.
fn put(object: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => object.insert(name.to_owned(), Value::Null),
        Some((_, Ok(text))) => object.insert(name.to_owned(), text.into()),
        Some((bytes, Err(_))) => object.insert(format!("{name}_base64"), BASE64_STANDARD.encode(bytes).into()),
    };
}

/// Bytes of strangers for a terminal or a document: one line, at most `chars_max` characters and an ellipsis. What is
/// not printable, or not UTF-8, is escaped: no byte of a record may steer a terminal.
pub fn printable(bytes: &[u8], chars_max: usize) -> String {
    let mut shown = String::new();
    let mut left = chars_max;
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            let Some(rest) = left.checked_sub(1) else { return shown + "…" };
            left = rest;
            match character {
                '"' | '\'' => shown.push(character),
                _ => shown.extend(character.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            let Some(rest) = left.checked_sub(1) else { return shown + "…" };
            left = rest;
            // Writing to a String cannot fail.
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

/// A time for people and machines: UTC to the millisecond. What no calendar has stays a number.
pub fn rfc3339(time_ms: i64) -> String {
    Timestamp::from_millisecond(time_ms).map_or_else(|_| time_ms.to_string(), |time| format!("{time:.3}"))
}

/// The same, with seconds and milliseconds only where they matter: `2026-01-31T10:00Z`.
pub fn minute(time_ms: i64) -> String {
    let text = rfc3339(time_ms);
    let short = text.strip_suffix(":00.000Z").or_else(|| text.strip_suffix(".000Z"));
    short.map(|short| format!("{short}Z")).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_key_can_steer_a_terminal() {
        assert_eq!(printable(b"it's \"7\" \xff\x1b[2J\n\\", 99), "it's \"7\" \\xff\\u{1b}[2J\\n\\\\");
        assert_eq!(printable("a\u{202e}b\u{9b}".as_bytes(), 99), "a\\u{202e}b\\u{9b}");
        assert_eq!(printable("größer".as_bytes(), 3), "grö…");
        assert_eq!(printable(b"\xff\xfe", 1), "\\xff…");
        assert_eq!(printable(b"abc", 3), "abc");
    }

    #[test]
    fn times_are_utc_to_the_millisecond() {
        assert_eq!(rfc3339(1_769_853_600_007), "2026-01-31T10:00:00.007Z");
        assert_eq!(rfc3339(i64::MAX), i64::MAX.to_string());
    }
}
