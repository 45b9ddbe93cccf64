//! The catalogue of dead letters; `docs/dead-letters.md` is its printed form.

use std::fmt;

/// Why a record is a dead letter. A value, not an error of the system: the record is answered and the stream goes on.
///
/// The catalogue is fixed, and no entry holds anything of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reject {
    /// The value does not start with the magic byte 0x00 and a schema id.
    BadMagic,
    /// The registry does not know the schema id.
    UnknownSchema,
    /// The schema of that id cannot be read.
    UnreadableSchema,
    /// The datum does not fit its schema.
    Undecodable,
    /// Bytes are left over after the datum.
    TrailingBytes,
    /// The record has no value.
    NullValue,
    /// The value is larger than the configured limit.
    Oversize,
    /// No text, or none left after sanitizing.
    EmptyText,
    /// The user id is not positive.
    BadUserId,
    /// The language is not two lower-case ASCII letters.
    BadLanguage,
    /// Keys and values of the metadata are too long together.
    MetadataTooLarge,
    /// The message id is empty or too long.
    BadMessageId,
    /// The event time is no time of the years 1 to 9999.
    BadCreatedAt,
    /// The idempotency key is empty, too long or not UTF-8.
    BadIdempotencyKey,
    /// The revision is not a decimal number in range.
    BadRevision,
    /// The identity was answered before, with another payload.
    IdempotencyConflict,
}

impl Reject {
    /// Every reason, in the order of the stages.
    pub const ALL: [Self; 16] = [
        Self::BadMagic,
        Self::UnknownSchema,
        Self::UnreadableSchema,
        Self::Undecodable,
        Self::TrailingBytes,
        Self::NullValue,
        Self::Oversize,
        Self::EmptyText,
        Self::BadUserId,
        Self::BadLanguage,
        Self::MetadataTooLarge,
        Self::BadMessageId,
        Self::BadCreatedAt,
        Self::BadIdempotencyKey,
        Self::BadRevision,
        Self::IdempotencyConflict,
    ];

