//! The processes: each in its slot, with a static identity, and with all that may happen to it.
//!
//! ```text
//!            kill -9 ─► started at once ─► first commit: recovered
//!  running ─ SIGSTOP ─► SIGCONT when it is time
//!            rival ───► one of the two ends with its exit code, the other has the slot
//!            SIGTERM ─► ends with 0, the slot is empty
//! ```

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use assize::fault::Exit;
use serde::Serialize;

use crate::{
    bench::{Bench, Running},
    plan::Action,
};

/// How often a process is asked whether it has committed.
const ASK_MS: Duration = Duration::from_millis(40);
/// Pause of whoever restarts processes, after one that ended by itself.
const RESTART_MS: Duration = Duration::from_millis(500);
/// Within this one of two processes with the same identity must have ended.
const RIVALS_MS_MAX: Duration = Duration::from_secs(90);

/// What happened, for the report.
#[derive(Default)]
pub struct Record {
    /// Recoveries after a kill -9.
    pub recoveries: Vec<Recovery>,
    /// How often a process ended with which code, and of which of two rivals.
    pub exits: BTreeMap<String, usize>,
    /// From the start of a rival to the end of one of the two, seconds.
    pub rivalries_seconds: Vec<f64>,
    /// What must not happen.
    pub findings: Vec<String>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Recovery {
    /// From the kill to the first commit.
    pub seconds: f64,
    /// All brokers were there meanwhile.
    pub alone: bool,
}

/// One process.
struct Process {
    running: Running,
    admin: u16,
    /// When the one before it was killed, until the first commit is seen.
    killed: Option<Instant>,
    alone: bool,
}

pub struct Slot {
    pub instance: String,
    failpoint: Option<String>,
    process: Option<Process>,
    /// Stopped by SIGSTOP until then.
    paused_until: Option<Instant>,
    rival: Option<(Process, Instant)>,
    leaving: bool,
    /// To be started then: it ended by itself; with the kill before, if it has not committed since.
    restart_at: Option<(Instant, Option<Instant>)>,
    asked: Instant,
}

impl Slot {
    pub fn new(instance: &str, failpoint: Option<String>) -> Self {
        Self {
            instance: instance.to_owned(),
            failpoint,
            process: None,
            paused_until: None,
            rival: None,
            leaving: false,
            restart_at: None,
            asked: Instant::now(),
        }
    }

    pub fn start(&mut self, bench: &Bench) {
        self.process = Some(self.spawn(bench, &[]));
    }

    fn spawn(&self, bench: &Bench, environment: &[(&str, &str)]) -> Process {
        let admin = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let listen = format!("127.0.0.1:{admin}");
        let mut environment = [environment, &[("ASSIZE_ADMIN__LISTEN", &listen)]].concat();
        environment.extend(self.failpoint.as_deref().map(|failpoint| ("ASSIZE_FAILPOINT", failpoint)));
        let running = bench.start_as(&self.instance, &self.instance, &environment);
        Process { running, admin, killed: None, alone: true }
    }

    /// Nothing is being done to it.
    pub fn is_calm(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.killed.is_none())
            && self.paused_until.is_none()
            && self.rival.is_none()
            && !self.leaving
    }

    pub fn is_empty(&self) -> bool {
        self.process.is_none() && self.restart_at.is_none()
    }

    /// Does `action` to it; false when it cannot be done now.
    pub fn suffer(&mut self, action: Action, lasts: Duration, bench: &Bench) -> bool {
        match action {
            Action::JoinOrLeave if self.is_empty() => self.start(bench),
            _ if !self.is_calm() => return false,
            Action::Kill => self.kill(bench),
            Action::PauseShort | Action::PauseLong => {
                self.running().signal("STOP");
                self.paused_until = Some(Instant::now() + lasts);
            }
            Action::Rival => {
                // The lock that keeps two processes of one host apart lies in the temporary folder.
                let elsewhere = bench.folder.join("elsewhere");
                std::fs::create_dir_all(&elsewhere).unwrap();
                let rival = self.spawn(bench, &[("TMPDIR", elsewhere.to_str().unwrap())]);
                self.rival = Some((rival, Instant::now()));
            }
            Action::JoinOrLeave => {
                self.running().signal("TERM");
                self.leaving = true;
            }
            _ => return false,
        }
        true
    }

