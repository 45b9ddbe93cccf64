//! `assize doctor` on real services: nothing wrong, then each thing broken in turn.
#![allow(clippy::unwrap_used)]

#[path = "common/authority.rs"]
mod authority;
#[path = "common/mod.rs"]
mod common;
#[path = "common/fake.rs"]
mod fake;
#[path = "common/servers.rs"]
mod servers;

use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use assize::{
    codec::Schemas,
    config,
    records::schema::{MESSAGE, VERDICT},
};
use authority::Authority;
use common::{Sandbox, text, unique};
use fake::{Fake, Mode};
use rdkafka::admin::{AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use servers::{Redis, eventually, free_port, sentinel, start};

/// Reads user features, so that Redis is asked.
const USER_RISK: &str = "tests/bundles/user-risk";
const SPAM: &str = "models/spam-sms";

fn redis() -> String {
    env::var("ASSIZE_TEST_REDIS").unwrap_or_else(|_| "redis://127.0.0.1:16379".into())
}

fn registry() -> String {
    env::var("ASSIZE_TEST_REGISTRY").unwrap_or_else(|_| "http://127.0.0.1:18081/apis/ccompat/v7".into())
}

/// An address where nothing listens.
fn closed() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// The doctor on `sandbox`, with what a healthy process has, and `changes` to its environment.
fn doctor(sandbox: &Sandbox, changes: &[(&str, &str)]) -> (Option<i32>, String) {
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join(SPAM);
    let task = format!("[{{ name = \"spam\", bundle = {bundle:?} }}]");
    let mut command = sandbox.assize(&["doctor"]);
    command
        .env("ASSIZE_HASH_KEY", "a key for tests only")
        .env("ASSIZE_ADMIN__LISTEN", "127.0.0.1:0")
        .env("ASSIZE_SCHEMAS__REGISTRY", registry());
    // An array of tables has no variable of its own.
    let config = fs::read_to_string(sandbox.file("assize.toml")).unwrap();
    let config = sandbox.write("doctor.toml", format!("task = {task}\n{config}"));
    command.env("ASSIZE_CONFIG", config);
    run(command, changes)
}

fn run(mut command: Command, changes: &[(&str, &str)]) -> (Option<i32>, String) {
    for (name, value) in changes {
        if value.is_empty() {
            command.env_remove(name)
        } else {
            command.env(name, value)
        };
    }
    let start = Instant::now();
    let output = command.output().unwrap();
    let text = text(&output);
    assert!(start.elapsed() < Duration::from_secs(40), "took {:?}: {text}", start.elapsed());
    (output.status.code(), text)
}

/// The doctor where a model reads user features.
fn doctor_of_features(sandbox: &Sandbox, changes: &[(&str, &str)]) -> (Option<i32>, String) {
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join(USER_RISK);
    let mut command = sandbox.assize(&["doctor"]);
    let config = fs::read_to_string(sandbox.file("assize.toml")).unwrap();
    let task = format!("task = [{{ name = \"risk\", bundle = {bundle:?} }}]\n{config}");
    command.env("ASSIZE_CONFIG", sandbox.write("doctor.toml", task)).env("ASSIZE_HASH_KEY", "a key for tests only");
    command.env("ASSIZE_ADMIN__LISTEN", "127.0.0.1:0");
    run(command, changes)
}

/// Exactly one thing fails, and the lines say which and what to do.
fn fails(sandbox: &Sandbox, changes: &[(&str, &str)], found: &str, remedy: &str) {
    let (code, text) = doctor(sandbox, changes);
    assert_eq!(code, Some(69), "{found}: {text}");
    let failures: Vec<_> = text.lines().filter(|line| line.starts_with("FAIL")).collect();
    assert_eq!(failures.len(), 1, "{found}: {text}");
    assert!(failures[0].contains(found) && text.contains(remedy), "{found}, {remedy}: {text}");
}

#[test]
#[ignore = "needs Kafka, Redis and a schema registry; run ./dev test"]
fn with_everything_there_nothing_fails_and_nothing_is_made() {
    let sandbox = Sandbox::new("doctor", 2);
    let (code, text) = doctor(&sandbox, &[]);
    assert_eq!(code, Some(0), "{text}");
    for said in [
        "gives its golden scores",
        "1 broker answers over plaintext",
        "verify transactions (Kafka 3.6 or later)",
        "all 4 are there, with 2 partitions",
        "nobody is in it now",
        "no message waits; 2 partitions have no commit yet",
        "no transaction is open",
        "reading and transactions are allowed",
        "registry    it answers",
        "within 1 s of the registry",
        "not needed: no model reads user features",
        "is not registered",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!text.contains("FAIL") && !text.contains('\x1b'), "{text}");
    let groups = sandbox.admin(async |admin, _| {
        let groups = admin.inner().fetch_group_list(None, Duration::from_secs(10)).unwrap();
        groups.groups().iter().map(|group| group.name().to_owned()).collect::<Vec<_>>()
    });
    assert!(!groups.contains(&sandbox.name), "no group was made");
    assert!(doctor(&sandbox, &[]).1.contains("is not registered"), "no subject was made");

    // One broker holds one copy: warnings, which only --strict minds.
    assert!(text.contains("WARN") && text.contains("has 1 of 3 copies"), "{text}");
    let mut strict = sandbox.assize(&["doctor", "--strict", "--format", "json"]);
    strict.env("ASSIZE_HASH_KEY", "a key for tests only").env("ASSIZE_CONFIG", sandbox.file("doctor.toml"));
    let (code, text) = run(strict, &[("ASSIZE_ADMIN__LISTEN", "127.0.0.1:0")]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.lines().all(|line| line.starts_with("{\"status\":\"")), "{text}");
}

#[test]
#[ignore = "needs Kafka, Redis and a schema registry; run ./dev test"]
fn redis_is_asked_where_a_model_reads_features() {
    let sandbox = Sandbox::new("doctor-redis", 1);
    let prefix = unique("doctor*");
    let doctor = |redis: &str| {
        doctor_of_features(&sandbox, &[("ASSIZE_FEATURES__REDIS", redis), ("ASSIZE_FEATURES__KEY_PREFIX", &prefix)])
    };
    let (code, text) = doctor(&redis());
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(" answers") && text.contains("within 1 s of redis"), "{text}");
    assert!(text.contains("none starts with test-doctor*"), "{text}");

    let password = format!("redis://:hunter2@{}", closed());
    let (code, text) = doctor(&password);
    assert_eq!(code, Some(69), "{text}");
    assert!(text.contains("FAIL  redis") && text.contains("check features.*"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
#[ignore = "needs Kafka and redis-server; run ./dev test"]
fn redis_is_reached_by_tls_as_an_acl_user_as_the_store_reaches_it() {
    let sandbox = Sandbox::new("doctor-acl", 1);
    let (authority, tls_port) = (Authority::new(), free_port());
    let redis = start(free_port(), &authority.options(tls_port, "server", false));
    redis.command(&["ACL", "SETUSER", "assize", "on", ">hunter2", "~features:user:*", "+getrange"]);
    let url = format!("rediss://127.0.0.1:{tls_port}");
    let ca = authority.file("ca.pem");
    let doctor = |password: &str, change: (&str, &str)| {
        let given = [
            ("ASSIZE_FEATURES__REDIS", url.as_str()),
            ("ASSIZE_FEATURES__USERNAME", "assize"),
            ("ASSIZE_FEATURES__PASSWORD__ENV", "REDIS_PASSWORD"),
            ("REDIS_PASSWORD", password),
            ("ASSIZE_FEATURES__TLS__CA_FILE", ca.to_str().unwrap()),
            change,
        ];
        let (code, text) = doctor_of_features(&sandbox, &given);
        assert!(!text.contains("hunter2") && !text.contains("hunter3"), "{text}");
        (code, text)
    };
    let (code, text) = doctor("hunter2", ("ASSIZE_FEATURES__DEADLINE_MS", "1000"));
    assert!(code == Some(0) && text.contains(&format!("127.0.0.1:{tls_port} answers")), "{text}");
    assert!(text.contains("right if this user may only GETRANGE"), "{text}");

    for (password, change, found) in [
        ("hunter3", ("ASSIZE_FEATURES__DEADLINE_MS", "1000"), "Password authentication failed"),
        ("hunter2", ("ASSIZE_FEATURES__TLS__CA_FILE", ""), "certificate"),
        ("hunter2", ("ASSIZE_FEATURES__KEY_PREFIX", "other:"), "its ACL user needs GETRANGE on the keys"),
        ("", ("ASSIZE_FEATURES__DEADLINE_MS", "1000"), "the environment variable REDIS_PASSWORD is not set"),
    ] {
        let (code, text) = doctor(password, change);
        assert_eq!(code, Some(69), "{found}: {text}");
        let failures: Vec<_> = text.lines().filter(|line| line.starts_with("FAIL")).collect();
        assert!(failures.len() == 1 && failures[0].contains(found), "{found}: {text}");
    }
}

#[test]
#[ignore = "needs Kafka and redis-server; run ./dev test"]
fn the_master_that_sentinel_names_and_every_node_of_a_cluster_are_asked() {
    let sandbox = Sandbox::new("doctor-servers", 1);
    let doctor = |topology: &str, port: u16| {
        // The first listed server is down.
        let url = format!("redis://127.0.0.1:{},127.0.0.1:{port}", free_port());
        let given = [
            ("ASSIZE_FEATURES__REDIS", url.as_str()),
            ("ASSIZE_FEATURES__TOPOLOGY", topology),
            ("ASSIZE_FEATURES__SENTINEL__MASTER", "features"),
            ("ASSIZE_FEATURES__DEADLINE_MS", "1000"),
        ];
        doctor_of_features(&sandbox, &given)
    };
    let master = Redis::start();
    master.set("features:user:7", "{}");
    let sentinel = sentinel(free_port(), master.port, "", &[]);
    let (code, text) = doctor("sentinel", sentinel.port);
    assert!(code == Some(0) && text.contains(&format!("127.0.0.1:{} answers", master.port)), "{text}");
    assert!(text.contains("1 of some 1000 keys start with features:user:"), "{text}");

    let node = || Redis::start_with(free_port(), &["--cluster-enabled", "yes"]);
    let (one, mut other) = (node(), node());
    one.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "8000"]);
    other.command(&["CLUSTER", "ADDSLOTSRANGE", "8001", "16383"]);
    one.command(&["CLUSTER", "MEET", "127.0.0.1", &other.port.to_string()]);
    eventually("the cluster is up", || {
        let up = |node: &Redis| node.query::<String>(&["CLUSTER", "INFO"]).contains("cluster_state:ok");
        up(&one) && up(&other)
    });
    let (code, text) = doctor("cluster", one.port);
    assert_eq!(code, Some(0), "{text}");
    for node in [&one, &other] {
        assert!(text.contains(&format!("127.0.0.1:{} answers", node.port)), "{text}");
    }
    other.kill();
    let (code, text) = doctor("cluster", one.port);
    assert_eq!(code, Some(69), "{text}");
    assert!(text.contains(&format!("FAIL  redis       127.0.0.1:{}: ", other.port)), "{text}");
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn the_registry_is_asked_as_a_process_would() {
    let sandbox = Sandbox::new("doctor-registry", 1);
    // The base64 of assize:hunter2.
    let registry = Fake::start(Mode::Guarded("authorization: Basic YXNzaXplOmh1bnRlcjI=", MESSAGE.to_owned()));
    let folder = sandbox.file("schemas");
    // The first URL is down.
    let url = format!("http://{},{}", closed(), registry.url());
    let doctor = |password: &str| {
        let given = [
            ("ASSIZE_SCHEMAS__REGISTRY", url.as_str()),
            ("ASSIZE_SCHEMAS__CACHE_FOLDER", folder.to_str().unwrap()),
            ("ASSIZE_SCHEMAS__USERNAME", "assize"),
            ("ASSIZE_SCHEMAS__PASSWORD__ENV", "REGISTRY_PASSWORD"),
            ("REGISTRY_PASSWORD", password),
        ];
        let (code, text) = doctor(&sandbox, &given);
        assert!(!text.contains("hunter2") && !text.contains("hunter3"), "{text}");
        let lines = text.lines().filter(|line| line.starts_with("FAIL")).map(str::to_owned).collect::<Vec<_>>();
        (code, text, lines)
    };
    let (code, text, _) = doctor("hunter2");
    assert!(code == Some(0) && text.contains("registry    it answers") && text.contains("has id 7"), "{text}");
    let (code, text, failures) = doctor("hunter3");
    assert!(code == Some(69) && failures.len() == 1, "{text}");
    assert!(failures[0].contains("FAIL  registry    HTTP 401") && failures[0].contains("schemas.password"), "{text}");
    let (code, text, failures) = doctor("");
    assert!(code == Some(69) && failures.len() == 1, "{text}");
    assert!(failures[0].contains("FAIL  secret      config key schemas.password: "), "{text}");
    assert!(!folder.exists(), "the doctor makes nothing");

    registry.set(Mode::Schema(VERDICT.to_owned()));
    keep_writers(&sandbox, &url, &folder);
    registry.set(Mode::Close);
    let (code, text, _) = doctor("hunter2");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("WARN  registry") && text.contains("would start from what is kept"), "{text}");
}

/// What a process keeps when it starts.
fn keep_writers(sandbox: &Sandbox, url: &str, folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let config = config::Schemas {
        registry: Some(url.to_owned()),
        cache_folder: Some(folder.to_owned()),
        ..config::Schemas::default()
    };
    let schemas = Schemas::try_new(&config, runtime.handle()).unwrap();
    schemas.verdict_writer(&sandbox.config.topics.verdicts).unwrap();
    schemas.prediction_writer(&sandbox.config.topics.predictions).unwrap();
}

#[test]
#[ignore = "needs Kafka and a schema registry; run ./dev test"]
fn what_is_missing_on_this_host_is_named() {
    let sandbox = Sandbox::new("doctor-here", 1);
    fails(&sandbox, &[("ASSIZE_HASH_KEY", "")], "hash key", "openssl rand -hex 32");
    fails(
        &sandbox,
        &[("ASSIZE_SCHEMAS__REGISTRY", &format!("http://{}", closed()))],
        "registry",
        "check schemas.registry and that the registry runs",
    );
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, text) = doctor(&sandbox, &[("ASSIZE_ADMIN__LISTEN", &port.local_addr().unwrap().to_string())]);
    assert!(code == Some(0) && text.contains("set admin.listen to another port"), "{text}");

    // The same bundle with one weight of its model changed.
    let bundle = copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(SPAM), &sandbox.file("bundle"));
    let model = bundle.join("model.onnx");
    let mut bytes = fs::read(&model).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    fs::write(&model, bytes).unwrap();
    let mut command = sandbox.assize(&["doctor"]);
    let config = fs::read_to_string(sandbox.file("assize.toml")).unwrap();
    let config = sandbox.write("broken.toml", format!("task = [{{ name = \"spam\", bundle = {bundle:?} }}]\n{config}"));
    command.env("ASSIZE_CONFIG", config).env("ASSIZE_HASH_KEY", "a key for tests only");
    let (code, text) = run(command, &[("ASSIZE_ADMIN__LISTEN", "127.0.0.1:0")]);
    assert_eq!(code, Some(69), "{text}");
    assert!(text.contains("FAIL  bundle") && text.contains("put back the bundle"), "{text}");
}

