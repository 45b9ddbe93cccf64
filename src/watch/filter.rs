//! Which records are shown.

use std::str::FromStr;

use serde_json::Value;

use super::What;
use crate::tail::Record;

/// A field, found by the names on the way to it, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Where {
    path: Vec<String>,
    value: String,
}

impl FromStr for Where {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, value) = text
            .split_once('=')
            .filter(|(path, _)| !path.is_empty())
            .ok_or_else(|| "say FIELD=VALUE, such as language=en or decisions.model.version=1.0.0".to_owned())?;
        Ok(Self { path: path.split('.').map(str::to_owned).collect(), value: value.to_owned() })
    }
}

impl Where {
    /// Whether the field is there and is the value; of a list, whether one of its items is.
    pub fn matches(&self, value: &Value) -> bool {
        found(value, &self.path, Some(&self.value))
    }

    /// Whether the field is there, whatever it is.
    pub fn is_in(&self, value: &Value) -> bool {
        found(value, &self.path, None)
    }
}

/// Whether `path` leads to `wanted`, or to anything.
fn found(value: &Value, path: &[String], wanted: Option<&str>) -> bool {
    match (value, path) {
        (_, []) if wanted.is_none() => true,
        (Value::Array(items), _) => items.iter().any(|item| found(item, path, wanted)),
        (Value::Object(object), [name, rest @ ..]) => object.get(name).is_some_and(|value| found(value, rest, wanted)),
        (Value::String(text), []) => wanted == Some(text),
        (value, []) => wanted == Some(&value.to_string()),
        _ => false,
    }
}

/// The fields of a filter that no record had so far: a name that is misspelt matches nothing, and looks like nothing
/// to see.
#[derive(Debug)]
pub struct Unseen<'f> {
    fields: Vec<&'f Where>,
    records: u64,
}

impl<'f> Unseen<'f> {
    /// None of them is seen yet.
    pub fn new(fields: &'f [Where]) -> Self {
        Self { fields: fields.iter().collect(), records: 0 }
    }

    /// Takes note of the fields of a record, before any filter.
    pub fn note(&mut self, record: &Value) {
        self.records += 1;
        self.fields.retain(|field| !field.is_in(record));
    }

    /// What to say when all is read; nothing where there was no record, or each field was in one.
    pub fn complaint(&self) -> Option<String> {
        let names: Vec<_> = self.fields.iter().map(|field| field.path.join(".")).collect();
        let told =
            || format!("no record of {} had the field {}; --format ndjson shows them", self.records, names.join(", "));
        (self.records > 0 && !names.is_empty()).then(told)
    }
}

/// What a record must be; everything that is none or empty lets all pass.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this author.
    pub user: Option<i64>,
    /// Lower-case hex of the author's hash, for predictions.
    pub user_hash: Option<String>,
    /// With this key.
    pub key: Option<String>,
    /// With a decision of this task.
    pub task: Option<String>,
    /// With this label, from the task if one is given.
    pub label: Option<String>,
    /// With this action.
    pub action: Option<String>,
    /// With anything in `degraded`.
    pub degraded: bool,
    /// With all of these fields.
    pub fields: Vec<Where>,
}

