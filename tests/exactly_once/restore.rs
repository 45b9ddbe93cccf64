//! The window is read back whole, whatever else lies in the verdicts.

use std::time::Duration;

use assize::records::{Verdict, schema::VERDICT};
use rdkafka::{
    ClientConfig,
    producer::{BaseRecord, Producer, ThreadedProducer},
};

use super::{
    bench::{Bench, SPAM},
    readers, traffic,
};
use crate::common;

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn aborted_records_take_no_room_in_the_window() {
    let bench = Bench::new("aborted", 1, &format!("[dedup]\nwindow_keys_max = 10\n{SPAM}"));
    let (file, counts) = traffic::write(&bench.folder, "m", 10, 11);
    let mut process = bench.start("a", None);
    assert_eq!(bench.send(&file, &[]).wait(), Some(0));
    bench.wait_until_drained();
    assert_eq!(process.stop(), Some(0));

    // What lanes leave behind that abort again and again, or are killed.
    abort_records(&bench.topics().verdicts, &bench.topics().messages, 200);
    let mut process = bench.start("a", None);
    assert_eq!(bench.send(&file, &[]).wait(), Some(0));
    bench.wait_until_drained();
    assert_eq!(process.stop(), Some(0));
    let verdicts: Vec<Verdict<'_>> = readers::read_all(&bench, &bench.topics().verdicts, VERDICT);
    assert_eq!(verdicts.len(), counts.judged, "repeats inside the window get no second verdict");
}

fn abort_records(topic: &str, id: &str, records: usize) {
    let wait = Duration::from_secs(10);
    let producer: ThreadedProducer<_> =
        ClientConfig::new().set("bootstrap.servers", common::kafka()).set("transactional.id", id).create().unwrap();
    producer.init_transactions(wait).unwrap();
    producer.begin_transaction().unwrap();
    for _ in 0..records {
        let record = BaseRecord::<(), [u8]>::to(topic).partition(0).payload(b"never committed");
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(wait).unwrap();
    producer.abort_transaction(wait).unwrap();
}
