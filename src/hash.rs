//! Keyed hashes: what stands for a text or a user in verdicts, predictions and logs. Unkeyed hashes of things that can
//! be guessed can be reversed; HMAC-SHA-256 (RFC 2104) under a secret key cannot. The key's id travels beside them.

use std::{array, collections::BTreeMap, fmt};

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;

use crate::config;

/// Bytes a key needs at least.
pub const KEY_BYTES_MIN: usize = 16;

/// Why there is no hasher.
#[derive(Debug, thiserror::Error)]
pub enum HashKeyError {
    /// Neither file nor environment variable.
    #[error("no hash key: name a file in hash_key.file or set the environment variable {env}")]
    Missing {
        /// The variable looked for.
        env: String,
    },
    /// The file cannot be read.
    #[error("hash key file {path} cannot be read")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Too short to be secret.
    #[error("the hash key has {found} bytes; give at least {KEY_BYTES_MIN}, for example: openssl rand -hex 32")]
    Short {
        /// Its length.
        found: usize,
    },
}

/// Hashes under one key; cloning is cheap.
#[derive(Clone)]
pub struct Hasher {
    id: String,
    keyed: Hmac<Sha256>,
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Hasher {
    /// Reads the key from the configured file or environment variable.
    ///
    /// # Errors
    /// [`HashKeyError`], saying where a key is expected.
    pub fn load(config: &config::HashKey) -> Result<Self, HashKeyError> {
        let key = match &config.file {
            Some(path) => {
                std::fs::read(path).map_err(|source| HashKeyError::Read { path: path.display().to_string(), source })?
            }
            None => {
                std::env::var(&config.env).map_err(|_| HashKeyError::Missing { env: config.env.clone() })?.into_bytes()
            }
        };
        Self::try_new(&config.id, SecretBox::new(Box::new(key.trim_ascii().to_vec())))
    }

    /// A hasher under `key`, called `id`.
    ///
    /// # Errors
    /// [`HashKeyError::Short`].
    pub fn try_new(id: &str, key: SecretBox<Vec<u8>>) -> Result<Self, HashKeyError> {
        let key = key.expose_secret();
        match Hmac::new_from_slice(key) {
            Ok(keyed) if key.len() >= KEY_BYTES_MIN => Ok(Self { id: id.to_owned(), keyed }),
            _ => Err(HashKeyError::Short { found: key.len() }),
        }
    }

    /// Name of the key.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Of a sanitized text.
    pub fn text(&self, text: &str) -> [u8; 32] {
        self.keyed.clone().chain_update(text).finalize().into_bytes().into()
    }

    /// Of a user id (8 bytes, big-endian), its first 16 bytes.
    pub fn user(&self, user_id: i64) -> [u8; 16] {
        first_half(&self.keyed.clone().chain_update(user_id.to_be_bytes()).finalize().into_bytes().into())
    }

    /// Of everything that a verdict rests on, its first 16 bytes: text, language and each metadata key and value in
    /// the order of the keys, each behind its length (8 bytes, big-endian).
    pub fn payload(&self, text: &str, language: &str, metadata: &BTreeMap<String, String>) -> [u8; 16] {
        let pairs = metadata.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]);
        let mut keyed = self.keyed.clone();
        for part in [text, language].into_iter().chain(pairs) {
            keyed.update(&(part.len() as u64).to_be_bytes());
            keyed.update(part.as_bytes());
        }
        first_half(&keyed.finalize().into_bytes().into())
    }
}

fn first_half(hash: &[u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    half
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: [u8; 16]) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    array::from_fn(|place| {
        let byte = bytes[place / 2];
        DIGITS[usize::from(if place % 2 == 0 { byte >> 4 } else { byte & 15 })]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(key: &str) -> Result<Hasher, HashKeyError> {
        Hasher::try_new("k", SecretBox::new(Box::new(key.as_bytes().to_vec())))
    }

    #[test]
    fn a_text_hashes_as_the_standard_says() {
        // printf 'hello' | openssl dgst -sha256 -hmac 0123456789abcdef
        let hash = hasher("0123456789abcdef").expect("long enough").text("hello");
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "713ba20d2e5fdfbc44724244bf2305ed0714f16ecad75df06e9547b5ae43d83a");
    }

    #[test]
    fn parts_of_a_payload_do_not_run_into_each_other() {
        let hasher = hasher("0123456789abcdef").expect("long enough");
        let metadata = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let hash = hasher.payload("text", "en", &metadata("ab", "c"));
        assert_ne!(hash, hasher.payload("text", "en", &metadata("a", "bc")));
        assert_ne!(hash, hasher.payload("texte", "n", &metadata("ab", "c")));
        assert_eq!(hash, hasher.payload("text", "en", &metadata("ab", "c")));
    }

    #[test]
    fn a_short_key_is_refused() {
        assert!(matches!(hasher("short"), Err(HashKeyError::Short { found: 5 })));
    }
}
