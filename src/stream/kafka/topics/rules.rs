//! What the topics must be like, as a pure function of what the broker says of them.

use std::fmt;

use crate::config::{Config, Topics};

/// What a dead letter's headers may add to its input, bytes.
pub(super) const HEADERS_BYTES_MAX: i64 = 64 * 1024;

/// Largest record of the drift job's state, bytes.
pub(super) const STATE_BYTES_MAX: i64 = 16 << 20;

/// How far ahead of its broker's clock a label, or a record of the drift job's state, may be stamped. A lane whose host has a
/// clock that is further ahead commits nothing: what it takes for silence cannot close windows to come. No more than what
/// silence takes unless configured (`drift.idle_seconds`), since the lane lets time go on that much behind its clock. A label
/// moves time to its own stamp, and that of its record bounds it.
pub(super) const AHEAD_MS_MAX: i64 = 300_000;

/// What a topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Input.
    Messages,
    /// One verdict per message, and the store of the idempotency window.
    Verdicts,
    /// The prediction log.
    Predictions,
    /// Rejected records.
    DeadLetters,
    /// What messages truly were.
    Labels,
    /// What the drift job says of each window.
    DriftReports,
    /// What the drift job knows.
    DriftState,
}

impl Role {
    /// Those of the stream; the input first, because the others are measured against it.
    pub const STREAM: [Self; 4] = [Self::Messages, Self::Verdicts, Self::Predictions, Self::DeadLetters];
    /// Those that the drift job has besides the predictions.
    pub const DRIFT: [Self; 3] = [Self::Labels, Self::DriftReports, Self::DriftState];

    /// Those that `assize run` needs.
    pub fn of_run(config: &Config) -> Vec<Self> {
        let drift = if config.drift.enabled { Self::of_drift(config) } else { Vec::new() };
        Self::STREAM.into_iter().chain(drift.into_iter().filter(|role| *role != Self::Predictions)).collect()
    }

    /// Those that `assize drift run` needs.
    pub fn of_drift(config: &Config) -> Vec<Self> {
        let all = [Self::Predictions].into_iter().chain(Self::DRIFT);
        all.filter(|role| *role != Self::Labels || config.drift.labels.enabled).collect()
    }

    /// Whether its records go to the partition number of their input.
    fn follows_messages(self) -> bool {
        matches!(self, Self::Verdicts | Self::Predictions | Self::DeadLetters)
    }

    /// The configured name of its topic.
    pub fn name(self, topics: &Topics) -> &str {
        match self {
            Self::Messages => &topics.messages,
            Self::Verdicts => &topics.verdicts,
            Self::Predictions => &topics.predictions,
            Self::DeadLetters => &topics.dead_letters,
            Self::Labels => &topics.labels,
            Self::DriftReports => &topics.drift_reports,
            Self::DriftState => &topics.drift_state,
        }
    }
}

/// What the broker says of a topic; settings that the topic does not set are the broker's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What the topic is for.
    pub role: Role,
    /// Its name.
    pub name: String,
    /// Number of partitions.
    pub partitions: i32,
    /// Copies of each partition.
    pub replicas: i32,
    /// `cleanup.policy`.
    pub cleanup_policy: String,
    /// `retention.ms`; -1 keeps everything.
    pub retention_ms: i64,
    /// `retention.bytes` of a partition; -1 is no limit.
    pub retention_bytes: i64,
    /// `max.message.bytes`.
    pub message_bytes_max: i64,
    /// `min.insync.replicas`; -1 where the broker does not say.
    pub min_insync_replicas: i64,
    /// `message.timestamp.type`: whose clock stamps records, `CreateTime` or `LogAppendTime`.
    pub timestamp_type: String,
    /// `message.timestamp.after.max.ms`; -1 where the broker does not say, as those before 3.6.
    pub ahead_ms_max: i64,
}

/// Something that is not as the engine needs it, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "; {}", self.remedy) }
    }
}