impl Filter {
    /// The first filter that makes no sense for `what`.
    pub fn misfit(&self, what: What) -> Option<&'static str> {
        let judged = matches!(what, What::Verdicts | What::Predictions);
        let asked = [
            ("--task", self.task.is_some()),
            ("--label", self.label.is_some()),
            ("--action", self.action.is_some()),
            ("--degraded", self.degraded),
        ];
        let of_nobody = self.user.is_some() && what == What::DriftReports;
        asked.into_iter().find(|(_, asked)| *asked && !judged).map(|(name, _)| name).or(of_nobody.then_some("--user"))
    }

    /// Whether a record is shown; `fields` are its own, or a dead letter's as JSON.
    pub fn matches(&self, what: What, record: &Record<'_>, fields: Option<&Value>) -> bool {
        let key = record.key.unwrap_or_default();
        self.key.as_ref().is_none_or(|wanted| key == wanted.as_bytes())
            && self.user.is_none_or(|user| self.is_of(user, what, key, fields))
            && (self.task.is_none() && self.label.is_none() || fields.is_some_and(|fields| self.decided(fields)))
            && self.action.as_ref().is_none_or(|action| field(fields, "action") == Some(action))
            && (!self.degraded
                || fields.and_then(|fields| fields["degraded"].as_array()).is_some_and(|d| !d.is_empty()))
            && self.fields.iter().all(|wanted| fields.is_some_and(|fields| wanted.matches(fields)))
    }

    fn is_of(&self, user: i64, what: What, key: &[u8], fields: Option<&Value>) -> bool {
        match what {
            What::Verdicts | What::Messages => fields.is_some_and(|fields| fields["user_id"].as_i64() == Some(user)),
            What::Predictions => self.user_hash.as_deref().is_some_and(|hash| field(fields, "user_hash") == Some(hash)),
            What::DeadLetters | What::Labels => key == user.to_string().as_bytes(),
            What::DriftReports => false,
        }
    }

    fn decided(&self, fields: &Value) -> bool {
        let decisions = [&fields["decisions"], &fields["tasks"]];
        decisions.into_iter().filter_map(Value::as_array).flatten().any(|decision| {
            let labels = decision["labels"].as_array().map(Vec::as_slice).unwrap_or_default();
            self.task.as_deref().is_none_or(|task| decision["task"] == task)
                && self.label.as_deref().is_none_or(|label| labels.iter().any(|found| found == label))
        })
    }
}

fn field<'a>(fields: Option<&'a Value>, name: &str) -> Option<&'a str> {
    fields?[name].as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_found_by_their_path() {
        let value = json!({"a": {"b": [{"c": 1}, {"c": "x"}]}, "n": null, "t": true, "d": ["p", "q"]});
        for (text, expected) in [
            ("a.b.c=1", true),
            ("a.b.c=x", true),
            ("a.b.c=y", false),
            ("a.b=1", false),
            ("n=null", true),
            ("t=true", true),
            ("d=q", true),
            ("e=", false),
            ("a.b.c.d=1", false),
        ] {
            assert_eq!(text.parse::<Where>().unwrap().matches(&value), expected, "{text}");
        }
        assert!("a".parse::<Where>().is_err() && "=a".parse::<Where>().is_err());
        assert_eq!("a=b=c".parse::<Where>().unwrap().value, "b=c");
    }

    #[test]
    fn fields_that_no_record_has_are_told() {
        let fields = ["a.b=1", "n=1", "d=x", "a.z=1", "nofield=1"].map(|text| text.parse::<Where>().unwrap());
        let mut unseen = Unseen::new(&fields);
        assert_eq!(unseen.complaint(), None, "nothing was there to have them");
        unseen.note(&json!({"a": [{"b": {"c": 2}}], "n": null}));
        unseen.note(&json!({"d": []}));
        let told = unseen.complaint().unwrap();
        assert!(told.starts_with("no record of 2 had the field a.z, nofield;"), "{told}");
        unseen.note(&json!({"a": {"z": 0}, "nofield": false}));
        assert_eq!(unseen.complaint(), None);
    }

    #[test]
    fn a_label_counts_for_its_task() {
        let fields =
            json!({"decisions": [{"task": "spam", "labels": ["ham"]}, {"task": "topic", "labels": ["sport"]}]});
        let filter = |task: Option<&str>, label: Option<&str>| Filter {
            task: task.map(str::to_owned),
            label: label.map(str::to_owned),
            ..Filter::default()
        };
        assert!(filter(Some("spam"), Some("ham")).decided(&fields));
        assert!(!filter(Some("topic"), Some("ham")).decided(&fields));
        assert!(filter(None, Some("sport")).decided(&fields));
        assert!(!filter(Some("tone"), None).decided(&fields));
    }
}
