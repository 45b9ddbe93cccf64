//! One thin file per command. Data goes to stdout, logs and progress to stderr.

mod audit;
mod bad_lines;
mod bench;
mod classify;
mod demo;
mod dlq;
mod doctor;
mod drift;
mod features;
mod model;
mod output;
mod progress;
mod run;
mod schema;
mod send;
mod table;
mod topics;
mod watch;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    config::{Config, ConfigError},
    failure::Failure,
    fault::Exit,
};

/// Every message is accounted for exactly once: a verdict, a dead letter, or a counted repeat.
#[derive(Debug, Parser)]
#[command(name = "assize", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 a finding or a failure; 2 wrong use; 64 config refused; 65 bundle refused; 69 a service or topic \
is not as needed; 70 refused by the broker; 75 drain cut short; 76 another process has this identity; 77 too many rebuilds; 130, 143 ended by a second signal. Docs: README.md";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Hold the outputs against the input: is every message accounted for exactly once?
    Audit(audit::Args),
    /// Measure throughput, latency and cost against the configured Kafka.
    Bench(bench::Args),
    /// The bare loop that `assize bench --limit` starts.
    #[command(hide = true)]
    BenchLimit(bench::LimitArgs),
    /// Judge messages from a file or standard input, with no services at all.
    Classify(classify::Args),
    /// Judge labelled messages from a file, with no services at all.
    Demo(demo::Args),
    /// Look at dead letters: list, show, count, report upstream; and what their codes mean.
    Dlq(dlq::Args),
    /// Is everything there that the configuration names, and what to do if not?
    Doctor(doctor::Args),
    /// Does the traffic look as it did? What moved, and by how much.
    Drift(drift::Args),
    /// Features for training, and the contract that names them.
    Features(features::Args),
    /// Judge a model before it serves: does it load, what does a row cost?
    Model(model::Args),
    /// The process that `assize model verify` and `assize run` try a model in.
    #[command(hide = true)]
    ModelTrial(model::TrialArgs),
    /// Judge the messages of a topic, exactly once, until SIGTERM.
    Run(run::Args),
    /// Print our schemas, register them, or check one that a producer proposes.
    Schema(schema::Args),
    /// Send messages to the input topic, as an upstream producer would.
    Send(send::Args),
    /// Make or check the topics.
    Topics(topics::Args),
    /// See verdicts, predictions, dead letters, messages, labels or drift reports, decoded, as they come or from earlier on.
    Watch(watch::Args),
}

/// Where the configuration is.
#[derive(Clone, Debug, Args)]
pub struct ConfigArg {
    /// Configuration file; without one every default holds.
    #[arg(long, short, value_name = "FILE", env = "ASSIZE_CONFIG")]
    pub config: Option<PathBuf>,
}

impl ConfigArg {
    /// Reads and validates the configuration.
    ///
    /// # Errors
    /// [`ConfigError`], naming the key, what was found and what is allowed.
    pub fn load(&self) -> Result<Config, ConfigError> {
        match &self.config {
            Some(path) => Config::load(path),
            None => Config::parse("", std::env::vars()),
        }
    }
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`], with the exit code.
    pub fn run(self) -> Result<Exit, Failure> {
        match self.command {
            Command::Audit(args) => args.run(),
            Command::Bench(args) => args.run(),
            Command::BenchLimit(args) => args.run(),
            Command::Classify(args) => args.run(),
            Command::Demo(args) => demo::run(args),
            Command::Dlq(args) => args.run(),
            Command::Features(args) => features::run(args),
            Command::Doctor(args) => args.run(),
            Command::Drift(args) => args.run(),
            Command::Model(args) => args.run(),
            Command::ModelTrial(args) => args.run(),
            Command::Run(args) => run::run(&args),
            Command::Schema(args) => args.run(),
            Command::Send(args) => args.run(),
            Command::Topics(args) => args.run(),
            Command::Watch(args) => args.run(),
        }
    }
}

/// Progress on stderr, seen only where that is a terminal. A length of 0 is set later, or never known.
fn progress_bar(length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
