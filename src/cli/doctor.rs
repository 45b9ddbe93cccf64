//! `assize doctor`: is everything there that the configuration names?

use std::io::IsTerminal as _;

use clap::ValueEnum;

use super::{ConfigArg, output::print};
use crate::{
    doctor::{self, Line, Status},
    failure::Failure,
    fault::Exit,
};

/// What `assize doctor` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A table, or one JSON object a line.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Exit with 1 when there is a warning.
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    config: ConfigArg,
}

const EXAMPLES: &str = "\
Connects to everything that the configuration names, and says of each what is wrong and what to do: bundles, hash key, \
port, encryption, brokers, topics, group, access rules, registry, Redis, clock. It ends within half a minute, whatever \
is down, and changes nothing: no topic, no group, no record.

Examples:
  assize doctor --config assize.toml
  assize doctor --format json | jq 'select(.status != \"OK\")'
  assize doctor --strict && assize run

Exit codes: 0 nothing fails; 1 a warning, with --strict; 64 the configuration is refused; 69 something fails.";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// For machines.
    Json,
}

impl Args {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] with [`Exit::Config`], or [`Exit::Failed`] when stdout cannot be written.
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let lines = doctor::examine(&self.config.load()?);
        print(&match self.format {
            Format::Table => as_table(&lines, std::io::stdout().is_terminal()),
            Format::Json => as_json(&lines).map_err(|error| Failure::new(Exit::Failed, error))?,
        })?;
        let some = |status| lines.iter().any(|line| line.status == status);
        Ok(match (some(Status::Fail), some(Status::Warn) && self.strict) {
            (true, _) => Exit::Unavailable,
            (false, true) => Exit::Failed,
            (false, false) => Exit::Done,
        })
    }
}

fn as_json(lines: &[Line]) -> serde_json::Result<String> {
    lines.iter().map(|line| Ok(serde_json::to_string(line)? + "\n")).collect()
}

fn as_table(lines: &[Line], colour: bool) -> String {
    let width = lines.iter().map(|line| line.check.len()).max().unwrap_or_default();
    let mut text = String::new();
    for Line { status, check, found, remedy } in lines {
        let (word, code) = match status {
            Status::Ok => ("OK  ", "32"),
            Status::Warn => ("WARN", "33"),
            Status::Fail => ("FAIL", "31"),
        };
        let word = if colour { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() };
        text.push_str(&format!("{word}  {check:<width$}  {found}\n"));
        if !remedy.is_empty() {
            text.push_str(&format!("{:6}{:width$}  -> {remedy}\n", "", ""));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_stands_under_its_finding_and_colour_is_for_terminals() {
        let line = |status, check, remedy: &str| Line { status, check, found: "found".into(), remedy: remedy.into() };
        let lines = [line(Status::Ok, "kafka", ""), line(Status::Fail, "bundle", "do this")];
        assert_eq!(as_table(&lines, false), "OK    kafka   found\nFAIL  bundle  found\n              -> do this\n");
        assert!(as_table(&lines, true).contains("\x1b[31mFAIL\x1b[0m"));
    }
}
