//! How fast it is against the configured Kafka, and how late: the real `assize run` in processes of its own, on topics of
//! its own, judged by a reader of committed records.
//!
//! ```text
//!  texts ─► Load ─► messages ─► assize run (N processes) ─► verdicts ─► Watcher ─► Report ─► JSON, .hgrm, .svg
//!            │ all at once, then the drain                                │ each message once?
//!            └ or open loop: each at its own time                         └ now − the time it was due
//! ```
//!
//! Open loop: a message is due at `start + index / rate` whatever became of those before it, and its latency counts from
//! there, so that a slow moment is charged to every message that it delays ("coordinated omission" left out nothing).
//!
//! The limit of a drain is a bare loop on the same client library: consume, hash, produce twice with the bytes that the
//! engine wrote, commit; nothing else. See [`limit`].

mod ground;
pub mod limit;
mod load;
mod picture;
mod process;
mod report;
mod usage;
mod watcher;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context;

use crate::{config::Config, failure::Failure, fault::Exit};
use ground::{Ground, Pass};
use load::{Messages, Schedule};
use process::Fleet;
use usage::Usage;
use watcher::{Seen, Watcher};

pub use report::{Bounds, Machine, Open, Outcome, Report, Throughput};
pub use usage::Spent;

/// What is measured, and on what.
#[derive(Clone, Debug)]
pub struct Options {
    /// Drain or open loop.
    pub shape: Shape,
    /// Partitions of the topics.
    pub partitions: i32,
    /// Processes of `assize run`.
    pub processes: usize,
    /// A text a line; what stands before a tab is left out.
    pub texts: PathBuf,
    /// Length that every text is brought to, code points; none means as they are.
    pub text_chars: Option<usize>,
    /// Authors, in turn.
    pub users: u64,
    /// Share of messages whose author was never seen before, 0 to 1.
    pub new_users: f64,
    /// The configuration file, for the processes.
    pub config_file: Option<PathBuf>,
    /// Where results and logs go.
    pub out: PathBuf,
    /// What the figures are held against.
    pub bounds: Bounds,
}

/// Drain or open loop.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A backlog, as fast as it goes.
    Drain {
        /// Messages of the backlog.
        messages: u64,
        /// How often it is drained, each time by a new group into new topics.
        rounds: usize,
        /// Each round also by the bare loop.
        limit: bool,
    },
    /// Messages at a steady rate.
    Open {
        /// Messages a second.
        rate: f64,
        /// How long it is measured, after the warm-up.
        seconds: f64,
        /// Sent at the same rate and left out of the figures, seconds.
        warm_up_seconds: f64,
    },
}

/// No verdict for so long means that something is wrong.
const SILENT_SECONDS_MAX: Duration = Duration::from_secs(60);
/// Between two looks at the processes.
const LOOK_MS: Duration = Duration::from_millis(20);

/// What is said of it while it goes.
pub trait Progress {
    /// A new step, and how many messages it handles.
    fn step(&self, name: &str, messages: u64);
    /// How many are done.
    fn at(&self, messages: u64);
}

/// Measures; what was made on the broker is removed afterwards.
///
/// # Errors
/// [`Failure`]: Kafka, the registry or a topic is not as needed, a process ended, verdicts do not come, or a signal came.
pub fn run(config: &Config, options: &Options, progress: &dyn Progress) -> Result<Report, Failure> {
    let messages = Messages::read(options).map_err(|error| unreadable(&options.texts, error))?;
    fs::create_dir_all(&options.out).with_context(|| format!("folder {}", options.out.display()))?;
    let ground = Ground::prepare(config, options)?;
    let bench = Bench { ground, options, messages, progress };
    let mut report = Report::new(options);
    match options.shape {
        Shape::Drain { messages, rounds, limit } => bench.drain(messages, rounds, limit, &mut report)?,
        Shape::Open { rate, seconds, warm_up_seconds } => {
            bench.open(rate, seconds, warm_up_seconds, &mut report)?;
        }
    }
    report.judge(&options.bounds);
    report.write(&options.out).with_context(|| format!("writing results to {}", options.out.display()))?;
    Ok(report)
}

