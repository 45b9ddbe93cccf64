//! Instructions and allocations a message, counted by callgrind, held against `benches/instructions.json`. Counts hardly
//! depend on what else the machine does, so a continuous build can compare them, which it cannot do with times.
//!
//! ```text
//!  instructions ─► valgrind instructions --counted ─► one dump for each stage ─► Counts ─► held against the baseline
//!                               └ every stage once to warm up, and once inside `Stage::run`, where callgrind counts
//! ```
//!
//! Not counted: what the kernel does, and SHA-256 itself. Processors have instructions for it that valgrind does not know,
//! so what it runs in their place, more than everything else together, says nothing.

use std::{
    collections::{BTreeMap, HashMap},
    env, fs,
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, bail, ensure};
use assize_benches::{Corpus, all};
use serde::{Deserialize, Serialize};

const USAGE: &str = "usage: instructions [--accept]

Prints what each stage costs a message, and compares it with benches/instructions.json.

  --accept  write what was counted as the new baseline

exit codes: 0 as in the baseline or better, 1 a stage costs more or cannot be compared, 2 wrong usage";

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json");
/// More than this above the baseline is a regression. Hash tables are seeded at random: some tenths of a per cent.
const TOLERANCE: f64 = 0.03;
/// Enough messages for a few transactions: a count needs no more.
const PASSES: usize = 6;
/// The function in which callgrind counts, and when it has returned, writes a dump.
const COUNTED: &str = "assize_benches::stage::Stage::run";

/// Code that is not counted.
const LEFT_OUT: &str = "sha2::";
/// What the command's allocator is called by.
const ALLOCATORS: [&str; 6] =
    ["mi_malloc", "mi_malloc_aligned", "mi_zalloc", "mi_zalloc_aligned", "mi_realloc", "mi_realloc_aligned"];

/// What a stage costs a message.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Cost {
    instructions: f64,
    allocations: f64,
}

/// The counts, and what must be equal to compare them.
#[derive(Serialize, Deserialize)]
struct Counts {
    rustc: String,
    target: String,
    valgrind: String,
    /// What valgrind offers of what code chooses at run time.
    features: Vec<String>,
    stages: BTreeMap<String, Cost>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => compare(&count()?),
        ["--accept"] => accept(&count()?),
        ["--counted"] => counted(),
        _ => {
            eprintln!("{USAGE}");
            Ok(ExitCode::from(2))
        }
    }
}

/// Inside valgrind: runs every stage, and says in which order and of how many messages.
fn counted() -> anyhow::Result<ExitCode> {
    let corpus = Corpus::load(PASSES)?;
    println!("features {}", features().join(" "));
    for mut stage in all(&corpus) {
        for _ in 0..2 {
            stage.prepare();
            stage.run();
        }
        println!("stage {} {}", stage.messages, stage.name);
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    let known = [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("sha", is_x86_feature_detected!("sha")),
    ];
    known.into_iter().filter(|(_, offered)| *offered).map(|(name, _)| name).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<&'static str> {
    Vec::new()
}

/// Runs this program again inside callgrind, and reads its dumps.
fn count() -> anyhow::Result<Counts> {
    let program = env::current_exe()?;
    let folder = program.with_file_name("instructions.counted");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--collect-atstart=no", "--combine-dumps=no"])
        .args([format!("--toggle-collect={COUNTED}"), format!("--dump-after={COUNTED}")])
        .arg(format!("--callgrind-out-file={}", folder.join("dump").display()))
        .arg(&program)
        .arg("--counted")
        .stderr(Stdio::inherit())
        .output()
        .context("valgrind cannot be run: install it (Debian: apt install valgrind)")?;
    ensure!(output.status.success(), "the stages cannot be counted: {}", output.status);
    let said = String::from_utf8(output.stdout)?;
    let features = said.lines().find_map(|line| line.strip_prefix("features ")).unwrap_or_default();
    let mut stages = BTreeMap::new();
    for (number, stage) in said.lines().filter_map(|line| line.strip_prefix("stage ")).enumerate() {
        let (messages, name) = stage.split_once(' ').context("a stage has messages and a name")?;
        // Dumps are counted from 1, and the first of the two runs of a stage only warms up.
        let dump = Dump::read(&folder.join(format!("dump.{}", 2 * number + 2)))?;
        let messages: f64 = messages.parse()?;
        let cost = Cost { instructions: dump.instructions / messages, allocations: dump.allocations / messages };
        stages.insert(name.to_owned(), cost);
    }
    Ok(Counts {
        rustc: version_of("rustc")?,
        target: format!("{}-{}", env::consts::ARCH, env::consts::OS),
        valgrind: version_of("valgrind")?,
        features: features.split(' ').map(str::to_owned).collect(),
        stages,
    })
}

fn version_of(program: &str) -> anyhow::Result<String> {
    let output = Command::new(program).arg("--version").output().with_context(|| format!("{program} cannot be run"))?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// What callgrind writes when a stage has run.
struct Dump {
    instructions: f64,
    /// Calls of [`ALLOCATORS`].
    allocations: f64,
}

impl Dump {
    /// The format, as far as it is needed here: `totals: N`; for each function `fn=(id) name`, the name only the first
    /// time, and behind it its own costs, lines of a position and a number; among them for each function that it calls
    /// `cfn=(id) name`, `calls=N ...`, and in the line behind that the cost of these calls.
    fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("callgrind has not written {}", file.display()))?;
        let (mut instructions, mut allocations) = (0.0, 0.0);
        let (mut names, mut function, mut called) = (HashMap::new(), "", "");
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let (what, rest) = line.split_once(['=', ' ']).unwrap_or((line, ""));
            match what {
                "fn" | "cfn" => {
                    let (id, name) = rest.split_once(' ').unwrap_or((rest, ""));
                    let name = *names.entry(id).or_insert(name);
                    *(if what == "fn" { &mut function } else { &mut called }) = name;
                }
                "calls" => {
                    lines.next();
                    if ALLOCATORS.contains(&called) {
                        allocations += first_number(rest)?;
                    }
                }
                "totals:" => instructions += first_number(rest)?,
                _ if function.starts_with(LEFT_OUT) && is_cost(line) => instructions -= first_number(rest)?,
                _ => {}
            }
        }
        ensure!(instructions > 0.0, "{} counts no instructions", file.display());
        Ok(Self { instructions, allocations })
    }
}

