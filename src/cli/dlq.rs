//! `assize dlq`: the dead letters, one by one and counted.

mod show;
mod stats;

use std::{io::Write as _, ops::ControlFlow};

use clap::{Subcommand, ValueEnum};

use super::{
    ConfigArg,
    output::{buffered, print, written},
};
use crate::{
    config::Config,
    dlq::{self, CLIENT_HEADER, Filter, Letter, Scan, ScanError},
    failure::Failure,
    fault::Exit,
    intake::Reject,
    stream::kafka::ConnectError,
    tail::{TailError, parse_time},
};

/// What `assize dlq` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

const EXAMPLES: &str = "\
Examples:
  assize dlq list --since 2h --code BAD_MAGIC
  assize dlq show 3:1042                            headers, bytes, fields, cause and remedy
  assize dlq stats --since 1d
  assize dlq report --since 24h >report.md          for the team upstream; holds no message text
  assize dlq codes                                  what each code means, and what to do

Only committed records are read, up to the ends of the topic when the command starts. No group is joined, nothing is \
committed.

Exit codes: 0 done; 1 no such dead letter; 2 wrong use; 64 config refused; 69 Kafka or the topic is not there.";

#[derive(Debug, Subcommand)]
enum What {
    /// One line each, partition by partition, the oldest first.
    #[command(after_help = LIST_EXAMPLES)]
    List(List),
    /// The whole of one dead letter.
    Show(show::Args),
    /// How many, by code, schema id, client and start of the key, over time.
    Stats(stats::StatsArgs),
    /// What upstream should fix: rejects by reason, over time, with origins and remedies. Holds no message text.
    Report(stats::ReportArgs),
    /// The catalogue: every code with its meaning, its likely cause and what to do.
    #[command(after_help = CODES_EXAMPLES)]
    Codes,
}

const LIST_EXAMPLES: &str = "\
Examples:
  assize dlq list --since 15m
  assize dlq list --code UNDECODABLE --code TRAILING_BYTES --client billing --limit 20
  assize dlq list --partition 3 --key-prefix 47 --format ndjson | jq .origin

AT is PARTITION:OFFSET for `dlq show`, ORIGIN is topic:partition:offset of the input. NDJSON holds the original bytes, \
message texts among them: keys, values and headers that are not UTF-8 are base64 under key_base64 and value_base64.

Exit codes: 0 done; 2 wrong use; 64 config refused; 69 Kafka or the topic is not there.";

const CODES_EXAMPLES: &str = "\
Examples:
  assize dlq codes
  assize dlq codes | grep -A 2 BAD_MAGIC

It asks no service and reads no config.

Exit codes: 0 done.";

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    filter: FilterArgs,
    /// Lines at most.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// A line for people, or everything as JSON.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    config: ConfigArg,
}

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Ndjson,
}

/// Which dead letters are meant.
#[derive(Debug, clap::Args)]
struct FilterArgs {
    /// With this code; can be given more than once.
    #[arg(long = "code", value_name = "CODE", value_parser = code)]
    codes: Vec<Reject>,
    /// Written at or after this time: 15m, 2h or 3d ago, or RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = parse_time, allow_hyphen_values = true)]
    since: Option<i64>,
    /// Written before this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time, allow_hyphen_values = true)]
    until: Option<i64>,
    /// Whose key starts like this.
    #[arg(long, value_name = "TEXT")]
    key_prefix: Option<String>,
    /// Whose producer calls itself this in its header.
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// The header in which producers say who they are.
    #[arg(long, value_name = "HEADER", default_value = CLIENT_HEADER)]
    client_header: String,
    /// In this partition; can be given more than once.
    #[arg(long = "partition", value_name = "P")]
    partitions: Vec<i32>,
}

fn code(text: &str) -> Result<Reject, String> {
    let known = || Reject::ALL.map(|reject| reject.code()).join(", ");
    Reject::from_code(text).ok_or_else(|| format!("the codes are {}; `assize dlq codes` explains them", known()))
}

impl FilterArgs {
    fn filter(&self) -> Result<Filter, Failure> {
        if self.since.zip(self.until).is_some_and(|(since, until)| since >= until) {
            return Err(usage("--since is not before --until"));
        }
        let Self { codes, since, until, key_prefix, client, .. } = self;
        Ok(Filter {
            codes: codes.clone(),
            since_ms: *since,
            until_ms: *until,
            key_prefix: key_prefix.clone(),
            client: client.clone(),
        })
    }

    fn scan<'a>(&'a self, config: &'a Config, filter: &'a Filter) -> Scan<'a> {
        let (topic, partitions) = (&config.topics.dead_letters, &self.partitions);
        Scan { topic, partitions, filter, client_header: &self.client_header }
    }
}

fn usage(problem: &'static str) -> Failure {
    Failure::new(Exit::Usage, anyhow::Error::msg(problem))
}

/// The exit code of a topic that cannot be read.
pub(super) fn unreadable(error: TailError) -> Failure {
    let exit = match error {
        TailError::Client(_) | TailError::Connect(ConnectError::Client(_)) => Exit::Config,
        TailError::NoPartition { .. } => Exit::Usage,
        _ => Exit::Unavailable,
    };
    Failure::new(exit, error)
}

fn scanned(result: Result<(), ScanError>) -> Result<(), Failure> {
    match result {
        Ok(()) => Ok(()),
        Err(ScanError::Tail(error)) => Err(unreadable(error)),
        Err(ScanError::Write(error)) => written(Err(error)),
    }
}

impl Args {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] with [`Exit::Config`], [`Exit::Usage`], or [`Exit::Unavailable`] when the topic cannot be read.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self.what {
            What::List(list) => list.run(),
            What::Show(args) => args.run(),
            What::Stats(args) => args.run(),
            What::Report(args) => args.run(),
            What::Codes => print(&codes()).map(|()| Exit::Done),
        }
    }
}

impl List {
    fn run(self) -> Result<Exit, Failure> {
        let filter = self.filter.filter()?;
        let config = self.config.load()?;
        let mut output = buffered();
        let mut left = self.limit.unwrap_or(u64::MAX);
        if left == 0 {
            return Ok(Exit::Done);
        }
        let format = self.format;
        // Not before Kafka has answered: with the first letter, or after none.
        let mut header = (format == Format::Text).then(|| dlq::header() + "\n");
        let mut write = |letter: &Letter<'_>| match format {
            Format::Text => {
                writeln!(output, "{}{}", header.take().unwrap_or_default(), letter.line())
            }
            Format::Ndjson => {
                serde_json::to_writer(&mut output, &letter.json(true))?;
                output.write_all(b"\n")
            }
        };
        let result = self.filter.scan(&config, &filter).run(
            &config.kafka,
            |_, _| {},
            |letter| {
                write(letter)?;
                left -= 1;
                Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            },
        );
        scanned(result)?;
        let rest = header.unwrap_or_default();
        written(output.write_all(rest.as_bytes()).and_then(|()| output.flush()))?;
        Ok(Exit::Done)
    }
}

fn codes() -> String {
    let entry = |reject: Reject| {
        let (code, stage, text) = (reject.code(), reject.stage(), reject.text());
        let (cause, remedy) = (reject.cause(), reject.remedy());
        format!("{code} ({stage}): {text}\n  likely cause: {cause}\n  what to do:   {remedy}\n")
    };
    Reject::ALL.map(entry).join("\n")
}
