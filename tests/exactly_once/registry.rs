//! Schema ids come from a real registry: for messages, for our own records, for the window after a restart, and for a
//! record whose id nobody registered. Without the registry, what was known goes on and what is new waits.

use std::{collections::BTreeMap, time::Duration};

use assize::{
    codec::{RecordWriter, Schemas, subject},
    config,
    records::{
        Message, Verdict,
        schema::{MESSAGE, VERDICT},
    },
};
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};

use super::{
    bench::{Bench, SPAM},
    proxy::{Mode, Proxy},
    readers, traffic,
};
use crate::common::kafka;

/// No registry hands it out in a test.
const UNKNOWN_ID: [u8; 5] = [0, 0x7f, 0xff, 0xff, 0xff];

fn registry() -> String {
    std::env::var("ASSIZE_TEST_REGISTRY").unwrap_or_else(|_| "http://127.0.0.1:18081/apis/ccompat/v7".into())
}

#[test]
#[ignore = "needs Kafka and a schema registry; run ./dev test"]
fn ids_come_from_the_registry_also_after_a_restart() {
    let extra = format!("[schemas]\nregistry = \"{}\"\ncache_folder = \"\"\n{SPAM}", registry());
    let bench = Bench::new("registry", 2, &extra);
    let (file, counts) = traffic::write(&bench.folder, "m", 2_000, 11);
    let mut process = bench.start("a", None);
    assert_eq!(bench.send(&file, &[]).wait(), Some(0));
    bench.wait_until_drained();
    assert_eq!(process.stop(), Some(0));

    let mut process = bench.start("a", None);
    assert_eq!(bench.send(&file, &[]).wait(), Some(0));
    send_raw(&bench, &UNKNOWN_ID);
    // The id counts as unknown only after half a minute: until then the registry may be the one that is wrong.
    bench.wait_until_drained();
    assert_eq!(process.stop(), Some(0));
    let report = bench.assert_clean();
    let dead = readers::count(&bench, &bench.topics().dead_letters);
    assert_eq!(dead, 2 * counts.rejected + 1, "{report}");
    assert_eq!(readers::count(&bench, &bench.topics().verdicts), counts.judged, "{report}");
}

#[test]
#[ignore = "needs Kafka and a schema registry; run ./dev test"]
fn known_ids_go_on_without_the_registry_and_new_ones_wait_for_it() {
    let url = registry();
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).unwrap();
    let proxy = Proxy::start(host);
    let kept = tempfile::tempdir().unwrap();
    let bench = Bench::new(
        "registry-cut",
        2,
        &format!(
            "[schemas]\nregistry = \"http://127.0.0.1:{}/{path}\"\ncache_folder = \"{}\"\n{SPAM}",
            proxy.port,
            kept.path().display()
        ),
    );
    let (file, counts) = traffic::write(&bench.folder, "m", 6_000, 17);
    let (mut judged, mut rejected) = (counts.judged, counts.rejected);

    // Cut under load.
    let mut process = bench.start("a", None);
    bench.wait_for_log("a", "window restored");
    let mut sender = bench.send(&file, &["--rate", "1000"]);
    std::thread::sleep(Duration::from_secs(2));
    proxy.set(Mode::Cut);
    assert_eq!(sender.wait(), Some(0));
    bench.wait_until_drained();
    assert!(process.is_running());
    let gap = longest_gap_ms(&bench);
    println!("cut under load: {judged} judged, the longest time without a verdict was {gap} ms");
    assert!(gap < 4_000, "{gap} ms without a verdict");

    // Started anew without it: the verdicts are read back, and messages judged, by what is kept on disk.
    process.kill();
    for (number, fault) in [Mode::Hang, Mode::Cut].into_iter().enumerate() {
        proxy.set(fault);
        let instance = format!("b{number}");
        process = bench.start(&instance, None);
        bench.wait_for_log(&instance, "going on without the registry");
        let (file, counts) = traffic::write(&bench.folder, &instance, 500, 19);
        assert_eq!(bench.send(&file, &[]).wait(), Some(0), "{fault:?}: the sender too");
        bench.wait_until_drained();
        (judged, rejected) = (judged + counts.judged, rejected + counts.rejected);
        if fault == Mode::Hang {
            assert_eq!(process.stop(), Some(0));
        }
    }

    // A new id waits, and is judged when the registry is there.
    send_raw(&bench, &value_of_a_new_schema(&bench, &url));
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(bench.lag(), 1, "it is not judged, and not a dead letter");
    bench.assert_clean();
    assert_eq!(readers::count(&bench, &bench.topics().dead_letters), rejected);
    proxy.set(Mode::Open);
    bench.wait_until_drained();
    assert_eq!(process.stop(), Some(0));
    let report = bench.assert_clean();
    assert_eq!(readers::count(&bench, &bench.topics().verdicts), judged + 1, "{report}");
    assert_eq!(readers::count(&bench, &bench.topics().dead_letters), rejected, "{report}");
}

fn longest_gap_ms(bench: &Bench) -> i64 {
    let verdicts: Vec<Verdict<'_>> = readers::read_all(bench, &bench.topics().verdicts, VERDICT);
    let mut times: Vec<i64> = verdicts.iter().map(|verdict| verdict.decided_at).collect();
    times.sort_unstable();
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(i64::MAX)
}

/// A message under a schema that no process has seen, registered behind the proxy's back.
fn value_of_a_new_schema(bench: &Bench, url: &str) -> Vec<u8> {
    let topic = &bench.topics().messages;
    let schema = MESSAGE.replace("\"assize\"", &format!("\"{}\"", topic.replace('-', "_")));
    let config =
        config::Schemas { registry: Some(url.to_owned()), cache_folder: Some("".into()), ..config::Schemas::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let schemas = Schemas::try_new(&config, runtime.handle()).unwrap();
    let (id, _) = schemas.register(&subject(topic), &schema).unwrap().unwrap();
    let message = Message {
        message_id: "under-a-new-schema".into(),
        user_id: 7,
        text: "hello".into(),
        language: None,
        metadata: BTreeMap::new(),
        created_at: 1_732_372_800_123,
    };
    let mut value = Vec::new();
    RecordWriter::new(id).write(&message, &mut value);
    value
}

fn send_raw(bench: &Bench, value: &[u8]) {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", kafka()).create().unwrap();
    let record = BaseRecord::to(&bench.topics().messages).key("7").payload(value);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(Duration::from_secs(10)).unwrap();
}
