//! From the configuration to servers that can be connected to: addresses, credentials and certificates.
//!
//! ```text
//!  rediss://user:password@a:6379,b:6379/0 ─► one client a host: of Redis, or of Sentinels with credentials of their own
//!                                           └► at(host, port): a client of any other server that these name
//! ```
//!
//! Nothing connects here, and no error holds a password.

use redis::io::tcp::TcpSettings;
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, RedisResult,
    TlsCertificates,
};
use secrecy::{ExposeSecret, SecretString};

use super::config::{RedisConfig, StoreConfigError, TlsFiles, Topology};

/// The servers of the configuration.
pub(super) struct Servers {
    /// As the url lists them, at least one: Sentinels, nodes, or the one server.
    pub(super) listed: Vec<Client>,
    /// What a connection to Redis is like, wherever it goes.
    like: ConnectionInfo,
}

impl Servers {
    /// Errs when the url or the files are not understood, or do not go together.
    pub(super) fn try_new(config: &RedisConfig) -> Result<Self, StoreConfigError> {
        let certificates = certificates(&config.tls)?;
        let infos = addresses(config)?;
        let infos: Vec<ConnectionInfo> = infos
            .into_iter()
            .map(|info| {
                let settings = credentials(info.redis_settings().clone(), &config.username, &config.password);
                let info = info.set_redis_settings(settings).set_tcp_settings(TcpSettings::default().set_nodelay(true));
                with_certificates(info, certificates.as_ref())
            })
            .collect::<Result<_, _>>()?;
        let like = infos[0].clone();
        let sentinel = &config.sentinel;
        let listed = infos.into_iter().map(|info| {
            Client::open(match config.topology {
                Topology::Single | Topology::Cluster => info,
                Topology::Sentinel => info.set_redis_settings(credentials(
                    RedisConnectionInfo::default(),
                    &sentinel.username,
                    &sentinel.password,
                )),
            })
        });
        Ok(Self { listed: listed.collect::<RedisResult<_>>().map_err(StoreConfigError::Url)?, like })
    }

    /// A client of the Redis at another address, with the same credentials and certificates.
    pub(super) fn at(&self, host: &str, port: u16) -> RedisResult<Client> {
        let host = host.to_owned();
        let address = match self.like.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        Client::open(self.like.clone().set_addr(address))
    }
}

/// Where the url leads to. Reads no files.
pub(super) fn addresses(config: &RedisConfig) -> Result<Vec<ConnectionInfo>, StoreConfigError> {
    let infos: Vec<ConnectionInfo> = split(config.url.expose_secret())
        .iter()
        .map(|url| url.as_str().into_connection_info().map_err(StoreConfigError::Url))
        .collect::<Result<_, _>>()?;
    check(config, &infos)?;
    Ok(infos)
}

/// Where a client connects to: host and port, or a path; no credentials.
pub(super) fn address(client: &Client) -> String {
    client.get_connection_info().addr().to_string()
}

/// One url for each of the hosts that stand in it, parted by commas.
fn split(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| !scheme.contains("unix")) else {
        return vec![url.to_owned()];
    };
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    hosts.split(',').map(|host| format!("{scheme}://{user}{host}{tail}")).collect()
}

fn check(config: &RedisConfig, infos: &[ConnectionInfo]) -> Result<(), StoreConfigError> {
    let is_tls = |info: &ConnectionInfo| matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    let is_insecure = |info: &ConnectionInfo| matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. });
    let is_path = |info: &ConnectionInfo| matches!(info.addr(), ConnectionAddr::Unix(_));
    let topology = config.topology;
    let mismatch = if infos.len() > 1 && topology == Topology::Single {
        "the url names several servers: give one, or set topology to \"sentinel\" or \"cluster\""
    } else if topology == Topology::Sentinel && config.sentinel.master.is_empty() {
        "topology is \"sentinel\": set sentinel.master to the name of the monitored master"
    } else if topology != Topology::Single && infos.iter().any(is_path) {
        "a Unix socket leads to one server: set topology to \"single\", or give host and port"
    } else if topology == Topology::Cluster && infos.iter().any(|info| info.redis_settings().db() != 0) {
        "a cluster has database 0 only: leave the number out of the url"
    } else if infos.iter().any(is_insecure) {
        "#insecure in the url would trust any server: name its authority in tls.ca_file instead"
    } else if config.tls != TlsFiles::default() && !infos.iter().all(is_tls) {
        "tls files are given: the url must begin with rediss://"
    } else {
        return Ok(());
    };
    Err(StoreConfigError::Mismatch(mismatch))
}

