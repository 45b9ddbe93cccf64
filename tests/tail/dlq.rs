//! `assize dlq`: every command on dead letters that the stream wrote.

use serde_json::{Value as Json, json};

use crate::history::{HAM, History, WILD_KEY, WILD_VALUE, message};

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn dead_letters_are_listed_shown_counted_and_reported() {
    let history = History::new("dlq");
    list(&history);
    filters(&history);
    show(&history);
    stats(&history);
    report(&history);
    wrong_use(&history);
    gap(&history);
}

fn codes_of(lines: &[Json]) -> Vec<&str> {
    lines.iter().map(|line| line["code"].as_str().unwrap()).collect()
}

fn list(history: &History) {
    let lines = history.lines(&["dlq", "list"]);
    let columns = |line: &str| line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(columns(&lines[0]), ["AT", "CODE", "ORIGIN", "KEY", "BYTES", "CLIENT"]);
    let origin = |place: &str| format!("{}:{place}", history.bench.topics().messages);
    assert_eq!(columns(&lines[1]), ["0:0", "BAD_MAGIC", &origin("0:1"), "47-a", "8", "billing"]);
    assert_eq!(lines.len(), 7);
    assert!(!lines.concat().contains('\u{1b}'), "a key must not steer the terminal");
    assert_eq!(columns(&lines[6])[3..], ["\\u{1b}[2J", "3"]);

    let all = history.json(&["dlq", "list", "--format", "ndjson"]);
    let codes = ["BAD_MAGIC", "TRAILING_BYTES", "BAD_USER_ID", "NULL_VALUE", "UNKNOWN_SCHEMA", "BAD_MAGIC"];
    assert_eq!(codes_of(&all), codes);
    let first = &all[0];
    assert_eq!(
        (&first["key"], &first["value"], &first["client"]),
        (&json!("47-a"), &json!("not Avro"), &json!("billing"))
    );
    assert_eq!(first["origin"], json!({"topic": history.bench.topics().messages, "partition": 0, "offset": 1}));
    assert_eq!(first["headers"][1], json!({"name": "trace", "value_base64": "/wA="}));
    assert_eq!((&all[1]["schema_id"], &all[4]["schema_id"], &first["schema_id"]), (&json!(1), &json!(99), &Json::Null));
    assert_eq!((&all[3]["value"], &all[3]["value_bytes"]), (&Json::Null, &Json::Null));
    assert_eq!((&all[5]["value_base64"], &all[5]["value_bytes"]), (&json!("//4A"), &json!(3)));
    let header = |line: &Json, name: &str| {
        let headers = line["headers"].as_array().unwrap();
        headers.iter().find(|header| header["name"] == name).map(|header| header["value"].clone())
    };
    assert_eq!(header(&all[4], "__connect.errors.schema.id"), Some(json!("99")));
    assert_eq!(header(first, "__connect.errors.version"), Some(json!(env!("CARGO_PKG_VERSION"))));
    assert_eq!(header(first, "__connect.errors.schema.id"), None, "it names none");
}

