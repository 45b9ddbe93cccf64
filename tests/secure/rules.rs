//! The access rules of docs/security.md: enough, and none too many.

use std::{
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use crate::{
    broker::{
        Broker,
        Operation::{self, Describe, DescribeConfigs, Read, Write},
        Resource, Rule,
    },
    client::{Case, PATIENCE, command, run, scram},
};

/// What `assize run` needs, for the topics of `case` and the group `group`.
pub fn judge(user: &str, case: &str, group: &str) -> Vec<Rule> {
    let mut rules = vec![
        rule(user, Resource::Group, group.into(), Read),
        Rule { prefixed: true, ..rule(user, Resource::TransactionalId, format!("{group}-"), Write) },
    ];
    for (topic, operations) in [
        ("messages", &[Read, DescribeConfigs][..]),
        ("verdicts", &[Read, Write, DescribeConfigs]),
        ("predictions", &[Write, DescribeConfigs]),
        ("dead", &[Write, DescribeConfigs]),
    ] {
        rules.extend(operations.iter().map(|operation| on(user, case, topic, *operation)));
    }
    rules
}

/// What `assize audit` needs.
pub fn auditor(user: &str, case: &str) -> Vec<Rule> {
    let mut rules = vec![rule(user, Resource::Group, case.into(), Describe)];
    for topic in ["messages", "verdicts", "predictions", "dead"] {
        rules.extend([Read, DescribeConfigs].map(|operation| on(user, case, topic, operation)));
    }
    rules
}

/// What an upstream producer needs.
pub fn upstream(user: &str, case: &str) -> Vec<Rule> {
    vec![on(user, case, "messages", Write)]
}

fn on(user: &str, case: &str, topic: &str, operation: Operation) -> Rule {
    rule(user, Resource::Topic, format!("{case}-{topic}"), operation)
}

fn rule(user: &str, resource: Resource, name: String, operation: Operation) -> Rule {
    Rule { user: user.into(), resource, name, prefixed: false, operation }
}

/// Each user lacks one rule: its process ends, and says which.
#[test]
#[ignore = "needs Java and Kafka's jars; run ./dev test"]
fn without_one_of_the_rules_the_stream_ends_and_says_what_is_missing() {
    let (broker, case) = (Broker::get(), Case::new("rules"));
    let admin = case.scram("admin", "");
    let (code, text, _) = run(&["topics", "create", "--partitions", "1"], &admin);
    assert_eq!(code, Some(0), "{text}");
    // A verdict with its prediction, and a dead letter.
    let send = |text: &str| {
        let messages = case.folder.path().join("m.ndjson");
        let lines = format!("{{\"user_id\":7,\"text\":\"{text}\"}}\n{{\"user_id\":8,\"text\":\"\"}}\n");
        std::fs::write(&messages, lines).unwrap();
        let (code, text, _) = run(&["send", messages.to_str().unwrap()], &admin);
        assert_eq!(code, Some(0), "{text}");
    };
    send("the first");
    // What is restored after a start must be read: there have to be verdicts.
    let mut judging = command(&["run"], &admin).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while !run(&["audit", "--format", "json"], &admin).1.contains("\"verdicts\":1,\"predictions\":1,\"dead_letters\":1")
    {
        assert!(start.elapsed() < PATIENCE, "the messages are not judged");
        thread::sleep(Duration::from_millis(100));
    }
    judging.kill().unwrap();
    judging.wait().unwrap();
    send("one that is not judged yet");

    let lack_one = |missing: usize| {
        let user = format!("lacks-{missing}");
        let group = format!("{}-{user}", case.name);
        let mut rules = judge(&user, &case.name, &group);
        let gone = rules.remove(missing);
        broker.allow(&rules);
        let servers = format!("localhost:{}", broker.sasl_ssl);
        let config = case.config_of_group(&user, &group, &servers, &scram(&user, &case.secret(&user)), "");
        let (code, text, _) = run(&["run"], &config);
        let last = text.lines().last().unwrap_or_default().to_owned();
        println!("{:?} {:?} {}: {code:?} {last}", gone.resource, gone.operation, gone.name);
        assert!(matches!(code, Some(69 | 70)), "{gone:?}: {text}");
        assert!(text.contains("docs/security.md lists the access rules"), "{gone:?}: {text}");
    };
    let all = judge("", "", "").len();
    for some in (0..all).collect::<Vec<_>>().chunks(3) {
        thread::scope(|scope| some.iter().for_each(|missing| drop(scope.spawn(|| lack_one(*missing)))));
    }
}
