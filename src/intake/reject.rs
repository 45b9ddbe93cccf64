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
    /// The idempotency key is empty, too long or not UTF-8.
    BadIdempotencyKey,
    /// The revision is not a decimal number in range.
    BadRevision,
    /// The identity was answered before, with another payload.
    IdempotencyConflict,
}

impl Reject {
    /// Every reason, in the order of the stages.
    pub const ALL: [Self; 14] = [
        Self::BadMagic,
        Self::UnknownSchema,
        Self::Undecodable,
        Self::TrailingBytes,
        Self::NullValue,
        Self::Oversize,
        Self::EmptyText,
        Self::BadUserId,
        Self::BadLanguage,
        Self::MetadataTooLarge,
        Self::BadMessageId,
        Self::BadIdempotencyKey,
        Self::BadRevision,
        Self::IdempotencyConflict,
    ];

    /// Stable code, as the dead letter's `class.name` header and the metrics carry it.
    pub fn code(&self) -> &'static str {
        self.entry().1
    }

    /// Plain words, as the dead letter's `exception.message` header carries them.
    pub fn text(&self) -> &'static str {
        self.entry().2
    }

    /// The stage that refused the record: `decode`, `intake` or `dedup`.
    pub fn stage(&self) -> &'static str {
        self.entry().0
    }

    fn entry(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::BadMagic => ("decode", "BAD_MAGIC", "the value is not in the Confluent wire format"),
            Self::UnknownSchema => ("decode", "UNKNOWN_SCHEMA", "the schema registry does not know the schema id"),
            Self::Undecodable => ("decode", "UNDECODABLE", "the value does not decode with its schema"),
            Self::TrailingBytes => ("decode", "TRAILING_BYTES", "bytes are left over after the decoded record"),
            Self::NullValue => ("decode", "NULL_VALUE", "the record has no value"),
            Self::Oversize => ("decode", "OVERSIZE", "the value is larger than the configured limit"),
            Self::EmptyText => ("intake", "EMPTY_TEXT", "the text is empty, or nothing of it is left after sanitizing"),
            Self::BadUserId => ("intake", "BAD_USER_ID", "user_id must be greater than 0"),
            Self::BadLanguage => ("intake", "BAD_LANGUAGE", "language must be two lower-case ASCII letters"),
            Self::MetadataTooLarge => {
                ("intake", "METADATA_TOO_LARGE", "metadata must have at most 1000 characters, keys and values together")
            }
            Self::BadMessageId => ("intake", "BAD_MESSAGE_ID", "message_id must have 1 to 128 characters"),
            Self::BadIdempotencyKey => {
                ("intake", "BAD_IDEMPOTENCY_KEY", "the idempotency-key header must be UTF-8 of 1 to 128 characters")
            }
            Self::BadRevision => {
                ("intake", "BAD_REVISION", "the assize-revision header must be a decimal number from 0 to 2147483647")
            }
            Self::IdempotencyConflict => {
                ("dedup", "IDEMPOTENCY_CONFLICT", "the same idempotency key was used before for another payload")
            }
        }
    }
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
    }

    #[test]
    fn codes_follow_the_names() {
        for reject in Reject::ALL {
            let name: String = reject.code().split('_').map(str::to_lowercase).collect();
            assert_eq!(format!("{reject:?}").to_lowercase(), name);
            assert!(["decode", "intake", "dedup"].contains(&reject.stage()));
        }
    }
}
