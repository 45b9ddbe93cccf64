//! How the connections to Kafka are protected: `[kafka.security]`.
//!
//! ```text
//!                 plaintext   ssl   sasl_plaintext   sasl_ssl
//! ca_file, ...                 x                        x      who signed the brokers' certificates; ours
//! username, ...                           x             x      who we are
//! ```
//!
//! Secrets are read when the configuration is, and kept where nothing prints them.

use std::{fs::File, path::PathBuf};

use secrecy::SecretString;
use serde::Deserialize;

use super::{
    ConfigError, SecretSource,
    limits::{filled, limit},
};

/// Protection of the connections to Kafka.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// With or without TLS, with or without a user.
    pub protocol: Protocol,
    /// How the password is shown to the broker.
    pub mechanism: Option<Mechanism>,
    /// Name of the user.
    pub username: String,
    /// Its password.
    pub password: SecretSource,
    /// PEM file of the authorities that sign the brokers' certificates; none means those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// PEM file of this client's certificate, where brokers ask for one.
    pub certificate_file: Option<PathBuf>,
    /// PEM file of its private key.
    pub key_file: Option<PathBuf>,
    /// What the private key is encrypted with.
    pub key_password: SecretSource,
    /// Whether a broker's certificate must be for the name by which it is reached.
    pub check_hostname: bool,
    #[serde(skip)]
    secrets: Secrets,
}

/// What was read.
#[derive(Clone, Debug, Default)]
struct Secrets {
    password: Option<SecretString>,
    key_password: Option<SecretString>,
}

/// librdkafka's `security.protocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Everybody on the way can read and change everything.
    #[default]
    Plaintext,
    /// TLS, and nobody but the certificate says who we are.
    Ssl,
    /// A user without TLS: with `PLAIN` the password can be read on the way.
    SaslPlaintext,
    /// A user, over TLS.
    SaslSsl,
}

impl Protocol {
    /// As librdkafka writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    /// Whether connections are encrypted.
    pub fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Whether there is a user.
    pub fn has_user(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

/// librdkafka's `sasl.mechanism`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Mechanism {
    /// The password itself.
    #[serde(rename = "PLAIN")]
    Plain,
    /// A proof that the password is known.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// The same with SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl Mechanism {
    /// As librdkafka writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl Default for Security {
    fn default() -> Self {
        Self {
            protocol: Protocol::default(),
            mechanism: None,
            username: String::new(),
            password: SecretSource::default(),
            ca_file: None,
            certificate_file: None,
            key_file: None,
            key_password: SecretSource::default(),
            check_hostname: true,
            secrets: Secrets::default(),
        }
    }
}

impl Security {
    /// The password, once read.
    pub fn password(&self) -> Option<&SecretString> {
        self.secrets.password.as_ref()
    }

