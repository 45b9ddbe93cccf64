//! Where secrets come from: files or the environment, never the configuration itself.

use std::{fmt, path::PathBuf};

use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Unexpected, Visitor, value::MapAccessDeserializer},
};

/// A secret by reference: `{ file = "/run/secrets/x" }` or `{ env = "X" }`; the file wins. Empty means none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretSource {
    /// File that holds it; surrounding white space is cut.
    pub file: Option<PathBuf>,
    /// Environment variable that holds it, when no file is named.
    pub env: Option<String>,
}

impl<'de> Deserialize<'de> for SecretSource {
    /// Anything but a table may be the secret itself: it is refused without being repeated.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        struct Table {
            file: Option<PathBuf>,
            env: Option<String>,
        }
        struct Reference;
        impl Reference {
            fn refuse<E: Error, T>(&self) -> Result<T, E> {
                Err(E::invalid_type(Unexpected::Other("a value"), self))
            }
        }
        impl<'de> Visitor<'de> for Reference {
            type Value = SecretSource;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "{ file = \"PATH\" } or { env = \"NAME\" }, where the secret is: it never stands in the config",
                )?;
                f.write_str(" itself")
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<SecretSource, E> {
                self.refuse()
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<SecretSource, E> {
                self.refuse()
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<SecretSource, E> {
                self.refuse()
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<SecretSource, E> {
                self.refuse()
            }

            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<SecretSource, A::Error> {
                self.refuse()
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SecretSource, A::Error> {
                let Table { file, env } = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(SecretSource { file, env })
            }
        }
        deserializer.deserialize_map(Reference)
    }
}

/// Why a secret cannot be had. It never holds the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read, or is not UTF-8.
    #[error("config key {key}: file {path} cannot be read")]
    Read {
        /// Dotted path of the key.
        key: String,
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The variable is not set, or not UTF-8.
    #[error("config key {key}: the environment variable {env} is not set")]
    Missing {
        /// Dotted path of the key.
        key: String,
        /// The variable.
        env: String,
    },
    /// There is nothing in it.
    #[error("config key {key}: the secret is empty")]
    Empty {
        /// Dotted path of the key.
        key: String,
    },
}

impl SecretSource {
    /// Whether a secret is named.
    pub fn is_set(&self) -> bool {
        self.file.is_some() || self.env.is_some()
    }

    /// Reads the secret of config key `key`; none when no source is named.
    ///
    /// # Errors
    /// [`SecretError`], saying where a secret is expected.
    pub fn read(&self, key: &str) -> Result<Option<SecretString>, SecretError> {
        let text = match (&self.file, &self.env) {
            (Some(path), _) => std::fs::read_to_string(path).map_err(|source| SecretError::Read {
                key: key.to_owned(),
                path: path.display().to_string(),
                source,
            })?,
            (None, Some(env)) => {
                std::env::var(env).map_err(|_| SecretError::Missing { key: key.to_owned(), env: env.clone() })?
            }
            (None, None) => return Ok(None),
        };
        match text.trim() {
            "" => Err(SecretError::Empty { key: key.to_owned() }),
            secret => Ok(Some(SecretString::from(secret.to_owned()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_file_wins_and_its_white_space_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, " hunter2\n").unwrap();
        let source = SecretSource { file: Some(path), env: Some("ASSIZE_NO_SUCH_SECRET".into()) };
        let secret = source.read("kafka.security.password").unwrap().unwrap();
        assert_eq!(secret.expose_secret(), "hunter2");
        assert!(!format!("{secret:?} {source:?}").contains("hunter2"));
    }

    #[test]
    fn nothing_named_is_none_and_nothing_found_is_an_error() {
        assert!(SecretSource::default().read("k").unwrap().is_none());
        let unset = SecretSource { file: None, env: Some("ASSIZE_NO_SUCH_SECRET".into()) };
        let message = unset.read("admin.token").unwrap_err().to_string();
        assert_eq!(message, "config key admin.token: the environment variable ASSIZE_NO_SUCH_SECRET is not set");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty");
        std::fs::write(&path, "\n").unwrap();
        let empty = SecretSource { file: Some(path), env: None };
        assert_eq!(empty.read("admin.token").unwrap_err().to_string(), "config key admin.token: the secret is empty");
    }
}
