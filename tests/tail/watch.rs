//! `assize watch`: what is shown, what is hidden, where it starts and how it ends.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};

use crate::{
    common::Sandbox,
    history::{self, HAM, History, SPAM_TEXT, message},
};

/// How long anything may take that ought to take seconds.
const PATIENCE: Duration = Duration::from_secs(60);

const BROKERS: &str = "ASSIZE_KAFKA__BOOTSTRAP_SERVERS";

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn records_are_shown_decoded_and_filtered() {
    let history = History::new("watch");
    verdicts(&history);
    predictions(&history);
    messages(&history);
    dead_letters(&history);
    said(&history);
    wrong_use(&history);
    follow(&history);
    follow_from_the_end(&history);
}

fn all(what: &'static str, more: &[&str], history: &History) -> Vec<Json> {
    history.json(&[&["watch", what, "--until-end", "--format", "ndjson"], more].concat())
}

fn users(lines: &[Json]) -> Vec<i64> {
    let mut users: Vec<_> = lines.iter().map(|line| line["value"]["user_id"].as_i64().unwrap()).collect();
    users.sort_unstable();
    users
}

fn verdicts(history: &History) {
    let lines = history.lines(&["watch", "verdicts", "--until-end"]);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("WHEN "));
    let spam = lines.iter().find(|line| line.contains("m-6")).unwrap();
    let cells: Vec<_> = spam.split_whitespace().skip(1).collect();
    assert_eq!(cells[..5], ["1:0", "8", "m-6", "BLOCK", "spam=spam"]);

    let found = |more: &[&str]| users(&all("verdicts", more, history));
    assert_eq!(found(&[]), [7, 8]);
    let line = &all("verdicts", &["--user", "8"], history)[0];
    assert_eq!(
        (&line["partition"], &line["offset"], &line["key"], &line["schema_id"]),
        (&json!(1), &json!(0), &json!("8"), &json!(2))
    );
    assert_eq!(line["value"]["source_offset"], 2);
    assert_eq!(line["value"]["decisions"][0]["model"]["digest"].as_str().unwrap().len(), 64, "bytes are hex");
    for (filter, expected) in [
        (&["--action", "block"][..], &[8][..]),
        (&["--action", "REVIEW"], &[]),
        (&["--label", "spam"], &[8]),
        (&["--label", "not_spam", "--task", "spam"], &[7]),
        (&["--task", "tone"], &[]),
        (&["--degraded"], &[]),
        (&["--key", "7"], &[7]),
        (&["--where", "decisions.labels=spam", "--where", "action=BLOCK"], &[8]),
        (&["--where", "source_offset=0"], &[7]),
        (&["--partition", "1"], &[8]),
        (&["--limit", "2"], &[7, 8]),
        (&["--from", "-15m"], &[7, 8]),
        (&["--from", "end"], &[]),
        (&["--from", "2100-01-01T00:00:00Z"], &[]),
        (&["--from", "1", "--partition", "1"], &[]),
        (&["--from", "0", "--partition", "1"], &[8]),
    ] {
        assert_eq!(found(filter), expected, "{filter:?}");
    }
}

fn predictions(history: &History) {
    let lines = all("predictions", &["--user", "8"], history);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let prediction = &lines[0]["value"];
    assert_eq!((&prediction["message_id"], &prediction["user_features"]), (&json!("m-6"), &json!("UNUSED")));
    assert_eq!(lines[0]["key"], prediction["user_hash"]);
    assert_eq!(all("predictions", &["--user", "9"], history).len(), 0);
    let text = history.lines(&["watch", "predictions", "--until-end", "--label", "spam"]);
    assert!(text.len() == 2 && text[1].contains("UNUSED") && text[1].contains("spam=spam 0."), "{text:?}");
}

fn messages(history: &History) {
    let hidden = [
        history.lines(&["watch", "messages", "--until-end"]).join("\n"),
        history.lines(&["watch", "messages", "--until-end", "--format", "ndjson"]).join("\n"),
    ];
    for text in &hidden {
        assert!(!text.contains("xylophone") && !text.contains("WINNER") && !text.contains("not Avro"), "{text}");
        assert_eq!(text.lines().count() + usize::from(text.starts_with('{')), 9, "{text}");
    }
    assert!(hidden[0].contains(&format!("{} characters", SPAM_TEXT.len())), "{}", hidden[0]);
    assert!(hidden[0].contains("0:1           not decoded, 8 bytes: the value is not in the Confluent wire format"));
    assert!(hidden[0].contains("1:1           not decoded") && hidden[0].contains("schema 99 is not known"));
    let decoded = all("messages", &["--user", "8"], history);
    assert_eq!(decoded[0]["value"]["text"], json!({"characters": SPAM_TEXT.len()}));

    let shown = history.lines(&["watch", "messages", "--until-end", "--show-text", "--user", "7"]);
    assert!(shown.len() == 2 && shown[1].ends_with(HAM), "{shown:?}");
    let shown = all("messages", &["--show-text", "--partition", "0", "--from", "1", "--limit", "1"], history);
    assert_eq!((&shown[0]["value"], &shown[0]["offset"]), (&json!("not Avro"), &json!(1)));
}

