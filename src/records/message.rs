use std::{collections::BTreeMap, sync::LazyLock};

use apache_avro::Schema;
use serde::{Deserialize, Serialize};

use super::{promote, published, schema::MESSAGE};
use crate::codec::Cursor;

/// One message to be judged, as producers publish it. Nothing in it is validated yet: that is [`crate::intake`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The producer's id of the message, 1..=128 characters.
    #[serde(deserialize_with = "promote::string")]
    pub message_id: String,
    /// Author, > 0.
    #[serde(deserialize_with = "promote::long")]
    pub user_id: i64,
    /// 1..=10,000 code points after sanitizing; longer is cut and flagged.
    #[serde(deserialize_with = "promote::string")]
    pub text: String,
    /// Two lower-case letters; none means `en`.
    #[serde(default, deserialize_with = "promote::optional_string")]
    pub language: Option<String>,
    /// At most 1,000 characters in all, keys and values.
    #[serde(default, deserialize_with = "promote::strings")]
    pub metadata: BTreeMap<String, String>,
    /// Event time, milliseconds since the epoch.
    #[serde(deserialize_with = "promote::long")]
    pub created_at: i64,
}

impl Message {
    /// Whether datums of `schema` can be read by [`Self::decode`]: it has the name of the published schema, without the
    /// namespace, and its fields, in their order and of their types. The name tells nothing of the bytes, but the general
    /// decoder asks for it, and `assize audit` reads with that: both must find the same records good.
    pub(crate) fn is_written_by(schema: &Schema) -> bool {
        static PUBLISHED: LazyLock<Option<Schema>> = LazyLock::new(|| Schema::parse_str(MESSAGE).ok());
        PUBLISHED.as_ref().is_some_and(|ours| published::is_like(schema, ours))
    }

    /// The counterpart of its [`encode`](crate::codec::Datum::encode): reads what was written with the published
    /// schema, without looking at it. None where the bytes are no message.
    pub(crate) fn decode(datum: &mut Cursor<'_>) -> Option<Self> {
        Some(Self {
            message_id: datum.string()?.to_owned(),
            user_id: datum.long()?,
            text: datum.string()?.to_owned(),
            language: match datum.long()? {
                0 => None,
                1 => Some(datum.string()?.to_owned()),
                _ => return None,
            },
            metadata: metadata(datum)?,
            created_at: datum.long()?,
        })
    }
}

/// As far as [`promote::strings`] keeps it.
fn metadata(datum: &mut Cursor<'_>) -> Option<BTreeMap<String, String>> {
    let (mut strings, mut bytes) = (BTreeMap::new(), 0);
    loop {
        let count = datum.block()?;
        if count == 0 {
            return Some(strings);
        }
        for _ in 0..count {
            let (name, value) = (datum.string()?, datum.string()?);
            if bytes <= promote::BYTES_ENOUGH {
                bytes += name.len() + value.len();
                strings.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::{Datum, RecordReader};

    fn messages() -> impl Strategy<Value = Message> {
        let metadata = prop::collection::btree_map(".{0,9}", ".{0,40}", 0..60);
        let parts = (".{0,20}", any::<i64>(), ".{0,90}", prop::option::of("[a-z]{0,3}"), metadata, any::<i64>());
        parts.prop_map(|(message_id, user_id, text, language, metadata, created_at)| Message {
            message_id,
            user_id,
            text,
            language,
            metadata,
            created_at,
        })
    }

    #[test]
    fn the_published_schema_and_no_other_is_read_straight() {
        let is_ours = |schema: &str| Message::is_written_by(&Schema::parse_str(schema).unwrap());
        assert!(is_ours(MESSAGE));
        let renamed = MESSAGE.replace(r#""namespace": "assize""#, r#""namespace": "elsewhere""#);
        assert!(is_ours(&renamed));
        for (ours, theirs) in [
            (r#""name": "Message""#, r#""name": "Letter""#),
            (r#""user_id", "type": "long""#, r#""user_id", "type": "int""#),
            (r#""text", "type": "string""#, r#""text", "type": "bytes""#),
            (r#"["null", "string"], "default": null"#, r#"["string", "null"]"#),
            ("created_at", "createdAt"),
            ("timestamp-millis", "timestamp-micros"),
        ] {
            let other = MESSAGE.replace(ours, theirs);
            assert_ne!(other, MESSAGE, "{ours}");
            assert!(!is_ours(&other), "{theirs}");
        }
    }

    proptest! {
        /// Whatever the bytes: cut, with some of them changed, with others behind them.
        #[test]
        fn both_ways_of_reading_agree(
            message in messages(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in prop::option::weighted(0.3, any::<prop::sample::Index>()),
            behind in prop::collection::vec(any::<u8>(), 0..2),
        ) {
            let mut datum = Vec::new();
            message.encode(&mut datum);
            for (at, byte) in changes {
                let at = at.index(datum.len());
                datum[at] = byte;
            }
            if let Some(cut) = cut {
                datum.truncate(cut.index(datum.len() + 1));
            }
            datum.extend(behind);
            let reader = RecordReader::for_parts(MESSAGE).unwrap();
            prop_assert_eq!(reader.read_message(&datum), reader.read(&datum));
        }
    }
}