    fn kill(&mut self, bench: &Bench) {
        self.running().kill();
        let killed = Instant::now();
        let process = self.spawn(bench, &[]);
        self.process = Some(Process { killed: Some(killed), ..process });
    }

    fn running(&mut self) -> &mut Running {
        &mut self.process.as_mut().unwrap().running
    }

    /// Looks after it; `troubled` when a broker is away, or was a moment ago.
    pub fn tick(&mut self, bench: &Bench, troubled: bool, record: &mut Record) {
        let now = Instant::now();
        if self.paused_until.is_some_and(|until| now >= until) {
            self.paused_until = None;
            self.running().signal("CONT");
        }
        if let Some((_, killed)) = self.restart_at.take_if(|(at, _)| now >= *at) {
            let process = self.spawn(bench, &[]);
            self.process = Some(Process { killed, alone: false, ..process });
        }
        self.settle_rivalry(record);
        self.look_for_recovery(troubled, record);
        if self.rival.is_none()
            && let Some(code) = self.process.as_mut().and_then(|process| process.running.ended())
        {
            self.ended(code, troubled, record);
        }
    }

    fn ended(&mut self, code: Option<i32>, troubled: bool, record: &mut Record) {
        let killed = self.process.take().and_then(|process| process.killed);
        let left = std::mem::take(&mut self.leaving);
        let name = code.map_or_else(|| "signal".to_owned(), |code| code.to_string());
        *record.exits.entry(name.clone()).or_default() += 1;
        let unavailable = code == Some(Exit::Unavailable as i32);
        // It cannot commit what is open while a broker is away.
        let cut_short = left && code == Some(Exit::Drain as i32);
        let expected = (left && code == Some(0)) || troubled && (unavailable || cut_short);
        if !expected {
            record.findings.push(format!("{} ended with {name}", self.instance));
        }
        if !left {
            self.restart_at = Some((Instant::now() + RESTART_MS, killed));
        }
    }

    /// One of the two must end, with its exit code; the other has the slot.
    fn settle_rivalry(&mut self, record: &mut Record) {
        let Some((rival, since)) = &mut self.rival else { return };
        let (since, old) = (*since, self.process.as_mut().unwrap().running.ended());
        let new = rival.running.ended();
        if old.is_none() && new.is_none() {
            if since.elapsed() > RIVALS_MS_MAX {
                record.findings.push(format!("{} and its rival both live on", self.instance));
                self.rival = None;
            }
            return;
        }
        record.rivalries_seconds.push(since.elapsed().as_secs_f64());
        let (rival, _) = self.rival.take().unwrap();
        for (who, ended) in [("the older", old), ("the newer", new)] {
            let Some(code) = ended else { continue };
            *record.exits.entry(format!("{} of two: {}", who, code.unwrap_or(-1))).or_default() += 1;
            let codes = [Exit::Fenced, Exit::Rebuilds, Exit::Unavailable].map(|exit| Some(exit as i32));
            if !codes.contains(&code) {
                record.findings.push(format!("{who} of two {} ended with {code:?}", self.instance));
            }
        }
        if old.is_some() {
            self.process = Some(rival);
        }
    }

    fn look_for_recovery(&mut self, troubled: bool, record: &mut Record) {
        let Some(process) = &mut self.process else { return };
        let Some(killed) = process.killed else { return };
        process.alone &= !troubled;
        if self.asked.elapsed() < ASK_MS {
            return;
        }
        self.asked = Instant::now();
        if has_committed(process.admin) {
            process.killed = None;
            record.recoveries.push(Recovery { seconds: killed.elapsed().as_secs_f64(), alone: process.alone });
        }
    }

    /// Lets it go on, and waits for nothing.
    pub fn heal(&mut self) {
        if self.paused_until.is_some() {
            self.paused_until = Some(Instant::now());
        }
    }

    /// SIGTERM, and the exit code; none when there is no process.
    pub fn stop(&mut self) -> Option<Option<i32>> {
        self.process.take().map(|mut process| process.running.stop())
    }
}

/// Whether the metrics of a process count a committed transaction.
fn has_committed(port: u16) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let committed = "assize_transactions_total{result=\"committed\"} ";
    ask().is_ok_and(|text| text.lines().any(|line| line.strip_prefix(committed).is_some_and(|count| count != "0")))
}