/// Everything that is wrong with `found`, which holds those of the topics of `roles` that exist.
pub fn findings(config: &Config, roles: &[Role], found: &[Settings]) -> Vec<Finding> {
    let mut findings: Vec<_> = roles
        .iter()
        .copied()
        .filter(|role| !found.iter().any(|topic| topic.role == *role))
        .map(|role| missing(role.name(&config.topics)))
        .collect();
    let messages = found.iter().find(|topic| topic.role == Role::Messages);
    for topic in found {
        findings.extend(messages.and_then(|messages| partitions(config, messages, topic)));
        findings.extend(compaction(config, topic));
        findings.extend(retention(config, topic));
        findings.extend(messages.and_then(|messages| message_bytes(config, messages, topic)));
        findings.extend(state_bytes(config, topic));
    }
    findings
}

fn missing(name: &str) -> Finding {
    Finding {
        problem: format!("topic {name} does not exist"),
        remedy: "make it with `assize topics create`, or name another in the section [topics] of the config".into(),
    }
}

/// Outputs go to the partition number of their input.
fn partitions(config: &Config, messages: &Settings, topic: &Settings) -> Option<Finding> {
    let wanted = messages.partitions;
    (topic.role.follows_messages() && topic.partitions != wanted).then(|| Finding {
        problem: format!("topic {} has {} partitions and {} has {wanted}", topic.name, topic.partitions, messages.name),
        remedy: if topic.partitions < wanted {
            format!(
                "add some: kafka-topics.sh --bootstrap-server {} --alter --topic {} --partitions {wanted}",
                config.kafka.bootstrap_servers, topic.name
            )
        } else {
            "partitions cannot be taken away: name another topic in the section [topics] of the config".into()
        },
    })
}

/// Compaction keeps the last record of a key. In most topics that is a user: all others would be gone. The state of the
/// drift job is just that.
fn compaction(config: &Config, topic: &Settings) -> Option<Finding> {
    if topic.role == Role::DriftState {
        return (topic.cleanup_policy != "compact").then(|| Finding {
            problem: format!("topic {} is not compacted, and what the drift job knows would be deleted", topic.name),
            remedy: alter(config, topic, "cleanup.policy", "compact"),
        });
    }
    (topic.role != Role::Messages && topic.cleanup_policy.contains("compact")).then(|| Finding {
        problem: format!("topic {} is compacted, which would keep one record of each user", topic.name),
        remedy: alter(config, topic, "cleanup.policy", "delete"),
    })
}

/// The idempotency window is restored from the verdicts.
fn retention(config: &Config, topic: &Settings) -> Option<Finding> {
    let window_ms = window_ms(config);
    let short = topic.role == Role::Verdicts && (0..window_ms).contains(&topic.retention_ms);
    short.then(|| Finding {
        problem: format!(
            "topic {} has retention.ms {}, less than the idempotency window of {window_ms} ms",
            topic.name, topic.retention_ms
        ),
        remedy: format!(
            "{}, or shorten dedup.window_seconds in the config",
            alter(config, topic, "retention.ms", &verdicts_retention_ms(config).to_string())
        ),
    })
}

/// A dead letter is its input and some headers.
fn message_bytes(config: &Config, messages: &Settings, topic: &Settings) -> Option<Finding> {
    let wanted = messages.message_bytes_max + HEADERS_BYTES_MAX;
    (topic.role == Role::DeadLetters && topic.message_bytes_max < wanted).then(|| Finding {
        problem: format!(
            "topic {} has max.message.bytes {}, less than that of {} ({}) and {HEADERS_BYTES_MAX} for headers",
            topic.name, topic.message_bytes_max, messages.name, messages.message_bytes_max
        ),
        remedy: alter(config, topic, "max.message.bytes", &wanted.to_string()),
    })
}

