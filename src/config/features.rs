//! Where the user features are and how long to wait for them.

use std::fmt;

use serde::Deserialize;

use super::{
    ConfigError, SecretSource,
    limits::{filled, limit, within},
};
use crate::features::store::{RedisConfig, SentinelConfig, StoreConfigError, TlsFiles, Topology};

/// The user feature store.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Features {
    /// `redis://host:port[,host:port...][/db]`, `rediss://` for TLS; may hold a password, so it is never printed.
    pub redis: String,
    /// What the addresses are: one server, Sentinels, or nodes of a cluster.
    pub topology: Topology,
    /// ACL user; empty means that of the URL, or the default user.
    pub username: String,
    /// Password of the user; none means that of the URL, if it has one.
    pub password: SecretSource,
    /// The Sentinels.
    pub sentinel: Sentinel,
    /// Certificates.
    pub tls: TlsFiles,
    /// Key of a user: the prefix followed by the user id.
    pub key_prefix: String,
    /// How long a look-up may take, milliseconds.
    pub deadline_ms: u64,
    /// How long a cached value counts as current, seconds.
    pub ttl_seconds: u64,
    /// How long "no such user" is remembered, seconds.
    pub unknown_ttl_seconds: u64,
    /// How long a value may serve while the store is down, seconds.
    pub stale_seconds_max: u64,
    /// Users in the local cache.
    pub cache_users_max: usize,
}

/// What the Sentinels are asked, and as whom.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sentinel {
    /// Name of the monitored master.
    pub master: String,
    /// ACL user of the Sentinels; empty means the default user.
    pub username: String,
    /// Its password; none means no authentication. That of Redis is not sent to Sentinels.
    pub password: SecretSource,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            redis: "redis://127.0.0.1:6379".into(),
            topology: Topology::Single,
            username: String::new(),
            password: SecretSource::default(),
            sentinel: Sentinel::default(),
            tls: TlsFiles::default(),
            key_prefix: "features:user:".into(),
            deadline_ms: 20,
            ttl_seconds: 60,
            unknown_ttl_seconds: 5,
            stale_seconds_max: 3600,
            cache_users_max: 100_000,
        }
    }
}

impl Features {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        within("features.deadline_ms", self.deadline_ms, 1..=5_000)?;
        within("features.ttl_seconds", self.ttl_seconds, 0..=86_400)?;
        within("features.unknown_ttl_seconds", self.unknown_ttl_seconds, 0..=86_400)?;
        within("features.stale_seconds_max", self.stale_seconds_max, 0..=7 * 86_400)?;
        within("features.cache_users_max", self.cache_users_max, 1..=10_000_000)?;
        if self.topology == Topology::Sentinel {
            filled("features.sentinel.master", &self.sentinel.master)?;
        }
        if self.tls.certificate_file.is_some() != self.tls.key_file.is_some() {
            let key = "features.tls.certificate_file";
            return Err(limit(key, "one file of two", "with features.tls.key_file, or neither"));
        }
        self.validate_url()
    }

    /// What is refused is not shown: it may hold a password.
    fn validate_url(&self) -> Result<(), ConfigError> {
        let config = RedisConfig {
            url: self.redis.as_str().into(),
            topology: self.topology,
            sentinel: SentinelConfig { master: self.sentinel.master.clone(), ..SentinelConfig::default() },
            tls: self.tls.clone(),
            ..RedisConfig::default()
        };
        config.check_url().map_err(|error| match error {
            StoreConfigError::Mismatch(why) => ConfigError::Shape { key: "features.redis".into(), reason: why.into() },
            _ => limit("features.redis", "no such URL", "redis://host[:port][,host[:port]...][/db], rediss:// for TLS"),
        })
    }
}

impl fmt::Debug for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Features")
            .field("topology", &self.topology)
            .field("username", &self.username)
            .field("password", &self.password)
            .field("sentinel", &self.sentinel)
            .field("tls", &self.tls)
            .field("key_prefix", &self.key_prefix)
            .field("deadline_ms", &self.deadline_ms)
            .field("ttl_seconds", &self.ttl_seconds)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Config, *};

    fn parse(text: &str) -> Result<Features, ConfigError> {
        Config::parse(text, std::iter::empty()).map(|config| config.features)
    }

    #[test]
    fn no_secret_is_printed() {
        let text = r#"
            [features]
            redis = "rediss://u:hunter2@a,b"
            topology = "sentinel"
            password = { env = "REDIS_PASSWORD" }
            sentinel = { master = "m", password = { file = "/run/secrets/sentinel" } }
        "#;
        let features = parse(text).unwrap();
        assert_eq!((features.topology, features.password.is_set()), (Topology::Sentinel, true));
        assert!(!format!("{features:?}").contains("hunter2"), "{features:?}");
    }

    #[test]
    fn what_lacks_its_other_half_is_refused() {
        for (text, message) in [
            ("topology = \"sentinel\"", "features.sentinel.master: found an empty text, allowed is a text"),
            ("topology = \"ring\"", "features.topology: unknown variant `ring`, expected one of"),
            ("password = \"hunter2\"", "features.password: invalid type"),
            ("tls = { key_file = \"k\" }", "features.tls.certificate_file: found one file of two"),
        ] {
            let error = parse(&format!("[features]\n{text}")).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_url_that_leads_nowhere_is_refused_and_not_shown() {
        for (text, message) in [
            ("redis = \"rediss//u:hunter2@x\"", "found no such URL, allowed is redis://host[:port]"),
            ("redis = \"redis://u:hunter2@x:99999\"", "found no such URL"),
            ("redis = \"redis://u:hunter2@x,\"\ntopology = \"cluster\"", "found no such URL"),
            ("redis = \"\"", "found no such URL"),
            ("redis = \"redis://u:hunter2@a,b\"", "the url names several servers: give one, or set topology"),
            ("redis = \"redis://u:hunter2@a\"\ntls = { ca_file = \"c\" }", "the url must begin with rediss://"),
        ] {
            let error = parse(&format!("[features]\n{text}")).unwrap_err();
            let debug = format!("{error:?}");
            let chain = format!("{debug} {:#}", anyhow::Error::new(error));
            assert!(chain.contains(message) && !chain.contains("hunter2"), "{chain}");
            assert!(chain.contains("config key features.redis: "), "{chain}");
        }
        parse("[features]\nredis = \"unix:///run/redis\"").unwrap();
        parse("[features]\nredis = \"rediss://u:p@a:1/3\"\ntls = { ca_file = \"not-there-yet\" }").unwrap();
    }
}
