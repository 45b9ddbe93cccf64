//! What people and trainers read of the drift job's topics, from the topics themselves.

use std::{
    collections::BTreeSet,
    fs,
    process::Output,
    time::{Duration, SystemTime},
};

use assize::records::{Label, LabelSource, Prediction};
use serde_json::{Value as Json, json};

use crate::{
    bench::{Bench, SPAM},
    common::text,
    ground::{Labeller, PARTITIONS, Run, START_MS, WINDOW_MS, Writer, path, report},
};

/// Predictions of a window.
const PREDICTIONS: i64 = 600;
const DRIFT: &str = "\n[drift]\nwindows = [\"10s\"]\ngrace_seconds = 1\nidle_seconds = 3600\nsnapshot_ms = 100\n\
                     [drift.labels]\nenabled = false\n";

fn run(bench: &Bench, args: &[&str]) -> Output {
    bench.sandbox.assize(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

/// What a command printed, by lines of JSON.
fn json_of(bench: &Bench, args: &[&str]) -> Vec<Json> {
    let output = run(bench, args);
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn is_spam(row: &Prediction<'_>) -> bool {
    row.tasks[0].labels[0] == "spam"
}

/// A window of its own, over all partitions.
fn fill(writer: &mut Writer<'_>, window: i64, wanted: impl Fn(&Prediction<'_>, i64) -> bool) {
    for number in 0..PREDICTIONS {
        let time_ms = START_MS + window * WINDOW_MS + number * WINDOW_MS / PREDICTIONS;
        let row = writer.draw(|row| wanted(row, number));
        writer.write((number % i64::from(PARTITIONS)) as i32, row, time_ms, time_ms);
    }
    writer.flush();
}

/// Now, with nothing written within the moments before and after.
fn between() -> String {
    std::thread::sleep(Duration::from_millis(50));
    let now = humantime(SystemTime::now());
    std::thread::sleep(Duration::from_millis(50));
    now
}

fn humantime(time: SystemTime) -> String {
    let ms = time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    assize::tail::rfc3339(i64::try_from(ms).unwrap())
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn people_and_trainers_read_the_topics() {
    let bench = Bench::new("drift-commands", PARTITIONS, &format!("{DRIFT}{SPAM}"));
    let job = Run::of_stream(&bench);
    let mut writer = Writer::new(&bench, 9);
    fill(&mut writer, 0, |_, _| true);
    let middle = between();
    fill(&mut writer, 1, |row, number| is_spam(row) == (number % 2 == 0));
    let end = between();
    for partition in 0..PARTITIONS {
        let (row, time_ms) = (writer.draw(|_| true), START_MS + 3 * WINDOW_MS);
        writer.write(partition, row, time_ms, time_ms);
    }
    writer.flush();
    let mut running = job.start("a", &[]);
    let written = job.wait_for_reports(2);
    assert_eq!(running.stop(), Some(0));
    assert!(written.values().all(|value| report(value).predictions.counted == PREDICTIONS), "{written:?}");

    reports_are_watched(&bench, written.keys().map(String::as_str).collect());
    a_page_is_made(&bench);
    references_are_of_their_time(&bench, &middle, &end);
    labels_are_watched(&bench);
}

fn reports_are_watched(bench: &Bench, keys: BTreeSet<&str>) {
    let watch = ["watch", "drift-reports", "--until-end", "--format", "ndjson"];
    let seen = json_of(bench, &watch);
    assert_eq!(seen.iter().map(|line| line["key"].as_str().unwrap()).collect::<BTreeSet<_>>(), keys);
    let says: Vec<_> =
        seen.iter().map(|line| (&line["value"]["status"], &line["value"]["predictions"]["counted"])).collect();
    assert_eq!(says, [(&json!("STABLE"), &json!(PREDICTIONS)), (&json!("DRIFTED"), &json!(PREDICTIONS))]);
    let lines = text(&run(bench, &["watch", "drift-reports", "--until-end"]));
    assert!(lines.lines().count() == 3 && lines.contains("spam"), "{lines}");
}

fn a_page_is_made(bench: &Bench) {
    let [page, twin] = ["drift.html", "drift.json"].map(|name| bench.folder.join(name).display().to_string());
    let report = |more: &[&str]| run(bench, &[&["drift", "report", "--output", &page, "--json", &twin], more].concat());
    let made = report(&["--from", "2026-09-01T00:00:00Z"]);
    assert!(made.status.success(), "{}", text(&made));
    let twin: Json = serde_json::from_slice(&fs::read(&twin).unwrap()).unwrap();
    let task = &twin["tasks"][0];
    assert_eq!(
        (&task["task"], &task["arm"], twin["tasks"].as_array().unwrap().len()),
        (&json!("spam"), &json!("live"), 1)
    );
    assert_eq!(
        (&task["report"]["status"], &task["report"]["predictions"]["counted"]),
        (&json!("DRIFTED"), &json!(PREDICTIONS))
    );
    let page = fs::read_to_string(&page).unwrap();
    assert!(
        page.starts_with("<!doctype html>") && page.contains("spam") && page.contains(&bench.topics().drift_reports)
    );
    let older = report(&["--from", "2026-09-01T00:00:00Z", "--to", "2026-09-02T00:00:00Z"]);
    assert_eq!(older.status.code(), Some(2), "{}", text(&older));
}

/// From the topic between two times it is the same as from a file of the same predictions.
fn references_are_of_their_time(bench: &Bench, middle: &str, end: &str) {
    let bundle = path("models/spam-sms");
    let reference = |more: &[&str]| {
        let output = run(bench, &[&["drift", "reference", "--bundle", &bundle, "--label-from", "x"], more].concat());
        assert!(output.status.success(), "{}", text(&output));
        output.stdout
    };
    let seen = json_of(bench, &["watch", "predictions", "--until-end", "--format", "ndjson"]);
    assert_eq!(seen.len() as i64, 2 * PREDICTIONS + i64::from(PARTITIONS));
    for (times, window) in [(["--to", middle].as_slice(), 0), (["--from", middle, "--to", end].as_slice(), 1)] {
        let number = |line: &Json| line["value"]["message_id"].as_str().unwrap()[2..].parse::<i64>().unwrap();
        let of_window = seen.iter().filter(|line| (number(line) - 1) / PREDICTIONS == window);
        let file =
            bench.sandbox.write("predictions.ndjson", of_window.map(|line| format!("{line}\n")).collect::<String>());
        let from_topic = reference(times);
        assert_eq!(from_topic, reference(&["--predictions", file.to_str().unwrap()]), "{times:?}");
        let from_topic: Json = serde_json::from_slice(&from_topic).unwrap();
        assert_eq!((&from_topic["rows"], &from_topic["from"]), (&json!(PREDICTIONS), &json!("x")));
    }
}

fn labels_are_watched(bench: &Bench) {
    let labeller = Labeller::new(bench);
    for (partition, source, label) in [(0, LabelSource::Moderator, "spam"), (1, LabelSource::Appeal, "not_spam")] {
        let label = Label {
            message_id: format!("m-{}", partition + 1),
            task: "spam".into(),
            labels: vec![label.into()],
            source,
            labelled_at: START_MS,
            source_partition: Some(partition),
            source_offset: Some(0),
            decided_at: None,
        };
        labeller.write(Some(partition), "7", &label);
    }
    labeller.flush();
    let watch =
        |more: &[&str]| json_of(bench, &[&["watch", "labels", "--until-end", "--format", "ndjson"], more].concat());
    let mut seen = watch(&[]);
    seen.sort_by_key(|line| line["partition"].as_i64());
    let says: Vec<_> = seen
        .iter()
        .map(|line| {
            ["message_id", "labels", "source", "source_partition", "decided_at"].map(|name| &line["value"][name])
        })
        .collect();
    assert_eq!(says[0], [&json!("m-1"), &json!(["spam"]), &json!("MODERATOR"), &json!(0), &Json::Null]);
    assert_eq!(says[1], [&json!("m-2"), &json!(["not_spam"]), &json!("APPEAL"), &json!(1), &Json::Null]);
    assert_eq!(watch(&["--partition", "1"]), seen[1..]);
    let lines = text(&run(bench, &["watch", "labels", "--until-end"]));
    assert!(lines.lines().count() == 3 && lines.contains("m-1") && lines.contains("not_spam"), "{lines}");
}
