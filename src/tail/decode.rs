//! Values as JSON, whatever schema they were written with.

use std::time::Duration;

use serde_json::Value;

use crate::{
    codec::{Lookup, Schemas, wire},
    intake::Reject,
};

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// A record of this schema.
    Json {
        /// Schema id.
        id: u32,
        /// Fields by their names.
        value: Value,
    },
    /// The value is null.
    Null,
    /// Not in the Confluent wire format.
    Foreign,
    /// No such schema, or the registry does not answer.
    NoSchema(u32),
    /// It does not fit its schema, or is too large to be shown.
    Unfit {
        /// Schema id.
        id: u32,
        /// Why.
        reject: Reject,
    },
}

impl Decoded {
    /// The fields, where there are any.
    pub fn json(&self) -> Option<&Value> {
        if let Self::Json { value, .. } = self { Some(value) } else { None }
    }

    /// The same, to keep.
    pub fn into_json(self) -> Option<Value> {
        if let Self::Json { value, .. } = self { Some(value) } else { None }
    }

    /// The id of the schema that the value names.
    pub fn schema_id(&self) -> Option<u32> {
        match self {
            Self::Json { id, .. } | Self::NoSchema(id) | Self::Unfit { id, .. } => Some(*id),
            Self::Null | Self::Foreign => None,
        }
    }

    /// Why there are no fields; nothing of the value is in it.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Json { .. } => None,
            Self::Null => Some("null".into()),
            Self::Foreign => Some(Reject::BadMagic.text().into()),
            Self::NoSchema(id) => Some(format!("schema {id} is not known, or the registry does not answer")),
            Self::Unfit { id, reject } => Some(format!("schema {id}: {}", reject.text())),
        }
    }
}

/// How long a value waits for its schema; past it, it is shown as it is.
const REGISTRY_MS_MAX: Duration = Duration::from_millis(1_000);

/// Decodes with the schemas of the writers.
pub struct Decoder<'s>(pub &'s Schemas);

impl Decoder<'_> {
    /// Reads `value`.
    pub fn decode(&self, value: Option<&[u8]>) -> Decoded {
        let Some(value) = value else { return Decoded::Null };
        let Ok((id, datum)) = wire::split(value) else { return Decoded::Foreign };
        let mut patience = REGISTRY_MS_MAX;
        let Lookup::Known(reader) = self.0.reader(id, &mut patience) else { return Decoded::NoSchema(id) };
        match reader.read_json(datum) {
            Ok(value) => Decoded::Json { id, value },
            Err(reject) => Decoded::Unfit { id, reject },
        }
    }
}
