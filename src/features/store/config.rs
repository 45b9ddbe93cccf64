//! The settings of the Redis feature store, each with a default that works.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;

use super::{breaker, cache, servers};

/// How the servers belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Topology {
    /// One server, or a proxy that looks like one.
    #[default]
    Single,
    /// The url names Sentinels, which say who the master is.
    Sentinel,
    /// The url names some nodes of a Redis Cluster, which say who has which keys.
    Cluster,
}

/// What Sentinels are asked, and as whom. User and password of Redis itself are not sent to them.
#[derive(Clone, Debug, Default)]
pub struct SentinelConfig {
    /// Name of the monitored master.
    pub master: String,
    /// ACL user of the Sentinels.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<SecretString>,
}

/// PEM files of TLS, read once, when the store is made. For a url that begins with `rediss://`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsFiles {
    /// The authorities that are trusted, in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// Certificate of this client, with its chain.
    pub certificate_file: Option<PathBuf>,
    /// Its private key, as PKCS #8 (`BEGIN PRIVATE KEY`).
    pub key_file: Option<PathBuf>,
}

/// Where the features are and how long to wait for them.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// `redis://[user:password@]host[:port][,host[:port]...][/db]`, `rediss://` for TLS, or `unix:///path`. It may hold
    /// a password.
    pub url: SecretString,
    /// How the servers at the url belong together.
    pub topology: Topology,
    /// ACL user; before that of the url.
    pub username: Option<String>,
    /// Its password; before that of the url.
    pub password: Option<SecretString>,
    /// For [`Topology::Sentinel`].
    pub sentinel: SentinelConfig,
    /// Certificates.
    pub tls: TlsFiles,
    /// A user's key is this and the user id in decimal.
    pub key_prefix: String,
    /// A look-up takes at most so long, > 0. Keep it far below the transaction's time.
    pub deadline: Duration,
    /// Users in the local cache, >= 1.
    pub cache_entries_max: usize,
    /// Values are not asked for again for so long.
    pub cache_ttl: Duration,
    /// A user that the store does not know is not asked for again for so long.
    pub unknown_ttl: Duration,
    /// Values may stand in for a store that does not answer for so long, at least `cache_ttl`.
    pub stale_max: Duration,
    /// So many failures in a row open the breaker, >= 1.
    pub failures_max: u32,
    /// The breaker's first back-off, > 0; doubles up to `backoff_max`.
    pub backoff_min: Duration,
    /// The breaker's longest back-off.
    pub backoff_max: Duration,
    /// So many timeouts in a row give the connection up for a new one, >= 1.
    pub timeouts_max: u32,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".into(),
            topology: Topology::Single,
            username: None,
            password: None,
            sentinel: SentinelConfig::default(),
            tls: TlsFiles::default(),
            key_prefix: "features:user:".into(),
            deadline: Duration::from_millis(20),
            cache_entries_max: 100_000,
            cache_ttl: Duration::from_secs(60),
            unknown_ttl: Duration::from_secs(5),
            stale_max: Duration::from_secs(3600),
            failures_max: 3,
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(5),
            timeouts_max: 3,
        }
    }
}

/// Why a [`RedisConfig`] cannot be used. It never holds the URL, which may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum StoreConfigError {
    /// The URL is not understood.
    #[error(
        "the feature store's url is not understood: use redis://[user:password@]host[:port][,host[:port]...][/db], \
         rediss:// for TLS, or unix:///path"
    )]
    Url(#[source] redis::RedisError),
    /// Settings that do not go together.
    #[error("the feature store cannot be reached as configured: {0}")]
    Mismatch(&'static str),
    /// A file of certificates cannot be read.
    #[error("the feature store's tls file {path} cannot be read")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file of certificates is read and not understood.
    #[error("the feature store's tls files are not understood: give PEM, the key as PKCS #8 (BEGIN PRIVATE KEY)")]
    Tls(#[source] redis::RedisError),
    /// A limit is out of bounds.
    #[error("the feature store's {key} is {found}: it must be {allowed}")]
    Limit {
        /// Which field of [`RedisConfig`].
        key: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        allowed: String,
    },
}

impl RedisConfig {
    /// Errs when a limit is out of bounds.
    pub(super) fn check(&self) -> Result<(), StoreConfigError> {
        let positive = "more than 0";
        limit("deadline", self.deadline, self.deadline > Duration::ZERO, positive)?;
        limit("cache_entries_max", self.cache_entries_max, self.cache_entries_max > 0, positive)?;
        limit("stale_max", self.stale_max, self.stale_max >= self.cache_ttl, "at least cache_ttl")?;
        limit("failures_max", self.failures_max, self.failures_max > 0, positive)?;
        limit("timeouts_max", self.timeouts_max, self.timeouts_max > 0, positive)?;
        limit("backoff_min", self.backoff_min, self.backoff_min > Duration::ZERO, positive)?;
        limit("backoff_max", self.backoff_max, self.backoff_max >= self.backoff_min, "at least backoff_min")
    }

    /// Errs when the url is not understood, or does not go with the topology. Reads no files and connects to nothing.
    pub(crate) fn check_url(&self) -> Result<(), StoreConfigError> {
        servers::addresses(self).map(drop)
    }

    pub(super) fn breaker_limits(&self) -> breaker::Limits {
        breaker::Limits {
            failures_max: self.failures_max,
            backoff_min: self.backoff_min,
            backoff_max: self.backoff_max,
        }
    }

    pub(super) fn cache_limits(&self) -> cache::Limits {
        cache::Limits {
            entries_max: self.cache_entries_max,
            ttl: self.cache_ttl,
            unknown_ttl: self.unknown_ttl,
            stale_max: self.stale_max,
        }
    }
}

fn limit(key: &'static str, found: impl std::fmt::Debug, fits: bool, allowed: &str) -> Result<(), StoreConfigError> {
    if fits {
        Ok(())
    } else {
        Err(StoreConfigError::Limit { key, found: format!("{found:?}"), allowed: allowed.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit() {
        assert!(RedisConfig::default().check().is_ok());
    }

    #[test]
    fn a_limit_out_of_bounds_is_named_with_what_is_allowed() {
        #[track_caller]
        fn bad(change: impl FnOnce(&mut RedisConfig), message: &str) {
            let mut config = RedisConfig::default();
            change(&mut config);
            assert_eq!(config.check().unwrap_err().to_string(), message);
        }
        bad(|c| c.deadline = Duration::ZERO, "the feature store's deadline is 0ns: it must be more than 0");
        bad(|c| c.cache_entries_max = 0, "the feature store's cache_entries_max is 0: it must be more than 0");
        bad(
            |c| c.stale_max = Duration::from_secs(59),
            "the feature store's stale_max is 59s: it must be at least cache_ttl",
        );
        bad(|c| c.failures_max = 0, "the feature store's failures_max is 0: it must be more than 0");
        bad(|c| c.timeouts_max = 0, "the feature store's timeouts_max is 0: it must be more than 0");
        bad(|c| c.backoff_min = Duration::ZERO, "the feature store's backoff_min is 0ns: it must be more than 0");
        bad(
            |c| c.backoff_max = Duration::from_millis(99),
            "the feature store's backoff_max is 99ms: it must be at least backoff_min",
        );
    }
}
