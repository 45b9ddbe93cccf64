//! One dead letter on one line.

use serde_json::{Map, Value, json};

use super::Letter;
use crate::tail::{printable, rfc3339};

/// Characters of a key that are shown.
const KEY_CHARS_MAX: usize = 24;

/// The columns of [`Letter::line`].
pub fn header() -> String {
    columns(["WHEN", "AT", "CODE", "ORIGIN", "KEY", "BYTES", "CLIENT"].map(str::to_owned))
}

/// Wide enough for what is usual: lines are written before the later ones are known.
fn columns([when, at, code, origin, key, bytes, client]: [String; 7]) -> String {
    format!("{when:<24}  {at:<12}  {code:<20}  {origin:<24}  {key:<25}  {bytes:>8}  {client}").trim_end().to_owned()
}

impl Letter<'_> {
    /// For people: when, where, why, whence, key, size of the value and client.
    pub fn line(&self) -> String {
        let none = || "-".to_owned();
        columns([
            rfc3339(self.record.time_ms),
            format!("{}:{}", self.record.partition, self.record.offset),
            self.code().to_owned(),
            self.origin.as_ref().map_or_else(none, ToString::to_string),
            self.record.key.map_or_else(none, |key| printable(key, KEY_CHARS_MAX)),
            self.value_bytes().map_or_else(none, |bytes| bytes.to_string()),
            self.client.clone().unwrap_or_default(),
        ])
    }

    /// For machines: everything. `with_value` false leaves the value out, which holds the message's text.
    pub fn json(&self, with_value: bool) -> Map<String, Value> {
        let mut object = self.record.json();
        object.insert("code".into(), json!(self.code));
        object.insert("stage".into(), json!(self.reject.map(|reject| reject.stage())));
        object.insert("origin".into(), json!(self.origin));
        object.insert("schema_id".into(), json!(self.schema_id));
        object.insert("client".into(), json!(self.client));
        object.insert("value_bytes".into(), json!(self.value_bytes()));
        object.insert("value_omitted".into(), json!(self.omitted_bytes.is_some()));
        if with_value {
            self.record.put_value(&mut object);
        }
        object
    }
}
