//! Partitions that somebody adds to the input while processes run wait; the others go on.

use std::time::Duration;

use rdkafka::{
    admin::NewPartitions,
    producer::{BaseProducer, BaseRecord, Producer},
};

use super::{
    bench::{Bench, SPAM},
    readers, traffic,
};
use crate::common::kafka;

const SEE_NEW_PARTITIONS: &str = "[kafka.librdkafka]\n\"topic.metadata.refresh.interval.ms\" = \"500\"\n";

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn partitions_added_while_running_wait_and_the_others_go_on() {
    let bench = Bench::new("added", 2, &format!("{SEE_NEW_PARTITIONS}{SPAM}"));
    let (file, counts) = traffic::write(&bench.folder, "m", 1_000, 13);
    let mut process = bench.start("a", None);
    bench.wait_for_log("a", "window restored");
    let messages = bench.topics().messages.clone();
    bench.admin(async |admin, options| {
        admin.create_partitions(&[NewPartitions::new(&messages, 3)], &options).await.unwrap();
    });
    let producer: BaseProducer = rdkafka::ClientConfig::new().set("bootstrap.servers", kafka()).create().unwrap();
    let record = BaseRecord::<str, str>::to(&messages).partition(2).payload("waits");
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(Duration::from_secs(10)).unwrap();
    bench.wait_for_log("a", "were added while running");
    // `send` spreads over three partitions now; what falls into the first two is judged.
    assert_eq!(bench.send(&file, &[]).wait(), Some(0));
    bench.wait_until_drained();
    assert_eq!(process.stop(), Some(0));
    let judged = readers::count(&bench, &bench.topics().verdicts);
    assert!((1..counts.judged).contains(&judged), "{judged} of {counts:?}");
}
