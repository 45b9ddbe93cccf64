//! What tests on real services share: where they are, topics of one's own, and the command under test.
//!
//! ```text
//! let sandbox = Sandbox::new("audit", 8);          // four topics that nobody else has, gone when it is dropped
//! let audit = sandbox.assize(&["audit"]).output()   // the built binary, with a config that names them
//! ```
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(unreachable_pub, reason = "public to the test that includes it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use assize::{
    config::{Config, Topics},
    stream::kafka::base,
};
use rdkafka::{
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
};
use tempfile::TempDir;

/// Address of the Kafka that tests use, from `ASSIZE_TEST_KAFKA`.
pub fn kafka() -> String {
    env::var("ASSIZE_TEST_KAFKA").unwrap_or_else(|_| "127.0.0.1:19092".into())
}

/// Folder of Kafka's jars, from `ASSIZE_TEST_JARS`: for brokers and Java clients of a test's own.
pub fn jars() -> PathBuf {
    env::var_os("ASSIZE_TEST_JARS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("run/lib/kafka"), PathBuf::from)
}

/// tests/clients/client.py with one of its commands, in the environment that `ASSIZE_TEST_CLIENTS_PYTHON` names.
pub fn python_client(command: &str) -> Command {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let python =
        env::var_os("ASSIZE_TEST_CLIENTS_PYTHON").map_or_else(|| root.join("run/clients/bin/python"), PathBuf::from);
    let mut client = Command::new(python);
    client.arg("-Wignore").arg(root.join("tests/clients/client.py")).arg(command);
    client
}

/// The built binary, without any setting of Assize in its environment.
pub fn assize(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assize"));
    env::vars().filter(|(name, _)| name.starts_with("ASSIZE_")).for_each(|(name, _)| {
        command.env_remove(name);
    });
    // What it keeps of a registry stays in the checkout.
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR")).args(args);
    command
}

/// A name that no other test, process or run has.
pub fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    format!("test-{name}-{time}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Topics, a consumer group and a config file of one test. Topics and group are deleted when it is dropped.
pub struct Sandbox {
    /// What the config file says.
    pub config: Config,
    /// First part of the topics' names, and the group's name.
    pub name: String,
    folder: TempDir,
}

impl Sandbox {
    /// Makes the four topics with `partitions` each.
    pub fn new(name: &str, partitions: u32) -> Self {
        Self::on(&kafka(), name, partitions)
    }

    /// The same on a Kafka of the test's own.
    pub fn on(kafka: &str, name: &str, partitions: u32) -> Self {
        let sandbox = Self::without_topics_on(kafka, name);
        let create = || sandbox.run(&["topics", "create", "--partitions", &partitions.to_string()]);
        let mut made = create();
        // With several brokers the one that is asked may not know a topic that was just made.
        for _ in 0..5 {
            if made.status.success() {
                break;
            }
            std::thread::sleep(Duration::from_millis(500));
            made = create();
        }
        assert!(made.status.success(), "{made:?}");
        sandbox
    }

    /// Names and the config file only.
    pub fn without_topics(name: &str) -> Self {
        Self::without_topics_on(&kafka(), name)
    }

    fn without_topics_on(kafka: &str, name: &str) -> Self {
        let name = unique(name);
        let folder = TempDir::new().unwrap();
        let text = format!(
            "[kafka]\nbootstrap_servers = \"{kafka}\"\ngroup_id = \"{name}\"\n[topics]\nmessages = \"{name}-messages\"\n\
             verdicts = \"{name}-verdicts\"\npredictions = \"{name}-predictions\"\ndead_letters = \"{name}-dead\"\n\
             labels = \"{name}-labels\"\ndrift_reports = \"{name}-reports\"\ndrift_state = \"{name}-state\"\n"
        );
        fs::write(folder.path().join("assize.toml"), &text).unwrap();
        Self { config: Config::parse(&text, std::iter::empty()).unwrap(), name, folder }
    }

    /// A file in the test's own folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes such a file.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// More lines for the config file, read by commands that start later.
    pub fn configure(&mut self, more: &str) {
        let text = fs::read_to_string(self.file("assize.toml")).unwrap() + more;
        self.config = Config::parse(&text, std::iter::empty()).unwrap();
        self.write("assize.toml", text);
    }

    /// The built binary with the test's config, not started yet.
    pub fn assize(&self, args: &[&str]) -> Command {
        let mut command = assize(args);
        command.env("ASSIZE_CONFIG", self.file("assize.toml")).current_dir(self.folder.path());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.assize(args).output().unwrap()
    }

    /// Runs the admin client.
    pub fn admin<T>(&self, ask: impl AsyncFnOnce(AdminClient<DefaultClientContext>, AdminOptions) -> T) -> T {
        let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(10)));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(ask(base(&self.config.kafka).create().unwrap(), options))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let topics = &self.config.topics;
        let Topics { messages, verdicts, predictions, dead_letters, labels, drift_reports, drift_state } = topics;
        let names =
            [messages, verdicts, predictions, dead_letters, labels, drift_reports, drift_state].map(String::as_str);
        // A test that failed before it made them has none, and a group with members of a killed process stays.
        self.admin(async |admin, options| {
            let _ = admin.delete_topics(&names, &options).await;
            let _ = admin.delete_groups(&[self.config.kafka.group_id.as_str()], &options).await;
        });
    }
}

/// The whole of what a command said.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