#[test]
#[ignore = "needs Kafka and a schema registry; run ./dev test"]
fn topics_that_are_not_as_needed_are_named() {
    let sandbox = Sandbox::without_topics("doctor-topics");
    let topics = &sandbox.config.topics;
    let make = |name: &str, partitions: i32| {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        sandbox.admin(async |admin, options| admin.create_topics([&topic], &options).await.unwrap());
    };
    make(&topics.messages, 2);
    make(&topics.verdicts, 2);
    make(&topics.predictions, 3);
    let (code, text) = doctor(&sandbox, &[]);
    assert_eq!(code, Some(69), "{text}");
    assert!(
        text.contains("has 3 partitions and")
            && text.contains(&format!("topic {} does not exist", topics.dead_letters))
    );

    let sandbox = Sandbox::new("doctor-retention", 1);
    let verdicts = &sandbox.config.topics.verdicts;
    let change = AlterConfig::new(ResourceSpecifier::Topic(verdicts))
        .set("retention.ms", "3600000")
        .set("retention.bytes", "5000");
    sandbox.admin(async |admin, options| admin.alter_configs([&change], &options).await.unwrap());
    fails(&sandbox, &[], "has retention.ms 3600000, less than", "--add-config retention.ms=604800000");
    let (_, text) = doctor(&sandbox, &[]);
    assert!(text.contains("keeps 5000 bytes of a partition"), "{text}");
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn stamps_that_the_broker_does_not_limit_are_told() {
    let mut sandbox = Sandbox::without_topics("doctor-stamps");
    sandbox.configure("[drift]\nenabled = true\n");
    let made = sandbox.run(&["topics", "create", "--partitions", "1"]);
    assert!(made.status.success(), "{made:?}");
    let (_, text) = doctor(&sandbox, &[]);
    assert!(text.contains("all 7 are there") && !text.contains("message.timestamp"), "{text}");

    // What is not named goes back to the broker's defaults.
    let topics = &sandbox.config.topics;
    let labels = AlterConfig::new(ResourceSpecifier::Topic(&topics.labels)).set("retention.ms", "-1");
    let state = AlterConfig::new(ResourceSpecifier::Topic(&topics.drift_state))
        .set("message.timestamp.after.max.ms", "300000")
        .set("message.timestamp.type", "LogAppendTime");
    sandbox.admin(async |admin, options| admin.alter_configs([&labels, &state], &options).await.unwrap());
    let (_, text) = doctor(&sandbox, &[]);
    for said in [
        format!("topic {} has message.timestamp.after.max.ms ", topics.labels),
        "--add-config message.timestamp.after.max.ms=300000".into(),
        format!("topic {} has message.timestamp.type LogAppendTime", topics.drift_state),
        "--add-config message.timestamp.type=CreateTime".into(),
    ] {
        assert!(text.contains(&said), "{said}: {text}");
    }
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn with_everything_down_it_ends_in_time_and_says_all_of_it() {
    let sandbox = Sandbox::without_topics("doctor-down");
    let down = closed();
    // Accepts and never answers: the kernel does.
    let hung = TcpListener::bind("127.0.0.1:0").unwrap();
    let hung = hung.local_addr().map(|address| (hung, format!("http://{address}"))).unwrap();
    let (code, text) = doctor(
        &sandbox,
        &[("ASSIZE_KAFKA__BOOTSTRAP_SERVERS", &down), ("ASSIZE_SCHEMAS__REGISTRY", &hung.1), ("ASSIZE_HASH_KEY", "")],
    );
    assert_eq!(code, Some(69), "{text}");
    for said in ["FAIL  kafka", "does not answer", "FAIL  registry", "FAIL  hash key"] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

fn copy(from: &Path, to: &Path) -> PathBuf {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    to.to_owned()
}
