//! Real signals to a real process: this test program again, running one of the `child` tests.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use assize::ops::shutdown::{EXIT_DRAIN_DEADLINE, EXIT_SECOND_SIGINT, EXIT_SECOND_SIGTERM, Shutdown};

/// Set for child processes alone: how their drain goes.
const DRAIN: &str = "ASSIZE_TEST_DRAIN";
const DRAIN_DEADLINE: Duration = Duration::from_millis(500);

/// The process under test. Run as an ordinary test it has nothing to do.
#[test]
fn child() {
    let Ok(drain) = std::env::var(DRAIN) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let deadline = if drain == "patient" { Duration::from_secs(60) } else { DRAIN_DEADLINE };
    let shutdown = Shutdown::new(deadline);
    shutdown.on_signals(runtime.handle()).unwrap();
    println!("listening");
    while !shutdown.sleep(Duration::from_secs(60)) {}
    println!("draining");
    if drain == "quick" {
        shutdown.drained();
        std::process::exit(0);
    }
    std::thread::sleep(Duration::from_secs(60));
}

struct Process {
    child: Child,
    lines: Box<dyn Iterator<Item = String>>,
}

impl Process {
    fn start(drain: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "shutdown::child", "--nocapture"])
            .env(DRAIN, drain)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut process = Self { child, lines: Box::new(lines) };
        process.until("listening");
        process
    }

    fn until(&mut self, word: &str) {
        assert!(self.lines.any(|line| line.contains(word)), "the process never said {word:?}");
    }

    fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Its exit code, and how long it took to end.
    fn end(mut self) -> (Option<i32>, Duration) {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), started.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child.kill().unwrap();
        panic!("the process does not end");
    }
}

#[test]
fn a_drain_in_time_exits_with_zero() {
    for signal in ["TERM", "INT"] {
        let process = Process::start("quick");
        process.signal(signal);
        assert_eq!(process.end().0, Some(0), "{signal}");
    }
}

#[test]
fn a_drain_that_hangs_is_ended_at_its_deadline() {
    let process = Process::start("hanging");
    process.signal("TERM");
    let (code, elapsed) = process.end();
    assert_eq!(code, Some(EXIT_DRAIN_DEADLINE));
    assert!(elapsed > DRAIN_DEADLINE / 2 && elapsed < DRAIN_DEADLINE * 10, "{elapsed:?}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (signal, expected) in [("TERM", EXIT_SECOND_SIGTERM), ("INT", EXIT_SECOND_SIGINT)] {
        let mut process = Process::start("patient");
        process.signal("TERM");
        process.until("draining");
        process.signal(signal);
        let (code, elapsed) = process.end();
        assert_eq!(code, Some(expected), "{signal}");
        assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
    }
}
