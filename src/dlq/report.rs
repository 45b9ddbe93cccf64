//! Counts as they leave: rows for machines, and a document for the team upstream. No message text is in either.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    Dimension, Origin, Stats, sparkline,
    stats::{Code, Count},
};
use crate::{intake::Reject, tail::rfc3339};

/// Which dead letters were counted.
#[derive(Clone, Debug, Serialize)]
pub struct Scope {
    /// The topic of the dead letters.
    pub topic: String,
    /// From when on; none means from the oldest.
    pub since: Option<String>,
    /// Until when.
    pub until: String,
    /// Dead letters.
    pub count: u64,
    /// When the first bucket of every `over_time` starts.
    pub buckets_from: Option<String>,
    /// How long a bucket is, seconds.
    pub bucket_seconds: i64,
}

/// The dead letters of one code.
#[derive(Clone, Debug, Serialize)]
pub struct CodeRow {
    /// The code; none for all codes that are not in the catalogue.
    pub code: Option<&'static str>,
    /// How many.
    pub count: u64,
    /// When the first was written.
    pub first: String,
    /// When the last was written.
    pub last: String,
    /// What the code means.
    pub meaning: &'static str,
    /// What most likely happened.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// Where the newest of them lie in the input.
    pub samples: Vec<Origin>,
    /// Counts by bucket.
    pub over_time: Vec<u64>,
}

/// The dead letters of one schema, client or key prefix.
#[derive(Clone, Debug, Serialize)]
pub struct GroupRow {
    /// By what it is grouped.
    pub by: Dimension,
    /// Which one.
    pub value: String,
    /// How many.
    pub count: u64,
    /// When the first was written.
    pub first: String,
    /// When the last was written.
    pub last: String,
    /// Counts by code, the largest first.
    pub codes: Vec<(&'static str, u64)>,
    /// Counts by bucket.
    pub over_time: Vec<u64>,
}

/// All rows.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was counted.
    pub scope: Scope,
    /// By code, the largest first.
    pub codes: Vec<CodeRow>,
    /// By everything else, the largest first.
    pub groups: Vec<GroupRow>,
}

impl Report {
    /// The counts of `topic` between `since_ms` and `until_ms`; at most `rows_max` of each dimension of `by`.
    pub fn new(
        stats: &Stats,
        topic: &str,
        (since_ms, until_ms): (Option<i64>, i64),
        by: &[Dimension],
        rows_max: usize,
    ) -> Self {
        let timeline = &stats.total.timeline;
        let range_ms = timeline.range_ms();
        let over_time = |count: &Count| {
            range_ms
                .map_or_else(Vec::new, |(from_ms, to_ms)| count.timeline.buckets(timeline.width_ms(), from_ms, to_ms))
        };
        let scope = Scope {
            topic: topic.to_owned(),
            since: since_ms.map(rfc3339),
            until: rfc3339(until_ms),
            count: stats.total.count,
            buckets_from: range_ms.map(|(from_ms, _)| rfc3339(from_ms)),
            bucket_seconds: timeline.width_ms() / 1_000,
        };
        let rejects = Reject::ALL.into_iter().map(Some).chain([None]);
        let codes = stats.codes.iter().zip(rejects).filter(|(code, _)| code.count.count > 0);
        let mut codes: Vec<_> = codes.map(|(code, reject)| code_row(code, reject, over_time(&code.count))).collect();
        codes.sort_by_key(|row| std::cmp::Reverse(row.count));
        let groups = by.iter().flat_map(|by| {
            let rows = stats.by(*by).rows(rows_max);
            rows.into_iter().map(|(value, count)| GroupRow {
                by: *by,
                value: value.to_owned(),
                count: count.count,
                first: rfc3339(count.first_ms),
                last: rfc3339(count.last_ms),
                codes: codes_of(&count),
                over_time: over_time(&count),
            })
        });
        Self { scope, codes, groups: groups.collect() }
    }
}

fn code_row(Code { count, samples }: &Code, reject: Option<Reject>, over_time: Vec<u64>) -> CodeRow {
    CodeRow {
        code: reject.map(|reject| reject.code()),
        count: count.count,
        first: rfc3339(count.first_ms),
        last: rfc3339(count.last_ms),
        meaning: reject.map_or("a code that this version does not know, or none", |reject| reject.text()),
        cause: reject
            .map_or("another version of Assize, or something else writes to this topic", |reject| reject.cause()),
        remedy: reject.map_or("look at them with `assize dlq list`", |reject| reject.remedy()),
        samples: samples.iter().rev().map(|(_, origin)| origin.clone()).collect(),
        over_time,
    }
}

fn codes_of(count: &Count) -> Vec<(&'static str, u64)> {
    let names = Reject::ALL.iter().map(Reject::code).chain([OTHER_CODES]);
    let mut codes: Vec<_> = names.zip(count.codes).filter(|(_, count)| *count > 0).collect();
    codes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    codes
}

