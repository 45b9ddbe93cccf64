//! Connections that cannot be: each ends in bounded time, and says what to check.

use std::{fs, path::PathBuf, time::Duration};

use crate::{
    broker::Broker,
    client::{Case, certificate, run, scram},
};

/// Ten seconds of asking, and the start of a program.
const REFUSED_SECONDS_MAX: Duration = Duration::from_secs(25);

fn refused(args: &[&str], config: &PathBuf, said: &str) -> String {
    let (code, text, took) = run(args, config);
    assert_eq!(code, Some(69), "{args:?}: {text}");
    assert!(text.contains(said), "{args:?}: {said:?} is not in: {text}");
    assert!(took < REFUSED_SECONDS_MAX, "{args:?} took {took:?}");
    text
}

#[test]
#[ignore = "needs Java and Kafka's jars; run ./dev test"]
fn a_wrong_password_is_said_by_every_command() {
    let case = Case::new("wrong-password");
    let secret = case.folder.path().join("wrong");
    fs::write(&secret, "swordfish-of-nobody").unwrap();
    let servers = format!("localhost:{}", Broker::get().sasl_ssl);
    let debug = "[kafka.librdkafka]\ndebug = \"all\"\n[log]\nfilter = \"info,librdkafka=trace\"\n";
    let config = case.config("judge", &servers, &scram("judge", &secret), debug);
    let messages = case.folder.path().join("m.ndjson");
    fs::write(&messages, "{\"user_id\":7,\"text\":\"hello\"}\n").unwrap();
    let send = ["send", messages.to_str().unwrap()];
    let commands: [&[&str]; 5] = [&["run"], &["topics", "check"], &["topics", "create"], &["audit"], &send];
    for args in commands {
        let text =
            refused(args, &config, "authentication failed, check kafka.security.username, password and mechanism");
        assert!(!text.contains("swordfish"), "{args:?}: {text}");
    }
}

#[test]
#[ignore = "needs Java and Kafka's jars; run ./dev test"]
fn each_mistake_has_its_own_message() {
    let (broker, case) = (Broker::get(), Case::new("mistakes"));
    let secret = case.secret("judge");
    let localhost = |port: u16| format!("localhost:{port}");
    let good = scram("judge", &secret);
    let check = |name: &str, servers: String, security: &str, said: &str| {
        refused(&["topics", "check"], &case.config(name, &servers, security, ""), said);
    };
    check(
        "other-authority",
        localhost(broker.sasl_ssl),
        &good.replace("/ca.pem", "/other-ca.pem"),
        "no TLS connection, the broker's certificate is not accepted: check kafka.security.ca_file",
    );
    check(
        "other-name",
        format!("127.0.0.1:{}", broker.sasl_ssl),
        &good,
        "and that it is for the name in kafka.bootstrap_servers",
    );
    check(
        "other-mechanism",
        localhost(broker.sasl_ssl),
        &good.replace("SHA-512", "SHA-256"),
        "authentication failed, check kafka.security.username, password and mechanism",
    );
    check("plaintext", localhost(broker.sasl_ssl), "", "check kafka.bootstrap_servers, kafka.security.protocol");
    check("no-user", localhost(broker.sasl_ssl), "protocol = \"ssl\"", "no TLS connection");
    check("tls-to-plaintext", localhost(broker.plaintext), &good, "kafka.security.protocol");
    let anonymous: Vec<_> = certificate()
        .lines()
        .filter(|line| line.starts_with("protocol") || line.starts_with("ca_"))
        .map(str::to_owned)
        .collect();
    check("no-certificate", localhost(broker.ssl), &anonymous.join("\n"), "certificate_file and key_file");
}

#[test]
#[ignore = "needs Java and Kafka's jars; run ./dev test"]
fn a_name_that_is_not_checked_connects() {
    let (broker, case) = (Broker::get(), Case::new("unchecked-name"));
    let security = scram("admin", &case.secret("admin")) + "\ncheck_hostname = false";
    let config = case.config("admin", &format!("127.0.0.1:{}", broker.sasl_ssl), &security, "");
    let (code, text, _) = run(&["topics", "create", "--partitions", "1"], &config);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
#[ignore = "needs Java and Kafka's jars; run ./dev test"]
fn a_certificate_is_enough() {
    let case = Case::new("certificate");
    let config = case.config("client", &format!("localhost:{}", Broker::get().ssl), &certificate(), "");
    let (code, text, _) = run(&["topics", "create", "--partitions", "1"], &config);
    assert_eq!(code, Some(0), "{text}");
}
