//! `assize audit`: the outputs held against the input.

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use super::{ConfigArg, output::print, progress_bar, table::table};
use crate::{
    audit::{self, AuditError, Counts, Finding, Kind, Options, Partition, Report, Tally},
    codec::{Schemas, limit_allocations},
    failure::Failure,
    fault::Exit,
    service,
    stream::kafka::ConnectError,
    tail::TailError,
};

/// What `assize audit` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// How long a transaction in the outputs may stay open before it is a finding, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=3_600))]
    open_wait: u64,
    /// Findings of each kind that are told one by one; all are counted.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=100_000))]
    max_findings: u64,
    /// A table, or one JSON object a line: partitions, findings, then a summary.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    config: ConfigArg,
}

const EXAMPLES: &str = "\
Every message must end as exactly one of verdict with prediction, dead letter, or counted repeat. Findings:
  lost              judged by the group's committed offset, and not answered
  duplicated        answered twice, or an identity with two verdicts inside the idempotency window
  unexpected        an output that answers no message, another one, or in another partition
  torn              a verdict without its prediction, or the other way round
  out of order      verdicts on one user's messages in another order than the messages
  open transaction  readers of an output wait for a transaction to end

Suppressed are repeats of a verdict inside the window (whether their text was the same cannot be seen without the hash \
key), pending are messages at or behind the committed offset, and not judged those whose answers may be past their \
retention. It may run beside a live stream, joins no group and commits nothing.

Examples:
  assize audit --config assize.toml
  assize audit --format json | jq 'select(.type == \"summary\")'

Exit codes: 0 nothing found; 1 findings; 69 Kafka, a topic or the registry is not there.";

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
    /// [`Failure`] with [`Exit::Config`], or [`Exit::Unavailable`] when the topics cannot be read.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let config = self.config.load()?;
        limit_allocations();
        let runtime = service::runtime()?;
        let schemas =
            Schemas::try_new(&config.schemas, runtime.handle()).map_err(|error| Failure::new(Exit::Config, error))?;
        let options = Options { open_wait: Duration::from_secs(self.open_wait), samples_max: self.max_findings };

        let bar = progress_bar(0, "{wide_bar} {percent}% of {human_len} offsets, {elapsed}");
        let report = audit::audit(&config, &schemas, options, |read, offsets| {
            bar.set_length(offsets);
            bar.set_position(read);
        });
        bar.finish_and_clear();
        let report = report.map_err(|error| Failure::new(exit(&error), error))?;
        print(&match self.format {
            Format::Table => as_table(&report),
            Format::Json => as_json(&report),
        })?;
        Ok(if report.findings.counts.total() == 0 { Exit::Done } else { Exit::Failed })
    }
}

fn exit(error: &AuditError) -> Exit {
    match error {
        AuditError::Tail(TailError::Client(_) | TailError::Connect(ConnectError::Client(_))) => Exit::Config,
        _ => Exit::Unavailable,
    }
}

fn as_table(report: &Report) -> String {
    const HEADER: [&str; 10] = [
        "PARTITION",
        "INPUT",
        "VERDICTS",
        "PREDICTIONS",
        "DEAD LETTERS",
        "SUPPRESSED",
        "PENDING",
        "NOT JUDGED",
        "COMMITTED",
        "FINDINGS",
    ];
    let mut rows: Vec<_> = report.partitions.iter().map(row).collect();
    let counts = &report.findings.counts;
    rows.push(cells("all".into(), &report.total, String::new(), counts.total()));
    let mut text = table(HEADER, &rows);
    if counts.total() == 0 {
        text.push_str(&match report.total.judged() {
            0 => "\nnothing found, but nothing was judged: see PENDING and NOT JUDGED\n".to_owned(),
            judged => format!("\nclean: each of the {judged} judged messages is accounted for exactly once\n"),
        });
        return text;
    }
    text.push('\n');
    for kind in Kind::ALL.into_iter().filter(|kind| counts.of(*kind) > 0) {
        text.push_str(&format!("{} {}\n", counts.of(kind), kind.name()));
        let samples = || report.findings.samples.iter().filter(|found| found.kind == kind);
        samples().for_each(|Finding { partition, offset, detail, .. }| {
            text.push_str(&format!("  partition {partition}, offset {offset}: {detail}\n"));
        });
        match counts.of(kind) - samples().count() as u64 {
            0 => {}
            more => text.push_str(&format!("  and {more} more; --max-findings shows more of them\n")),
        }
    }
    text
}

fn row(partition: &Partition) -> [String; 10] {
    let committed = partition.committed.map_or_else(|| "none".to_owned(), |committed| committed.to_string());
    cells(partition.partition.to_string(), &partition.tally, committed, partition.findings.total())
}

fn cells(name: String, tally: &Tally, committed: String, findings: u64) -> [String; 10] {
    let Tally { input, verdicts, predictions, dead_letters, suppressed, pending, not_judged } = *tally;
    let [input, verdicts, predictions, dead_letters, suppressed, pending, not_judged, findings] =
        [input, verdicts, predictions, dead_letters, suppressed, pending, not_judged, findings]
            .map(|number| number.to_string());
    [name, input, verdicts, predictions, dead_letters, suppressed, pending, not_judged, committed, findings]
}

/// A line of the JSON report.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Partition(&'a Partition),
    Finding(&'a Finding),
    Summary {
        clean: bool,
        partitions: usize,
        #[serde(flatten)]
        total: &'a Tally,
        findings: &'a Counts,
    },
}

fn as_json(report: &Report) -> String {
    let counts = &report.findings.counts;
    let (partitions, total) = (report.partitions.len(), &report.total);
    let summary = Line::Summary { clean: counts.total() == 0, partitions, total, findings: counts };
    let partitions = report.partitions.iter().map(Line::Partition);
    let lines = partitions.chain(report.findings.samples.iter().map(Line::Finding)).chain([summary]);
    // Numbers and texts under fixed names always serialize.
    lines.map(|line| serde_json::to_string(&line).unwrap_or_default() + "\n").collect()
}
