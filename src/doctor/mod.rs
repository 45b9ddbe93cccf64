//! `assize doctor`: asks everything that the configuration names, and says of each what is wrong and what to do.
//!
//! ```text
//!          ┌─► here:     bundles, hash key, secrets, port, lock, who could listen on the way
//! Config ──┼─► kafka:    reachable? ──► topics, group, access rules, internal topics
//!          ├─► registry: subjects, clock
//!          └─► redis:    keys, clock           each in a thread of its own, all by one deadline
//! ```
//!
//! It changes nothing: it makes no topic, joins no group, commits no offset and writes no record. Its one trace is a
//! transactional id of its own that the broker remembers for some days.

mod clock;
mod group;
mod here;
mod kafka;
mod redis;
mod registry;
mod rules;

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::config::Config;

/// What has not been answered by then has failed.
const ALL_SECONDS_MAX: Duration = Duration::from_secs(25);

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// As it should be.
    Ok,
    /// The stream runs, but with a risk, or it could not be seen.
    Warn,
    /// The stream does not start, or not as promised.
    Fail,
}

/// One line of the report.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// How it is.
    pub status: Status,
    /// What was looked at: `kafka`, `topics`, `bundle`, ...
    pub check: &'static str,
    /// What was found.
    pub found: String,
    /// What to do next; empty where there is nothing to do.
    pub remedy: String,
}

/// Where a check leaves its lines; they arrive also when it never ends.
struct Report {
    lines: mpsc::Sender<Line>,
}

impl Report {
    fn say(&self, status: Status, check: &'static str, found: impl ToString, remedy: impl ToString) {
        // Nobody hears what comes after the deadline.
        let line = Line { status, check, found: found.to_string(), remedy: remedy.to_string() };
        let _ = self.lines.send(line);
    }

    fn ok(&self, check: &'static str, found: impl ToString) {
        self.say(Status::Ok, check, found, "");
    }

    fn warn(&self, check: &'static str, found: impl ToString, remedy: impl ToString) {
        self.say(Status::Warn, check, found, remedy);
    }

    fn fail(&self, check: &'static str, found: impl ToString, remedy: impl ToString) {
        self.say(Status::Fail, check, found, remedy);
    }
}

/// A check, with the name under which it is missed.
type Check = (&'static str, fn(&Config, &Report));

const CHECKS: [Check; 4] =
    [("here", here::check), ("kafka", kafka::check), ("registry", registry::check), ("redis", redis::check)];

/// Looks at everything. Blocks at most 25 s; not to be called from a runtime's thread.
pub fn examine(config: &Config) -> Vec<Line> {
    let config = Arc::new(config.clone());
    let deadline = Instant::now() + ALL_SECONDS_MAX;
    let running: Vec<_> = CHECKS.iter().map(|check| (check.0, start(*check, Arc::clone(&config)))).collect();
    running.into_iter().flat_map(|(name, lines)| gather(name, &lines, deadline)).collect()
}

/// Detached: a check that hangs ends with the process.
fn start((_, check): Check, config: Arc<Config>) -> mpsc::Receiver<Line> {
    let (lines, arriving) = mpsc::channel();
    thread::spawn(move || check(&config, &Report { lines }));
    arriving
}

fn gather(name: &'static str, arriving: &mpsc::Receiver<Line>, deadline: Instant) -> Vec<Line> {
    let mut lines = Vec::new();
    loop {
        match arriving.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => lines.push(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => return lines,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                lines.push(Line {
                    status: Status::Fail,
                    check: name,
                    found: format!("no more answers within {} s", ALL_SECONDS_MAX.as_secs()),
                    remedy: "it is there but slow, or something on the way drops packets".into(),
                });
                return lines;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_hangs_is_missed_and_what_it_said_is_kept() {
        fn hang(_: &Config, report: &Report) {
            report.ok("slow", "the first half");
            thread::sleep(Duration::from_secs(3_600));
        }
        let arriving = start(("slow", hang), Arc::new(Config::default()));
        let lines = gather("slow", &arriving, Instant::now() + Duration::from_millis(300));
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!((lines[0].status, lines[1].status), (Status::Ok, Status::Fail));
    }
}
