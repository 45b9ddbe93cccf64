//! `assize bench`: how fast, how late, at what cost.

use std::{fmt::Write as _, path::PathBuf};

use indicatif::ProgressBar;

use super::{ConfigArg, output::print, progress_bar, table::markdown};
use crate::{
    bench::{self, Bounds, Open, Options, Outcome, Progress, Report, Shape, Spent, Throughput},
    failure::Failure,
    fault::Exit,
    ops::telemetry::{self, LogFormat},
};

/// What `assize bench` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("shape").required(true).args(["rate", "drain"]))]
pub struct Args {
    /// Open loop: messages a second, each due at its own time whatever became of those before it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    rate: Option<u32>,
    // What belongs to the other shape conflicts with it: clap forgets a `requires` of one that the group rules out.
    /// How long the open loop is measured, seconds.
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    #[arg(conflicts_with = "drain")]
    seconds: u32,
    /// Sent before, at the same rate, and left out of the figures, seconds.
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=3_600))]
    #[arg(conflicts_with = "drain")]
    warm_up: u32,
    /// Drain: publish N messages first, then judge them as fast as it goes.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    drain: Option<u64>,
    /// Drains of the same messages, each by a new group into new topics; the median counts.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=20))]
    #[arg(conflicts_with = "rate")]
    rounds: u8,
    /// After each drain also a bare loop: consume, hash, produce twice the same bytes. The limit of one process here.
    #[arg(long, conflicts_with_all = ["rate", "processes"])]
    limit: bool,
    /// Partitions of the topics that are made for it.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(i32).range(1..=1_024))]
    partitions: i32,
    /// Processes of `assize run`, with the lanes that the configuration says.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    processes: u8,
    /// A text a line; what stands before a tab is left out.
    #[arg(long, value_name = "FILE", default_value = "data/spam-sms/messages.tsv")]
    texts: PathBuf,
    /// Bring every text to this many code points [default: texts as they are].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    text_chars: Option<u32>,
    /// Authors, in turn.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    users: u64,
    /// Share of messages by authors never seen before, which no cache knows, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    new_users: f64,
    /// Where bench.json, pictures, the histogram and the logs of the processes go.
    #[arg(long, value_name = "DIR", default_value = "run/bench")]
    out: PathBuf,
    /// Print bench.json instead of the tables.
    #[arg(long)]
    json: bool,
    /// Messages a second, at least.
    #[arg(long, value_name = "N", conflicts_with = "rate", help_heading = "Bounds")]
    per_second_min: Option<f64>,
    /// Throughput over that of the bare loop, at least.
    #[arg(long, value_name = "SHARE", requires = "limit", conflicts_with = "rate", value_parser = share)]
    #[arg(help_heading = "Bounds")]
    limit_share_min: Option<f64>,
    /// Latency, milliseconds, at most.
    #[arg(long, value_name = "MS", conflicts_with = "drain", help_heading = "Bounds")]
    p50_max: Option<f64>,
    /// Latency, milliseconds, at most.
    #[arg(long, value_name = "MS", conflicts_with = "drain", help_heading = "Bounds")]
    p99_max: Option<f64>,
    /// Resident memory of a process, MB, at most.
    #[arg(long, value_name = "MB", help_heading = "Bounds")]
    memory_max: Option<f64>,
    /// From the start to the first verdict, seconds, at most.
    #[arg(long, value_name = "S", help_heading = "Bounds")]
    first_verdict_max: Option<f64>,
    #[command(flatten)]
    config: ConfigArg,
}

const EXAMPLES: &str = "\
The topics are made for the bench and deleted afterwards; those of the configuration are not touched. Latency counts \
from when a message was due to when its verdict can be read by a consumer of committed records. Every message must come \
out with one verdict, or the bench fails.

Examples:
  assize bench --rate 1000                               latency at 1,000 messages a second
  assize bench --drain 2000000 --limit                   throughput, and what a bare loop reaches here
  assize bench --drain 500000 --processes 2 --partitions 32
  assize bench --rate 5000 --p99-max 130                 exit 1 when the 99th percentile is later
  ASSIZE_STREAM__PROFILE=latency assize bench --rate 1000 --p50-max 20 --p99-max 50

Exit codes: 0 done, every bound kept; 1 a bound is not kept, a message has no verdict or two, or a \
signal came (the topics are deleted all the same); 2 wrong use; 69 Kafka, \
the registry or a topic is not as needed.";

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "a number from 0 to 1".to_owned())
}

