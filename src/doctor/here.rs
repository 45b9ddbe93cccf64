//! What this host has to have: bundles, the hash key, the secrets, the port, the lock; and who could listen on the way.

use std::{
    fs::{File, TryLockError},
    net::{IpAddr, TcpListener},
};

use super::Report;
use crate::{
    config::{Config, SecretSource},
    hash::Hasher,
    service,
};

pub(super) fn check(config: &Config, report: &Report) {
    bundles(config, report);
    match Hasher::load(&config.hash_key) {
        Ok(hasher) => report.ok("hash key", format!("key {} is there", hasher.id())),
        Err(error) => report.fail("hash key", error, "make one: openssl rand -hex 32; see the section [hash_key]"),
    }
    secrets(config, report);
    port(config, report);
    lock(config, report);
    on_the_way(config, report);
}

/// Loading a bundle runs its golden vectors.
fn bundles(config: &Config, report: &Report) {
    if config.tasks.is_empty() {
        report.fail("bundle", "no [[task]] is configured", "name at least one, with its bundle");
    }
    for task in &config.tasks {
        match service::load_tasks(std::slice::from_ref(task)) {
            Ok(loaded) => {
                let digests: Vec<_> = loaded.iter().map(|task| task.bundle.digest().to_string()).collect();
                let found = format!("task {}: {} gives its golden scores", task.name, task.bundle.display());
                report.ok("bundle", format!("{found}, digest {}", digests.join(" ")));
            }
            Err(error) => report.fail("bundle", error, "put back the bundle that was released"),
        }
    }
}

/// Where the secrets are that are read after the configuration.
fn sources(config: &Config) -> [(&'static str, &SecretSource); 5] {
    [
        ("admin.token", &config.admin.token),
        ("schemas.password", &config.schemas.password),
        ("schemas.token", &config.schemas.token),
        ("features.password", &config.features.password),
        ("features.sentinel.password", &config.features.sentinel.password),
    ]
}

/// Whether those of a section can be read, as far as any is named.
pub(super) fn has_secrets(config: &Config, section: &str) -> bool {
    sources(config).iter().filter(|(key, _)| key.starts_with(section)).all(|(key, source)| source.read(key).is_ok())
}

fn secrets(config: &Config, report: &Report) {
    for (key, source) in sources(config) {
        if let Err(error) = source.read(key) {
            // With its cause: no such file, or not for us.
            report.fail("secret", format!("{:#}", anyhow::Error::new(error)), "put it there, readable by this user");
        }
    }
}

fn port(config: &Config, report: &Report) {
    let address = config.admin.listen;
    match TcpListener::bind(address) {
        Ok(_) => report.ok("admin port", format!("{address} is free")),
        Err(error) => report.warn(
            "admin port",
            format!("{address}: {error}"),
            "right if this instance runs here; else set admin.listen to another port",
        ),
    }
}

/// Looks at the lock, and makes none.
fn lock(config: &Config, report: &Report) {
    let (path, instance) = (service::lock_path(&config.kafka), config.kafka.instance());
    match File::open(&path).map(|file| file.try_lock()) {
        Ok(Err(TryLockError::WouldBlock)) => {
            report.ok("instance", format!("{instance} runs here: a second one will be refused"));
        }
        _ if path.parent().is_some_and(|folder| folder.is_dir()) => {
            report.ok("instance", format!("{instance} does not run here"));
        }
        _ => report.fail("instance", format!("{} has no folder", path.display()), "make it, or set TMPDIR"),
    }
}

/// Whoever is between us and a service reads and changes what is not encrypted.
fn on_the_way(config: &Config, report: &Report) {
    let mut plain = Vec::new();
    if !config.kafka.security.protocol.has_tls() {
        let hosts = config.kafka.bootstrap_servers.split(',').filter(|server| !is_loopback(server.trim()));
        plain.extend(
            hosts.map(|server| (server.trim().to_owned(), "kafka.security.protocol = \"sasl_ssl\" or \"ssl\"")),
        );
    }
    let registries = config.schemas.urls().flat_map(|url| foreign_hosts(url, "http://"));
    plain.extend(registries.map(|host| (host, "an https:// address in schemas.registry")));
    let servers = foreign_hosts(&config.features.redis, "redis://");
    plain.extend(servers.into_iter().map(|host| (host, "a rediss:// address in features.redis")));
    for (host, remedy) in &plain {
        report.warn("encryption", format!("connections to {host} are not encrypted"), format!("use {remedy}"));
    }
    if plain.is_empty() {
        report.ok("encryption", "nothing leaves this host unencrypted");
    }
    if config.kafka.librdkafka.get("enable.ssl.certificate.verification").is_some_and(|value| value == "false") {
        let found = "the brokers' certificates are not verified";
        report.warn("encryption", found, "take enable.ssl.certificate.verification out of [kafka.librdkafka]");
    }
}

/// Hosts and ports of a URL with `scheme` that are not this host; without its user and password.
fn foreign_hosts(url: &str, scheme: &str) -> Vec<String> {
    let Some(rest) = url.strip_prefix(scheme) else { return Vec::new() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let hosts = authority.rsplit('@').next().unwrap_or_default().split(',');
    hosts.filter(|host| !is_loopback(host)).map(str::to_owned).collect()
}

fn is_loopback(server: &str) -> bool {
    let host = match server.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => server,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_other_hosts_are_foreign_and_no_password_is_shown() {
        for local in ["127.0.0.1:9092", "localhost:9092", "[::1]:9092", "localhost", "127.1.2.3"] {
            assert!(is_loopback(local), "{local}");
        }
        for foreign in ["kafka:9092", "10.0.0.1:9092", "localhost.example:9092"] {
            assert!(!is_loopback(foreign), "{foreign}");
        }
        let foreign = |url| foreign_hosts(url, "redis://");
        assert_eq!(foreign("redis://u:secret@cache:6379,localhost,b/0"), ["cache:6379", "b"]);
        assert!(foreign("redis://127.0.0.1:6379,[::1]:6379").is_empty());
        assert!(foreign("rediss://cache:6379").is_empty());
    }
}
