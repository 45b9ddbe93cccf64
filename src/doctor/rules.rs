//! Access rules, as far as they can be tried without writing: reading one record's place of what is read, and a
//! transactional id of the doctor's own. Whether outputs may be written shows only when one is.

use std::time::{Duration, Instant};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    producer::{BaseProducer, Producer},
};

use super::{Report, kafka::ASK_SECONDS_MAX};
use crate::{
    config::Config,
    stream::kafka::{base, reader},
};

const SEE: &str = "docs/security.md lists the access rules";

pub(super) fn check(config: &Config, report: &Report) {
    let mut denied = false;
    for topic in [&config.topics.messages, &config.topics.verdicts] {
        if let Err(error) = read(config, topic) {
            report.fail("access", format!("topic {topic} cannot be read: {error}"), SEE);
            denied = true;
        }
    }
    if let Err(error) = initialise(config) {
        let id = probe_id(config);
        report.fail("access", format!("transactional id {id} cannot be used: {error}"), SEE);
        denied = true;
    }
    if !denied {
        report
            .ok("access", "reading and transactions are allowed; Write on the outputs cannot be tried without writing");
    }
}

/// Asks for the end of the first partition: answered with nothing, or with a refusal.
fn read(config: &Config, topic: &str) -> Result<(), KafkaError> {
    let client: BaseConsumer = reader(&config.kafka, "read_uncommitted").create()?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::End)?;
    client.assign(&list)?;
    let start = Instant::now();
    let mut last = None;
    while start.elapsed() < ASK_SECONDS_MAX {
        match client.poll(Duration::from_millis(200)) {
            Some(Ok(_)) | Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
            Some(Err(error)) if is_denied(&error) => return Err(error),
            Some(Err(error)) => last = Some(error),
            None => {}
        }
    }
    Err(last.unwrap_or(KafkaError::NoMessageReceived))
}

fn is_denied(error: &KafkaError) -> bool {
    use rdkafka::types::RDKafkaErrorCode as Code;
    let code = error.rdkafka_error_code();
    matches!(code, Some(Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed))
}

/// Under the prefix of the lanes' ids, and none of them: a lane's id ends in its number, so none is fenced.
fn probe_id(config: &Config) -> String {
    format!("{}-{}-doctor", config.kafka.group_id, config.kafka.instance())
}

fn initialise(config: &Config) -> Result<(), KafkaError> {
    let producer: BaseProducer = base(&config.kafka).set("transactional.id", probe_id(config)).create()?;
    producer.init_transactions(ASK_SECONDS_MAX)
}