/// All counts of a pane are one record.
fn state_bytes(config: &Config, topic: &Settings) -> Option<Finding> {
    (topic.role == Role::DriftState && topic.message_bytes_max < STATE_BYTES_MAX).then(|| Finding {
        problem: format!(
            "topic {} has max.message.bytes {}, less than the {STATE_BYTES_MAX} that the counts of a pane may take",
            topic.name, topic.message_bytes_max
        ),
        remedy: alter(config, topic, "max.message.bytes", &STATE_BYTES_MAX.to_string()),
    })
}

pub(super) fn alter(config: &Config, topic: &Settings, key: &str, value: &str) -> String {
    format!(
        "change it: kafka-configs.sh --bootstrap-server {} --alter --entity-type topics --entity-name {} --add-config \
         {key}={value}",
        config.kafka.bootstrap_servers, topic.name
    )
}

pub(super) fn window_ms(config: &Config) -> i64 {
    // At most 30 days, so it fits.
    config.dedup.window_seconds as i64 * 1_000
}

/// Seven days, or the idempotency window where that is longer.
pub(super) fn verdicts_retention_ms(config: &Config) -> i64 {
    window_ms(config).max(7 * 24 * 3_600 * 1_000)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn good() -> Vec<Settings> {
        let config = Config::default();
        let topic = |role: Role| Settings {
            role,
            name: role.name(&config.topics).to_owned(),
            partitions: 8,
            replicas: 3,
            cleanup_policy: "delete".into(),
            retention_ms: 604_800_000,
            retention_bytes: -1,
            message_bytes_max: if role == Role::DeadLetters { 1_114_124 } else { 1_048_588 },
            min_insync_replicas: 2,
            timestamp_type: "CreateTime".into(),
            ahead_ms_max: 3_600_000,
        };
        Role::STREAM.map(topic).to_vec()
    }

    /// The findings after one change to topics that are right.
    fn after(change: impl FnOnce(&mut Vec<Settings>)) -> Vec<String> {
        let mut topics = good();
        change(&mut topics);
        findings(&Config::default(), &Role::STREAM, &topics).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn right_topics_have_no_finding() {
        assert_eq!(after(|_| ()), Vec::<String>::new());
        assert!(after(|topics| topics[1].retention_ms = -1).is_empty(), "everything is kept");
        assert!(after(|topics| topics[1].retention_ms = 86_400_000).is_empty(), "exactly the window");
        assert!(after(|topics| topics[0].cleanup_policy = "compact".into()).is_empty(), "the input is not ours");
    }

    #[test]
    fn each_fault_is_named_with_its_remedy() {
        for (fault, found, remedy) in [
            (after(|topics| drop(topics.remove(2))), "topic predictions does not exist", "assize topics create"),
            (
                after(|topics| topics[1].partitions = 4),
                "topic verdicts has 4 partitions and messages has 8",
                "--alter --topic verdicts --partitions 8",
            ),
            (
                after(|topics| topics[3].partitions = 9),
                "topic dead-letters has 9 partitions and messages has 8",
                "cannot be taken away",
            ),
            (
                after(|topics| topics[1].cleanup_policy = "compact,delete".into()),
                "topic verdicts is compacted",
                "cleanup.policy=delete",
            ),
            (
                after(|topics| topics[1].retention_ms = 86_399_999),
                "topic verdicts has retention.ms 86399999, less than the idempotency window of 86400000 ms",
                "retention.ms=604800000",
            ),
            (
                after(|topics| topics[3].message_bytes_max = 1_114_123),
                "topic dead-letters has max.message.bytes 1114123",
                "max.message.bytes=1114124",
            ),
        ] {
            assert_eq!(fault.len(), 1, "{found}: {fault:?}");
            assert!(fault[0].starts_with(found) && fault[0].contains(remedy), "{fault:?}");
        }
    }

    #[test]
    fn without_any_topic_each_is_missing() {
        assert_eq!(after(Vec::clear).len(), 4);
    }
}