fn first_number(text: &str) -> anyhow::Result<f64> {
    Ok(text.split_whitespace().next().unwrap_or_default().parse()?)
}

fn accept(counts: &Counts) -> anyhow::Result<ExitCode> {
    print(counts, None);
    fs::write(BASELINE, serde_json::to_string_pretty(counts)? + "\n").with_context(|| BASELINE.to_owned())?;
    eprintln!("instructions: {BASELINE} is now the baseline");
    Ok(ExitCode::SUCCESS)
}

fn compare(counts: &Counts) -> anyhow::Result<ExitCode> {
    let text = fs::read_to_string(BASELINE).with_context(|| format!("{BASELINE}: --accept writes it"))?;
    let baseline: Counts = serde_json::from_str(&text).with_context(|| BASELINE.to_owned())?;
    print(counts, Some(&baseline));
    let made_with = |counts: &Counts| [&counts.rustc, &counts.target, &counts.valgrind].map(String::clone);
    if (made_with(counts), &counts.features) != (made_with(&baseline), &baseline.features) {
        bail!(
            "not comparable: counted with {:?} {:?}, the baseline with {:?} {:?}; --accept makes a new baseline",
            made_with(counts),
            counts.features,
            made_with(&baseline),
            baseline.features
        );
    }
    let worse: Vec<_> = (counts.stages.iter())
        .filter(|(stage, cost)| baseline.stages.get(*stage).is_none_or(|before| cost.is_worse_than(before)))
        .map(|(stage, _)| stage.as_str())
        .collect();
    ensure!(worse.is_empty(), "more than {} % above the baseline: {}", 100.0 * TOLERANCE, worse.join(", "));
    Ok(ExitCode::SUCCESS)
}

impl Cost {
    fn is_worse_than(&self, before: &Self) -> bool {
        let allowed = |before: f64, slack: f64| before * (1.0 + TOLERANCE) + slack;
        // A vector that grows once more, of thousands of messages, is no regression.
        self.instructions > allowed(before.instructions, 1.0) || self.allocations > allowed(before.allocations, 0.02)
    }
}

fn print(counts: &Counts, baseline: Option<&Counts>) {
    println!("| stage | instructions a message | allocations a message | instructions, to the baseline |");
    println!("| --- | ---: | ---: | ---: |");
    for (stage, Cost { instructions, allocations }) in &counts.stages {
        let change = match baseline.and_then(|baseline| baseline.stages.get(stage)) {
            Some(before) => format!("{:+.1} %", 100.0 * (instructions / before.instructions - 1.0)),
            None => "new".to_owned(),
        };
        println!("| {stage} | {instructions:.0} | {allocations:.2} | {change} |");
    }
}

/// Whether a line of a dump is the cost of a position in a file.
fn is_cost(line: &str) -> bool {
    line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first))
}
