//! A `redis-server` process of the test's own, and a proxy before it whose connections can die in silence.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A running server with nothing on disk. Killed when dropped.
pub(crate) struct Redis {
    pub(crate) port: u16,
    process: Child,
    directory: tempfile::TempDir,
}

impl Redis {
    pub(crate) fn start() -> Self {
        Self::start_on(free_port())
    }

    pub(crate) fn start_on(port: u16) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { port, process: spawn(port, directory.path()), directory }
    }

    pub(crate) fn set(&self, key: &str, value: &str) {
        self.command(&["SET", key, value]);
    }

    pub(crate) fn command(&self, words: &[&str]) {
        self.query(words);
    }

    pub(crate) fn info(&self, section: &str) -> String {
        match self.query(&["INFO", section]) {
            redis::Value::BulkString(text) => String::from_utf8(text).unwrap(),
            other => panic!("INFO answered {other:?}"),
        }
    }

    fn query(&self, words: &[&str]) -> redis::Value {
        let mut command = redis::cmd(words[0]);
        words[1..].iter().for_each(|word| {
            command.arg(word);
        });
        let client = redis::Client::open(("127.0.0.1", self.port)).unwrap();
        command.query(&mut client.get_connection().unwrap()).unwrap()
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn restart(&mut self) {
        self.process = spawn(self.port, self.directory.path());
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

fn spawn(port: u16, directory: &std::path::Path) -> Child {
    let process = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server runs: apt-get install redis-server");
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(started.elapsed() < Duration::from_secs(10), "redis-server does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    process
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Passes bytes to the server, until its connections so far are frozen: they stay open and nothing passes any more.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    accepted: AtomicUsize,
    /// Connections numbered below this are frozen.
    frozen: AtomicUsize,
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
                pass(client.try_clone().unwrap(), server.try_clone().unwrap(), number, &shared);
                pass(server, client, number, &shared);
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
}

fn pass(mut from: TcpStream, mut to: TcpStream, number: usize, state: &Arc<State>) {
    let state = Arc::clone(state);
    std::thread::spawn(move || -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            let read = from.read(&mut buffer)?;
            if read == 0 {
                return to.shutdown(Shutdown::Both);
            }
            if number >= state.frozen.load(Ordering::SeqCst) {
                to.write_all(&buffer[..read])?;
            }
        }
    });
}