fn credentials(
    mut settings: RedisConnectionInfo,
    username: &Option<String>,
    password: &Option<SecretString>,
) -> RedisConnectionInfo {
    if let Some(username) = username {
        settings = settings.set_username(username);
    }
    if let Some(password) = password {
        settings = settings.set_password(password.expose_secret());
    }
    settings
}

fn certificates(tls: &TlsFiles) -> Result<Option<TlsCertificates>, StoreConfigError> {
    let read = |path: &std::path::PathBuf| {
        std::fs::read(path).map_err(|source| StoreConfigError::File { path: path.clone(), source })
    };
    let root_cert = tls.ca_file.as_ref().map(read).transpose()?;
    let client_tls = match (&tls.certificate_file, &tls.key_file) {
        (Some(certificate), Some(key)) => {
            Some(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? })
        }
        (None, None) => None,
        _ => return Err(StoreConfigError::Mismatch("tls.certificate_file and tls.key_file: give both or neither")),
    };
    Ok((root_cert.is_some() || client_tls.is_some()).then_some(TlsCertificates { client_tls, root_cert }))
}

fn with_certificates(
    info: ConnectionInfo,
    certificates: Option<&TlsCertificates>,
) -> Result<ConnectionInfo, StoreConfigError> {
    let Some(certificates) = certificates else { return Ok(info) };
    let client = Client::build_with_tls(info, certificates.clone()).map_err(StoreConfigError::Tls)?;
    Ok(client.get_connection_info().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str, topology: Topology) -> RedisConfig {
        let mut config = RedisConfig { url: url.into(), topology, ..RedisConfig::default() };
        config.sentinel.master = "features".into();
        config
    }

    fn listed(url: &str, topology: Topology) -> Vec<String> {
        Servers::try_new(&config(url, topology)).unwrap().listed.iter().map(address).collect()
    }

    #[test]
    fn a_url_lists_one_server_or_several() {
        assert_eq!(listed("redis://:p,w@a:1/3", Topology::Single), ["a:1"]);
        assert_eq!(listed("rediss://u:p@a:1,b,[::1]:3", Topology::Cluster), ["a:1", "b:6379", "::1:3"]);
        assert_eq!(listed("unix:///run/a,b", Topology::Single), ["/run/a,b"]);
    }

    #[test]
    fn credentials_of_the_config_come_first_and_sentinels_have_their_own() {
        let mut config = config("redis://u:p@a:1,b:2/5", Topology::Sentinel);
        config.password = Some("hunter2".into());
        config.sentinel.username = Some("watcher".into());
        let servers = Servers::try_new(&config).unwrap();
        let sentinel = servers.listed[1].get_connection_info().redis_settings();
        assert_eq!((sentinel.username(), sentinel.password(), sentinel.db()), (Some("watcher"), None, 0));
        let redis = servers.at("c", 3).unwrap();
        let settings = redis.get_connection_info().redis_settings();
        assert_eq!((settings.username(), settings.password(), settings.db()), (Some("u"), Some("hunter2"), 5));
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        #[track_caller]
        fn bad(config: &RedisConfig, message: &str) {
            let error = Servers::try_new(config).err().expect("refused").to_string();
            assert!(error.contains(message) && !error.contains("hunter2"), "{error}");
        }
        bad(&config("redis://:hunter2@a,b", Topology::Single), "names several servers");
        bad(&RedisConfig { topology: Topology::Sentinel, ..RedisConfig::default() }, "set sentinel.master");
        bad(&config("unix:///run/redis", Topology::Cluster), "a Unix socket leads to one server");
        bad(&config("redis://a/1", Topology::Cluster), "database 0 only");
        bad(&config("rediss://a#insecure", Topology::Single), "would trust any server");
        bad(&config("redis://:hunter2@a,", Topology::Cluster), "url is not understood");

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file.pem");
        let mut given = config("rediss://a", Topology::Single);
        given.tls.certificate_file = Some(file.clone());
        bad(&given, "give both or neither");
        given.tls = TlsFiles { ca_file: Some(file.clone()), ..TlsFiles::default() };
        bad(&given, "file.pem cannot be read");
        std::fs::write(&file, "hunter2").unwrap();
        bad(&given, "tls files are not understood");
    }
}
