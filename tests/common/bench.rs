//! One experiment: topics and processes of its own, with logs under cargo's temporary folder.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
};

use assize::{config::Topics, stream::kafka as client};

use crate::common::{Sandbox, kafka, text};

/// The task of experiments that need no user features.
pub const SPAM: &str = "\n[[task]]\nname = \"spam\"\nbundle = \"models/spam-sms\"\n";

/// The key of the hashes in verdicts and predictions.
pub const HASH_KEY: &str = "a key for tests only";

/// How long anything may take that ought to take seconds.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Bench {
    pub sandbox: Sandbox,
    pub folder: PathBuf,
    pub partitions: i32,
}

impl Bench {
    /// Creates the topics of one experiment; `extra` is more of the configuration. Processes have one lane each.
    pub fn new(name: &str, partitions: i32, extra: &str) -> Self {
        Self::on(&kafka(), name, partitions, extra)
    }

    /// The same on a Kafka of the test's own.
    pub fn on(kafka: &str, name: &str, partitions: i32, extra: &str) -> Self {
        let mut sandbox = Sandbox::on(kafka, name, partitions.unsigned_abs());
        sandbox.configure(extra);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&sandbox.name);
        fs::create_dir_all(&folder).unwrap();
        Self { sandbox, folder, partitions }
    }

    pub fn topics(&self) -> &Topics {
        &self.sandbox.config.topics
    }

    /// Runs the admin client.
    pub fn admin<T>(&self, ask: impl AsyncFnOnce(AdminClient<DefaultClientContext>, AdminOptions) -> T) -> T {
        self.sandbox.admin(ask)
    }

    /// Waits until a command has logged `text`.
    pub fn wait_for_log(&self, name: &str, text: &str) {
        let start = Instant::now();
        let path = self.folder.join(format!("{name}.log"));
        while !fs::read_to_string(&path).is_ok_and(|log| log.contains(text)) {
            assert!(start.elapsed() < PATIENCE, "{text:?} does not come in {}", path.display());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A consumer that belongs to no group.
    pub fn reader(&self, isolation: &str) -> BaseConsumer {
        client::reader(&self.sandbox.config.kafka, isolation).create().unwrap()
    }

    /// A command of the binary under test, with its output in `<name>.log`.
    fn assize(&self, name: &str, args: &[&str]) -> Assize {
        let mut command = self.sandbox.assize(args);
        command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
        Assize { command, log: self.folder.join(format!("{name}.log")) }
    }

    /// Starts `assize run` as `instance`.
    pub fn start(&self, instance: &str, failpoint: Option<&str>) -> Running {
        let failpoint = failpoint.map(|failpoint| ("ASSIZE_FAILPOINT", failpoint));
        self.start_as(instance, instance, &Vec::from_iter(failpoint))
    }

    /// Starts `assize run` as `instance`, with more of an environment and its log in `<log>.log`.
    pub fn start_as(&self, log: &str, instance: &str, environment: &[(&str, &str)]) -> Running {
        let mut run = self.assize(log, &["run"]);
        run.command
            .env("ASSIZE_HASH_KEY", HASH_KEY)
            .env("ASSIZE_KAFKA__INSTANCE", instance)
            .env("ASSIZE_STREAM__LANES", "1")
            .env("ASSIZE_KAFKA__SESSION_TIMEOUT_MS", "6000")
            .env("ASSIZE_KAFKA__TRANSACTION_TIMEOUT_MS", "5000")
            .env("ASSIZE_ADMIN__LISTEN", "127.0.0.1:0")
            .envs(environment.iter().copied());
        run.spawn()
    }

    /// Starts `assize drift run` as `instance`, with more of an environment and its log in `<log>.log`.
    pub fn start_drift(&self, log: &str, instance: &str, environment: &[(&str, &str)]) -> Running {
        let mut run = self.assize(log, &["drift", "run"]);
        run.command
            .env("ASSIZE_KAFKA__INSTANCE", instance)
            .env("ASSIZE_KAFKA__SESSION_TIMEOUT_MS", "6000")
            .env("ASSIZE_KAFKA__TRANSACTION_TIMEOUT_MS", "5000")
            .env("ASSIZE_ADMIN__LISTEN", "127.0.0.1:0")
            .envs(environment.iter().copied());
        run.spawn()
    }

    /// Sends a file of messages as an upstream producer would.
    pub fn send(&self, file: &Path, more: &[&str]) -> Running {
        self.assize("send", &[&["send", file.to_str().unwrap()], more].concat()).spawn()
    }

    /// Sends what is written into the standard input that comes with it.
    pub fn send_piped(&self, more: &[&str]) -> (Running, ChildStdin) {
        let mut send = self.assize("send", &[&["send", "-"], more].concat());
        send.command.stdin(Stdio::piped());
        let mut running = send.spawn();
        let stdin = running.0.stdin.take().unwrap();
        (running, stdin)
    }

    /// The summary of the audit, as its JSON has it.
    pub fn audit_summary(&self) -> serde_json::Value {
        let output = self.assize("audit", &["audit", "--format", "json"]).command.output().unwrap();
        let summary = String::from_utf8_lossy(&output.stdout).lines().last().map(serde_json::from_str);
        summary.unwrap_or_else(|| panic!("{}", text(&output))).unwrap()
    }

    /// The audit's exit code and what it printed.
    pub fn audit(&self) -> (i32, String) {
        let output = self.assize("audit", &["audit"]).command.output().unwrap();
        (output.status.code().unwrap_or(-1), text(&output))
    }

    /// The audit finds nothing.
    #[track_caller]
    pub fn assert_clean(&self) -> String {
        let (code, text) = self.audit();
        assert_eq!(code, 0, "{text}\nlogs: {}", self.folder.display());
        text
    }

    /// Waits until the group has committed every input record.
    pub fn wait_until_drained(&self) {
        let start = Instant::now();
        while self.lag() > 0 {
            assert!(start.elapsed() < PATIENCE, "{} records left; logs: {}", self.lag(), self.folder.display());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Input records behind the group's committed offsets.
    pub fn lag(&self) -> i64 {
        (0..self.partitions).fold(0_i64, |sum, partition| sum.saturating_add(self.lag_of(partition)))
    }

    /// The same of one partition; very many while the group's coordinator does not answer.
    pub fn lag_of(&self, partition: i32) -> i64 {
        let config = &self.sandbox.config;
        let consumer: BaseConsumer =
            client::base(&config.kafka).set("group.id", &config.kafka.group_id).create().unwrap();
        let topic = &config.topics.messages;
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, partition);
        let Ok(committed) = consumer.committed_offsets(list, Duration::from_secs(10)) else { return i64::MAX };
        let next = match committed.elements().first().map(|element| element.offset()) {
            Some(Offset::Offset(next)) => next,
            _ => 0,
        };
        consumer.fetch_watermarks(topic, partition, Duration::from_secs(10)).map_or(1, |(_, end)| end - next)
    }
}

/// A command that is not started yet.
struct Assize {
    command: Command,
    log: PathBuf,
}

impl Assize {
    fn spawn(mut self) -> Running {
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        Running(self.command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }
}

/// A process, killed when it is dropped.
pub struct Running(Child);

impl Running {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Sends a signal, as `kill` names it.
    pub fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// SIGTERM, and the exit code of the drain.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait()
    }

    /// The exit code; none when a signal ended it.
    pub fn wait(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(start.elapsed() < PATIENCE, "the process does not end");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// How it ended, if it has: the exit code, none when a signal did it.
    pub fn ended(&mut self) -> Option<Option<i32>> {
        self.0.try_wait().unwrap().map(|status| status.code())
    }

    pub fn is_running(&mut self) -> bool {
        self.ended().is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
