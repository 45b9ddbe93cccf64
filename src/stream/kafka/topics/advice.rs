//! What topics should be like, though the stream runs without it. `assize doctor` tells it; nothing refuses to start.

use super::{
    AHEAD_MS,
    rules::{AHEAD_MS_MAX, Finding, Role, Settings, alter, window_ms},
};
use crate::config::Config;

/// Copies that survive a broker's death with one more away.
const REPLICAS_MIN: i32 = 3;
/// The broker stamps records.
const LOG_APPEND_TIME: &str = "LogAppendTime";

/// Everything that is a risk in `found`.
pub fn advice(config: &Config, found: &[Settings]) -> Vec<Finding> {
    found
        .iter()
        .flat_map(|topic| {
            [bytes_kept, answer_bytes, stamped_ahead, stamped_by_broker, copies].map(|advice| advice(config, topic))
        })
        .flatten()
        .collect()
}

/// A limit in bytes may cut the idempotency window before its time.
fn bytes_kept(config: &Config, topic: &Settings) -> Option<Finding> {
    (topic.role == Role::Verdicts && topic.retention_bytes >= 0).then(|| Finding {
        problem: format!(
            "topic {} keeps {} bytes of a partition, which may be less than the idempotency window of {} ms",
            topic.name,
            topic.retention_bytes,
            window_ms(config)
        ),
        remedy: alter(config, topic, "retention.bytes", "-1"),
    })
}

/// Verdicts and predictions carry ids of their message, whose length is that of the message at most.
fn answer_bytes(config: &Config, topic: &Settings) -> Option<Finding> {
    let wanted = i64::try_from(config.stream.message_bytes_max).unwrap_or(i64::MAX);
    let answers = matches!(topic.role, Role::Verdicts | Role::Predictions);
    (answers && topic.message_bytes_max < wanted).then(|| Finding {
        problem: format!(
            "topic {} has max.message.bytes {}, less than stream.message_bytes_max ({wanted}): an answer that is too \
             large stops its partition",
            topic.name, topic.message_bytes_max
        ),
        remedy: alter(config, topic, "max.message.bytes", &wanted.to_string()),
    })
}

/// A clock that is wrong would close windows to come, for good.
fn stamped_ahead(config: &Config, topic: &Settings) -> Option<Finding> {
    let who = match topic.role {
        Role::DriftState => "a drift job",
        // Labels that the broker stamps are not ahead.
        Role::Labels if topic.timestamp_type != LOG_APPEND_TIME => "who writes labels",
        _ => return None,
    };
    let risk = format!("{who} with a clock that is as much ahead ends windows to come");
    match topic.ahead_ms_max {
        0..=AHEAD_MS_MAX => None,
        ..0 => Some(Finding {
            problem: format!("topic {} has no {AHEAD_MS}, so without limit {risk}", topic.name),
            remedy: "upgrade the brokers: Kafka has it since 3.6".into(),
        }),
        found => Some(Finding {
            problem: format!("topic {} has {AHEAD_MS} {found}: {risk}", topic.name),
            remedy: alter(config, topic, AHEAD_MS, &AHEAD_MS_MAX.to_string()),
        }),
    }
}

/// Then it refuses none, however far ahead the clock of the drift job is.
fn stamped_by_broker(config: &Config, topic: &Settings) -> Option<Finding> {
    (topic.role == Role::DriftState && topic.timestamp_type == LOG_APPEND_TIME).then(|| Finding {
        problem: format!(
            "topic {} has message.timestamp.type {LOG_APPEND_TIME}: what a drift job with a clock that is ahead writes is \
             not refused",
            topic.name
        ),
        remedy: alter(config, topic, "message.timestamp.type", "CreateTime"),
    })
}

fn copies(config: &Config, topic: &Settings) -> Option<Finding> {
    if topic.replicas < REPLICAS_MIN {
        return Some(Finding {
            problem: format!("topic {} has {} of {REPLICAS_MIN} copies", topic.name, topic.replicas),
            remedy: "a broker that dies can take records with it: add copies with kafka-reassign-partitions.sh".into(),
        });
    }
    (0..2).contains(&topic.min_insync_replicas).then(|| Finding {
        problem: format!("topic {} has min.insync.replicas {}", topic.name, topic.min_insync_replicas),
        remedy: alter(config, topic, "min.insync.replicas", "2"),
    })
}

#[cfg(test)]
mod tests {
    use super::{super::rules::tests::good, *};

    fn after(change: impl FnOnce(&mut Vec<Settings>)) -> Vec<String> {
        let mut topics = good();
        change(&mut topics);
        advice(&Config::default(), &topics).iter().map(ToString::to_string).collect()
    }

    /// One topic as it should be, of another role, with this setting.
    fn stamped(role: Role, timestamp_type: &str, ahead_ms_max: i64) -> Vec<String> {
        after(|topics| {
            topics.truncate(1);
            topics[0] = Settings { role, timestamp_type: timestamp_type.into(), ahead_ms_max, ..topics[0].clone() };
        })
    }

    #[test]
    fn no_clock_but_that_of_the_broker_ends_windows() {
        for role in [Role::DriftState, Role::Labels] {
            assert!(stamped(role, "CreateTime", 300_000).is_empty() && stamped(role, "CreateTime", 0).is_empty());
            for (ahead, found, remedy) in [
                (300_001, "has message.timestamp.after.max.ms 300001", "message.timestamp.after.max.ms=300000"),
                (i64::MAX, "has message.timestamp.after.max.ms 9223372036854775807", "after.max.ms=300000"),
                (-1, "has no message.timestamp.after.max.ms", "3.6"),
            ] {
                let risk = stamped(role, "CreateTime", ahead);
                assert!(risk.len() == 1 && risk[0].contains(found) && risk[0].contains(remedy), "{role:?} {risk:?}");
            }
        }
        let risk = stamped(Role::DriftState, "LogAppendTime", 300_000);
        assert!(risk.len() == 1 && risk[0].contains("message.timestamp.type=CreateTime"), "{risk:?}");
        assert!(stamped(Role::Labels, "LogAppendTime", i64::MAX).is_empty(), "the broker stamps what it takes");
        assert!(stamped(Role::Messages, "LogAppendTime", -1).is_empty(), "they are clamped to the decision");
    }

    #[test]
    fn each_risk_is_named_with_what_to_do() {
        assert_eq!(after(|_| ()), Vec::<String>::new());
        for (risk, found, remedy) in [
            (after(|topics| topics[1].retention_bytes = 5), "topic verdicts keeps 5 bytes", "retention.bytes=-1"),
            (
                after(|topics| topics[2].message_bytes_max = 999_999),
                "topic predictions has max.message.bytes 999999",
                "max.message.bytes=1000000",
            ),
            (after(|topics| topics[0].replicas = 1), "topic messages has 1 of 3 copies", "reassign"),
            (
                after(|topics| topics[3].min_insync_replicas = 1),
                "topic dead-letters has min.insync.replicas 1",
                "min.insync.replicas=2",
            ),
        ] {
            assert_eq!(risk.len(), 1, "{risk:?}");
            assert!(risk[0].starts_with(found) && risk[0].contains(remedy), "{risk:?}");
        }
        assert!(after(|topics| topics[0].retention_bytes = 5).is_empty(), "the input is not ours");
    }
}
