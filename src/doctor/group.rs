//! The consumer group: who is in it, how far behind it is, and whether a transaction in the outputs hangs.

use std::{
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};

use super::{Report, kafka::ASK_SECONDS_MAX};
use crate::{
    config::Config,
    stream::kafka::{
        reader,
        topics::{Role, Settings},
    },
};

/// How long a transaction of the outputs may stay open under our eyes; those of the stream last milliseconds.
const OPEN_SECONDS_MAX: Duration = Duration::from_secs(5);
/// Pause between two looks.
const LOOK_AGAIN_MS: Duration = Duration::from_millis(100);

pub(super) fn check(config: &Config, topics: &[Settings], report: &Report) {
    let clients = reader(&config.kafka, "read_uncommitted")
        .create()
        .and_then(|all| Ok((all, reader(&config.kafka, "read_committed").create()?)));
    let looked = clients.and_then(|(all, committed): (BaseConsumer, BaseConsumer)| {
        members(config, &committed, report)?;
        lag(topics, &committed, report)?;
        open_transactions(topics, &all, &committed, report)
    });
    if let Err(error) = looked {
        report.fail(
            "group",
            format!("group {}: {error}", config.kafka.group_id),
            "docs/security.md lists the access rules",
        );
    }
}

fn members(config: &Config, client: &BaseConsumer, report: &Report) -> Result<(), KafkaError> {
    let name = &config.kafka.group_id;
    let list = client.client().fetch_group_list(Some(name), ASK_SECONDS_MAX)?;
    let group = list.groups().iter().find(|group| group.name() == name);
    match group.map(|group| (group.state(), group.members().len())) {
        Some((state, members)) if members > 0 => {
            let members = counted(members as i64, "member is", "members are");
            report.ok("group", format!("group {name}: {members} in it, {}", state.to_lowercase()));
        }
        _ => report.ok("group", format!("group {name}: nobody is in it now")),
    }
    Ok(())
}

/// Input records behind the committed offsets.
fn lag(topics: &[Settings], client: &BaseConsumer, report: &Report) -> Result<(), KafkaError> {
    let Some(messages) = topics.iter().find(|topic| topic.role == Role::Messages) else { return Ok(()) };
    let mut list = TopicPartitionList::new();
    list.add_partition_range(&messages.name, 0, messages.partitions - 1);
    let offsets = client.committed_offsets(list, ASK_SECONDS_MAX)?;
    let (mut sum, mut most, mut uncommitted) = (0, (0, 0), 0);
    for element in offsets.elements() {
        element.error()?;
        let (low, high) = client.fetch_watermarks(&messages.name, element.partition(), ASK_SECONDS_MAX)?;
        let next = match element.offset() {
            Offset::Offset(next) => next,
            _ => {
                uncommitted += 1;
                low
            }
        };
        if next < low {
            report.fail(
                "group",
                format!(
                    "partition {}: messages from offset {next} to {low} are gone, never judged",
                    element.partition()
                ),
                format!("keep {} for longer: raise its retention.ms", messages.name),
            );
        }
        let behind = (high - next.max(low)).max(0);
        sum += behind;
        most = most.max((behind, element.partition()));
    }
    let waiting = match sum {
        0 => "no message waits".to_owned(),
        _ => {
            let waiting = counted(sum, "message waits", "messages wait");
            format!("{waiting}, most of them ({}) in partition {}", most.0, most.1)
        }
    };
    let start = match uncommitted {
        0 => String::new(),
        _ => {
            let partitions = counted(uncommitted, "partition has", "partitions have");
            format!("; {partitions} no commit yet: kafka.auto_offset_reset says where to start")
        }
    };
    report.ok("group", waiting + &start);
    Ok(())
}

fn counted(count: i64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A transaction whose process is gone holds readers back until the broker ends it; one that hangs, for ever.
fn open_transactions(
    topics: &[Settings],
    all: &BaseConsumer,
    committed: &BaseConsumer,
    report: &Report,
) -> Result<(), KafkaError> {
    let mut open = Vec::new();
    for topic in topics.iter().filter(|topic| topic.role != Role::Messages) {
        for partition in 0..topic.partitions {
            let high = all.fetch_watermarks(&topic.name, partition, ASK_SECONDS_MAX)?.1;
            open.push((topic, partition, high));
        }
    }
    let deadline = Instant::now() + OPEN_SECONDS_MAX;
    loop {
        let mut still = Vec::new();
        for (topic, partition, high) in open {
            let stable = committed.fetch_watermarks(&topic.name, partition, ASK_SECONDS_MAX)?.1;
            if stable < high {
                still.push((topic, partition, high));
            }
        }
        open = still;
        if open.is_empty() {
            report.ok("group", "no transaction is open for long in the outputs");
            return Ok(());
        }
        if Instant::now() > deadline {
            break;
        }
        thread::sleep(LOOK_AGAIN_MS);
    }
    let list: Vec<_> = open.iter().map(|(topic, partition, _)| format!("{}-{partition}", topic.name)).collect();
    report.warn(
        "group",
        format!("readers wait for a transaction that stays open in {}", list.join(", ")),
        "it ends within kafka.transaction_timeout_ms; if not, see kafka-transactions.sh find-hanging",
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        let members = |count| counted(count, "member is", "members are");
        assert_eq!((members(1), members(2)), ("1 member is".to_owned(), "2 members are".to_owned()));
    }
}
