//! One run of the retrain command: no shell, the alert on its standard input, its output in our log, and an end.
//!
//! It leads a process group of its own. Whatever way it ends, what is left of the group is ended with it, so nothing of
//! one run is there in the next.

use std::{
    collections::VecDeque,
    io,
    os::fd::OwnedFd,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::unix::pipe,
    process::{Child, ChildStdin, Command},
    sync::watch,
    time::{sleep, timeout},
};

use super::record::Alert;

/// Between SIGTERM and SIGKILL.
pub const GRACE_SECONDS: u64 = 5;
/// The last of the command's output that is logged.
const OUTPUT_BYTES_MAX: usize = 8 * 1024;
/// Between two looks at a group that is to end.
const LOOK_MS: u64 = 20;
/// How long output is read after the end: a process that has left the group may hold it open.
const LAST_WORDS_MS: u64 = 500;

/// What to run.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) program: String,
    pub(super) arguments: Vec<String>,
    /// None is where this process runs.
    pub(super) folder: Option<PathBuf>,
    /// It is ended after so long.
    pub(super) wall: Duration,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Succeeded,
    /// It did not start, or its exit status says so.
    Failed,
    TimedOut,
    /// This process ends.
    Stopped,
}

impl Program {
    /// Runs it to its end, and logs how that was.
    pub(super) async fn run(&self, alert: &Alert, stopping: &mut watch::Receiver<bool>) -> End {
        let id = alert.id.escape_debug();
        let (mut child, mut output) = match self.spawn(alert) {
            Ok(started) => started,
            Err(error) => {
                tracing::error!(%id, %error, "retraining does not start: check drift.alert.retrain_command");
                return End::Failed;
            }
        };
        tracing::info!(%id, process = child.id(), "retraining starts");
        let (start, group) = (Instant::now(), Group::of(&child));
        let talk = talk(child.stdin.take(), alert, &mut output);
        let ended = tokio::select! {
            status = child.wait() => Some(status),
            () = sleep(self.wall) => None,
            _ = stopping.wait_for(|stopping| *stopping) => None,
            never = talk => match never {},
        };
        let end = match &ended {
            Some(Ok(status)) if status.success() => End::Succeeded,
            Some(_) => End::Failed,
            None if *stopping.borrow() => End::Stopped,
            None => End::TimedOut,
        };
        let status = match ended {
            Some(status) => status,
            None => group.terminate(&mut child).await,
        };
        drop(group);
        let _ = timeout(Duration::from_millis(LAST_WORDS_MS), output.read()).await;
        self.log(alert, end, &status, start.elapsed(), &output.text());
        end
    }

    fn spawn(&self, alert: &Alert) -> io::Result<(Child, Output)> {
        // One pipe for both, so that they stay in order.
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env("ASSIZE_ALERT_ID", variable(&alert.id))
            .env("ASSIZE_TASK", variable(&alert.task))
            .env("ASSIZE_ARM", variable(&alert.arm))
            .env("ASSIZE_WINDOW_START", &alert.window_start.time)
            .stdin(Stdio::piped())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let receiver = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
        Ok((command.spawn()?, Output { receiver, last: VecDeque::new() }))
    }

    fn log(&self, alert: &Alert, end: End, status: &io::Result<ExitStatus>, time: Duration, output: &str) {
        let (id, seconds) = (alert.id.escape_debug(), time.as_secs());
        let status = status.as_ref().map_or_else(ToString::to_string, ToString::to_string);
        match end {
            End::Succeeded => tracing::info!(%id, seconds, output, "retraining has succeeded"),
            End::Failed => tracing::error!(%id, seconds, status, output, "retraining has failed"),
            End::TimedOut => {
                let limit = self.wall.as_secs();
                tracing::error!(
                    %id, status, output,
                    "retraining took longer than {limit} s and was ended: raise drift.alert.retrain_seconds_max, or make \
                     it shorter"
                );
            }
            End::Stopped => tracing::warn!(%id, seconds, status, output, "retraining is ended with this process"),
        }
    }
}

/// No environment variable holds a zero byte.
fn variable(text: &str) -> String {
    text.replace('\0', "")
}

/// The alert into its input, and its output out of it. Only its end ends that.
async fn talk(input: Option<ChildStdin>, alert: &Alert, output: &mut Output) -> std::convert::Infallible {
    let feed = async {
        if let (Some(mut input), Ok(json)) = (input, serde_json::to_vec(alert)) {
            // One that does not read it has its reasons.
            let _ = input.write_all(&json).await;
        }
    };
    tokio::join!(feed, output.read());
    std::future::pending().await
}

/// What it writes, from both of its outputs.
#[derive(Debug)]
struct Output {
    receiver: pipe::Receiver,
    /// The last [`OUTPUT_BYTES_MAX`].
    last: VecDeque<u8>,
}

impl Output {
    /// Reads to the end.
    async fn read(&mut self) {
        let mut part = [0; 4096];
        while let Ok(bytes @ 1..) = self.receiver.read(&mut part).await {
            self.last.extend(&part[..bytes]);
            let excess = self.last.len().saturating_sub(OUTPUT_BYTES_MAX);
            self.last.drain(..excess);
        }
    }

    /// For the log: one line, without control characters.
    fn text(&self) -> String {
        let bytes: Vec<u8> = self.last.iter().copied().collect();
        String::from_utf8_lossy(&bytes).trim_end().escape_debug().to_string()
    }
}

/// The command and what it has started. What is left of it is killed when this is dropped, also by a runtime that ends.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(id.cast_signed())))
    }

    fn signal(&self, signal: Signal) {
        // Gone is what it should be.
        let _ = self.0.map(|group| kill_process_group(group, signal));
    }

    /// SIGTERM to all of it, and SIGKILL to what is still there after [`GRACE_SECONDS`].
    async fn terminate(&self, child: &mut Child) -> io::Result<ExitStatus> {
        self.signal(Signal::TERM);
        let gone = async {
            let _ = child.wait().await;
            while self.0.is_some_and(|group| test_kill_process_group(group).is_ok()) {
                sleep(Duration::from_millis(LOOK_MS)).await;
            }
        };
        let _ = timeout(Duration::from_secs(GRACE_SECONDS), gone).await;
        self.signal(Signal::KILL);
        child.wait().await
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
