//! Which dead letters are meant.

use super::Letter;
use crate::intake::Reject;

/// What a dead letter must be; everything that is none or empty lets all pass.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// One of these reasons.
    pub codes: Vec<Reject>,
    /// Written at or after, milliseconds since the epoch.
    pub since_ms: Option<i64>,
    /// Written before, milliseconds since the epoch.
    pub until_ms: Option<i64>,
    /// How its key starts.
    pub key_prefix: Option<String>,
    /// Who sent it.
    pub client: Option<String>,
}

impl Filter {
    /// Whether `letter` is meant.
    pub fn matches(&self, letter: &Letter<'_>) -> bool {
        let key = letter.record.key.unwrap_or_default();
        let time_ms = letter.record.time_ms;
        (self.codes.is_empty() || letter.reject.is_some_and(|reject| self.codes.contains(&reject)))
            && self.since_ms.is_none_or(|since_ms| time_ms >= since_ms)
            && self.until_ms.is_none_or(|until_ms| time_ms < until_ms)
            && self.key_prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix.as_bytes()))
            && self.client.as_ref().is_none_or(|client| letter.client.as_ref() == Some(client))
    }
}
