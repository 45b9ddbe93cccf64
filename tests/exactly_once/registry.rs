//! Schema ids come from a real registry: for messages, for our own records, for the window after a restart, and for a
//! record whose id nobody registered.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};

use super::{
    bench::{Bench, SPAM},
    readers, traffic,
};
use crate::common::kafka;

/// No registry hands it out in a test.
const UNKNOWN_ID: [u8; 5] = [0, 0x7f, 0xff, 0xff, 0xff];

#[test]
#[ignore = "needs Kafka and a schema registry; run ./dev test"]
fn ids_come_from_the_registry_also_after_a_restart() {
    let registry =
        std::env::var("ASSIZE_TEST_REGISTRY").unwrap_or_else(|_| "http://127.0.0.1:18081/apis/ccompat/v7".into());
    let bench = Bench::new("registry", 2, &format!("[schemas]\nregistry = \"{registry}\"\n{SPAM}"));
    let (file, counts) = traffic::write(&bench.folder, "m", 2_000, 11);
    let mut process = bench.start("a", None);
    assert_eq!(bench.send(&file, &[]).wait(), Some(0));
    bench.wait_until_drained();
    assert_eq!(process.stop(), Some(0));

    let mut process = bench.start("a", None);
    assert_eq!(bench.send(&file, &[]).wait(), Some(0));
    send_unknown(&bench);
    // The id counts as unknown only after half a minute: until then the registry may be the one that is wrong.
    bench.wait_until_drained();
    assert_eq!(process.stop(), Some(0));
    let report = bench.assert_clean();
    let dead = readers::count(&bench, &bench.topics().dead_letters);
    assert_eq!(dead, 2 * counts.rejected + 1, "{report}");
    assert_eq!(readers::count(&bench, &bench.topics().verdicts), counts.judged, "{report}");
}

fn send_unknown(bench: &Bench) {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", kafka()).create().unwrap();
    let record = BaseRecord::to(&bench.topics().messages).key("7").payload(&UNKNOWN_ID[..]);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(Duration::from_secs(10)).unwrap();
}
