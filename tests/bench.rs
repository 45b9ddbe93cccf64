//! `assize bench` on a real Kafka: it measures, holds against bounds, and leaves nothing on the broker.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod common;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use common::{Sandbox, text};
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::Value;

const TASK: &str = "[[task]]\nname = \"spam\"\nbundle = \"models/spam-sms\"\n[stream]\nlanes = 1\n";

/// What it said, and its process id, which the names of its topics have.
fn bench(sandbox: &Sandbox, out: &Path, args: &[&str]) -> (Output, u32) {
    let process = start(sandbox, out, args);
    let id = process.id();
    (process.wait_with_output().unwrap(), id)
}

fn start(sandbox: &Sandbox, out: &Path, args: &[&str]) -> Child {
    let texts = sandbox.write("texts.tsv", "ham\tare we still on for lunch\nspam\twin a prize, call now\n");
    let mut command = sandbox.assize(&["bench", "--partitions", "2", "--texts", texts.to_str().unwrap()]);
    command.args(["--out", out.to_str().unwrap()]).args(args).env("ASSIZE_HASH_KEY", "a key for tests only");
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn sandbox(name: &str) -> Sandbox {
    let mut sandbox = Sandbox::without_topics(name);
    sandbox.configure(TASK);
    sandbox
}

fn report(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("bench.json")).unwrap()).unwrap()
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn a_drain_is_measured_beside_the_bare_loop_and_cleans_up() {
    let sandbox = sandbox("bench-drain");
    let out = sandbox.file("out");
    let args = ["--drain", "100000", "--limit", "--json", "--per-second-min", "1", "--first-verdict-max", "60"];
    let (output, id) = bench(&sandbox, &out, &args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));

    let report = report(&out);
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), report, "what --json prints is the file");
    for runs in ["drains", "limits"] {
        let run = &report[runs][0];
        assert_eq!(run["messages"], 100_000);
        assert!(run["per_second"].as_f64().unwrap() > 0.0, "{run}");
        let ticks: u64 = run["ticks"].as_array().unwrap().iter().filter_map(Value::as_u64).sum();
        assert_eq!(ticks, 100_000, "every verdict is on the timeline");
    }
    assert!(report["restart_seconds"].as_f64().unwrap() > 0.0);
    let picture = fs::read_to_string(out.join("throughput.svg")).unwrap();
    assert!(picture.contains("bare loop") && picture.ends_with("</svg>\n"), "{picture}");

    assert_eq!(topics_of(&sandbox, id), [""; 0], "left on the broker");
}

/// Whether its process says that it has partitions.
fn judges(out: &Path) -> bool {
    let logs = fs::read_dir(out).into_iter().flatten().flatten();
    logs.map(|log| fs::read_to_string(log.path()).unwrap()).any(|log| log.contains("assigned"))
}

/// Others may bench at the same time.
fn topics_of(sandbox: &Sandbox, id: u32) -> Vec<String> {
    let asking: BaseConsumer = assize::stream::kafka::base(&sandbox.config.kafka).create().unwrap();
    let topics = asking.fetch_metadata(None, Duration::from_secs(10)).unwrap();
    let ours = format!("-{id}-");
    let names = topics.topics().iter().map(|topic| topic.name());
    names.filter(|name| name.starts_with("assize-bench-") && name.contains(&ours)).map(str::to_owned).collect()
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn a_signal_ends_it_and_its_topics() {
    let sandbox = sandbox("bench-signal");
    let out = sandbox.file("out");
    // Far more than it will come to.
    let process = start(&sandbox, &out, &["--rate", "100", "--seconds", "3600"]);
    let id = process.id();
    let started = Instant::now();
    while !judges(&out) {
        assert!(started.elapsed() < Duration::from_secs(60), "no process judges");
        thread::sleep(Duration::from_millis(50));
    }
    let kill = Command::new("kill").args(["-INT", &id.to_string()]).status().unwrap();
    assert!(kill.success());
    let output = process.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("a signal ended the bench"), "{}", text(&output));
    assert_eq!(topics_of(&sandbox, id), [""; 0], "left on the broker");
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn an_open_loop_is_measured_and_a_bound_that_is_not_kept_says_so() {
    let sandbox = sandbox("bench-open");
    let out = sandbox.file("out");
    let args = ["--rate", "300", "--seconds", "3", "--warm-up", "1", "--p50-max", "60000", "--p99-max", "0.001"];
    let (output, _) = bench(&sandbox, &out, &args);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("NOT KEPT: p99 ms") && said.contains("kept: p50 ms"), "{said}");

    let open = &report(&out)["open"];
    assert_eq!(open["messages"], 900, "all but those of the warm-up are timed");
    let [p50, p99, max] = ["p50_ms", "p99_ms", "max_ms"].map(|key| open[key].as_f64().unwrap());
    assert!(0.0 < p50 && p50 <= p99 && p99 <= max, "{open}");
    let histogram = fs::read_to_string(out.join("latency.hgrm")).unwrap();
    assert!(histogram.contains("Total count    =          900"), "{histogram}");
    assert!(fs::read_to_string(out.join("latency.svg")).unwrap().contains("p50 "));
}

#[test]
fn without_texts_it_says_where_to_get_some() {
    let output =
        common::assize(&["bench", "--rate", "1", "--texts", "nowhere.tsv", "--out", "run/bench-test"]).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("--texts"), "{}", text(&output));
}

#[test]
fn what_belongs_to_the_other_shape_is_wrong_use() {
    for args in [
        &["--rate", "1", "--limit"][..],
        &["--rate", "1", "--rounds", "2"],
        &["--rate", "1", "--per-second-min", "1"],
        &["--rate", "1", "--limit-share-min", "0.5"],
        &["--drain", "1", "--p50-max", "1"],
        &["--drain", "1", "--p99-max", "1"],
        &["--drain", "1", "--seconds", "1"],
        &["--drain", "1", "--warm-up", "1"],
        &["--drain", "1", "--limit", "--processes", "2"],
    ] {
        let output = common::assize(&[&["bench"], args].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output));
        assert!(text(&output).contains("cannot be used with"), "{args:?}: {}", text(&output));
    }
}
