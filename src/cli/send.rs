//! `assize send`: messages from a file to the input topic.

use std::path::PathBuf;

use super::{ConfigArg, progress_bar};
use crate::{
    codec::Schemas,
    failure::Failure,
    fault::Exit,
    rows::Format,
    send::{self, Options, PublishError, SendError, Summary},
    service,
    stream::kafka::ConnectError,
};

/// What `assize send` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// NDJSON, CSV or TSV; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How the rows are written [default: as the file's name ends, NDJSON for standard input].
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Messages a second, each at its own time whatever became of those before it [default: full speed].
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// Messages to send at most.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Send the file N times; later rounds are other messages: their ids and keys end in -r2, -r3, ...
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,
    /// Topic [default: topics.messages of the config].
    #[arg(long)]
    topic: Option<String>,
    /// Pass over lines that are no messages, and count them.
    #[arg(long)]
    skip_bad: bool,
    #[command(flatten)]
    config: ConfigArg,
}

const EXAMPLES: &str = "\
Fields: user_id and text; optional message_id (else made from line number, user and text), language, metadata (an \
object; in tables its JSON), created_at (milliseconds since the epoch, else now), and idempotency_key and revision, \
which become headers. The key is the user id.

Examples:
  assize send messages.ndjson
  echo '{\"user_id\": 7, \"text\": \"hello\"}' | assize send -
  assize send messages.csv --rate 5000 --repeat 100      a load of 5,000 messages a second
  assize send messages.tsv --limit 10 --topic try-out

Exit codes: 0 the broker has every message; 1 a line is bad or a message was not delivered; 69 Kafka, the topic or the \
registry is not there.";

fn rate(text: &str) -> Result<f64, String> {
    let limit = "a number from 0.001 to 10,000,000".to_owned();
    text.parse().ok().filter(|rate| (0.001..=1e7).contains(rate)).ok_or(limit)
}

impl Args {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] with [`Exit::Config`], [`Exit::Failed`] at a bad line, or [`Exit::Unavailable`].
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let config = self.config.load()?;
        let options = self.options(&config.topics.messages)?;
        let runtime = service::runtime()?;
        let schemas =
            Schemas::try_new(&config.schemas, runtime.handle()).map_err(|error| Failure::new(Exit::Config, error))?;

        let bar = progress_bar(0, "{spinner} {human_pos} messages, {per_sec}, {elapsed}");
        let sent = send::send(&config, &schemas, &options, || bar.inc(1));
        bar.finish_and_clear();
        let summary = sent.map_err(|error| Failure::new(exit(&error), error))?;
        eprintln!("{}", line(&summary, &options.topic));
        Ok(if summary.failed == 0 { Exit::Done } else { Exit::Failed })
    }

    fn options(self, topic: &str) -> Result<Options, Failure> {
        let stdin = self.file.as_os_str() == "-";
        let guess = if stdin { Some(Format::Ndjson) } else { Format::of(&self.file) };
        let format = self.format.or(guess).ok_or_else(|| {
            let problem = format!("what {} holds cannot be told from its name; say --format", self.file.display());
            Failure::new(Exit::Usage, anyhow::Error::msg(problem))
        })?;
        Ok(Options {
            file: (!stdin).then_some(self.file),
            format,
            topic: self.topic.unwrap_or_else(|| topic.to_owned()),
            rate: self.rate,
            messages_max: self.limit.unwrap_or(u64::MAX),
            rounds: self.repeat,
            skip_bad: self.skip_bad,
        })
    }
}

fn exit(error: &SendError) -> Exit {
    match error {
        SendError::Repeat(_) => Exit::Usage,
        SendError::Read { .. } | SendError::BadLine { .. } => Exit::Failed,
        SendError::Publish(PublishError::Client(_) | PublishError::Connect(ConnectError::Client(_))) => Exit::Config,
        SendError::Publish(PublishError::Stopped(_)) => Exit::Failed,
        SendError::Publish(_) => Exit::Unavailable,
    }
}

fn line(summary: &Summary, topic: &str) -> String {
    let seconds = summary.took.as_secs_f64();
    let mut line = format!(
        "sent {} messages to {topic} in {seconds:.2} s ({:.0}/s), {} failed, {} bad lines passed over",
        summary.delivered,
        summary.delivered as f64 / seconds.max(1e-9),
        summary.failed,
        summary.skipped
    );
    if !summary.latest.is_zero() {
        line.push_str(&format!(", at most {:.1} ms behind schedule", summary.latest.as_secs_f64() * 1e3));
    }
    if let Some(reason) = &summary.first_failure {
        line.push_str(&format!("; the first failure: {reason}"));
    }
    line
}