fn unreadable(path: &Path, error: io::Error) -> Failure {
    let what =
        format!("texts {} cannot be read; name a file with --texts (`./dev data` fetches the default)", path.display());
    Failure::new(Exit::Usage, anyhow::Error::new(error).context(what))
}

struct Bench<'a> {
    ground: Ground,
    options: &'a Options,
    messages: Messages,
    progress: &'a dyn Progress,
}

impl Bench<'_> {
    fn drain(&self, messages: u64, rounds: usize, limit: bool, report: &mut Report) -> Result<(), Failure> {
        let first = self.ground.pass("run-1")?;
        self.progress.step("publish", messages);
        self.messages
            .publish(&self.ground, &first, 0..messages, &Schedule::at_once(), |sent| self.progress.at(sent))?;
        for round in 1..=rounds {
            let pass = self.ground.pass(&format!("run-{round}"))?;
            report.drains.push(self.drain_once(&pass, messages, round)?);
            if limit {
                let bare = self.ground.pass(&format!("limit-{round}"))?;
                report.limits.push(self.limit_once(&bare, &pass, messages, round)?);
            }
            if round == rounds {
                // Last of all: it adds a message to the input.
                report.restart_seconds = Some(self.restart(&pass, messages)?);
            }
        }
        Ok(())
    }

    fn drain_once(&self, pass: &Pass, messages: u64, round: usize) -> Result<Throughput, Failure> {
        let watcher = Watcher::start(pass, messages, None)?;
        let fleet = Fleet::start(pass, self.options)?;
        self.measure(&format!("drain {round}"), fleet, watcher, messages)
    }

    fn limit_once(&self, bare: &Pass, pass: &Pass, messages: u64, round: usize) -> Result<Throughput, Failure> {
        limit::take_samples(pass, &self.options.out)?;
        let watcher = Watcher::start(bare, messages, None)?;
        let fleet = Fleet::start_limit(bare, self.options)?;
        self.measure(&format!("bare loop {round}"), fleet, watcher, messages)
    }

    /// Throughput from the first verdict to the last; what the start takes is told apart.
    fn measure(&self, name: &str, mut fleet: Fleet, watcher: Watcher, messages: u64) -> Result<Throughput, Failure> {
        self.progress.step(name, messages);
        self.wait_for(&mut fleet, &watcher, 1)?;
        // What the first transaction held was worked for before: neither it nor its time counts.
        let (before, since, first) = (self.usage(&fleet), Instant::now(), watcher.count());
        self.wait_for(&mut fleet, &watcher, messages)?;
        let counted = messages.saturating_sub(first);
        let spent = Spent::between(&before, &self.usage(&fleet), counted);
        let (memory_bytes_max, started) = (fleet.memory_bytes_max(), fleet.started());
        let threads_us = usage::by_thread(&fleet.ids(), messages);
        fleet.stop()?;
        let seen = watcher.finish()?;
        seen.check(messages)?;
        Ok(Throughput {
            messages,
            per_second: counted as f64 / seen.last.saturating_duration_since(since).as_secs_f64().max(1e-9),
            first_verdict_seconds: seen.first_after(started),
            spent,
            threads_us,
            memory_bytes_max,
            ticks: seen.ticks,
        })
    }

    /// Starts again with the windows full: from the start to the verdict on one more message.
    fn restart(&self, pass: &Pass, messages: u64) -> Result<f64, Failure> {
        self.progress.step("restart", 1);
        let watcher = Watcher::start_at_end(pass, messages)?;
        self.messages.publish(&self.ground, pass, messages..messages + 1, &Schedule::at_once(), |_| ())?;
        let mut fleet = Fleet::start(pass, self.options)?;
        self.wait_for(&mut fleet, &watcher, 1)?;
        let started = fleet.started();
        fleet.stop()?;
        Ok(watcher.finish()?.first_after(started))
    }

    fn open(&self, rate: f64, seconds: f64, warm_up_seconds: f64, report: &mut Report) -> Result<(), Failure> {
        let count = |seconds: f64| (rate * seconds).ceil() as u64;
        let (warm_up, all) = (1 + count(warm_up_seconds), 1 + count(warm_up_seconds) + count(seconds).max(1));
        let pass = self.ground.pass("run-1")?;
        let schedule = Schedule::open(rate);
        let watcher = Watcher::start(&pass, all, Some((schedule.clone(), warm_up)))?;
        let mut fleet = Fleet::start(&pass, self.options)?;
        self.progress.step("start", 1);
        self.messages.publish(&self.ground, &pass, 0..1, &Schedule::at_once(), |_| ())?;
        self.wait_for(&mut fleet, &watcher, 1)?;

        self.progress.step("open loop", all);
        let (spent, late) = std::thread::scope(|scope| {
            let (messages, ground, schedule) = (&self.messages, &self.ground, &schedule);
            let pass = &pass;
            let sender = scope.spawn(move || messages.publish(ground, pass, 1..all, schedule, |_| ()));
            let spent = self.spent_after(warm_up, all, &mut fleet, &watcher);
            // Verdicts that do not come are no longer waited for: what is not sent yet, up to hours of it, need not be.
            schedule.end();
            (spent, sender.join().unwrap_or_else(|_| Err(panicked())))
        });
        // Why messages cannot be sent tells more than that their verdicts do not come.
        let (late, spent) = (late?, spent?);
        let (memory_bytes_max, started) = (fleet.memory_bytes_max(), fleet.started());
        fleet.stop()?;
        let seen = watcher.finish()?;
        seen.check(all)?;
        report.open = Some(Open::of(seen, rate, started, spent, late, memory_bytes_max));
        Ok(())
    }

    /// What the messages of the open loop cost that are no warm-up.
    fn spent_after(&self, warm_up: u64, all: u64, fleet: &mut Fleet, watcher: &Watcher) -> Result<Spent, Failure> {
        self.wait_for(fleet, watcher, warm_up)?;
        let (before, seen_before) = (self.usage(fleet), watcher.count());
        self.wait_for(fleet, watcher, all)?;
        Ok(Spent::between(&before, &self.usage(fleet), all.saturating_sub(seen_before)))
    }

    /// Waits for `count` verdicts, as long as some come and every process lives.
    fn wait_for(&self, fleet: &mut Fleet, watcher: &Watcher, count: u64) -> Result<(), Failure> {
        let (mut last, mut moved) = (watcher.count(), Instant::now());
        loop {
            let now = watcher.count();
            self.progress.at(now);
            if now >= count {
                return Ok(());
            }
            if now > last {
                (last, moved) = (now, Instant::now());
            }
            if moved.elapsed() > SILENT_SECONDS_MAX {
                let logs = self.options.out.display();
                let error = anyhow::anyhow!("no verdict for 60 s after {now} of {count}; the logs are in {logs}");
                return Err(Failure::new(Exit::Failed, error));
            }
            // First: the same Ctrl-C ends the processes too.
            self.ground.check()?;
            fleet.check()?;
            std::thread::sleep(LOOK_MS);
        }
    }

    fn usage(&self, fleet: &Fleet) -> Usage {
        Usage::now(&fleet.ids(), self.ground.broker())
    }
}

fn panicked() -> Failure {
    Failure::new(Exit::Failed, anyhow::anyhow!("a thread of the bench panicked"))
}

impl Seen {
    /// Every message was judged once.
    fn check(&self, messages: u64) -> Result<(), Failure> {
        if self.count == messages && self.duplicates == 0 && self.foreign == 0 {
            return Ok(());
        }
        let error = anyhow::anyhow!(
            "{} verdicts on {messages} messages, {} of them twice and {} foreign: look at the logs, and at `assize audit`",
            self.count,
            self.duplicates,
            self.foreign
        );
        Err(Failure::new(Exit::Failed, error))
    }
}
