//! Clients that share no code with ours: Confluent's Python client with the registry's Avro serializer and deserializer
//! produces messages under our schema and compatible ones, and reads the answers.

use super::bench::{Bench, HASH_KEY, SPAM};
use crate::common::{kafka, python_client, text};

#[test]
#[ignore = "needs Kafka, a schema registry and Python; run ./dev test"]
fn a_python_producer_and_consumer_understand_us() {
    let registry =
        std::env::var("ASSIZE_TEST_REGISTRY").unwrap_or_else(|_| "http://127.0.0.1:18081/apis/ccompat/v7".into());
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
