//! Schemas of producers that are not ours, in the real registry.

use std::{collections::BTreeMap, fmt::Write as _};

use assize::records::schema::MESSAGE;
use serde_json::{Value, json};

/// Schema ids by the names of this file.
pub type Ids = BTreeMap<&'static str, u32>;

/// Registers ours for `topic`, and each of the others under a subject of its own.
pub fn register(url: &str, topic: &str) -> Ids {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = reqwest::Client::new();
    let register = |subject: String, kind: &str, schema: String| {
        let post = client.post(format!("{url}/subjects/{subject}/versions"));
        let answer = post.json(&json!({ "schemaType": kind, "schema": schema })).send();
        let answer: Value = runtime.block_on(async { answer.await.unwrap().json().await.unwrap() });
        answer["id"].as_u64().unwrap_or_else(|| panic!("{subject}: {answer}")) as u32
    };
    let mut ids = Ids::from([("ours", register(format!("{topic}-value"), "AVRO", MESSAGE.to_owned()))]);
    for (name, schema) in all() {
        let kind = if name == "json" { "JSON" } else { "AVRO" };
        ids.insert(name, register(format!("{topic}-{name}"), kind, schema));
    }
    ids
}

fn all() -> Vec<(&'static str, String)> {
    let record = |fields: &str| format!(r#"{{"type":"record","name":"Message","namespace":"x","fields":[{fields}]}}"#);
    let id = r#"{"name":"message_id","type":{"type":"string","avro.java.string":"String"}}"#;
    let head =
        r#"{"name":"message_id","type":"string"},{"name":"user_id","type":"long"},{"name":"text","type":"string"}"#;
    let time = r#"{"name":"created_at","type":"long"}"#;
    let with = |kind: &str| record(&format!(r#"{head},{{"name":"added","type":{kind}}},{time}"#));
    vec![
        ("older", record(&format!("{head},{time}"))),
        (
            "reordered",
            record(&format!(r#"{time},{{"name":"text","type":"string"}},{{"name":"user_id","type":"int"}},{id}"#)),
        ),
        (
            "newer",
            with(
                r#"["null",{"type":"record","name":"Client","fields":[{"name":"os","type":{"type":"enum","name":"Os","symbols":["A","B"]}}]}]"#,
            ),
        ),
        ("nulls", with(r#"{"type":"array","items":"null"}"#)),
        ("array", with(r#"{"type":"array","items":{"type":"array","items":"long"}}"#)),
        ("bytes", with(r#""bytes""#)),
        ("map", with(r#"{"type":"map","values":"string"}"#)),
        ("fixed", with(r#"{"type":"fixed","name":"F","size":2000000000}"#)),
        ("recursive", with(r#"{"type":"record","name":"Next","fields":[{"name":"next","type":["null","Next"]}]}"#)),
        ("deep", record(&format!("{head},{},{time}", chain(2_000)))),
        ("other", r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}"#.to_owned()),
        ("json", r#"{"type":"object","properties":{"message_id":{"type":"string"}}}"#.to_owned()),
    ]
}

/// Records each of which holds the one before: flat to read, `levels` deep to decode.
fn chain(levels: usize) -> String {
    let mut fields = r#"{"name":"f0","type":{"type":"record","name":"R0","fields":[]}}"#.to_owned();
    for level in 1..levels {
        let below = format!(r#"[{{"name":"x","type":"R{}"}}]"#, level - 1);
        write!(fields, r#",{{"name":"f{level}","type":{{"type":"record","name":"R{level}","fields":{below}}}}}"#)
            .unwrap();
    }
    fields
}
