//! A schema that a producer proposes for messages, held against what the pipeline reads, before it is deployed.
//!
//! ```text
//! proposed schema ─► example datum, as a producer would write it ─► RecordReader ─► field by field: came it back?
//!                    (one for each branch of each union we read)                  └► the whole Message
//! ```
//!
//! Nothing here knows which types fit: the pipeline's own reader is tried.

mod example;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::example::example;
use super::{CodecError, RecordReader};
use crate::{
    intake::Reject,
    records::{Message, schema::MESSAGE},
};

/// What the reader takes.
const RECORD: &str = "Message";

/// What becomes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is read.
    Fine,
    /// It is not there, and a default takes its place.
    Default,
    /// It is not ours and is passed over.
    Extra,
    /// It is not there, and every message would be a dead letter.
    Missing,
    /// It is there under another name, and names are what fields are found by.
    Renamed,
    /// Its values cannot be read, or not all of them.
    Type,
}

impl Status {
    /// Whether messages with it can be read.
    pub fn is_compatible(self) -> bool {
        matches!(self, Self::Fine | Self::Default | Self::Extra)
    }
}

/// One field of the published or the proposed schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub status: Status,
    /// Why, and what to do.
    pub detail: String,
}

/// The verdict on a proposed schema.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// Fields that we read, then those that we do not.
    pub fields: Vec<Field>,
    /// What is wrong with the whole.
    pub problems: Vec<String>,
    /// Example messages that were written with it and read back.
    pub examples: usize,
}

impl Proposal {
    /// Whether the pipeline reads every message written with it.
    pub fn is_compatible(&self) -> bool {
        self.problems.is_empty() && self.fields.iter().all(|field| field.status.is_compatible())
    }

    /// Holds `schema` against [`Message`].
    pub fn check(schema: &str) -> Self {
        let proposed: Value = match serde_json::from_str(schema) {
            Ok(proposed) => proposed,
            Err(error) => return Self::refused(format!("it cannot be read as JSON: {error}")),
        };
        let reader = match RecordReader::for_parts(schema) {
            Ok(reader) => reader,
            Err(error) => return Self::refused(with_cause(&error)),
        };
        let Some(fields) = proposed["fields"].as_array() else {
            return Self::refused("it is no record: messages are records, with one field each".into());
        };
        // The reader finds a record by its name, without its namespace.
        let called = name(&proposed).rsplit('.').next().unwrap_or_default();
        if called != RECORD {
            return Self::refused(format!("the record is called {called:?}: call it {RECORD}, in any namespace"));
        }
        let mut check = Check { proposed: &proposed, fields, reader, examples: 0 };
        let published: Value = serde_json::from_str(MESSAGE).unwrap_or_default();
        let ours: Vec<&Value> = published["fields"].as_array().into_iter().flatten().collect();
        let is_ours = |field: &&Value| ours.iter().any(|ours| ours["name"] == field["name"]);
        let mut found: Vec<Field> = ours.iter().map(|ours| check.ours(ours)).collect();
        found.extend(fields.iter().filter(|field| !is_ours(field)).map(|field| Field {
            name: name(field).to_owned(),
            status: Status::Extra,
            detail: "passed over".into(),
        }));
        let mut report = Self { fields: found, problems: Vec::new(), examples: check.examples };
        // The fields could each be read alone and not together.
        if report.is_compatible() {
            report.problems.extend(check.whole());
            report.examples += 1;
        }
        report
    }

    fn refused(problem: String) -> Self {
        Self { problems: vec![problem], ..Self::default() }
    }
}

struct Check<'a> {
    proposed: &'a Value,
    fields: &'a [Value],
    reader: RecordReader,
    examples: usize,
}