impl Args {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`], with its exit code.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        telemetry::init(LogFormat::Human, "off").map_err(|error| Failure::new(Exit::Config, error))?;
        let config = self.config.load()?;
        let (options, json) = (self.options(), self.json);
        let bar = Bar(progress_bar(0, "{msg:14} {bar:40} {human_pos}/{human_len} messages, {per_sec}, {elapsed}"));
        let report = bench::run(&config, &options, &bar);
        bar.0.finish_and_clear();
        let report = report?;
        if json {
            let text = serde_json::to_string_pretty(&report).map_err(anyhow::Error::from)?;
            print(&(text + "\n"))?;
        } else {
            print(&show(&report, &options))?;
            eprintln!("results and pictures: {}", options.out.display());
        }
        for outcome in &report.outcomes {
            eprintln!("{}", line(outcome));
        }
        Ok(if report.outcomes.iter().all(|outcome| outcome.kept) { Exit::Done } else { Exit::Failed })
    }

    fn options(&self) -> Options {
        let shape = match (self.drain, self.rate) {
            (Some(messages), _) => Shape::Drain { messages, rounds: self.rounds.into(), limit: self.limit },
            (None, rate) => Shape::Open {
                rate: rate.unwrap_or(1).into(),
                seconds: self.seconds.into(),
                warm_up_seconds: self.warm_up.into(),
            },
        };
        Options {
            shape,
            partitions: self.partitions,
            processes: self.processes.into(),
            texts: self.texts.clone(),
            text_chars: self.text_chars.map(|chars| chars as usize),
            users: self.users,
            new_users: self.new_users,
            config_file: self.config.config.clone(),
            out: self.out.clone(),
            bounds: self.bounds(),
        }
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            per_second_min: self.per_second_min,
            limit_share_min: self.limit_share_min,
            p50_ms_max: self.p50_max,
            p99_ms_max: self.p99_max,
            memory_mb_max: self.memory_max,
            first_verdict_seconds_max: self.first_verdict_max,
        }
    }
}

/// What the bare loop takes; `assize bench` starts it.
#[derive(Debug, clap::Args)]
pub struct LimitArgs {
    #[arg(long)]
    samples: PathBuf,
    #[command(flatten)]
    config: ConfigArg,
}

impl LimitArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        bench::limit::run(&self.config.load()?, &self.samples)
    }
}

struct Bar(ProgressBar);

impl Progress for Bar {
    fn step(&self, name: &str, messages: u64) {
        self.0.reset();
        self.0.set_length(messages);
        self.0.set_message(name.to_owned());
    }

    fn at(&self, messages: u64) {
        self.0.set_position(messages);
    }
}

fn show(report: &Report, options: &Options) -> String {
    let mut text =
        format!("{}, {} partitions, {} process(es)\n\n", options.shape.describe(), report.partitions, report.processes);
    if !report.drains.is_empty() {
        text.push_str(&drains(report));
    }
    if let Some(open) = &report.open {
        text.push_str(&latency(open));
    }
    // Writing to a String cannot fail.
    if let Some(share) = report.limit_share() {
        let _ = writeln!(text, "\n{:.0} % of the bare loop", share * 100.0);
    }
    if let Some(seconds) = report.restart_seconds {
        let _ = writeln!(text, "\nrestart with those windows: first verdict after {seconds:.2} s");
    }
    text
}

fn drains(report: &Report) -> String {
    let row = |name: &str, index: usize, drain: &Throughput| {
        let [engine, broker, bench] = spent(&drain.spent);
        [
            format!("{name} {}", index + 1),
            thousands(drain.per_second),
            engine,
            broker,
            bench,
            memory(drain.memory_bytes_max),
            format!("{:.2}", drain.first_verdict_seconds),
        ]
    };
    let drains = report.drains.iter().enumerate().map(|(index, drain)| row("drain", index, drain));
    let limits = report.limits.iter().enumerate().map(|(index, drain)| row("bare loop", index, drain));
    let header =
        ["", "messages/s", "CPU us a message", "of the broker", "of load and reader", "memory MB", "first verdict s"];
    markdown(header, &drains.chain(limits).collect::<Vec<_>>())
}

fn latency(open: &Open) -> String {
    let ms = |ms: f64| format!("{ms:.1}");
    let [engine, broker, bench] = spent(&open.spent);
    let row = [
        thousands(open.rate),
        ms(open.p50_ms),
        ms(open.p90_ms),
        ms(open.p99_ms),
        ms(open.p999_ms),
        ms(open.max_ms),
        engine,
        broker,
        bench,
        memory(open.memory_bytes_max),
        format!("{:.2}", open.first_verdict_seconds),
    ];
    let header = [
        "messages/s",
        "p50 ms",
        "p90 ms",
        "p99 ms",
        "p99.9 ms",
        "max ms",
        "CPU us a message",
        "of the broker",
        "of load and reader",
        "memory MB",
        "first verdict s",
    ];
    let late = format!("\nthe load was at most {:.1} ms behind its schedule\n", open.late_ms_max);
    markdown(header, &[row]) + &late
}

fn spent(spent: &Spent) -> [String; 3] {
    [spent.engine_us, spent.broker_us, spent.bench_us].map(|us| us.map_or_else(|| "-".into(), |us| format!("{us:.2}")))
}

fn memory(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "-".into(), |bytes| format!("{:.0}", bytes as f64 / 1e6))
}

fn thousands(number: f64) -> String {
    indicatif::HumanCount(number.round() as u64).to_string()
}

fn line(outcome: &Outcome) -> String {
    let kept = if outcome.kept { "kept" } else { "NOT KEPT" };
    let found = outcome.found.map_or_else(|| "not measured".into(), |found| format!("{found:.2}"));
    format!("{kept}: {} {}: {found}", outcome.name, outcome.bound)
}