fn filters(history: &History) {
    let found = |more: &[&str]| {
        let lines = history.json(&[&["dlq", "list", "--format", "ndjson"], more].concat());
        codes_of(&lines).iter().map(|code| (*code).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found(&["--code", "BAD_MAGIC"]).len(), 2);
    assert_eq!(found(&["--code", "null_value", "--code", "BAD_USER_ID"]), ["BAD_USER_ID", "NULL_VALUE"]);
    assert_eq!(found(&["--client", "billing"]), ["BAD_MAGIC", "UNKNOWN_SCHEMA"]);
    assert_eq!(found(&["--client-header", "trace", "--client", "\\xff\\0"]), ["BAD_MAGIC", "UNKNOWN_SCHEMA"]);
    assert_eq!(found(&["--key-prefix", "47"]), ["BAD_MAGIC", "UNKNOWN_SCHEMA"]);
    assert_eq!(found(&["--partition", "1"]), ["NULL_VALUE", "UNKNOWN_SCHEMA", "BAD_MAGIC"]);
    assert_eq!(found(&["--limit", "2"]), ["BAD_MAGIC", "TRAILING_BYTES"]);
    assert_eq!(found(&["--limit", "0"]).len(), 0);
    assert_eq!(found(&["--since", "-15m"]).len(), 6);
    assert_eq!(found(&["--since", "2100-01-01T00:00:00Z"]).len(), 0);
    assert_eq!(found(&["--until", "15m"]).len(), 0);
    assert_eq!(found(&["--since", "1h", "--until", "2100-01-01T00:00:00+01:00"]).len(), 6);
    // A time between two of them parts them.
    let all = history.json(&["dlq", "list", "--format", "ndjson", "--partition", "0"]);
    let third = all[2]["timestamp"].as_str().unwrap();
    assert!(all[1]["timestamp"].as_str().unwrap() <= third);
    let (before, after) = (found(&["--until", third]), found(&["--since", third]));
    assert_eq!(before.len() + after.len(), 6);
    assert!(after.contains(&"BAD_USER_ID".into()) && !before.contains(&"BAD_USER_ID".into()));
}

/// Where the last dead letter of `code` lies; transactions leave gaps.
fn place(history: &History, code: &str) -> String {
    let lines = history.json(&["dlq", "list", "--format", "ndjson", "--code", code]);
    let last = lines.last().unwrap();
    format!("{}:{}", last["partition"], last["offset"])
}

fn show(history: &History) {
    let place = |code: &str| place(history, code);
    let bad_user = place("BAD_USER_ID");
    let text = history.lines(&["dlq", "show", &bad_user]).join("\n");
    for part in [
        "code     BAD_USER_ID",
        "stage    intake",
        "meaning  user_id must be greater than 0",
        "to do    send the author's id",
        "client   chat",
        "  __connect.errors.offset: 3",
        "  00000000  00 00 00 00 01 ",
        "decoded with schema 1\n{",
        &format!("\"text\": \"{HAM}\""),
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert!(text.contains(&format!("origin   {}:0:3", history.bench.topics().messages)), "{text}");

    let short = history.lines(&["dlq", "show", &bad_user, "--bytes", "16"]).join("\n");
    let bytes = message(0, "m-3", HAM).len();
    assert!(short.contains(&format!("... {} bytes more", bytes - 16)) && !short.contains("00000010"), "{short}");
    let unknown = history.lines(&["dlq", "show", &place("UNKNOWN_SCHEMA")]).join("\n");
    assert!(unknown.contains("not decoded: schema 99 is not known, or the registry does not answer"), "{unknown}");
    let null = history.lines(&["dlq", "show", &place("NULL_VALUE")]).join("\n");
    assert!(null.contains("value: null\n") || null.ends_with("value: null"), "{null}");

    let raw = |place: &str| history.output(&["dlq", "show", place, "--raw"]);
    assert_eq!(raw(&place("BAD_MAGIC")).stdout, WILD_VALUE);
    assert_eq!(raw(&bad_user).stdout, message(0, "m-3", HAM));
    history.refused(&["dlq", "show", &place("NULL_VALUE"), "--raw"], 1, "the value is null");
    history.refused(&["dlq", "show", "0:99"], 1, "there is no dead letter at 0:99; committed offsets go from 0 to ");
    history.refused(&["dlq", "show", "9:0"], 2, "has no partition 9; it has 2, from 0");
    history.refused(&["dlq", "show", "nine"], 2, "say PARTITION:OFFSET, such as 3:1042");
}

fn stats(history: &History) {
    let text = history.lines(&["dlq", "stats"]);
    assert!(text[0].starts_with("6 dead letters in "), "{text:?}");
    let row = |start: &str| {
        let line = text.iter().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {text:?}"));
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("BAD_MAGIC")[1..4], ["2", "33.3", "%"]);
    assert_eq!(row("billing")[1..4], ["2", "33.3", "%"]);
    assert_eq!(row("99 ")[1..5], ["1", "16.7", "%", "UNKNOWN_SCHEMA"]);
    assert_eq!(row("(none)")[1], "3", "three values name no schema");
    assert_eq!(row("47-a")[1], "1");

    let lines = history.json(&["dlq", "stats", "--format", "ndjson", "--top", "1", "--key-prefix-chars", "2"]);
    let by = |by: &'static str| lines.iter().filter(move |line| line["by"] == by);
    let counts = |lines: &mut dyn Iterator<Item = &Json>| {
        lines
            .map(|line| (line["value"].as_str().unwrap().to_owned(), line["count"].as_u64().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(counts(&mut by("key_prefix")), [("47".into(), 2), ("(others)".into(), 4)]);
    let summary = lines.last().unwrap();
    assert_eq!((&summary["type"], &summary["count"]), (&json!("summary"), &json!(6)));
    let magic = lines.iter().find(|line| line["code"] == "BAD_MAGIC").unwrap();
    let over_time = magic["over_time"].as_array().unwrap();
    assert_eq!(over_time.iter().map(|count| count.as_u64().unwrap()).sum::<u64>(), 2);
    assert!(over_time.len() <= 24);
    // The keys of the rejected are in neither.
    let none = history.lines(&["dlq", "stats", "--code", "OVERSIZE"]);
    assert_eq!(none.len(), 1, "{none:?}");
    assert!(none[0].starts_with("0 dead letters in "));
}

fn report(history: &History) {
    let text = history.lines(&["dlq", "report"]).join("\n");
    for part in [
        "# Rejected messages\n\n6 messages were rejected from ",
        "| `BAD_MAGIC` | 2 | 33.3 % | ",
        "| `billing` | 2 | `BAD_MAGIC` 1, `UNKNOWN_SCHEMA` 1 | ",
        "| `99` | 1 | `UNKNOWN_SCHEMA` 1 | ",
        "### `UNKNOWN_SCHEMA`",
        "- What to do: give the producer the URL of this registry",
        &format!("`{}:1:1`", history.bench.topics().messages),
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let json = history.output(&["dlq", "report", "--format", "json"]).stdout;
    let report: Json = serde_json::from_slice(&json).unwrap();
    assert_eq!(report["codes"][0]["code"], "BAD_MAGIC");
    assert_eq!(report["codes"][0]["samples"].as_array().unwrap().len(), 2);
    for text in [text, String::from_utf8(json).unwrap()] {
        assert!(!text.contains("xylophone") && !text.contains("not Avro"), "no message text: {text}");
        assert!(!text.contains(std::str::from_utf8(WILD_KEY).unwrap()));
    }
    let by = history.lines(&["dlq", "report", "--by", "client"]).join("\n");
    assert!(by.contains("## By client") && !by.contains("## By schema id") && !by.contains("## By start"), "{by}");
    let earlier = history.lines(&["dlq", "report", "--since", "2d", "--until", "1d"]).join("\n");
    assert!(earlier.contains("\n0 messages were rejected from "), "{earlier}");
}

/// An offset that holds the end of a transaction is no dead letter, and neither is the next one in its place.
fn gap(history: &History) {
    let last = || {
        let lines = history.json(&["dlq", "list", "--partition", "0", "--format", "ndjson"]);
        lines.last().unwrap()["offset"].as_i64().unwrap()
    };
    let before = last();
    history.send(0, b"more", Some(b"no Avro either"), &[]);
    history.bench.wait_until_drained();
    assert!(last() > before + 1);
    history.refused(&["dlq", "show", &format!("0:{}", before + 1)], 1, "there is no dead letter at 0:");
}

fn wrong_use(history: &History) {
    history.refused(&["dlq", "list", "--code", "BAD_MOON"], 2, "the codes are BAD_MAGIC, UNKNOWN_SCHEMA, ");
    history.refused(
        &["dlq", "list", "--since", "yesterday"],
        2,
        "say a time ago such as 15m, 2h or 3d, or a time such",
    );
    history.refused(&["dlq", "list", "--since", "1h", "--until", "2h"], 2, "--since is not before --until");
    history.refused(&["dlq", "stats", "--partition", "2"], 2, "has no partition 2; it has 2, from 0");
    history.refused(&["dlq", "report", "--config", "/nowhere"], 64, "/nowhere");
    let mut missing = history.bench.sandbox.assize(&["dlq", "list", "--format", "ndjson"]);
    let output = missing.env("ASSIZE_TOPICS__DEAD_LETTERS", "test-no-such-topic").output().unwrap();
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("topic test-no-such-topic does not exist"), "{output:?}");
}