    /// The reason with this code, in upper or lower case; none for a code of a stranger.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reject| reject.code().eq_ignore_ascii_case(code))
    }

    /// Stable code, as the dead letter's `class.name` header and the metrics carry it.
    pub fn code(&self) -> &'static str {
        self.entry().code
    }

    /// Plain words, as the dead letter's `exception.message` header carries them.
    pub fn text(&self) -> &'static str {
        self.entry().text
    }

    /// The stage that refused the record: `decode`, `intake` or `dedup`.
    pub fn stage(&self) -> &'static str {
        self.entry().stage
    }

    /// What most likely happened.
    pub fn cause(&self) -> &'static str {
        self.entry().cause
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        self.entry().remedy
    }

    fn entry(self) -> Entry {
        match self {
            Self::BadMagic => Entry {
                stage: "decode",
                code: "BAD_MAGIC",
                text: "the value is not in the Confluent wire format",
                cause: "a producer without the registry's serializer: plain JSON, plain Avro, or another topic's data",
                remedy: "serialize with the registry's Avro serializer: byte 0x00, schema id in 4 bytes, datum",
            },
            Self::UnknownSchema => Entry {
                stage: "decode",
                code: "UNKNOWN_SCHEMA",
                text: "the schema registry does not know the schema id",
                cause: "the producer uses another registry, or the schema was deleted for good",
                remedy: "give the producer the URL of this registry, register its schema, and send the messages again",
            },
            Self::UnreadableSchema => Entry {
                stage: "decode",
                code: "UNREADABLE_SCHEMA",
                text: "the schema of this id is registered and cannot be read",
                cause: "a schema that is not Avro, recursive, nested deeper than 64 levels, or split over several subjects",
                remedy: "try the schema with assize schema check, register one that passes, and send the records again",
            },
            Self::Undecodable => Entry {
                stage: "decode",
                code: "UNDECODABLE",
                text: "the value does not decode with its schema",
                cause: "the bytes are damaged, their id is of another schema, or a field that is needed is missing",
                remedy: "write every field of the published Message schema, under the id that its registration gave",
            },
            Self::TrailingBytes => Entry {
                stage: "decode",
                code: "TRAILING_BYTES",
                text: "bytes are left over after the decoded record",
                cause: "the id is of a shorter schema than the one that wrote the value, or it holds two records",
                remedy: "write one record a message, and the id of the very schema that wrote it",
            },
            Self::NullValue => Entry {
                stage: "decode",
                code: "NULL_VALUE",
                text: "the record has no value",
                cause: "a tombstone, as for a compacted topic, or a producer that lost its payload",
                remedy: "send no tombstones here: a message that was judged cannot be taken back",
            },
            Self::Oversize => Entry {
                stage: "decode",
                code: "OVERSIZE",
                text: "the value is larger than the configured limit",
                cause: "attachments or a whole conversation in one message",
                remedy: "send the text alone; or raise stream.message_bytes_max, and the topics' max.message.bytes",
            },
            Self::EmptyText => Entry {
                stage: "intake",
                code: "EMPTY_TEXT",
                text: "the text is empty, or nothing of it is left after sanitizing",
                cause: "messages of pictures only, or of white space and control characters only",
                remedy: "do not send messages without text to be judged",
            },
            Self::BadUserId => Entry {
                stage: "intake",
                code: "BAD_USER_ID",
                text: "user_id must be greater than 0",
                cause: "an author who is not known yet, sent as 0 or -1",
                remedy: "send the author's id; give system messages an author of their own",
            },
            Self::BadLanguage => Entry {
                stage: "intake",
                code: "BAD_LANGUAGE",
                text: "language must be two lower-case ASCII letters",
                cause: "a locale or a name in place of an ISO 639-1 code: en-GB, EN, English",
                remedy: "send the two-letter code in lower case, or null",
            },
            Self::MetadataTooLarge => Entry {
                stage: "intake",
                code: "METADATA_TOO_LARGE",
                text: "metadata must have at most 1000 characters, keys and values together",
                cause: "headers, payloads or traces copied into the metadata",
                remedy: "send only metadata that is needed, 1000 characters in all",
            },
            Self::BadMessageId => Entry {
                stage: "intake",
                code: "BAD_MESSAGE_ID",
                text: "message_id must have 1 to 128 characters",
                cause: "an id that is not set, or one made of the content",
                remedy: "send a short id that is unique to the message, such as a UUID",
            },
            Self::BadCreatedAt => Entry {
                stage: "intake",
                code: "BAD_CREATED_AT",
                text: "created_at must be milliseconds since 1970 within the years 1 to 9999",
                cause: "a time in microseconds or nanoseconds, or one that was never set",
                remedy: "send the event time in milliseconds since 1970",
            },
            Self::BadIdempotencyKey => Entry {
                stage: "intake",
                code: "BAD_IDEMPOTENCY_KEY",
                text: "the idempotency-key header must be UTF-8 of 1 to 128 characters",
                cause: "a header that is empty, or binary such as the 16 bytes of a UUID",
                remedy: "write the key as text, or leave the header out: the message id then counts",
            },
            Self::BadRevision => Entry {
                stage: "intake",
                code: "BAD_REVISION",
                text: "the assize-revision header must be a decimal number from 0 to 2147483647",
                cause: "a version such as v2, or a number in binary",
                remedy: "write the number in decimal digits, or leave the header out: 0 then counts",
            },
            Self::IdempotencyConflict => Entry {
                stage: "dedup",
                code: "IDEMPOTENCY_CONFLICT",
                text: "the same idempotency key was used before for another payload",
                cause: "an edited message under its old key, one key for many messages, or a change of the hash key",
                remedy: "use a new key for new content; to supersede a verdict, send a higher assize-revision",
            },
        }
    }
}

/// What is said of a reason, all of it fixed.
struct Entry {
    stage: &'static str,
    code: &'static str,
    text: &'static str,
    cause: &'static str,
    remedy: &'static str,
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.text())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_catalogue_is_complete_and_unambiguous() {
        let codes: BTreeSet<_> = Reject::ALL.iter().map(Reject::code).collect();
        let texts: BTreeSet<_> = Reject::ALL.iter().map(Reject::text).collect();
        assert_eq!(codes.len(), Reject::ALL.len());
        assert_eq!(texts.len(), Reject::ALL.len());
        for reject in Reject::ALL {
            assert!([reject.text(), reject.cause(), reject.remedy()].iter().all(|words| words.len() > 20));
        }
    }

    #[test]
    fn the_documented_catalogue_is_this_one() {
        let documented = include_str!("../../docs/dead-letters.md")
            .lines()
            .filter(|line| line.starts_with("| `") && !line.contains("__connect"));
        let row = |reject: &Reject| {
            let cells = [reject.stage(), reject.text(), reject.cause(), reject.remedy()];
            format!("| `{}` | {} |", reject.code(), cells.join(" | "))
        };
        let rows: Vec<_> = Reject::ALL.iter().map(row).collect();
        assert_eq!(documented.collect::<Vec<_>>(), rows);
    }

    #[test]
    fn codes_follow_the_names() {
        for reject in Reject::ALL {
            let name: String = reject.code().split('_').map(str::to_lowercase).collect();
            assert_eq!(format!("{reject:?}").to_lowercase(), name);
            assert!(["decode", "intake", "dedup"].contains(&reject.stage()));
            assert_eq!(Reject::from_code(reject.code()), Some(reject));
        }
    }
}
