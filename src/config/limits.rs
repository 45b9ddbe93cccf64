//! The limits of every number and name, and how they relate.

use std::{fmt::Display, ops::RangeInclusive};

use super::{Config, ConfigError};

/// Records of a chunk, at most: one feature look-up, one inference.
pub const CHUNK_RECORDS_MAX: usize = 512;

impl Config {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        self.kafka.validate()?;
        self.validate_topics()?;
        let stream = &self.stream;
        within("stream.lanes", stream.lanes, 0..=256)?;
        within("stream.chunk_records_max", stream.chunk_records_max, 1..=CHUNK_RECORDS_MAX)?;
        // A transaction that gathers longer than the broker keeps it would never commit.
        let gather_ms_max = (self.kafka.transaction_timeout_ms / 2).clamp(1, 10_000);
        within("stream.transaction_ms_max", stream.transaction_ms_max, 1..=gather_ms_max)?;
        within("stream.transaction_records_max", stream.transaction_records_max, 1..=100_000)?;
        within("stream.message_bytes_max", stream.message_bytes_max, 1_024..=16_000_000)?;
        within("stream.shutdown_ms_max", stream.shutdown_ms_max, 100..=300_000)?;
        within("stream.rebuilds_per_minute_max", stream.rebuilds_per_minute_max, 1..=100)?;
        within("dedup.window_seconds", self.dedup.window_seconds, 1..=30 * 24 * 3600)?;
        within("dedup.window_keys_max", self.dedup.window_keys_max, 1..=10_000_000)?;
        // A restore blocks the poll, and a member that does not poll for 5 minutes loses its partitions.
        within("dedup.restore_ms_max", self.dedup.restore_ms_max, 1_000..=240_000)?;
        let dead_letters = &self.dead_letters;
        within("dead_letters.pause_ratio_max", dead_letters.pause_ratio_max, 0.0..=1.0)?;
        within("dead_letters.pause_records_min", dead_letters.pause_records_min, 1..=1_000_000)?;
        within("dead_letters.pause_seconds", dead_letters.pause_seconds, 1..=3_600)?;
        within("dead_letters.pause_seconds_max", dead_letters.pause_seconds_max, dead_letters.pause_seconds..=86_400)?;
        self.schemas.validate()?;
        self.features.validate()?;
        self.admin.validate()?;
        self.drift.validate(&self.kafka.group_id)?;
        self.validate_tasks()
    }

    fn validate_topics(&self) -> Result<(), ConfigError> {
        let topics = &self.topics;
        let named = [
            ("topics.messages", &topics.messages),
            ("topics.verdicts", &topics.verdicts),
            ("topics.predictions", &topics.predictions),
            ("topics.dead_letters", &topics.dead_letters),
            ("topics.labels", &topics.labels),
            ("topics.drift_reports", &topics.drift_reports),
            ("topics.drift_state", &topics.drift_state),
        ];
        named.iter().try_for_each(|(key, topic)| topic_name(key, topic))?;
        let mut names = named.map(|(_, topic)| topic);
        names.sort();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(limit("topics", format!("{:?} twice", pair[0]), "different topics"));
        }
        Ok(())
    }

    fn validate_tasks(&self) -> Result<(), ConfigError> {
        within("task", self.tasks.len(), 0..=8)?;
        for (index, task) in self.tasks.iter().enumerate() {
            filled(&format!("task[{index}].name"), &task.name)?;
            if self.tasks[..index].iter().any(|earlier| earlier.name == task.name) {
                return Err(limit(
                    &format!("task[{index}].name"),
                    format!("{:?} twice", task.name),
                    "a name of its own for each task",
                ));
            }
            if let Some(digest) = &task.digest
                && !(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
            {
                return Err(limit(&format!("task[{index}].digest"), format!("{digest:?}"), "64 hex digits"));
            }
        }
        Ok(())
    }
}

