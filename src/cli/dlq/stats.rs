//! `assize dlq stats` and `assize dlq report`: the dead letters, counted.

use std::ops::ControlFlow;

use clap::ValueEnum;
use serde::Serialize;

use super::{FilterArgs, Format, scanned};
use crate::{
    cli::{ConfigArg, output::print, progress_bar, table::table},
    clock::now_ms,
    dlq::{self, CodeRow, Dimension, GroupRow, OTHER_CODES, Report, Scope, Stats, bucket, sparkline},
    failure::Failure,
    fault::Exit,
    tail::parse_time,
};

/// How far back a report goes unless told otherwise.
const REPORT_SINCE: &str = "24h";

/// What `assize dlq stats` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  assize dlq stats
  assize dlq stats --since 1d --client billing
  assize dlq stats --format ndjson | jq 'select(.type == \"code\")'

Counts by code are exact. Of schema ids, clients and key prefixes at least 2,000 are counted apart; where there are \
many more, the rarest are folded into \"(others)\". No message text is printed.

Exit codes: 0 done; 2 wrong use; 64 config refused; 69 Kafka or the topic is not there.")]
pub(super) struct StatsArgs {
    #[command(flatten)]
    counting: Counting,
    /// Rows of each table at most, besides the others.
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Tables, or one JSON object a row.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What `assize dlq report` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  assize dlq report >report.md                          the last 24 hours, by schema id, client and start of the key
  assize dlq report --since 7d --client billing --by schema
  assize dlq report --format json | jq '.codes[] | {code, count, remedy}'

It can be handed to other teams: it holds codes, counts, times, places, schema ids, the names that clients give \
themselves, and the first characters of keys (see --key-prefix-chars), but no message text.

Exit codes: 0 done; 2 wrong use; 64 config refused; 69 Kafka or the topic is not there.")]
pub(super) struct ReportArgs {
    #[command(flatten)]
    counting: Counting,
    /// How to group them besides by reason; can be given more than once [default: all three].
    #[arg(long, value_enum, value_name = "WHAT")]
    by: Vec<Dimension>,
    /// Rows of each table at most, besides the others.
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// A document, or one JSON object.
    #[arg(long, value_enum, default_value_t = ReportFormat::Markdown)]
    format: ReportFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ReportFormat {
    /// For people.
    Markdown,
    /// For machines.
    Json,
}

/// What is counted.
#[derive(Debug, clap::Args)]
struct Counting {
    #[command(flatten)]
    filter: FilterArgs,
    /// Characters at the start of a key that group it.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    key_prefix_chars: u8,
    #[command(flatten)]
    config: ConfigArg,
}

impl Counting {
    fn count(&self, by: &[Dimension], rows_max: usize) -> Result<Report, Failure> {
        let filter = self.filter.filter()?;
        let config = self.config.load()?;
        let until_ms = filter.until_ms.unwrap_or_else(now_ms);
        let mut stats = Stats::new(self.key_prefix_chars.into());
        let bar = progress_bar(0, "{wide_bar} {percent}% of {human_len} offsets, {elapsed}");
        let result = self.filter.scan(&config, &filter).run(
            &config.kafka,
            |read, offsets| {
                if read % 1_024 == 0 {
                    bar.set_length(offsets);
                    bar.set_position(read);
                }
            },
            |letter| {
                stats.count(letter);
                Ok(ControlFlow::Continue(()))
            },
        );
        bar.finish_and_clear();
        scanned(result)?;
        Ok(Report::new(&stats, &config.topics.dead_letters, (filter.since_ms, until_ms), by, rows_max))
    }
}

impl StatsArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let report = self.counting.count(&Dimension::ALL, self.top)?;
        print(&match self.format {
            Format::Text => as_text(&report),
            Format::Ndjson => as_ndjson(&report),
        })?;
        Ok(Exit::Done)
    }
}

impl ReportArgs {
    pub(super) fn run(mut self) -> Result<Exit, Failure> {
        let since = &mut self.counting.filter.since;
        if since.is_none() {
            *since = parse_time(REPORT_SINCE).ok();
        }
        let by = if self.by.is_empty() { &Dimension::ALL[..] } else { &self.by };
        let report = self.counting.count(by, self.top)?;
        print(&match self.format {
            ReportFormat::Markdown => dlq::markdown(&report),
            // Numbers and texts under fixed names always serialize.
            ReportFormat::Json => serde_json::to_string_pretty(&report).unwrap_or_default() + "\n",
        })?;
        Ok(Exit::Done)
    }
}

fn as_text(report: &Report) -> String {
    let Scope { topic, since, until, count, buckets_from, bucket_seconds } = &report.scope;
    let since = since.as_deref().unwrap_or("the oldest");
    let mut text = format!("{count} dead letters in {topic}, from {since} to {until}\n");
    if let Some(from) = buckets_from {
        text.push_str(&format!("bars start at {from}, each is {}, a dot is none\n", bucket(*bucket_seconds)));
    } else {
        return text;
    }
    let share = |part: u64| format!("{:.1} %", part as f64 * 100.0 / *count as f64);
    let rows: Vec<_> = report
        .codes
        .iter()
        .map(|CodeRow { code, count, first, last, over_time, .. }| {
            let code = code.unwrap_or(OTHER_CODES).to_owned();
            [code, count.to_string(), share(*count), first.clone(), last.clone(), sparkline(over_time)]
        })
        .collect();
    text.push('\n');
    text.push_str(&table(["CODE", "COUNT", "SHARE", "FIRST", "LAST", "OVER TIME"], &rows));
    for by in Dimension::ALL {
        let title = match by {
            Dimension::Schema => "SCHEMA ID",
            Dimension::Client => "CLIENT",
            Dimension::KeyPrefix => "KEY STARTS WITH",
        };
        let rows = report.groups.iter().filter(|row| row.by == by);
        let rows: Vec<_> = rows
            .map(|GroupRow { value, count, codes, over_time, .. }| {
                let most = codes.first().map_or("", |(code, _)| code).to_owned();
                [value.clone(), count.to_string(), share(*count), most, sparkline(over_time)]
            })
            .collect();
        text.push('\n');
        text.push_str(&table([title, "COUNT", "SHARE", "MOST OFTEN", "OVER TIME"], &rows));
    }
    text
}

/// A row as JSON.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Code(&'a CodeRow),
    Group(&'a GroupRow),
    Summary(&'a Scope),
}

fn as_ndjson(report: &Report) -> String {
    let groups = report.groups.iter().map(Line::Group);
    let lines = report.codes.iter().map(Line::Code).chain(groups).chain([Line::Summary(&report.scope)]);
    // Numbers and texts under fixed names always serialize.
    lines.map(|line| serde_json::to_string(&line).unwrap_or_default() + "\n").collect()
}
