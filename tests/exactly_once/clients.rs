//! Clients that share no code with ours: Confluent's Python client with the registry's Avro serializer and deserializer
//! produces messages under our schema and compatible ones, and reads the answers.

use super::bench::{Bench, HASH_KEY, SPAM};
use crate::common::{kafka, python_client, text};

const TAGS: &str = "tests/bundles/tags";

fn registry() -> String {
    std::env::var("ASSIZE_TEST_REGISTRY").unwrap_or_else(|_| "http://127.0.0.1:18081/apis/ccompat/v7".into())
}

#[test]
#[ignore = "needs Kafka, a schema registry and Python; run ./dev test"]
fn a_python_producer_and_consumer_understand_us() {
    let registry = registry();
    let bench = Bench::new("python", 3, &format!("[schemas]\nregistry = \"{registry}\"\n{SPAM}"));
    let mut process = bench.start("a", None);
    let topics = bench.topics();
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/message.avsc");
    let output = python_client("pipeline")
        .args([&kafka(), &registry, &topics.messages, &topics.verdicts, &topics.predictions, &topics.dead_letters])
        .args([schema, HASH_KEY])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}\nlogs: {}", text(&output), bench.folder.display());
    println!("{}", text(&output));
    assert_eq!(process.stop(), Some(0));
    bench.assert_clean();
}

#[test]
#[ignore = "needs Kafka, a schema registry and Python; run ./dev test"]
fn three_kinds_of_task_share_a_stream_and_a_verdict() {
    let registry = registry();
    let tasks = [("spam", "models/spam-sms"), ("topic", "models/topics-r8"), ("tags", TAGS)];
    let folder = |bundle: &str| format!("{}/{bundle}", env!("CARGO_MANIFEST_DIR"));
    let config: String = (tasks.iter())
        .map(|(name, bundle)| format!("[[task]]\nname = \"{name}\"\nbundle = \"{}\"\n", folder(bundle)))
        .collect();
    let bench = Bench::new("kinds", 3, &format!("[schemas]\nregistry = \"{registry}\"\n{config}"));
    let mut process = bench.start("a", None);
    let topics = bench.topics();
    let output = python_client("tasks")
        .args([&kafka(), &registry, &topics.messages, &topics.verdicts, &topics.predictions])
        .arg(folder("schemas/message.avsc"))
        .args(tasks.map(|(name, bundle)| format!("{name}={}", folder(bundle))))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}\nlogs: {}", text(&output), bench.folder.display());
    println!("{}", text(&output));
    assert_eq!(process.stop(), Some(0));
    bench.assert_clean();
}
