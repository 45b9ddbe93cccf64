//! The processes that are measured: this binary again, told by its environment what to do.

use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context;

use super::{Options, ground::Pass, usage};
use crate::{failure::Failure, fault::Exit};

/// Between two looks at a process that is to end.
const LOOK_MS: Duration = Duration::from_millis(10);

/// Some processes, killed when it is dropped.
pub(super) struct Fleet {
    members: Vec<Member>,
    started: Instant,
    stop_max: Duration,
}

struct Member {
    child: Child,
    log: PathBuf,
}

impl Fleet {
    /// `assize run`.
    pub(super) fn start(pass: &Pass, options: &Options) -> Result<Self, Failure> {
        Self::with(pass, options, &["run"])
    }

    /// The bare loop.
    pub(super) fn start_limit(pass: &Pass, options: &Options) -> Result<Self, Failure> {
        let samples = options.out.join(super::limit::SAMPLES_FILE);
        Self::with(pass, options, &["bench-limit", "--samples", &samples.display().to_string()])
    }

    fn with(pass: &Pass, options: &Options, arguments: &[&str]) -> Result<Self, Failure> {
        let program = std::env::current_exe().context("finding this program")?;
        let started = Instant::now();
        let mut fleet = Self { members: Vec::new(), started, stop_max: pass.stop_max() };
        for process in 1..=options.processes {
            let log = options.out.join(format!("{}-{process}.log", pass.config.kafka.group_id));
            let mut command = Command::new(&program);
            command.args(arguments).envs(pass.environment(process));
            if let Some(file) = &options.config_file {
                command.arg("--config").arg(file);
            }
            let file = File::create(&log).with_context(|| format!("log {}", log.display()))?;
            let child = command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(file)
                .spawn()
                .with_context(|| format!("starting {}", program.display()))?;
            fleet.members.push(Member { child, log });
        }
        Ok(fleet)
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }

    pub(super) fn ids(&self) -> Vec<i32> {
        self.members.iter().map(|member| member.child.id().cast_signed()).collect()
    }

    /// Largest resident memory that any of them ever had, bytes; none where the system does not say.
    pub(super) fn memory_bytes_max(&self) -> Option<u64> {
        self.ids().into_iter().filter_map(usage::memory_bytes_max).max()
    }

    /// None of them may end by itself.
    pub(super) fn check(&mut self) -> Result<(), Failure> {
        for member in &mut self.members {
            if let Some(status) = member.child.try_wait().context("looking at a process")? {
                return Err(member.ended(&format!("ended with {status}")));
            }
        }
        Ok(())
    }

    /// Ends them as an operator does, by SIGTERM; each must drain and end with 0.
    pub(super) fn stop(mut self) -> Result<(), Failure> {
        for member in &self.members {
            usage::terminate(member.child.id()).context("ending a process")?;
        }
        let deadline = Instant::now() + self.stop_max;
        for member in &mut self.members {
            let status = loop {
                if let Some(status) = member.child.try_wait().context("waiting for a process")? {
                    break status;
                }
                if Instant::now() > deadline {
                    return Err(member.ended("does not end"));
                }
                std::thread::sleep(LOOK_MS);
            };
            if !status.success() {
                return Err(member.ended(&format!("drained with {status}")));
            }
        }
        Ok(())
    }
}

impl Member {
    fn ended(&self, how: &str) -> Failure {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last = log.lines().last().unwrap_or_default();
        let error = anyhow::anyhow!("process {} {how}; see {}: {last}", self.child.id(), self.log.display());
        Failure::new(Exit::Failed, error)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for member in &mut self.members {
            // Nothing is left to do about either.
            let _ = member.child.kill();
            let _ = member.child.wait();
        }
    }
}
