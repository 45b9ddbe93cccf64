//! How a record is shown.

use serde_json::{Map, Value, json};

use super::What;
use crate::{
    dlq::{self, Letter},
    tail::{Decoded, Record, printable, rfc3339},
};

/// Fields of a message that hold nothing of what its author wrote.
const HARMLESS: [&str; 4] = ["message_id", "user_id", "language", "created_at"];
/// Characters of an id, and of everything else, that are shown on a line.
const ID_CHARS_MAX: usize = 36;
const CHARS_MAX: usize = 200;
/// Items of a list that are shown on a line.
const LISTED_MAX: usize = 8;

/// How records of a topic are shown.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// What they are.
    pub what: What,
    /// Show what authors wrote, not only how long it is.
    pub show_text: bool,
}

impl View {
    /// The columns of [`View::line`].
    pub fn header(self) -> String {
        match self.what {
            What::Verdicts => columns(["WHEN", "AT", "USER", "MESSAGE", "ACTION"], "DECISIONS"),
            What::Predictions => columns(["WHEN", "AT", "USER FEATURES", "MESSAGE", "ACTION"], "TASKS"),
            What::DeadLetters => dlq::header(),
            What::Messages => columns(["WHEN", "AT", "USER", "MESSAGE", "LANGUAGE"], "TEXT"),
            What::Labels => columns(["WHEN", "AT", "SOURCE", "MESSAGE", "TASK"], "LABELS"),
            What::DriftReports => columns(["WINDOW START", "AT", "WINDOW", "TASK AND ARM", "SAYS"], "MOVED, ALARMS"),
        }
    }

    /// A line for people.
    pub fn line(self, record: &Record<'_>, decoded: &Decoded) -> String {
        let at = format!("{}:{}", record.partition, record.offset);
        let Some(fields) = decoded.json() else {
            let bytes = record.value.map_or(0, <[u8]>::len);
            let problem = format!("not decoded, {bytes} bytes: {}", decoded.problem().unwrap_or_default());
            return format!("{}  {at:<12}  {problem}", rfc3339(record.time_ms));
        };
        let when = |field: &str| rfc3339(fields[field].as_i64().unwrap_or(record.time_ms));
        let text = |field: &str| shown(&fields[field], ID_CHARS_MAX);
        let (message, action) = (text("message_id"), text("action"));
        match self.what {
            What::Verdicts => {
                let more = decisions(&fields["decisions"], |decision| number(&decision["confidence"]));
                let notes = more + &notes(fields);
                columns([&when("decided_at"), &at, &text("user_id"), &message, &action], &notes)
            }
            What::Predictions => {
                let more = decisions(&fields["tasks"], |task| {
                    let scores = task["calibrated"].as_array().map(Vec::as_slice).unwrap_or_default();
                    scores.iter().take(8).map(number).collect::<Vec<_>>().join(" ")
                });
                let notes = more + &notes(fields);
                columns([&when("decided_at"), &at, &text("user_features"), &message, &action], &notes)
            }
            What::Labels => label(fields, &when("labelled_at"), &at),
            What::DriftReports => drift_report(fields, &when("window_start"), &at),
            What::Messages | What::DeadLetters => {
                let text_shown = match self.show_text {
                    true => shown(&fields["text"], CHARS_MAX),
                    false => format!("{} characters", characters(&fields["text"])),
                };
                columns([&when("created_at"), &at, &text("user_id"), &message, &text("language")], &text_shown)
            }
        }
    }

    /// Everything, for machines. Without `show_text` of a message only what is harmless, and no value that is not
    /// decoded.
    pub fn json(self, topic: &str, record: &Record<'_>, decoded: Decoded) -> Map<String, Value> {
        let mut object = record.json();
        object.insert("topic".into(), topic.into());
        object.insert("schema_id".into(), json!(decoded.schema_id()));
        object.insert("value_bytes".into(), json!(record.value.map(<[u8]>::len)));
        if let Some(problem) = decoded.problem() {
            object.insert("not_decoded".into(), problem.into());
            if self.show_text {
                record.put_value(&mut object);
            }
        }
        if let Decoded::Json { mut value, .. } = decoded {
            if self.what == What::Messages && !self.show_text {
                hide(&mut value);
            }
            object.insert("value".into(), value);
        }
        object
    }

    /// A dead letter for machines; its value, which holds the message's text, with `show_text`.
    pub fn dead_letter(self, topic: &str, letter: &Letter<'_>) -> Map<String, Value> {
        let mut object = letter.json(self.show_text);
        object.insert("topic".into(), topic.into());
        object
    }
}

/// In place of what an author wrote, how long it is.
fn hide(message: &mut Value) {
    let fields = message.as_object_mut().into_iter().flatten();
    for (_, value) in fields.filter(|(name, _)| !HARMLESS.contains(&name.as_str())) {
        *value = json!({"characters": characters(value)});
    }
}

fn characters(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::String(text) => text.chars().count(),
        other => other.to_string().chars().count(),
    }
}