impl Check<'_> {
    /// What becomes of a field that we read.
    fn ours(&mut self, ours: &Value) -> Field {
        let (status, detail) = match self.fields.iter().find(|field| field["name"] == ours["name"]) {
            Some(field) => self.present(ours, field),
            None => self.absent(ours),
        };
        Field { name: name(ours).to_owned(), status, detail }
    }

    fn present(&mut self, ours: &Value, field: &Value) -> (Status, String) {
        let kinds = (short(&field["type"]), short(&ours["type"]));
        if let (Some(found), Some(needed)) = (logical(&field["type"]), logical(&ours["type"]))
            && found != needed
        {
            return (Status::Type, format!("it is {found}, and would be taken for {needed}"));
        }
        let branches = branches(&field["type"]);
        let unread: Vec<usize> = (0..branches.len()).filter(|branch| !self.comes_back(name(ours), *branch)).collect();
        match unread.as_slice() {
            [] => (Status::Fine, kinds.0),
            unread if unread.len() == branches.len() => {
                (Status::Type, format!("{} cannot be read as {}", kinds.0, kinds.1))
            }
            unread => {
                let bad: Vec<String> = unread.iter().map(|branch| short(branches[*branch])).collect();
                (Status::Type, format!("of {}, {} cannot be read as {}", kinds.0, bad.join(" and "), kinds.1))
            }
        }
    }

    fn absent(&self, ours: &Value) -> (Status, String) {
        let plain = |name: &str| name.replace(['_', '-'], "").to_lowercase();
        let meant = self.fields.iter().find(|field| {
            let aliases = field["aliases"].as_array().into_iter().flatten();
            plain(name(field)) == plain(name(ours)) || aliases.into_iter().any(|alias| *alias == ours["name"])
        });
        match (meant.map(name), ours.get("default")) {
            (Some(other), _) => (Status::Renamed, format!("call {other} {}: aliases are not followed", name(ours))),
            (None, Some(default)) => (Status::Default, format!("not there: {default} is taken")),
            (None, None) => (Status::Missing, format!("not there: add it, of type {}", short(&ours["type"]))),
        }
    }

    /// Whether a field with an example value, in one branch of its union, is read as what was written.
    fn comes_back(&mut self, field: &str, branch: usize) -> bool {
        self.examples += 1;
        let (datum, written) = example(self.proposed, Some((field, branch)));
        let read = read_field(&self.reader, &datum, field);
        read.is_ok_and(|read| written.get(field) == Some(&read))
    }

    /// What is wrong with a whole message.
    fn whole(&self) -> Option<String> {
        let (datum, written) = example(self.proposed, None);
        let message = match self.reader.read::<Message>(&datum) {
            Ok(message) => message,
            Err(reject) => return Some(format!("an example cannot be read: {}", reject.code())),
        };
        let read = serde_json::to_value(message).unwrap_or_default();
        let differs = written.iter().find(|(name, value)| read.get(*name).is_some_and(|read| read != *value));
        differs.map(|(name, _)| format!("an example is read with another {name} than was written"))
    }
}

/// Reads one field as the pipeline does, leaving out the others.
fn read_field(reader: &RecordReader, datum: &[u8], field: &str) -> Result<Value, Reject> {
    macro_rules! field {
        ($field:ident: $kind:ty) => {{
            #[derive(Deserialize)]
            #[serde(rename = "Message")]
            struct Only {
                $field: $kind,
            }
            reader.read::<Only>(datum).map(|only| json!(only.$field))
        }};
    }
    match field {
        "message_id" => field!(message_id: String),
        "user_id" => field!(user_id: i64),
        "text" => field!(text: String),
        "language" => field!(language: Option<String>),
        "metadata" => field!(metadata: std::collections::BTreeMap<String, String>),
        "created_at" => field!(created_at: i64),
        _ => Err(Reject::Undecodable),
    }
}

fn name(field: &Value) -> &str {
    field["name"].as_str().unwrap_or_default()
}

/// The branches of a union; a type that is none is its own.
fn branches(kind: &Value) -> Vec<&Value> {
    match kind {
        Value::Array(union) => union.iter().collect(),
        Value::Object(object) if !object.get("type").is_some_and(Value::is_string) => branches(&kind["type"]),
        _ => vec![kind],
    }
}

fn logical(kind: &Value) -> Option<&str> {
    kind["logicalType"].as_str()
}

/// A type in a few words.
fn short(kind: &Value) -> String {
    match kind {
        Value::String(name) => name.clone(),
        Value::Array(union) => union.iter().map(short).collect::<Vec<_>>().join(" or "),
        Value::Object(_) => match (kind["type"].as_str(), logical(kind)) {
            (_, Some(logical)) => format!("{} ({logical})", short(&kind["type"])),
            (Some("map"), _) => format!("map of {}", short(&kind["values"])),
            (Some("array"), _) => format!("array of {}", short(&kind["items"])),
            (Some(named @ ("record" | "enum" | "fixed")), _) => format!("{named} {}", name(kind)),
            _ => short(&kind["type"]),
        },
        _ => "nothing".into(),
    }
}

