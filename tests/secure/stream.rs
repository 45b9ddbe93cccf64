//! The whole way with the rules of docs/security.md and no more: made, sent, judged, audited.

use std::{
    fs::{self, File},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{
    broker::{Broker, password},
    client::{Case, PATIENCE, command, run},
    rules,
};

const MESSAGES: usize = 500;

#[test]
#[ignore = "needs Java and Kafka's jars; run ./dev test"]
fn each_user_with_its_rules_alone_does_its_part() {
    let (broker, case) = (Broker::get(), Case::new("stream"));
    broker.allow(&rules::judge("judge", &case.name, &case.name));
    broker.allow(&rules::auditor("auditor", &case.name));
    broker.allow(&rules::upstream("upstream", &case.name));
    let done = |args: &[&str], config| {
        let (code, text, _) = run(args, &config);
        assert_eq!(code, Some(0), "{args:?}: {text}");
        text
    };
    done(&["topics", "create", "--partitions", "2"], case.scram("admin", ""));

    let found = done(&["doctor"], case.scram("judge", ""));
    assert!(
        found.contains("1 broker answers over sasl_ssl as judge")
            && found.contains("reading and transactions are allowed"),
        "{found}"
    );

    // Upstream shows its password itself (PLAIN), which only TLS makes bearable.
    let security = crate::client::scram("upstream", &case.secret("upstream")).replace("SCRAM-SHA-512", "PLAIN");
    let upstream = case.config("upstream", &format!("localhost:{}", broker.sasl_ssl), &security, "");
    let messages = case.folder.path().join("m.ndjson");
    let lines: String =
        (0..MESSAGES).map(|n| format!("{{\"user_id\":{},\"text\":\"message {n}\"}}\n", n % 50 + 1)).collect();
    fs::write(&messages, lines).unwrap();
    done(&["send", messages.to_str().unwrap()], upstream);

    let log = case.folder.path().join("log");
    let debug = "[kafka.librdkafka]\ndebug = \"all\"\n[log]\nfilter = \"info,librdkafka=trace\"\n";
    let file = File::create(&log).unwrap();
    let mut judge =
        command(&["run"], &case.scram("judge", debug)).stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
    let auditor = case.scram("auditor", "");
    let start = Instant::now();
    loop {
        let text = done(&["audit", "--format", "json"], auditor.clone());
        if text.contains(&format!("\"input\":{MESSAGES},\"verdicts\":{MESSAGES},")) {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{text}\n{}", fs::read_to_string(&log).unwrap());
        thread::sleep(Duration::from_millis(200));
    }
    assert!(Command::new("kill").args(["-TERM", &judge.id().to_string()]).status().unwrap().success());
    assert_eq!(judge.wait().unwrap().code(), Some(0));
    let report = done(&["audit"], auditor);
    assert!(report.contains("clean: each of the 500 judged messages"), "{report}");

    let log = fs::read_to_string(&log).unwrap();
    assert!(log.contains("sasl.password = [redacted]"), "the client wrote its settings: {log}");
    assert!(!log.contains(&password("judge")), "and not its password");
}
