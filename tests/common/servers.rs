//! A `redis-server` process of the test's own, and a proxy before it that is slow or whose connections die in silence.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use redis::{FromRedisValue, Value};

/// How long a server may take for what ought to take a second.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server with nothing on disk. Killed when dropped.
pub(crate) struct Redis {
    /// Where it is reached in the clear and as the default user.
    pub(crate) port: u16,
    options: Vec<String>,
    process: Child,
    directory: tempfile::TempDir,
}

impl Redis {
    pub(crate) fn start() -> Self {
        Self::start_on(free_port())
    }

    pub(crate) fn start_on(port: u16) -> Self {
        Self::start_with(port, &[])
    }

    /// With more options of its command line.
    pub(crate) fn start_with(port: u16, options: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), port, options)
    }

    /// In a folder that may hold its configuration, named first among the options.
    pub(crate) fn start_in(directory: tempfile::TempDir, port: u16, options: &[&str]) -> Self {
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let process = spawn(port, &options, directory.path());
        Self { port, options, process, directory }
    }

    pub(crate) fn set(&self, key: &str, value: &str) {
        self.command(&["SET", key, value]);
    }

    pub(crate) fn command(&self, words: &[&str]) {
        self.query::<Value>(words);
    }

    pub(crate) fn info(&self, section: &str) -> String {
        self.query(&["INFO", section])
    }

    /// How many GETRANGE it has answered.
    pub(crate) fn asked(&self) -> usize {
        self.getrange("calls=")
    }

    /// How many GETRANGE it has sent elsewhere.
    pub(crate) fn redirected(&self) -> usize {
        self.getrange("rejected_calls=")
    }

    fn getrange(&self, count: &str) -> usize {
        let stats = self.info("commandstats");
        let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_getrange:"));
        let field = line.and_then(|line| line.split(',').find_map(|field| field.strip_prefix(count)));
        field.map_or(0, |field| field.parse().unwrap())
    }

    /// What it answers, asked again when it drops the connection, as a server does whose role changes.
    pub(crate) fn query<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        words[1..].iter().for_each(|word| {
            command.arg(word);
        });
        let client = redis::Client::open(("127.0.0.1", self.port)).unwrap();
        let mut answer = None;
        eventually("the connection lasts for an answer", || {
            answer = match client.get_connection().and_then(|mut connection| command.query(&mut connection)) {
                Err(error) if error.is_connection_dropped() => None,
                answer => Some(answer.unwrap()),
            };
            answer.is_some()
        });
        answer.unwrap()
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Comes back with nothing in it.
    pub(crate) fn restart(&mut self) {
        self.process = spawn(self.port, &self.options, self.directory.path());
    }

    /// The process stops running but keeps its connections, and the kernel accepts new ones.
    pub(crate) fn stop(&self) {
        self.signal("STOP");
    }

    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // Also ends a stopped process; a test that killed it before leaves nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn start(port: u16, options: &[String]) -> Redis {
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    Redis::start_with(port, &options)
}

/// A Sentinel, which keeps its configuration in a file.
pub(crate) fn sentinel(port: u16, master: u16, lines: &str, options: &[String]) -> Redis {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("sentinel monitor features 127.0.0.1 {master} 1\n{lines}");
    std::fs::write(folder.path().join("sentinel.conf"), text).unwrap();
    let options = options.iter().map(String::as_str);
    Redis::start_in(
        folder,
        port,
        &["sentinel.conf"].into_iter().chain(options).chain(["--sentinel"]).collect::<Vec<_>>(),
    )
}

fn spawn(port: u16, options: &[String], directory: &std::path::Path) -> Child {
    let process = Command::new("redis-server")
        .args(options.iter().take_while(|option| option.ends_with(".conf")))
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(options.iter().skip_while(|option| option.ends_with(".conf")))
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server runs: apt-get install redis-server");
    eventually("redis-server listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    process
}

/// Waits until it is so.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A port that nobody has now, nor the one of its cluster bus, which is 10,000 above.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if port < 55_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return port;
        }
    }
}

/// Passes bytes to the server, at once or late, until its connections so far are frozen: they stay open and nothing
/// passes any more.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    accepted: AtomicUsize,
    /// Connections numbered below this are frozen.
    frozen: AtomicUsize,
    /// How long what a client sends is held back.
    delay_ms: AtomicU64,
}

impl Proxy {
    pub(crate) fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
                let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
                pass(client.try_clone().unwrap(), server.try_clone().unwrap(), number, true, &shared);
                pass(server, client, number, false, &shared);
            }
        });
        Self { port, state }
    }

    pub(crate) fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    pub(crate) fn freeze(&self) {
        self.state.frozen.store(self.accepted(), Ordering::SeqCst);
    }

    pub(crate) fn delay(&self, delay: Duration) {
        self.state.delay_ms.store(delay.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, number: usize, is_request: bool, state: &Arc<State>) {
    let state = Arc::clone(state);
    to.set_nodelay(true).unwrap();
    std::thread::spawn(move || -> io::Result<()> {
        let mut buffer = [0; 65_536];
        loop {
            let read = from.read(&mut buffer)?;
            if read == 0 {
                return to.shutdown(Shutdown::Both);
            }
            if is_request {
                std::thread::sleep(Duration::from_millis(state.delay_ms.load(Ordering::SeqCst)));
            }
            if number >= state.frozen.load(Ordering::SeqCst) {
                to.write_all(&buffer[..read])?;
            }
        }
    });
}
