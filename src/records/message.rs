use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::promote;

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
