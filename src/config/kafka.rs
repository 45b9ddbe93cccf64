//! The cluster, and who this process is in it.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;

use super::{
    ConfigError, Security,
    limits::{filled, limit, within},
};

/// librdkafka keys that decide exactly-once; the engine sets them itself.
pub(super) const OWNED_KEYS: [&str; 20] = [
    "auto.offset.reset",
    "bootstrap.servers",
    "check.crcs",
    "delivery.report.only.error",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "heartbeat.interval.ms",
    "isolation.level",
    "message.timeout.ms",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "session.timeout.ms",
    "transaction.timeout.ms",
    "transactional.id",
];

/// The cluster, the consumer group and the identity of this process.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kafka {
    /// `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// Consumer group, and the first part of every `transactional.id`.
    pub group_id: String,
    /// Stable name of this process; empty means the host name. Two live processes must not share one.
    pub instance: String,
    /// Where a partition without a committed offset starts.
    pub auto_offset_reset: AutoOffsetReset,
    /// How long the group waits for a silent member, milliseconds.
    pub session_timeout_ms: u64,
    /// How long the broker keeps an open transaction, milliseconds; less than the session timeout.
    pub transaction_timeout_ms: u64,
    /// TLS and the user.
    pub security: Security,
    /// Passed to librdkafka as they are (buffers, cipher suites); keys that the engine or `security` owns are refused.
    pub librdkafka: BTreeMap<String, String>,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            bootstrap_servers: "127.0.0.1:9092".into(),
            group_id: "assize".into(),
            instance: String::new(),
            auto_offset_reset: AutoOffsetReset::Earliest,
            session_timeout_ms: 45_000,
            transaction_timeout_ms: 30_000,
            security: Security::default(),
            librdkafka: BTreeMap::new(),
        }
    }
}

impl Kafka {
    /// The stable name of this process: as configured, else the host name.
    pub fn instance(&self) -> String {
        if self.instance.is_empty() {
            gethostname::gethostname().to_string_lossy().into_owned()
        } else {
            self.instance.clone()
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        filled("kafka.bootstrap_servers", &self.bootstrap_servers)?;
        filled("kafka.group_id", &self.group_id)?;
        within("kafka.session_timeout_ms", self.session_timeout_ms, 6_000..=1_800_000)?;
        // A zombie's transaction must be gone before the group gives its partitions away.
        within("kafka.transaction_timeout_ms", self.transaction_timeout_ms, 1_000..=self.session_timeout_ms - 1)?;
        self.security.validate()?;
        if let Some((key, owner)) = self.librdkafka.keys().find_map(|key| Some((key, owner(key)?))) {
            return Err(limit(&format!("kafka.librdkafka.\"{key}\""), "a key of another section", owner));
        }
        match self.librdkafka.keys().find(|key| OWNED_KEYS.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => Err(limit(
                &format!("kafka.librdkafka.\"{key}\""),
                "a key that the engine sets itself",
                format!("any librdkafka key but {}", OWNED_KEYS.join(", ")),
            )),
        }
    }
}

/// Where a key of `[kafka.librdkafka]` belongs that `[kafka.security]` owns, or that would put a secret into the config.
fn owner(librdkafka_key: &str) -> Option<&'static str> {
    Some(match librdkafka_key {
        "security.protocol" => "kafka.security.protocol",
        "sasl.mechanism" | "sasl.mechanisms" => "kafka.security.mechanism",
        "sasl.username" => "kafka.security.username",
        "sasl.password" => "kafka.security.password = { file = \"PATH\" } or { env = \"NAME\" }",
        "ssl.ca.location" | "ssl.ca.pem" => "kafka.security.ca_file, a PEM file",
        "ssl.certificate.location" | "ssl.certificate.pem" => "kafka.security.certificate_file, a PEM file",
        "ssl.key.location" | "ssl.key.pem" => "kafka.security.key_file, a PEM file",
        "ssl.keystore.location" => "kafka.security.certificate_file and key_file, PEM files made of the keystore",
        "ssl.key.password" | "ssl.keystore.password" => {
            "kafka.security.key_password = { file = \"PATH\" } or { env = \"NAME\" }"
        }
        "ssl.endpoint.identification.algorithm" => "kafka.security.check_hostname",
        key if ["password", "secret", "sasl.oauthbearer"].iter().any(|word| key.contains(word)) => {
            "the section [kafka.security], which takes secrets from files or the environment, and PLAIN or SCRAM only"
        }
        _ => return None,
    })
}

impl fmt::Debug for Kafka {
    /// Values passed to librdkafka may be secrets: only their keys are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("group_id", &self.group_id)
            .field("instance", &self.instance())
            .field("auto_offset_reset", &self.auto_offset_reset)
            .field("session_timeout_ms", &self.session_timeout_ms)
            .field("transaction_timeout_ms", &self.transaction_timeout_ms)
            .field("security", &self.security)
            .field("librdkafka", &self.librdkafka.keys())
            .finish()
    }
}

/// Where a partition without a committed offset starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AutoOffsetReset {
    /// At the first record that is still there.
    Earliest,
    /// At the end, as it is when the partition is assigned.
    Latest,
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn moved_keys_say_where_they_went() {
        let parse = |key: &str| {
            let text = format!("[kafka.librdkafka]\n\"{key}\" = \"x\"");
            Config::parse(&text, std::iter::empty()).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(
            parse("sasl.password").unwrap_err(),
            "config key kafka.librdkafka.\"sasl.password\": found a key of another section, allowed is \
             kafka.security.password = { file = \"PATH\" } or { env = \"NAME\" }"
        );
        assert!(parse("security.protocol").unwrap_err().ends_with("allowed is kafka.security.protocol"));
        parse("ssl.cipher.suites").unwrap();
    }
}
