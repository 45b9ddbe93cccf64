//! A model is first read by a process of its own, with little memory and little time: a malformed or hostile file ends
//! that process at most. Only what passes there is loaded by the one that serves.
//!
//! ```text
//!  assize run, verify ─► size of the file ─► assize model-trial PATH (limited memory, CPU, time) ─► loads | why not
//! ```

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use thiserror::Error;

use super::{Bundle, GRAPH_BYTES_MAX, GraphError, Scorer, Scores};
use crate::{decision::Gives, features::vector::Rows};

/// Name of the hidden command.
pub const COMMAND: &str = "model-trial";
/// Exit code of a trial that refuses the model, as `assize` has it for a bundle that is refused.
pub const REFUSED: i32 = 65;
/// Longest text that a trial says, bytes: it must fit into a pipe that nobody reads meanwhile.
const SAYS_BYTES_MAX: usize = 16 * 1024;
const POLL_MS: u64 = 2;

/// What a trial may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Address space, MiB.
    pub memory_mib: u64,
    /// CPU time, seconds.
    pub cpu_seconds: u64,
    /// Time on the clock.
    pub wall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_mib: 4096, cpu_seconds: 60, wall: Duration::from_secs(120) }
    }
}

/// Why a model is not loaded.
#[derive(Debug, Error)]
#[allow(missing_docs)] // The messages say it.
pub enum TrialError {
    #[error("{} cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} has {found} bytes; at most {GRAPH_BYTES_MAX} are allowed", path.display())]
    TooLarge { path: PathBuf, found: u64 },
    #[error("no process can be started to try the model in")]
    Start { source: io::Error },
    #[error("{message}")]
    Refused { message: String },
    #[error(
        "reading the model needs more than {memory_mib} MiB of memory, or crashes ({status}); it is malformed or hostile, \
         export it again"
    )]
    Crashed { memory_mib: u64, status: ExitStatus },
    #[error("reading the model takes more than {seconds} s; it is malformed, hostile, or no classifier of rows")]
    Time { seconds: u64 },
}

/// Tries a bundle's folder or an ONNX file in a process of `program`, this very program by default; says what it is.
///
/// # Errors
/// [`TrialError`], with what to do about it.
pub fn trial(program: Option<&Path>, model: &Path, limits: Limits) -> Result<String, TrialError> {
    let graph = if model.is_dir() { model.join("model.onnx") } else { model.into() };
    let size = fs::metadata(&graph).map_err(|source| TrialError::Read { path: graph.clone(), source })?.len();
    if size > GRAPH_BYTES_MAX {
        return Err(TrialError::TooLarge { path: graph, found: size });
    }
    let start = |source| TrialError::Start { source };
    let program = program.map_or_else(std::env::current_exe, |program| Ok(program.into())).map_err(start)?;
    let mut child = Command::new(program)
        .arg(COMMAND)
        .arg(format!("--memory-mib={}", limits.memory_mib))
        .arg(format!("--cpu-seconds={}", limits.cpu_seconds))
        .arg("--")
        .arg(model)
        // So that memory is asked for as it is needed, and the limit sees it.
        .env("MIMALLOC_ARENA_RESERVE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(start)?;
    let deadline = Instant::now() + limits.wall;
    let status = loop {
        match child.try_wait().map_err(start)? {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                child.kill().and_then(|()| child.wait()).map_err(start)?;
                return Err(TrialError::Time { seconds: limits.wall.as_secs() });
            }
            None => std::thread::sleep(Duration::from_millis(POLL_MS)),
        }
    };
    let mut says = String::new();
    let output = child.stdout.take().map(|output| output.take(SAYS_BYTES_MAX as u64));
    output.map_or(Ok(0), |mut output| output.read_to_string(&mut says)).map_err(start)?;
    match status.code() {
        Some(0) => Ok(says),
        Some(REFUSED) => Err(TrialError::Refused { message: says }),
        _ => Err(TrialError::Crashed { memory_mib: limits.memory_mib, status }),
    }
}

/// The trial's side: limits this process, then reads the model and scores a few rows. What it returns is shorter than
/// a pipe; an error is what to tell about a model that is refused.
pub fn stand(model: &Path, memory_mib: u64, cpu_seconds: u64) -> Result<String, String> {
    confine(memory_mib, cpu_seconds).map_err(|error| format!("the limits of the trial cannot be set: {error}"))?;
    let tried = std::panic::catch_unwind(|| if model.is_dir() { try_bundle(model) } else { try_graph(model) });
    let mut says = tried.unwrap_or_else(|_| Err(chain(&GraphError::Panic)));
    let text = says.as_mut().unwrap_or_else(|text| text);
    text.truncate(text.floor_char_boundary(SAYS_BYTES_MAX));
    says
}

/// No core file, no more memory, no more time.
#[cfg(target_os = "linux")]
fn confine(memory_mib: u64, cpu_seconds: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limit = |resource, most| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    limit(Resource::Core, 0)?;
    limit(Resource::Cpu, cpu_seconds)?;
    limit(Resource::As, memory_mib << 20)?;
    Ok(())
}

/// Elsewhere a crash is still only that of the trial; its time on the clock is limited, its memory is not.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "as on Linux")]
fn confine(_: u64, _: u64) -> io::Result<()> {
    Ok(())
}

fn try_bundle(folder: &Path) -> Result<String, String> {
    let bundle = Bundle::load(folder, None).map_err(|error| chain(&error))?;
    let manifest = bundle.manifest();
    let digest = bundle.digest();
    let scorer = described(bundle.scorer());
    Ok(format!(
        "bundle {} {}, SHA-256 {digest}: {scorer}; its golden vectors come out",
        manifest.name, manifest.version
    ))
}

fn try_graph(path: &Path) -> Result<String, String> {
    let onnx = fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let scorer = Scorer::open(&onnx, None, Gives::Scores).map_err(|error| chain(&error))?;
    let (mut rows, mut scores) = (Rows::default(), Scores::default());
    for value in [0.0, 0.5, 1.0] {
        rows.push_dense(&vec![value; scorer.columns()]);
    }
    let mut state = scorer.state().map_err(|error| chain(&error))?;
    scorer.score(&mut state, &rows, &mut scores).map_err(|error| chain(&error))?;
    Ok(described(&scorer))
}

fn described(scorer: &Scorer) -> String {
    format!("reads {} columns, gives {} numbers a row, by {}", scorer.columns(), scorer.classes(), scorer.path())
}

fn chain(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(|cause| format!(": {}", chain(cause)));
    format!("{error}{}", cause.unwrap_or_default())
}
