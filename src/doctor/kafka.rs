//! The brokers and the topics; group and access rules only where the brokers answer.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaError,
};

use super::{Report, group, rules};
use crate::{
    config::Config,
    stream::kafka::{
        Asking, asking_reader, metadata, reader,
        topics::{self, Settings},
    },
};

/// How long one more question may take, once the brokers have answered.
pub(super) const ASK_SECONDS_MAX: Duration = Duration::from_secs(5);
/// Of `AddPartitionsToTxn`: the first by which brokers verify that a transaction is open (KIP-890 part 1, Kafka 3.6).
const VERIFYING_VERSION: i16 = 4;
/// Copies of the topics that hold commits.
const REPLICAS_MIN: usize = 3;

pub(super) fn check(config: &Config, report: &Report) {
    let asked = asking_reader(&config.kafka, "read_uncommitted")
        .and_then(|reader| metadata(&reader, &config.topics.messages).map(|found| (reader, found)));
    let brokers = match &asked {
        Ok((_, found)) => match found.brokers().len() {
            1 => "1 broker answers".to_owned(),
            many => format!("{many} brokers answer"),
        },
        Err(error) => return report.fail("kafka", error, "topics, group and access rules were not looked at"),
    };
    let security = &config.kafka.security;
    let user = if security.protocol.has_user() { format!(" as {}", security.username) } else { String::new() };
    report.ok("kafka", format!("{brokers} over {}{user}", security.protocol.name()));
    version(config, report);
    if let Ok((reader, _)) = &asked {
        internal_topics(reader, report);
    }
    if let Some(topics) = check_topics(config, report) {
        group::check(config, &topics, report);
        rules::check(config, report);
    }
}

/// Every topic, when all are there.
fn check_topics(config: &Config, report: &Report) -> Option<Vec<Settings>> {
    let roles = topics::Role::of_run(config);
    let found = match topics::describe(config, &roles) {
        Ok(found) => found,
        Err(error) => {
            report.fail("topics", error, "group and access rules were not looked at");
            return None;
        }
    };
    let findings = topics::findings(config, &roles, &found);
    findings.iter().for_each(|finding| report.fail("topics", &finding.problem, &finding.remedy));
    topics::advice(config, &found).iter().for_each(|risk| report.warn("topics", &risk.problem, &risk.remedy));
    let messages = found.first().filter(|_| found.len() == roles.len())?;
    if findings.is_empty() {
        let found =
            format!("all {} are there, with {} partitions and the settings needed", roles.len(), messages.partitions);
        report.ok("topics", found);
    }
    Some(found)
}

/// The client tells what the broker speaks in its log alone.
fn version(config: &Config, report: &Report) {
    let mut client = reader(&config.kafka, "read_uncommitted");
    client.set("debug", "feature").set_log_level(RDKafkaLogLevel::Debug);
    let asked: Result<BaseConsumer<Versions>, KafkaError> = client.create_with_context(Versions::default());
    let spoken = asked.ok().and_then(|client| {
        client.fetch_metadata(Some(&config.topics.messages), ASK_SECONDS_MAX).ok()?;
        let asked = Instant::now();
        while client.context().spoken().is_none() && asked.elapsed() < ASK_SECONDS_MAX {
            client.poll(Duration::from_millis(50));
        }
        client.context().spoken()
    });
    match spoken {
        Some(version) if version >= VERIFYING_VERSION => {
            report.ok("kafka", "the brokers verify transactions (Kafka 3.6 or later)");
        }
        Some(version) => report.warn(
            "kafka",
            format!("the brokers speak AddPartitionsToTxn {version}: they are older than 3.6"),
            "upgrade: an older broker can leave a transaction open for ever",
        ),
        None => report.warn("kafka", "what version the brokers are could not be seen", "they should be 3.6 or later"),
    }
}

/// Commits and committed offsets are as safe as the topics that hold them.
fn internal_topics(reader: &BaseConsumer<Asking>, report: &Report) {
    for name in ["__transaction_state", "__consumer_offsets"] {
        let Ok(found) = metadata(reader, name) else { continue };
        let partitions = found.topics().iter().flat_map(|topic| topic.partitions());
        match partitions.map(|partition| partition.replicas().len()).min() {
            Some(replicas) if replicas < REPLICAS_MIN => report.warn(
                "kafka",
                format!("topic {name} has {replicas} of {REPLICAS_MIN} copies"),
                "a broker that dies can take commits with it: add copies with kafka-reassign-partitions.sh",
            ),
            Some(_) => report.ok("kafka", format!("topic {name} has {REPLICAS_MIN} copies or more")),
            // Made by the broker when it is first needed, or not ours to see.
            None => {}
        }
    }
}

/// Waits for the line on `AddPartitionsToTxn`, and drops the others.
#[derive(Default)]
struct Versions {
    spoken: Mutex<Option<i16>>,
}

impl Versions {
    fn spoken(&self) -> Option<i16> {
        *self.spoken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Versions {
    fn log(&self, _: RDKafkaLogLevel, _: &str, line: &str) {
        if let Some(version) = spoken(line) {
            *self.spoken.lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
        }
    }

    fn error(&self, _: KafkaError, _: &str) {}
}

impl ConsumerContext for Versions {}

fn spoken(line: &str) -> Option<i16> {
    line.split_once("ApiKey AddPartitionsToTxn (24) Versions ")?.1.rsplit("..").next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_out_of_the_log() {
        let line = "[thrd:x]: x/1:   ApiKey AddPartitionsToTxn (24) Versions 0..5";
        assert_eq!(spoken(line), Some(5));
        assert_eq!(spoken("[thrd:x]: x/1:   ApiKey EndTxn (26) Versions 0..5"), None);
    }
}
