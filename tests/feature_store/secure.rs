//! TLS with an authority of one's own, client certificates, ACL users.

use assize::features::store::{Failure, RedisConfig, TlsFiles, Topology};
use assize::records::UserFeatures::{Default as Defaulted, Fresh};

use super::authority::Authority;
use super::servers::{Redis, free_port, start};
use super::{Bench, config};

/// A server at a TLS port, with user 7.
fn server(authority: &Authority, certificate: &str, asks_clients: bool) -> (Redis, String) {
    let tls_port = free_port();
    let redis = start(free_port(), &authority.options(tls_port, certificate, asks_clients));
    redis.set("features:user:7", "{}");
    (redis, format!("rediss://127.0.0.1:{tls_port}"))
}

#[track_caller]
fn check(config: RedisConfig, is_reached: bool) {
    let bench = Bench::with(config);
    let (rows, report) = bench.fetch(&[7]);
    let (origin, failure) = if is_reached { (Fresh, None) } else { (Defaulted, Some(Failure::Disconnected)) };
    assert_eq!((rows[0].origin, report.asked.unwrap().failure), (origin, failure));
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn tls_trusts_the_named_authority_only() {
    let authority = Authority::new();
    let (_redis, url) = server(&authority, "server", false);
    let with = |tls| RedisConfig { url: url.as_str().into(), tls, ..config() };
    check(with(authority.trusted()), true);
    check(with(TlsFiles::default()), false);
    check(with(Authority::new().trusted()), false);
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_certificate_of_another_name_is_refused() {
    let authority = Authority::new();
    authority.issue("elsewhere", "DNS:elsewhere.test");
    let (_redis, url) = server(&authority, "elsewhere", false);
    check(RedisConfig { url: url.into(), tls: authority.trusted(), ..config() }, false);
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_server_that_asks_for_a_certificate_gets_it() {
    let authority = Authority::new();
    authority.issue("client", "DNS:client.test");
    let (_redis, url) = server(&authority, "server", true);
    let with = |tls| RedisConfig { url: url.as_str().into(), tls, ..config() };
    check(with(authority.trusted()), false);
    check(
        with(TlsFiles {
            certificate_file: Some(authority.file("client.pem")),
            key_file: Some(authority.file("client.key")),
            ..authority.trusted()
        }),
        true,
    );
}

#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn an_acl_user_needs_getrange_and_no_more() {
    let redis = Redis::start();
    redis.set("features:user:7", "{}");
    redis.command(&["ACL", "SETUSER", "assize", "on", ">hunter2", "~features:user:*", "+getrange"]);
    let with = |url: &str, username: Option<&str>, password: Option<&str>| RedisConfig {
        url: url.replace("HOST", &format!("127.0.0.1:{}", redis.port)).into(),
        username: username.map(str::to_owned),
        password: password.map(Into::into),
        ..config()
    };
    check(with("redis://HOST", Some("assize"), Some("hunter2")), true);
    check(with("redis://assize:hunter2@HOST", None, None), true);
    check(with("redis://assize@HOST", None, Some("hunter2")), true);
    check(with("redis://assize:wrong@HOST", None, Some("hunter2")), true);
    check(with("redis://HOST", Some("assize"), Some("wrong")), false);
    check(with("redis://HOST", Some("nobody"), Some("hunter2")), false);

    let other_keys = RedisConfig { key_prefix: "other:".into(), ..with("redis://assize:hunter2@HOST", None, None) };
    assert_eq!(Bench::with(other_keys).fetch(&[7]).1.asked.unwrap().failure, Some(Failure::Server));
}

/// Certificates and credentials reach also the servers that the configuration does not name.
#[test]
#[ignore = "needs redis-server; run ./dev test"]
fn a_cluster_is_reached_by_tls_as_an_acl_user() {
    let (authority, tls_port) = (Authority::new(), free_port());
    let mut options = authority.options(tls_port, "server", false);
    options.extend(["--cluster-enabled", "yes", "--tls-cluster", "yes"].map(str::to_owned));
    let node = start(free_port(), &options);
    node.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    super::servers::eventually("the cluster is up", || {
        node.query::<String>(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
    });
    node.set("features:user:7", "{}");
    let user = ["ACL", "SETUSER", "assize", "on", ">hunter2", "~features:user:*"];
    node.command(&[&user[..], &["+getrange", "+asking", "+cluster|slots"]].concat());
    let config = |password: &str| RedisConfig {
        url: format!("rediss://127.0.0.1:{tls_port}").into(),
        topology: Topology::Cluster,
        username: Some("assize".into()),
        password: Some(password.into()),
        tls: authority.trusted(),
        ..config()
    };
    check(config("hunter2"), true);
    check(config("wrong"), false);
}
