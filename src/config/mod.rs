//! Text -> validated types. Everything has a default that works; an unknown key, a wrong type or a value outside its
//! limits is refused before anything connects, with the key, what was found and what is allowed.
//!
//! ```text
//! assize.toml ──► environment (ASSIZE_SECTION__KEY) ──► profile ──► toml::Table ──► Config ──► validate
//! ```
//!
//! Secrets are read from files or the environment and never printed.

mod admin;
mod drift;
mod features;
mod kafka;
mod limits;
mod profile;
mod schemas;
mod secret;
mod sections;
mod security;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use admin::Admin;
pub use drift::{AlarmConfig, Alert, Drift, Labels, RuleConfig, WindowSize};
pub use features::{Features, Sentinel};
pub use kafka::{AutoOffsetReset, Kafka};
pub use limits::CHUNK_RECORDS_MAX;
pub use schemas::{SchemaIds, Schemas};
pub use secret::{SecretError, SecretSource};
pub use sections::{DeadLetters, Dedup, HashKey, Log, Stream, Task, Topics};
pub use security::{Mechanism, Protocol, Security};

/// Everything `assize run` can be told.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The cluster, the consumer group and the identity of this process.
    pub kafka: Kafka,
    /// Names of the topics.
    pub topics: Topics,
    /// Where writer schemas come from.
    pub schemas: Schemas,
    /// Lanes, chunks and transactions.
    pub stream: Stream,
    /// The idempotency window.
    pub dedup: Dedup,
    /// When dead letters pause a partition.
    pub dead_letters: DeadLetters,
    /// The user feature store.
    pub features: Features,
    /// The classifiers, one decision each.
    #[serde(rename = "task")]
    pub tasks: Vec<Task>,
    /// The windowed job that watches predictions and labels.
    pub drift: Drift,
    /// The key of the hashes in verdicts and predictions.
    pub hash_key: HashKey,
    /// The HTTP port with metrics and health.
    pub admin: Admin,
    /// Logs.
    pub log: Log,
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("config file {path} cannot be read; give another with --config")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not TOML.
    #[error("config is not valid TOML: {0}")]
    Syntax(String),
    /// A key is unknown or has the wrong type.
    #[error("config key {key}: {reason}")]
    Shape {
        /// Dotted path of the key.
        key: String,
        /// What was found and what is allowed.
        reason: String,
    },
    /// A file that a key names cannot be read.
    #[error("config key {key}: file {path} cannot be read")]
    File {
        /// Dotted path of the key.
        key: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A secret that a key names cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A value is outside its limits.
    #[error("config key {key}: found {found}, allowed is {allowed}")]
    Limit {
        /// Dotted path of the key.
        key: String,
        /// The value.
        found: String,
        /// The limits.
        allowed: String,
    },
}

impl Config {
    /// Reads `path`, lays the environment over it and validates the whole.
    ///
    /// # Errors
    /// [`ConfigError`], naming the key, what was found and what is allowed.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, std::env::vars())
    }

    /// Parses `text` with `environment` laid over it: `ASSIZE_STREAM__LANES=2` sets `stream.lanes`. Secrets of Kafka are
    /// read here, once for all of its clients.
    ///
    /// # Errors
    /// [`ConfigError`], naming the key, what was found and what is allowed.
    pub fn parse(text: &str, environment: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let mut table: toml::Table = toml::from_str(text).map_err(|error| syntax(text, &error))?;
        for (name, value) in environment {
            overlay(&mut table, &name, &value)?;
        }
        profile::lay_under(&mut table)?;
        let mut config: Self = serde_path_to_error::deserialize(toml::Value::Table(table)).map_err(|error| {
            let path = error.path().to_string();
            let reason = error.into_inner().message().to_owned();
            ConfigError::Shape { key: if path == "." { "(top level)".into() } else { path }, reason }
        })?;
        config.validate()?;
        config.kafka.security.read()?;
        Ok(config)
    }
}

/// Line and reason, without the line's text: a secret that was put there unquoted would be in it.
fn syntax(text: &str, error: &toml::de::Error) -> ConfigError {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
    ConfigError::Syntax(format!("line {line}: {}", error.message().trim_end()))
}

/// Sets one key from an environment variable, `ASSIZE_SECTION__KEY` or deeper; names without the prefix and a double
/// underscore are not ours.
fn overlay(table: &mut toml::Table, name: &str, value: &str) -> Result<(), ConfigError> {
    let Some((sections, key)) = name.strip_prefix("ASSIZE_").and_then(|rest| rest.rsplit_once("__")) else {
        return Ok(());
    };
    let parsed = toml::from_str::<toml::Table>(&format!("value = {value}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut inner = table;
    for section in sections.to_lowercase().split("__") {
        let entry = inner.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        inner = entry.as_table_mut().ok_or_else(|| ConfigError::Shape {
            key: section.to_owned(),
            reason: format!("{name} in the environment sets a key of it, so it must be a section"),
        })?;
    }
    inner.insert(key.to_lowercase(), parsed);
    Ok(())
}