/// Wide enough for what is usual: lines are written before the later ones are known.
fn columns([when, at, who, message, what]: [&str; 5], more: &str) -> String {
    format!("{when:<24}  {at:<12}  {who:<13}  {message:<36}  {what:<8}  {more}").trim_end().to_owned()
}

fn shown(value: &Value, chars_max: usize) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => printable(text.as_bytes(), chars_max),
        other => printable(other.to_string().as_bytes(), chars_max),
    }
}

fn number(value: &Value) -> String {
    value.as_f64().map_or_else(String::new, |value| format!("{value:.3}"))
}

/// `task=label,label score`, one after the other.
fn decisions(decisions: &Value, score: impl Fn(&Value) -> String) -> String {
    let one = |decision: &Value| {
        let labels = decision["labels"].as_array().map(Vec::as_slice).unwrap_or_default();
        let labels: Vec<_> = labels.iter().take(8).map(|label| shown(label, ID_CHARS_MAX)).collect();
        let shadow = if decision["shadow"] == true { " (shadow)" } else { "" };
        format!("{}={} {}{shadow}", shown(&decision["task"], ID_CHARS_MAX), labels.join(","), score(decision))
    };
    let decisions = decisions.as_array().map(Vec::as_slice).unwrap_or_default();
    decisions.iter().take(8).map(one).collect::<Vec<_>>().join("; ")
}

/// The first of a list, `of` each.
fn list(items: &Value, of: impl Fn(&Value) -> &Value) -> String {
    let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().take(LISTED_MAX).map(|item| shown(of(item), ID_CHARS_MAX)).collect::<Vec<_>>().join(",")
}

fn label(fields: &Value, when: &str, at: &str) -> String {
    let [source, message, task] = ["source", "message_id", "task"].map(|field| shown(&fields[field], ID_CHARS_MAX));
    columns([when, at, &source, &message, &task], &list(&fields["labels"], |label| label))
}

fn drift_report(fields: &Value, when: &str, at: &str) -> String {
    let [window, task, arm, status] =
        ["window", "task", "arm", "status"].map(|field| shown(&fields[field], ID_CHARS_MAX));
    columns([when, at, &window, &format!("{task} {arm}"), &status], &drifted(fields))
}

/// What has moved, and the alarms that are raised.
fn drifted(report: &Value) -> String {
    let some = |list: &Value, field: &str, wanted: Value| -> Value {
        list.as_array().into_iter().flatten().filter(|item| item[field] == wanted).cloned().collect()
    };
    let moved = list(&some(&report["findings"], "moved", json!(true)), |finding| &finding["name"]);
    let raised = list(&some(&report["alarms"], "state", json!("RAISED")), |alarm| &alarm["about"]);
    if raised.is_empty() { moved } else { format!("{moved}  alarm: {raised}") }
}

/// What is degraded, and the flags.
fn notes(fields: &Value) -> String {
    let lists = [&fields["degraded"], &fields["flags"]].into_iter().filter_map(Value::as_array).flatten();
    lists.take(8).map(|note| format!("  {}", shown(note, ID_CHARS_MAX))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drift_report_is_a_line_that_says_what_moved() {
        let value: Value = serde_json::from_str(include_str!("../../schemas/examples/drift-report.json")).unwrap();
        let record = Record { partition: 0, offset: 7, time_ms: 0, key: None, value: None, headers: Vec::new() };
        let line = |what| View { what, show_text: false }.line(&record, &Decoded::Json { id: 1, value: value.clone() });
        let line = line(What::DriftReports);
        let cells: Vec<_> = line.split_whitespace().collect();
        assert_eq!(cells[..6], ["2024-11-23T14:00:00.000Z", "0:7", "1h", "spam", "live", "DRIFTED"], "{line}");
        assert_eq!(cells[6..], ["language,text_length", "alarm:", "DRIFT,CALIBRATION"], "{line}");
    }

    #[test]
    fn a_label_is_a_line_that_says_who_says_so() {
        let value: Value = serde_json::from_str(include_str!("../../schemas/examples/label.json")).unwrap();
        let record = Record { partition: 1, offset: 2, time_ms: 0, key: None, value: None, headers: Vec::new() };
        let labels = value["labels"][0].as_str().unwrap().to_owned();
        let line = View { what: What::Labels, show_text: false }.line(&record, &Decoded::Json { id: 1, value });
        assert!(line.contains("MODERATOR") && line.ends_with(&labels), "{line}");
    }

    #[test]
    fn what_an_author_wrote_is_hidden_whatever_the_schema_calls_it() {
        let mut message =
            json!({"message_id": "m", "user_id": 7, "text": "größe", "subject": "x", "metadata": {"a": "b"}});
        hide(&mut message);
        let length = |characters: usize| json!({"characters": characters});
        assert_eq!(
            message,
            json!({"message_id": "m", "user_id": 7, "text": length(5), "subject": length(1), "metadata": length(9)})
        );
    }
}