/// What stands for all codes that are not in the catalogue.
pub const OTHER_CODES: &str = "(other codes)";

/// The report as a document in Markdown.
pub fn markdown(report: &Report) -> String {
    let Scope { topic, since, until, count, buckets_from, bucket_seconds } = &report.scope;
    let since = since.as_deref().unwrap_or("the oldest");
    let mut text = format!(
        "# Rejected messages\n\n{count} messages were rejected from {since} to {until}. Each lies in `{topic}` as it was \
         sent; this report holds nothing of their texts.\n"
    );
    // Writing to a String cannot fail.
    if let Some(from) = buckets_from {
        let bucket = bucket(*bucket_seconds);
        let _ = writeln!(text, "\nThe bars start at {from}; each is {bucket}, and a dot is none.");
    }
    if !report.codes.is_empty() {
        text.push_str("\n## By reason\n\n| code | messages | share | first | last | over time |\n");
        text.push_str("| --- | ---: | ---: | --- | --- | --- |\n");
    }
    for row in &report.codes {
        let share = row.count as f64 * 100.0 / *count as f64;
        let (code, bars) = (row.code.unwrap_or(OTHER_CODES), sparkline(&row.over_time));
        let _ = writeln!(text, "| `{code}` | {} | {share:.1} % | {} | {} | {bars} |", row.count, row.first, row.last);
    }
    for by in Dimension::ALL {
        let (title, cell) = match by {
            Dimension::Schema => ("By schema id", "schema id"),
            Dimension::Client => ("By client", "client"),
            Dimension::KeyPrefix => ("By start of the key", "key starts with"),
        };
        let mut rows = report.groups.iter().filter(|row| row.by == by).peekable();
        if rows.peek().is_some() {
            let _ = writeln!(
                text,
                "\n## {title}\n\n| {cell} | messages | reasons | over time |\n| --- | ---: | --- | --- |"
            );
        }
        for row in rows {
            let codes: Vec<_> = row.codes.iter().map(|(code, count)| format!("`{code}` {count}")).collect();
            let (value, codes, bars) = (cell_text(&row.value), codes.join(", "), sparkline(&row.over_time));
            let _ = writeln!(text, "| {value} | {} | {codes} | {bars} |", row.count);
        }
    }
    if !report.codes.is_empty() {
        text.push_str("\n## What to do\n");
    }
    for row in &report.codes {
        let (code, CodeRow { meaning, cause, remedy, .. }) = (row.code.unwrap_or(OTHER_CODES), row);
        let _ = write!(
            text,
            "\n### `{code}`\n\n- Meaning: {meaning}.\n- Likely cause: {cause}.\n- What to do: {remedy}.\n"
        );
        let samples: Vec<_> = row.samples.iter().map(|origin| format!("`{origin}`")).collect();
        if !samples.is_empty() {
            let _ = writeln!(text, "- The newest (topic:partition:offset): {}.", samples.join(", "));
        }
    }
    text
}

/// A stranger's text in a table's cell.
fn cell_text(value: &str) -> String {
    format!("`{}`", value.replace('`', "'").replace('|', "\\|"))
}

/// How long a bucket is, in words.
pub fn bucket(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dlq::Letter, tail::Record};

    fn letter(offset: i64, client: &'static str) -> Letter<'static> {
        let header = |name: &str, value: &str| (name.as_bytes().to_vec(), Some(value.as_bytes().to_vec()));
        let headers = vec![
            header("client-id", client),
            header("__connect.errors.topic", "in"),
            header("__connect.errors.partition", "3"),
            header("__connect.errors.offset", &offset.to_string()),
            header("__connect.errors.class.name", "UNDECODABLE"),
        ];
        let (key, value) = (Some(&b"47111"[..]), Some(&b"\0\0\0\0\x07the text"[..]));
        Letter::of(Record { partition: 3, offset, time_ms: offset * 1_000, key, value, headers }, "client-id")
    }

    #[test]
    fn the_newest_are_the_samples_and_a_client_cannot_break_the_table() {
        let mut stats = Stats::new(4);
        for offset in [5, 9, 1, 7, 3, 8, 2] {
            stats.count(&letter(offset, "a|b`c\n"));
        }
        let report = Report::new(&stats, "dead", (None, 10_000), &Dimension::ALL, 10);
        let offsets: Vec<_> = report.codes[0].samples.iter().map(|origin| origin.offset).collect();
        assert_eq!(offsets, [9, 8, 7, 5, 3]);
        assert_eq!(report.codes[0].over_time, [1, 1, 1, 0, 1, 0, 1, 1, 1]);
        let text = markdown(&report);
        assert!(text.contains("\n| `a\\|b'c\\n` | 7 | `UNDECODABLE` 7 | ▇".replace('▇', "█").as_str()), "{text}");
        assert!(
            text.contains("| `4711` | 7 |") && text.contains("| `7` | 7 |") && !text.contains("the text"),
            "{text}"
        );
    }
}
