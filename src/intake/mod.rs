//! Hears a message: what a producer wrote becomes what the models may see, or a [`Reject`].
//!
//! ```text
//! Message ─► strip ─► blank? ─► sanitize ─► empty? ─► cut ─► ids, language, metadata ─► Heard
//!                       └───────────┴───────────┴──────────────────┴─────────────────► Reject
//! ```
//!
//! The first rule that a message breaks names its reject. Everything here is a pure function.

mod html;
mod reject;
mod sanitize;
mod validate;

use std::collections::BTreeMap;

pub use reject::Reject;
pub use sanitize::sanitize;
pub use validate::{
    CREATED_AT_MS, IDENTIFIER_CHARS_MAX, Language, METADATA_CHARS_MAX, TEXT_CHARS_MAX, idempotency_key, revision,
};

use crate::{pystr, records::Message};

/// A message that may be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The producer's id of the message, 1..=128 characters.
    pub message_id: String,
    /// Author, > 0.
    pub user_id: i64,
    /// Sanitized, 1..=10,000 code points.
    pub text: String,
    /// `en` where the producer gave none.
    pub language: Language,
    /// At most 1,000 characters in all.
    pub metadata: BTreeMap<String, String>,
    /// Event time, milliseconds since the epoch, within [`CREATED_AT_MS`].
    pub created_at: i64,
    /// What was done to the message on the way.
    pub flags: Flags,
}

/// What intake did to a message that its verdict should tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The text was longer than [`TEXT_CHARS_MAX`] and was cut.
    pub text_truncated: bool,
}

impl Flags {
    /// The names that are set, as a verdict carries them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.text_truncated.then_some("TEXT_TRUNCATED").into_iter()
    }
}

/// Validates and sanitizes one message.
pub fn hear(message: Message) -> Result<Heard, Reject> {
    let Message { message_id, user_id, text, language, metadata, created_at } = message;
    let (text, text_truncated) = hear_text(text)?;
    validate::user_id(user_id)?;
    let language = validate::language(language.as_deref())?;
    validate::metadata(&metadata)?;
    validate::message_id(&message_id)?;
    validate::created_at(created_at)?;
    Ok(Heard { message_id, user_id, text, language, metadata, created_at, flags: Flags { text_truncated } })
}

/// The sanitized text and whether it was cut.
pub fn hear_text(text: String) -> Result<(String, bool), Reject> {
    let stripped = pystr::strip(&text);
    if stripped.is_empty() {
        return Err(Reject::EmptyText);
    }
    let sanitized = sanitize(stripped);
    let mut text = if sanitized.len() == text.len() && sanitized == text { text } else { sanitized.into_owned() };
    if text.is_empty() {
        return Err(Reject::EmptyText);
    }
    let truncated = validate::cut(&mut text);
    Ok((text, truncated))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(text: &str) -> Message {
        Message {
            message_id: "m-1".into(),
            user_id: 7,
            text: text.into(),
            language: Some("pt".into()),
            metadata: BTreeMap::from([("platform".into(), "web".into())]),
            created_at: 1_700_000_000_000,
        }
    }

    #[test]
    fn a_good_message_is_heard() {
        let heard = hear(message("  Fish &amp; chips\n")).unwrap();
        assert_eq!(heard.text, "Fish & chips");
        assert_eq!((heard.message_id.as_str(), heard.user_id, heard.created_at), ("m-1", 7, 1_700_000_000_000));
        assert_eq!((heard.language.as_str(), heard.metadata["platform"].as_str()), ("pt", "web"));
        assert_eq!(heard.flags.names().count(), 0);
    }

    #[test]
    fn text_that_is_blank_or_becomes_empty_is_rejected() {
        for text in ["", " \t\n", "\u{3000}\u{1c}", "\u{200b}", "&#1;", "&nbsp;"] {
            assert_eq!(hear(message(text)), Err(Reject::EmptyText), "{text:?}");
        }
    }

    #[test]
    fn long_text_is_cut_after_sanitizing() {
        let heard = hear(message(&"&amp;".repeat(TEXT_CHARS_MAX))).unwrap();
        assert_eq!((heard.text.len(), heard.flags.text_truncated), (TEXT_CHARS_MAX, false));
        let heard = hear(message(&"ﬁ".repeat(TEXT_CHARS_MAX))).unwrap();
        assert_eq!(heard.text.len(), TEXT_CHARS_MAX);
        assert_eq!(heard.flags.names().collect::<Vec<_>>(), ["TEXT_TRUNCATED"]);
    }

    #[test]
    fn the_first_broken_rule_names_the_reject() {
        let (message_id, language) = (String::new(), Some("EN".into()));
        let mut bad = Message { message_id, user_id: 0, language, created_at: i64::MAX, ..message("") };
        bad.metadata.insert("k".repeat(METADATA_CHARS_MAX), String::new());
        let mut rejects = Vec::new();
        while let Err(reject) = hear(bad.clone()) {
            match reject {
                Reject::EmptyText => bad.text = "text".into(),
                Reject::BadUserId => bad.user_id = 1,
                Reject::BadLanguage => bad.language = None,
                Reject::MetadataTooLarge => bad.metadata.clear(),
                Reject::BadMessageId => bad.message_id = "m".into(),
                _ => bad.created_at = 0,
            }
            rejects.push(reject.code());
        }
        let rules =
            ["EMPTY_TEXT", "BAD_USER_ID", "BAD_LANGUAGE", "METADATA_TOO_LARGE", "BAD_MESSAGE_ID", "BAD_CREATED_AT"];
        assert_eq!(rejects, rules);
    }

    proptest! {
        #[test]
        fn a_heard_text_is_within_its_limits(text in any::<String>(), times in 1..300_usize) {
            if let Ok(heard) = hear(message(&text.repeat(times))) {
                prop_assert!((1..=TEXT_CHARS_MAX).contains(&heard.text.chars().count()));
            }
        }
    }
}