    /// The password of the private key, once read.
    pub fn key_password(&self) -> Option<&SecretString> {
        self.secrets.key_password.as_ref()
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if self.protocol.has_user() {
            if self.mechanism.is_none() {
                return Err(needed("mechanism", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"));
            }
            filled("kafka.security.username", &self.username)?;
            if !self.password.is_set() {
                return Err(needed("password", "{ file = \"PATH\" } or { env = \"NAME\" }"));
            }
        } else {
            self.refuse(
                &[
                    ("mechanism", self.mechanism.is_some()),
                    ("username", !self.username.is_empty()),
                    ("password", self.password.is_set()),
                ],
                "sasl_plaintext or sasl_ssl",
            )?;
        }
        if !self.protocol.has_tls() {
            let set = self.files().map(|(key, file)| (key, file.is_some()));
            self.refuse(&set, "ssl or sasl_ssl")?;
            self.refuse(&[("key_password", self.key_password.is_set())], "ssl or sasl_ssl")?;
        }
        match (&self.certificate_file, &self.key_file) {
            (Some(_), None) => Err(needed("key_file", "the private key of kafka.security.certificate_file")),
            (None, Some(_)) => Err(needed("certificate_file", "the certificate of kafka.security.key_file")),
            (None, None) if self.key_password.is_set() => {
                Err(needed("key_file", "the private key that key_password opens"))
            }
            _ => Ok(()),
        }
    }

    /// A key that has no effect is a mistake: somebody believes in a protection that is not there.
    fn refuse(&self, set: &[(&str, bool)], protocols: &str) -> Result<(), ConfigError> {
        match set.iter().find(|(_, set)| *set) {
            None => Ok(()),
            Some((key, _)) => Err(limit(
                &format!("kafka.security.{key}"),
                format!("it with protocol {}", self.protocol.name()),
                format!("it only with protocol {protocols}"),
            )),
        }
    }

    fn files(&self) -> [(&'static str, Option<&PathBuf>); 3] {
        [
            ("ca_file", self.ca_file.as_ref()),
            ("certificate_file", self.certificate_file.as_ref()),
            ("key_file", self.key_file.as_ref()),
        ]
    }

    /// Reads the secrets, and sees that the files are there: the client would say only that it could not be built.
    pub(super) fn read(&mut self) -> Result<(), ConfigError> {
        for (key, path) in self.files() {
            let Some(path) = path else { continue };
            File::open(path).map_err(|source| ConfigError::File {
                key: format!("kafka.security.{key}"),
                path: path.clone(),
                source,
            })?;
        }
        self.secrets = Secrets {
            password: self.password.read("kafka.security.password")?,
            key_password: self.key_password.read("kafka.security.key_password")?,
        };
        Ok(())
    }
}

fn needed(key: &str, allowed: &str) -> ConfigError {
    limit(&format!("kafka.security.{key}"), "nothing", allowed)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use crate::config::Config;

    fn parse(lines: &str) -> Result<Config, String> {
        Config::parse(&format!("[kafka.security]\n{lines}"), std::iter::empty()).map_err(|error| error.to_string())
    }

    const USER: &str = "mechanism = \"PLAIN\"\nusername = \"u\"\npassword = { env = \"PATH\" }\n";

    #[test]
    fn what_a_protocol_needs_is_asked_for_and_the_rest_refused() {
        for (lines, message) in [
            (
                "protocol = \"sasl_ssl\"".to_owned(),
                "mechanism: found nothing, allowed is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
            ),
            (
                "protocol = \"sasl_ssl\"\nmechanism = \"SCRAM-SHA-512\"".into(),
                "username: found an empty text, allowed is a text",
            ),
            (
                "protocol = \"sasl_ssl\"\nmechanism = \"PLAIN\"\nusername = \"u\"".into(),
                "password: found nothing, allowed is { file = \"PATH\" } or { env = \"NAME\" }",
            ),
            (
                USER.into(),
                "mechanism: found it with protocol plaintext, allowed is it only with protocol sasl_plaintext",
            ),
            (
                format!("protocol = \"sasl_plaintext\"\nca_file = \"ca.pem\"\n{USER}"),
                "ca_file: found it with protocol sasl_plaintext, allowed is it only with protocol ssl or sasl_ssl",
            ),
            (
                "protocol = \"ssl\"\ncertificate_file = \"c.pem\"".into(),
                "key_file: found nothing, allowed is the private key of kafka.security.certificate_file",
            ),
            ("protocol = \"ssl\"\nca_file = \"/no/such.pem\"".into(), "ca_file: file /no/such.pem cannot be read"),
        ] {
            let error = parse(&lines).unwrap_err();
            assert!(error.starts_with(&format!("config key kafka.security.{message}")), "{lines}: {error}");
        }
        assert!(parse("protocol = \"tls\"").unwrap_err().contains("`plaintext`, `ssl`, `sasl_plaintext`, `sasl_ssl`"));
    }

    #[test]
    fn a_secret_is_read_with_the_config_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "hunter2\n").unwrap();
        let user = format!("mechanism = \"SCRAM-SHA-256\"\nusername = \"u\"\npassword = {{ file = {path:?} }}");
        let config = parse(&format!("protocol = \"sasl_plaintext\"\n{user}")).unwrap();
        assert_eq!(config.kafka.security.password().unwrap().expose_secret(), "hunter2");
        assert!(!format!("{config:?}").contains("hunter2"));
        std::fs::remove_file(&path).unwrap();
        let error = parse(&format!("protocol = \"sasl_plaintext\"\n{user}")).unwrap_err();
        assert!(error.starts_with("config key kafka.security.password: file "), "{error}");
    }

    #[test]
    fn a_secret_in_the_config_is_refused_and_not_repeated() {
        for lines in [
            "[kafka.security]\nprotocol = \"sasl_ssl\"\npassword = \"hunter2\"",
            "[kafka.security]\nprotocol = \"sasl_ssl\"\npassword = hunter2",
            "[kafka.security]\nprotocol = \"ssl\"\nkey_password = [\"hunter2\"]",
            "[admin]\ntoken = \"hunter2\"",
            "[kafka.librdkafka]\n\"sasl.password\" = \"hunter2\"",
            "[kafka.librdkafka]\n\"ssl.key.pem\" = \"hunter2\"",
            "[kafka.librdkafka]\n\"sasl.oauthbearer.client.secret\" = \"hunter2\"",
        ] {
            let error = Config::parse(lines, std::iter::empty()).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        let environment = [("ASSIZE_KAFKA__SECURITY__PASSWORD".to_owned(), "hunter2".to_owned())];
        let error = Config::parse("", environment.into_iter()).unwrap_err().to_string();
        assert_eq!(
            error,
            "config key kafka.security.password: invalid type: a value, expected { file = \"PATH\" } or { env = \
             \"NAME\" }, where the secret is: it never stands in the config itself"
        );
    }
}
