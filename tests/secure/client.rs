//! Commands of one user, with topics that only its test has.

use std::{
    fs,
    io::{Read, Seek},
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    broker::{Broker, password},
    certificates::KEY_PASSWORD,
    common::{assize, unique},
};

/// How long a command may take that ought to take seconds.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Topics and a group of one test: four names that start with `name`.
pub struct Case {
    pub name: String,
    pub folder: TempDir,
}

impl Case {
    pub fn new(name: &str) -> Self {
        Self { name: unique(name), folder: TempDir::new().unwrap() }
    }

    /// A config file of what all users share, `security` and `more`.
    pub fn config(&self, file: &str, servers: &str, security: &str, more: &str) -> PathBuf {
        let name = &self.name;
        self.config_of_group(file, name, servers, security, more)
    }

    /// The same in a group of its own.
    pub fn config_of_group(&self, file: &str, group: &str, servers: &str, security: &str, more: &str) -> PathBuf {
        let name = &self.name;
        let bundle = concat!(env!("CARGO_MANIFEST_DIR"), "/models/spam-sms");
        let path = self.folder.path().join(format!("{file}.toml"));
        let text = format!(
            "[kafka]\nbootstrap_servers = \"{servers}\"\ngroup_id = \"{group}\"\ninstance = \"{file}\"\n\
             [kafka.security]\n{security}\n[topics]\nmessages = \"{name}-messages\"\nverdicts = \"{name}-verdicts\"\n\
             predictions = \"{name}-predictions\"\ndead_letters = \"{name}-dead\"\n[stream]\nlanes = 1\n\
             [[task]]\nname = \"spam\"\nbundle = \"{bundle}\"\n[hash_key]\nenv = \"ASSIZE_TEST_HASH_KEY\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n{more}"
        );
        fs::write(&path, text).unwrap();
        path
    }

    /// The config of a user of SCRAM-SHA-512 over TLS.
    pub fn scram(&self, user: &str, more: &str) -> PathBuf {
        let broker = Broker::get();
        self.config(user, &format!("localhost:{}", broker.sasl_ssl), &scram(user, &self.secret(user)), more)
    }

    /// A file that holds the user's password.
    pub fn secret(&self, user: &str) -> PathBuf {
        let path = self.folder.path().join(format!("{user}.password"));
        fs::write(&path, password(user)).unwrap();
        path
    }
}

/// `[kafka.security]` of a user of SCRAM-SHA-512 over TLS.
pub fn scram(user: &str, password: &std::path::Path) -> String {
    let ca = Broker::get().folder.join("ca.pem");
    format!(
        "protocol = \"sasl_ssl\"\nmechanism = \"SCRAM-SHA-512\"\nusername = \"{user}\"\n\
         password = {{ file = {password:?} }}\nca_file = {ca:?}"
    )
}

/// `[kafka.security]` of a client with a certificate.
pub fn certificate() -> String {
    let folder = &Broker::get().folder;
    format!(
        "protocol = \"ssl\"\nca_file = {:?}\ncertificate_file = {:?}\nkey_file = {:?}\n\
         key_password = {{ env = \"ASSIZE_TEST_KEY_PASSWORD\" }}",
        folder.join("ca.pem"),
        folder.join("client.pem"),
        folder.join("client.key"),
    )
}

/// A command with its config.
pub fn command(args: &[&str], config: &PathBuf) -> Command {
    let mut command = assize(args);
    command
        .env("ASSIZE_CONFIG", config)
        .env("ASSIZE_TEST_HASH_KEY", "a key for tests only")
        .env("ASSIZE_TEST_KEY_PASSWORD", KEY_PASSWORD)
        .stdin(Stdio::null());
    command
}

/// Runs it to its end, which must come: its exit code, what it said, and how long it took.
pub fn run(args: &[&str], config: &PathBuf) -> (Option<i32>, String, Duration) {
    let start = Instant::now();
    let (code, text) = finish(command(args, config));
    (code, text, start.elapsed())
}

/// Runs it to its end or to that of our patience. Its output goes to a file, which cannot fill up as a pipe does.
fn finish(mut command: Command) -> (Option<i32>, String) {
    let mut said = tempfile::tempfile().unwrap();
    let mut child = command.stdout(said.try_clone().unwrap()).stderr(said.try_clone().unwrap()).spawn().unwrap();
    let start = Instant::now();
    let code = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status.code());
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut text = String::new();
    said.rewind().unwrap();
    said.read_to_string(&mut text).unwrap();
    (code.unwrap_or_else(|| panic!("the command does not end:\n{text}")), text)
}