fn with_cause(error: &CodecError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published schema with its fields changed.
    fn changed(change: impl FnOnce(&mut Vec<Value>)) -> Proposal {
        let mut schema: Value = serde_json::from_str(MESSAGE).unwrap();
        change(schema["fields"].as_array_mut().unwrap());
        Proposal::check(&schema.to_string())
    }

    fn status(proposal: &Proposal, name: &str) -> Status {
        proposal.fields.iter().find(|field| field.name == name).unwrap().status
    }

    fn retyped(name: &str, kind: Value) -> Status {
        let proposal = changed(|fields| fields.iter_mut().find(|field| field["name"] == name).unwrap()["type"] = kind);
        let status = status(&proposal, name);
        assert_eq!(proposal.is_compatible(), status == Status::Fine, "{proposal:?}");
        status
    }

    #[test]
    fn the_published_schema_is_compatible() {
        let proposal = Proposal::check(MESSAGE);
        assert!(proposal.is_compatible(), "{proposal:?}");
        assert_eq!(proposal.fields.len(), 6);
        assert!(proposal.fields.iter().all(|field| field.status == Status::Fine));
        assert_eq!(proposal.examples, 8, "one a field, two for the union, one for the whole");
    }

    #[test]
    fn fields_that_are_missing_extra_and_renamed_are_told_apart() {
        let proposal = changed(|fields| fields.retain(|field| field["name"] != "language"));
        assert!(proposal.is_compatible() && status(&proposal, "language") == Status::Default, "{proposal:?}");
        let proposal = changed(|fields| fields.retain(|field| field["name"] != "text"));
        assert!(!proposal.is_compatible() && status(&proposal, "text") == Status::Missing, "{proposal:?}");
        let proposal = changed(|fields| fields[0]["name"] = json!("messageId"));
        assert!(!proposal.is_compatible() && status(&proposal, "message_id") == Status::Renamed, "{proposal:?}");
        let proposal = changed(|fields| {
            fields[2]["name"] = json!("body");
            fields[2]["aliases"] = json!(["text"]);
        });
        assert!(!proposal.is_compatible() && status(&proposal, "text") == Status::Renamed, "{proposal:?}");
    }

    #[test]
    fn whatever_is_added_is_passed_over() {
        for kind in [
            json!({"type": "enum", "name": "E", "symbols": ["A", "B"]}),
            json!(["null", {"type": "array", "items": {"type": "record", "name": "R", "fields": [
                {"name": "one", "type": "string"}, {"name": "two", "type": {"type": "fixed", "name": "F", "size": 3}},
                {"name": "three", "type": "F"}, {"name": "four", "type": {"type": "map", "values": "F"}}]}}]),
            json!({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}),
            json!({"type": "string", "logicalType": "uuid"}),
            json!({"type": "int", "logicalType": "date"}),
            json!("double"),
        ] {
            let proposal = changed(|fields| fields.insert(1, json!({"name": "added", "type": kind})));
            assert!(proposal.is_compatible() && status(&proposal, "added") == Status::Extra, "{kind}: {proposal:?}");
        }
    }

    #[test]
    fn types_are_tried() {
        let time = json!({"type": "long", "logicalType": "timestamp-micros"});
        assert_eq!(retyped("created_at", time), Status::Type, "a thousand times too late");
        assert_eq!(retyped("created_at", json!("long")), Status::Fine);
        assert_eq!(retyped("user_id", json!("int")), Status::Type, "the reader promotes nothing");
        assert_eq!(retyped("language", json!("string")), Status::Type, "an option is a union with null");
        assert_eq!(retyped("language", json!(["string", "null"])), Status::Fine);
        assert_eq!(retyped("user_id", json!("string")), Status::Type);
        assert_eq!(retyped("text", json!(["null", "string"])), Status::Type, "a null cannot be read");
        assert_eq!(retyped("text", json!({"type": "array", "items": "string"})), Status::Type);
        assert_eq!(retyped("language", json!({"type": "enum", "name": "L", "symbols": ["en"]})), Status::Type);
        assert_eq!(retyped("metadata", json!({"type": "map", "values": "long"})), Status::Type);
    }

    #[test]
    fn what_is_no_usable_record_is_refused() {
        for (schema, problem) in [
            ("{", "JSON"),
            (r#""string""#, "no record"),
            (r#"{"type":"record","name":"shop.Post","fields":[]}"#, "called \"Post\": call it Message"),
            (r#"{"type":"record","name":"Message","fields":[{"name":"next","type":["null","Message"]}]}"#, "recursive"),
            (r#"{"type":"record","name":"Message","fields":[{"name":"a","type":"nonsense"}]}"#, "parsed"),
        ] {
            let proposal = Proposal::check(schema);
            assert!(!proposal.is_compatible() && proposal.problems[0].contains(problem), "{schema}: {proposal:?}");
        }
        let deep = (0..200).fold("\"int\"".to_owned(), |inner, _| format!(r#"{{"type":"array","items":{inner}}}"#));
        assert!(!Proposal::check(&deep).is_compatible());
    }
}
