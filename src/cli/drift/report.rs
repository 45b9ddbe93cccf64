//! `assize drift report`: a page of the drift reports.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::{
    cli::{
        ConfigArg,
        dlq::unreadable,
        output::{plain, print},
    },
    clock::now_ms,
    codec::{Schemas, limit_allocations},
    drift::page::{Filter, Kept, Page, html, read_file, read_topic},
    failure::Failure,
    fault::Exit,
    service,
    tail::parse_time,
};

/// How far back the topic is read unless told otherwise.
const FROM: &str = "-7d";
/// What is passed over and told one by one; all is counted.
const BAD_TOLD_MAX: u64 = 20;

/// What `assize drift report` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Reports as NDJSON, as `assize watch drift-reports --format ndjson` writes them; `-` is standard input. Without it
    /// they are read from their topic.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Only windows that end then or later: a time ago such as -12h, or RFC 3339 [default: -7d of the topic, all of a
    /// file].
    #[arg(long, value_name = "TIME", value_parser = parse_time, allow_hyphen_values = true)]
    from: Option<i64>,
    /// Only windows that end then or earlier.
    #[arg(long, value_name = "TIME", value_parser = parse_time, allow_hyphen_values = true)]
    to: Option<i64>,
    /// Only this task.
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// Only this arm.
    #[arg(long, value_name = "NAME")]
    arm: Option<String>,
    /// The window of tables and lines, such as 24h [default: the shortest of each task].
    #[arg(long, value_name = "NAME")]
    window: Option<String>,
    /// Reports at most; of more the newest are shown.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    reports_max: u32,
    /// The page: one HTML file, nothing is fetched, no script runs; `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = "drift.html")]
    output: PathBuf,
    /// Everything that the page shows as JSON, too; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArg,
}

const EXAMPLES: &str = "\
Per task and arm: how it stands and which alarms are raised since when; every feature, score and category of the newest window \
that was judged, beside the model's reference; scores, labels and performance over time. docs/drift.md says more.

Examples:
  assize drift report                                        the last week, from the topic of drift reports
  assize drift report --from -24h --task spam --output spam.html
  assize watch drift-reports --from -7d --until-end --format ndjson > reports.ndjson
  assize drift report --input reports.ndjson --window 24h --json drift.json
  assize drift report --input reports.ndjson --output /dev/null --json - | jq '.tasks[].says'

Of reports of the same window the later one counts. The topic is read up to its ends as they are; no group is joined, nothing \
is committed. What is no report is told on stderr and passed over.

Exit codes: 0 done; 1 a file cannot be read or written; 2 wrong use, which is also no report to show; 64 config refused; 69 \
Kafka or the topic is not there.";

fn usage(problem: impl Into<anyhow::Error>) -> Failure {
    Failure::new(Exit::Usage, problem)
}

impl Args {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        if self.from.zip(self.to).is_some_and(|(from, to)| from >= to) {
            return Err(usage(anyhow::Error::msg("--from is not before --to")));
        }
        if is_dash(&self.output) && self.json.as_deref().is_some_and(is_dash) {
            return Err(usage(anyhow::Error::msg("--output and --json cannot both be standard output")));
        }
        let mut kept = Kept::new(self.reports_max as usize);
        let source = match &self.input {
            Some(file) => self.read_file(file, &mut kept)?,
            None => self.read_topic(&mut kept)?,
        };
        let page = Page::of(&kept, self.window.as_deref(), source, now_ms()).map_err(usage)?;
        if page.reports.left_out > 0 {
            eprintln!("assize: {} older reports were left out; see --reports-max", page.reports.left_out);
        }
        write(&self.output, &html(&page))?;
        if let Some(file) = &self.json {
            write(file, &(serde_json::to_string_pretty(&page).map_err(anyhow::Error::from)? + "\n"))?;
        }
        Ok(Exit::Done)
    }

    fn filter(&self, from_ms: Option<i64>) -> Filter {
        Filter { task: self.task.clone(), arm: self.arm.clone(), from_ms, to_ms: self.to }
    }

    fn read_file(&self, file: &Path, kept: &mut Kept) -> Result<String, Failure> {
        let path = (!is_dash(file)).then_some(file);
        let name = path.map_or_else(|| "standard input".to_owned(), |file| file.display().to_string());
        let mut told = Told::default();
        let read = read_file(path, &self.filter(self.from), kept, |line, problem| {
            told.tell(&format!("{name}:{line}"), problem);
        });
        read.with_context(|| format!("{name} cannot be read"))?;
        told.sum();
        Ok(name)
    }

    fn read_topic(&self, kept: &mut Kept) -> Result<String, Failure> {
        let config = self.config.load()?;
        let from = self.from.or_else(|| parse_time(FROM).ok());
        if from.zip(self.to).is_some_and(|(from, to)| from >= to) {
            return Err(usage(anyhow::Error::msg(format!("--to is not after --from, which is {FROM}; give --from"))));
        }
        limit_allocations();
        let runtime = service::runtime()?;
        let schemas =
            Schemas::try_new(&config.schemas, runtime.handle()).map_err(|error| Failure::new(Exit::Config, error))?;
        let topic = &config.topics.drift_reports;
        let mut told = Told::default();
        let read =
            read_topic(&config.kafka, topic, &schemas, &self.filter(from), kept, |partition, offset, problem| {
                told.tell(&format!("{topic}:{partition}:{offset}"), problem);
            });
        read.map_err(unreadable)?;
        told.sum();
        Ok(format!("topic {topic}"))
    }
}

/// What was passed over.
#[derive(Default)]
struct Told(u64);

impl Told {
    fn tell(&mut self, at: &str, problem: &str) {
        self.0 += 1;
        if self.0 <= BAD_TOLD_MAX {
            eprintln!("assize: {}: {}", plain(at), plain(problem));
        }
    }

    fn sum(&self) {
        if self.0 > 0 {
            eprintln!("assize: {} records that are no drift reports were passed over", self.0);
        }
    }
}

fn is_dash(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    if is_dash(file) {
        return print(text);
    }
    Ok(fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))?)
}
