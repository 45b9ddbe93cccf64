//! What the broker answers about the settings of topics -> [`Settings`].

use rdkafka::admin::{ConfigResource, OwnedResourceSpecifier};

use super::{Role, Settings};

/// The settings of topic `name`; none when we may not know them. Such topics come last, whatever the order of the
/// question, and the client drops their error: nothing is left of them but the name.
pub(super) fn settings(
    role: Role,
    name: &str,
    (partitions, replicas): (i32, i32),
    answers: &[ConfigResource],
) -> Option<Settings> {
    let ours = OwnedResourceSpecifier::Topic(name.to_owned());
    let answer = answers.iter().find(|answer| answer.specifier == ours && !answer.entries.is_empty())?;
    Some(Settings {
        role,
        name: name.to_owned(),
        partitions,
        replicas,
        cleanup_policy: text(answer, "cleanup.policy"),
        retention_ms: number(answer, "retention.ms"),
        retention_bytes: number(answer, "retention.bytes"),
        message_bytes_max: number(answer, "max.message.bytes"),
        min_insync_replicas: number(answer, "min.insync.replicas"),
        timestamp_type: text(answer, "message.timestamp.type"),
        ahead_ms_max: number(answer, "message.timestamp.after.max.ms"),
    })
}

fn text(answer: &ConfigResource, key: &str) -> String {
    answer.get(key).and_then(|entry| entry.value.clone()).unwrap_or_default()
}

/// -1 for a setting that an old broker does not show.
fn number(answer: &ConfigResource, key: &str) -> i64 {
    answer.get(key).and_then(|entry| entry.value.as_ref()?.parse().ok()).unwrap_or(-1)
}