fn dead_letters(history: &History) {
    let lines = history.lines(&["watch", "dead-letters", "--until-end", "--where", "code=BAD_MAGIC"]);
    assert_eq!(lines.len(), 3, "{lines:?}");
    let hidden = all("dead-letters", &["--where", "origin.offset=3", "--user", "0"], history);
    assert_eq!((hidden.len(), &hidden[0]["code"], hidden[0].get("value_base64")), (1, &json!("BAD_USER_ID"), None));
    let shown = all("dead-letters", &["--key", "47-a", "--show-text"], history);
    assert_eq!(shown[0]["value"], "not Avro");
}

/// What is nearly wrong use ends with 0, and not silently.
fn said(history: &History) {
    let say = |args: &[&str]| {
        let output = history.output(&[&["watch", "verdicts", "--until-end"], args].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let told = say(&["--where", "nofield=1", "--where", "action=BLOCK"]);
    assert_eq!(told, "assize: no record of 2 had the field nofield; --format ndjson shows them\n");
    assert_eq!(say(&["--where", "action=REVIEW"]), "", "there is such a field");
    let told = say(&["--partition", "0", "--from", "99999"]);
    assert!(told.starts_with("assize: offset 99999 lies outside 0.."), "{told}");
    for args in [["watch", "verdicts"], ["dlq", "list"]] {
        let away = history.bench.sandbox.assize(&args).env(BROKERS, "127.0.0.1:1").output().unwrap();
        assert!(away.status.code() == Some(69) && away.stdout.is_empty(), "no header: {away:?}");
    }
}

fn wrong_use(history: &History) {
    history.refused(&["watch", "verdicts", "--from", "12"], 2, "--from OFFSET needs one --partition");
    history.refused(&["watch", "verdicts", "--from", "noon"], 2, "say beginning, end, an offset (with --partition)");
    history.refused(&["watch", "messages", "--action", "block"], 2, "--action is for verdicts and predictions");
    history.refused(&["watch", "dead-letters", "--label", "spam"], 2, "--label is for verdicts and predictions");
    history.refused(&["watch", "verdicts", "--where", "action"], 2, "say FIELD=VALUE");
    history.refused(
        &["watch", "appeals"],
        2,
        "[possible values: verdicts, predictions, dead-letters, messages, labels, drift-reports]",
    );
    history.refused(
        &["watch", "verdicts", "--partition", "5", "--format", "ndjson"],
        2,
        "has no partition 5; it has 2",
    );
}

/// A command that goes on, and the lines that it has written.
struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn start(history: &History, args: &[&str]) -> Self {
        let mut command = history.bench.sandbox.assize(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line")
    }

    /// Ctrl-C.
    fn interrupt(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(status.code(), Some(0), "{status:?}");
        let mut said = String::new();
        std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut said).unwrap();
        assert_eq!(said, "");
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(history: &History) {
    let watching = Watching::start(history, &["watch", "verdicts", "--from", "beginning"]);
    assert!(watching.line().starts_with("WHEN"));
    let old = [watching.line(), watching.line()].concat();
    assert!(old.contains("m-0") && old.contains("m-6"), "{old}");
    history.send(1, b"9", Some(&message(9, "m-new", HAM)), &[]);
    assert!(watching.line().contains("m-new"));
    watching.interrupt();
}

fn follow_from_the_end(history: &History) {
    let watching = Watching::start(history, &["watch", "dead-letters", "--format", "ndjson"]);
    // It says nothing when it is ready: what comes is sent until the first is seen.
    let start = Instant::now();
    let first = loop {
        history.send(0, b"later", Some(b"neither Avro"), &[]);
        match watching.lines.recv_timeout(Duration::from_millis(500)) {
            Ok(line) => break line,
            Err(_) => assert!(start.elapsed() < PATIENCE, "nothing comes"),
        }
    };
    let first: Json = serde_json::from_str(&first).unwrap();
    assert_eq!(first["key"], "later", "nothing of before is shown");
    watching.interrupt();
}

#[test]
#[ignore = "needs Kafka and a schema registry; run ./dev test"]
fn schemas_come_from_the_registry_and_nothing_waits_for_one_that_it_does_not_know() {
    let registry =
        std::env::var("ASSIZE_TEST_REGISTRY").unwrap_or_else(|_| "http://127.0.0.1:18081/apis/ccompat/v7".into());
    let mut sandbox = Sandbox::new("watch-registry", 1);
    sandbox.configure(&format!("[schemas]\nregistry = \"{registry}\"\n"));
    sandbox.write("rows.ndjson", format!("{{\"user_id\":7,\"text\":\"{HAM}\",\"message_id\":\"m\"}}\n"));
    assert!(sandbox.run(&["send", "rows.ndjson"]).status.success());
    let mut unknown = message(7, "x", HAM);
    unknown[1] = 0x7f;
    history::send(&sandbox, 0, b"7", Some(&unknown), &[]);

    let start = Instant::now();
    let output = sandbox.run(&["watch", "messages", "--until-end", "--show-text", "--format", "ndjson"]);
    assert!(output.status.success(), "{output:?}");
    let lines: Vec<Json> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["value"]["text"], &lines[0]["value"]["user_id"]), (&json!(HAM), &json!(7)));
    let id = 0x7f00_0001;
    assert_eq!(lines[1]["schema_id"], id);
    assert_eq!(lines[1]["not_decoded"], format!("schema {id} is not known, or the registry does not answer"));
    assert!(start.elapsed() < Duration::from_secs(25), "to confirm that an id is unknown takes 30 s");
}
