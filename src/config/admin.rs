//! The HTTP port.

use std::net::SocketAddr;

use serde::Deserialize;

use super::{ConfigError, SecretSource, limits::limit};

/// The HTTP port with metrics and health.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Address to listen on; one that other hosts can reach needs a token.
    pub listen: SocketAddr,
    /// Asked for as `Authorization: Bearer` on every path but `/livez` and `/readyz`.
    pub token: SecretSource,
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9464)), token: SecretSource::default() }
    }
}

impl Admin {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if self.listen.ip().to_canonical().is_loopback() || self.token.is_set() {
            return Ok(());
        }
        Err(limit("admin.listen", self.listen, "a loopback address, or any with admin.token = { file = \"PATH\" }"))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn other_hosts_need_a_token() {
        let parse = |text: &str| Config::parse(text, std::iter::empty());
        for open in ["0.0.0.0:9464", "[::]:9464", "10.0.0.7:9464"] {
            let error = parse(&format!("[admin]\nlisten = \"{open}\"")).unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "config key admin.listen: found {open}, allowed is a loopback address, or any with admin.token = \
                     {{ file = \"PATH\" }}"
                )
            );
            parse(&format!("[admin]\nlisten = \"{open}\"\ntoken = {{ env = \"TOKEN\" }}")).unwrap();
        }
        for loopback in ["127.0.0.1:0", "127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            parse(&format!("[admin]\nlisten = \"{loopback}\"")).unwrap();
        }
    }
}
