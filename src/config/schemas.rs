//! Where the writer schemas come from, and how to get at them.

use std::path::PathBuf;

use serde::Deserialize;

use super::{
    ConfigError, SecretSource,
    limits::{filled, limit, within},
};

/// Registries that are tried one after another, at most.
const URLS_MAX: usize = 8;

/// Where writer schemas come from: a registry, or the `ids` of the published schemas.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schemas {
    /// URLs of one Confluent-compatible registry, comma-separated; none means that `ids` holds.
    pub registry: Option<String>,
    /// How long a chunk waits for the registry in all before its transaction does, milliseconds.
    pub deadline_ms: u64,
    /// Where schemas are kept for a start without the registry: none means the user's cache directory, "" nowhere.
    pub cache_folder: Option<PathBuf>,
    /// User for basic authentication.
    pub username: Option<String>,
    /// Password for basic authentication.
    pub password: SecretSource,
    /// Token for bearer authentication.
    pub token: SecretSource,
    /// Certificates in PEM that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Ids without a registry.
    pub ids: SchemaIds,
}

impl Default for Schemas {
    fn default() -> Self {
        Self {
            registry: None,
            deadline_ms: 100,
            cache_folder: None,
            username: None,
            password: SecretSource::default(),
            token: SecretSource::default(),
            ca_file: None,
            ids: SchemaIds::default(),
        }
    }
}

impl Schemas {
    /// The registry's URLs, without a slash at their end.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        let listed = self.registry.iter().flat_map(|list| list.split(','));
        listed.map(|url| url.trim().trim_end_matches('/')).filter(|url| !url.is_empty())
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        within("schemas.deadline_ms", self.deadline_ms, 0..=5_000)?;
        if let Some(list) = &self.registry {
            filled("schemas.registry", list)?;
            within("schemas.registry, number of URLs", self.urls().count(), 1..=URLS_MAX)?;
        }
        // What is refused is not shown: it may hold a password.
        for url in self.urls() {
            let url = reqwest::Url::parse(url)
                .ok()
                .filter(|url| ["http", "https"].contains(&url.scheme()))
                .ok_or_else(|| limit("schemas.registry", "no such URL", "http:// or https:// URLs, comma-separated"))?;
            if !url.username().is_empty() || url.password().is_some() {
                let allowed = "a URL without them; schemas.username and schemas.password take them";
                return Err(limit("schemas.registry", "a user or password in the URL", allowed));
            }
        }
        match (&self.username, self.password.is_set(), self.token.is_set()) {
            (Some(_), _, true) | (None, true, true) => {
                Err(limit("schemas.token", "a token besides a user", "a token, or a user with a password"))
            }
            (None, true, false) => Err(limit("schemas.username", "nothing", "the user that schemas.password is of")),
            _ => Ok(()),
        }
    }
}

/// Schema ids to use without a registry.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SchemaIds {
    /// Of `Message`.
    pub message: u32,
    /// Of `Verdict`.
    pub verdict: u32,
    /// Of `Prediction`.
    pub prediction: u32,
    /// Of `Label`.
    pub label: u32,
    /// Of `DriftReport`.
    pub drift_report: u32,
}

impl Default for SchemaIds {
    fn default() -> Self {
        Self { message: 1, verdict: 2, prediction: 3, label: 4, drift_report: 5 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    fn refused(section: &str) -> String {
        Config::parse(&format!("[schemas]\n{section}"), std::iter::empty()).unwrap_err().to_string()
    }

    #[test]
    fn urls_are_listed_without_their_last_slash() {
        let text = "[schemas]\nregistry = \"http://a:1/, https://b/ccompat\"";
        let config = Config::parse(text, std::iter::empty()).unwrap();
        assert_eq!(config.schemas.urls().collect::<Vec<_>>(), ["http://a:1", "https://b/ccompat"]);
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_shown() {
        for url in ["http://me:hunter2@host", "ftp://me:hunter2@host", "me:hunter2@host", "http://me:hunter2@:x"] {
            let error = refused(&format!("registry = \"{url}\""));
            assert!(error.starts_with("config key schemas.registry: found ") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn one_way_to_prove_who_asks() {
        assert_eq!(
            refused("username = \"me\"\ntoken = { env = \"T\" }"),
            "config key schemas.token: found a token besides a user, allowed is a token, or a user with a password"
        );
        assert!(refused("password = { env = \"P\" }").starts_with("config key schemas.username: found nothing"));
        assert!(refused("deadline_ms = 5001").contains("allowed is 0 to 5000"));
    }
}
