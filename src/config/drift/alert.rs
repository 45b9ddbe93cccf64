use std::path::PathBuf;

use serde::Deserialize;

use crate::config::{
    ConfigError, SecretSource,
    limits::{filled, limit, within},
};

/// Whom to tell of an alarm, besides the log and the reports themselves.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alert {
    /// Where alarms are posted as JSON: raised and cleared, at least once each.
    pub webhook: Option<String>,
    /// Sent as a bearer token.
    pub webhook_token: SecretSource,
    /// How long one attempt may take, milliseconds.
    pub webhook_ms_max: u64,
    /// Attempts, with pauses that double from a second up to five minutes.
    pub webhook_attempts_max: u32,
    /// Program and arguments that are run when an incident starts, at most once each; the alarm is its standard input.
    pub retrain_command: Vec<String>,
    /// Where it runs; none is where the job runs.
    pub retrain_folder: Option<PathBuf>,
    /// It is ended after so long, seconds.
    pub retrain_seconds_max: u64,
}

impl Default for Alert {
    fn default() -> Self {
        Self {
            webhook: None,
            webhook_token: SecretSource::default(),
            webhook_ms_max: 5_000,
            webhook_attempts_max: 10,
            retrain_command: Vec::new(),
            retrain_folder: None,
            retrain_seconds_max: 3_600,
        }
    }
}

impl Alert {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        within("drift.alert.webhook_ms_max", self.webhook_ms_max, 100..=60_000)?;
        within("drift.alert.webhook_attempts_max", self.webhook_attempts_max, 1..=100)?;
        within("drift.alert.retrain_seconds_max", self.retrain_seconds_max, 1..=604_800)?;
        if let Some(program) = self.retrain_command.first() {
            filled("drift.alert.retrain_command[0]", program)?;
        }
        // What is refused is not shown: it may hold a secret.
        let is_url = |url: &String| {
            reqwest::Url::parse(url).is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
        };
        match &self.webhook {
            Some(url) if !is_url(url) => Err(limit("drift.alert.webhook", "no such URL", "an http:// or https:// URL")),
            _ => Ok(()),
        }
    }
}