pub(super) fn limit(key: &str, found: impl Display, allowed: impl Display) -> ConfigError {
    ConfigError::Limit { key: key.to_owned(), found: found.to_string(), allowed: allowed.to_string() }
}

pub(super) fn within<T: PartialOrd + Display>(
    key: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), ConfigError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(limit(key, value, format!("{} to {}", range.start(), range.end())))
}

pub(super) fn filled(key: &str, value: &str) -> Result<(), ConfigError> {
    if value.trim().is_empty() { Err(limit(key, "an empty text", "a text")) } else { Ok(()) }
}

fn topic_name(key: &str, name: &str) -> Result<(), ConfigError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if (1..=249).contains(&name.len()) && name.bytes().all(legal) && name != "." && name != ".." {
        return Ok(());
    }
    Err(limit(key, format!("{name:?}"), "1 to 249 letters, digits, dots, underscores and dashes"))
}

#[cfg(test)]
mod tests {
    use super::{super::kafka::OWNED_KEYS, *};

    fn bad(text: &str, message: &str) {
        let error = Config::parse(text, std::iter::empty()).expect_err(text).to_string();
        assert_eq!(error, message, "for {text:?}");
    }

    #[test]
    fn an_empty_file_is_a_working_configuration() {
        let config = Config::parse("", std::iter::empty()).expect("defaults");
        assert_eq!(config.stream.transaction_ms_max, 100);
    }

    #[test]
    fn each_bad_line_names_the_key_what_was_found_and_what_is_allowed() {
        bad("[stream]\nchunk_records_max = 0", "config key stream.chunk_records_max: found 0, allowed is 1 to 512");
        bad("[stream]\nlanes = \"two\"", "config key stream.lanes: invalid type: string \"two\", expected usize");
        bad(
            "[stream]\nlane = 2",
            "config key stream.lane: unknown field `lane`, expected one of `profile`, `lanes`, `chunk_records_max`, \
             `transaction_ms_max`, `transaction_records_max`, `message_bytes_max`, `shutdown_ms_max`, \
             `rebuilds_per_minute_max`",
        );
        bad(
            "[kafka]\ntransaction_timeout_ms = 60000",
            "config key kafka.transaction_timeout_ms: found 60000, allowed is 1000 to 44999",
        );
        bad(
            "[kafka.librdkafka]\n\"enable.idempotence\" = \"false\"",
            &format!(
                "config key kafka.librdkafka.\"enable.idempotence\": found a key that the engine sets itself, \
                 allowed is any librdkafka key but {}",
                OWNED_KEYS.join(", ")
            ),
        );
        bad(
            "[topics]\nverdicts = \"a b\"",
            "config key topics.verdicts: found \"a b\", allowed is 1 to 249 letters, digits, dots, underscores and \
             dashes",
        );
        bad(
            "[topics]\nverdicts = \"messages\"",
            "config key topics: found \"messages\" twice, allowed is different topics",
        );
        bad(
            "[[task]]\nname = \"spam\"\nbundle = \"b\"\ndigest = \"12\"",
            "config key task[0].digest: found \"12\", allowed is 64 hex digits",
        );
        bad(
            "[kafka]\nauto_offset_reset = \"middle\"",
            "config key kafka.auto_offset_reset: unknown variant `middle`, expected `earliest` or `latest`",
        );
    }

    #[test]
    fn the_environment_lies_over_the_file() {
        let environment = [
            ("ASSIZE_STREAM__LANES", "3"),
            ("ASSIZE_KAFKA__GROUP_ID", "jury"),
            ("ASSIZE_SCHEMAS__IDS__VERDICT", "9"),
            ("HOME", "x"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::parse("[stream]\nlanes = 1", environment.into_iter()).expect("valid");
        assert_eq!((config.stream.lanes, config.kafka.group_id.as_str(), config.schemas.ids.verdict), (3, "jury", 9));
    }
}
