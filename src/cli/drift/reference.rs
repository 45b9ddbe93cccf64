//! `assize drift reference`: what was normal, for a bundle to carry.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use indicatif::ProgressBar;

use crate::{
    cli::{ConfigArg, bad_lines::BadLines, classify::load, dlq::unreadable, output::print, progress_bar},
    clock::now_ms,
    codec::{Schemas, limit_allocations},
    config::Config,
    drift::reference::{
        Builder, Built,
        sources::{Source, SourceError, TopicSource},
    },
    failure::Failure,
    fault::Exit,
    features::contract::Contract,
    pipeline, service,
    tail::{parse_time, rfc3339},
};

/// Rows that it takes: what drift takes of either side to say anything.
const ROWS_MIN: u64 = 500;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The bundle that the reference is for, and that judged.
    #[arg(long, value_name = "DIR")]
    bundle: PathBuf,
    /// Predictions from when all was well, NDJSON; without it those of Kafka. Read twice, so no pipe.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to"])]
    predictions: Option<PathBuf>,
    /// Of this task; without it, of the first task of each prediction that the bundle judged.
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// Written at or after this time: 15m, 2h or 3d ago, or RFC 3339 [default: the beginning of the topic].
    #[arg(long, value_name = "TIME", value_parser = parse_time, allow_hyphen_values = true)]
    from: Option<i64>,
    /// Written before this time [default: the end of the topic].
    #[arg(long, value_name = "TIME", value_parser = parse_time, allow_hyphen_values = true)]
    to: Option<i64>,
    /// What the reference says that it is from [default: the name of the file, or topic and times].
    #[arg(long, value_name = "TEXT")]
    label_from: Option<String>,
    /// Predictions that it takes.
    #[arg(long, value_name = "N", default_value_t = ROWS_MIN)]
    rows_min: u64,
    /// Where the reference goes, instead of stdout.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArg,
}

const EXAMPLES: &str = "\
Counts, on quantile edges: every feature of the bundle, the unknown-term ratio, the score of each label; language, label, \
action, origin of the user features, degraded. No text, no id of a message or an author is in it. docs/drift.md says what \
is held against it. Predictions are counted where name and version of their model are the bundle's and their feature \
contract is its own, or, with a configuration, that of all [[task]]s together.

Examples:
  assize drift reference --bundle models/spam-sms --from 2026-01-05T00:00:00Z --to 2026-01-12T00:00:00Z \\
    --config assize.toml --task spam --output week.json
  assize model package --manifest models/spam-sms/manifest.json --reference week.json --out models/spam-sms-week
  assize classify --bundle models/spam-sms messages.ndjson --predictions log.ndjson > /dev/null
  assize drift reference --bundle models/spam-sms --predictions log.ndjson --label-from 'messages of May' --output may.json

What is passed over is told on stderr. Only committed records are read; no group is joined, nothing is committed. Memory is \
bounded, whatever the number of predictions.

Exit codes: 0 done; 1 a file cannot be read or written; 2 wrong use, which is also fewer than --rows-min predictions; 64 \
config refused; 65 a bundle is refused; 69 Kafka or the topic is not there.";

impl Args {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        if self.from.zip(self.to).is_some_and(|(from, to)| from >= to) {
            return Err(Failure::new(Exit::Usage, anyhow::Error::msg("--from is not before --to")));
        }
        // A file needs none, but may come from a stream of several tasks.
        let needed = self.predictions.is_none() || self.config.config.is_some();
        let config = needed.then(|| self.config.load()).transpose()?;
        let bundle = load(&self.bundle)?;
        let union = config.as_ref().map(union).transpose()?.flatten();
        let builder = Builder::try_new(bundle.drift_subject(), union.as_ref(), self.task.as_deref());
        let builder = builder.map_err(|error| Failure::new(Exit::Usage, error))?;
        let built = match (&self.predictions, &config) {
            (Some(file), _) => self.build(&Source::File(file), &builder, file_name(file))?,
            (None, Some(config)) => self.build_from_topic(config, &builder)?,
            (None, None) => return Err(anyhow::Error::msg("no configuration was read").into()),
        };
        self.write(&built)?;
        Ok(Exit::Done)
    }

    fn build_from_topic(&self, config: &Config, builder: &Builder<'_>) -> Result<Built, Failure> {
        limit_allocations();
        let runtime = service::runtime()?;
        let schemas =
            Schemas::try_new(&config.schemas, runtime.handle()).map_err(|error| Failure::new(Exit::Config, error))?;
        let topic = &config.topics.predictions;
        let source = TopicSource::open(&config.kafka, topic, &schemas, (self.from, self.to)).map_err(unreadable)?;
        let from = self.from.map_or_else(|| "its beginning".to_owned(), rfc3339);
        let to = rfc3339(self.to.unwrap_or_else(now_ms));
        self.build(&Source::Topic(source), builder, format!("topic {topic}, {from} to {to}"))
    }

    fn build(&self, source: &Source<'_>, builder: &Builder<'_>, from: String) -> Result<Built, Failure> {
        let (bar, mut bad) = (spinner(), BadLines::default());
        let from = self.label_from.clone().unwrap_or(from);
        let told = |place: &str, line, problem: &str| bar.suspend(|| bad.tell(place, line, problem));
        let built = source.build(builder, from, self.rows_min, |read| bar.set_position(read), told);
        bar.finish_and_clear();
        // They are no failure here.
        bad.exit();
        built.map_err(failure)
    }

    fn write(&self, Built { reference, unlike }: &Built) -> Result<(), Failure> {
        if *unlike > 0 {
            eprintln!(
                "assize: {unlike} predictions of another model, version, feature contract or task were passed over"
            );
        }
        let json = reference.to_json().map_err(anyhow::Error::from)?;
        match &self.output {
            None => print(&json)?,
            Some(file) => {
                fs::write(file, json).with_context(|| format!("{} cannot be written", file.display()))?;
            }
        }
        eprintln!("assize: {} predictions counted", reference.rows);
        Ok(())
    }
}

/// What predictions of the configured stream log, where tasks are configured.
fn union(config: &Config) -> Result<Option<Contract>, Failure> {
    if config.tasks.is_empty() {
        return Ok(None);
    }
    service::try_models(&config.tasks)?;
    let tasks = service::load_tasks(&config.tasks)?;
    pipeline::union(&tasks).map(Some).map_err(|error| Failure::new(Exit::Bundle, error))
}

/// Without its folder, which is no business of those who get the bundle.
fn file_name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Both passes are counted.
fn spinner() -> ProgressBar {
    progress_bar(0, "{spinner} {human_pos} predictions read, {per_sec}")
}

fn failure(error: SourceError) -> Failure {
    match error {
        SourceError::Tail(error) => unreadable(error),
        SourceError::Read { .. } => Failure::new(Exit::Failed, error),
        SourceError::NotAFile(_) | SourceError::Build(_) => Failure::new(Exit::Usage, error),
    }
}
