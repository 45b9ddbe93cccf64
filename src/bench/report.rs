//! What came out: figures, bounds, and the files that keep them.

use std::{collections::BTreeMap, fmt::Write as _, fs, io, path::Path, thread::available_parallelism, time::Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::{
    Options, Shape, picture,
    usage::{self, Spent},
    watcher::Seen,
};
use crate::clock::now_ms;

/// The JSON, beside the pictures and the histogram.
const REPORT_FILE: &str = "bench.json";
/// Steps of the percentile table for each halving of the distance to 100 %, as HdrHistogram's plotters expect it.
const TICKS_PER_HALF: u32 = 5;

/// Everything that was measured, and on what.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of this program.
    pub assize: &'static str,
    /// Version of the client library.
    pub librdkafka: String,
    /// When, milliseconds since the epoch.
    pub at: i64,
    /// Where.
    pub machine: Machine,
    /// Partitions of each topic.
    pub partitions: i32,
    /// Processes.
    pub processes: usize,
    /// Length of the texts, code points; none means as they came.
    pub text_chars: Option<usize>,
    /// Share of messages by authors that were never seen before.
    pub new_users: f64,
    /// Each drain.
    pub drains: Vec<Throughput>,
    /// Each drain by the bare loop.
    pub limits: Vec<Throughput>,
    /// From the start of a process with full windows to its first verdict, seconds.
    pub restart_seconds: Option<f64>,
    /// The open loop.
    pub open: Option<Open>,
    /// The bounds that were asked for.
    pub outcomes: Vec<Outcome>,
}

/// The machine, as far as it tells.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Name of the processor.
    pub processor: Option<String>,
    /// Cores that this process may use.
    pub cores: usize,
    /// Memory, bytes.
    pub memory_bytes: Option<u64>,
    /// Release of the kernel.
    pub kernel: Option<String>,
}

/// One drain.
#[derive(Clone, Debug, Serialize)]
pub struct Throughput {
    /// Messages of the backlog.
    pub messages: u64,
    /// Messages a second, from the first transaction to the last.
    pub per_second: f64,
    /// From the start of the processes to the first verdict that could be read, seconds.
    pub first_verdict_seconds: f64,
    /// CPU time.
    pub spent: Spent,
    /// CPU time by kind of thread, start and all, microseconds a message.
    pub threads_us: BTreeMap<String, f64>,
    /// Largest resident memory of a process, bytes.
    pub memory_bytes_max: Option<u64>,
    /// Verdicts of each 250 ms.
    pub ticks: Vec<u64>,
}

/// The open loop.
#[derive(Clone, Debug, Serialize)]
pub struct Open {
    /// Messages a second that were due.
    pub rate: f64,
    /// Messages that are timed.
    pub messages: u64,
    /// From when a message was due to when its verdict could be read, milliseconds.
    pub p50_ms: f64,
    /// 90 of 100 are not later.
    pub p90_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// 999 of 1,000.
    pub p999_ms: f64,
    /// The latest.
    pub max_ms: f64,
    /// How late the latest message was handed to the client: a large value says that the load was not as asked.
    pub late_ms_max: f64,
    /// From the start of the processes to the first verdict that could be read, seconds.
    pub first_verdict_seconds: f64,
    /// CPU time.
    pub spent: Spent,
    /// Largest resident memory of a process, bytes.
    pub memory_bytes_max: Option<u64>,
    #[serde(skip)]
    pub(super) histogram_us: Histogram<u64>,
}

/// What the figures are held against; several drains by their median.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// Messages a second of a drain, at least.
    pub per_second_min: Option<f64>,
    /// Throughput over that of the bare loop, at least.
    pub limit_share_min: Option<f64>,
    /// Latency, milliseconds, at most.
    pub p50_ms_max: Option<f64>,
    /// The same.
    pub p99_ms_max: Option<f64>,
    /// Resident memory, MB (1,000,000 bytes), at most.
    pub memory_mb_max: Option<f64>,
    /// From the start to the first verdict, seconds, at most.
    pub first_verdict_seconds_max: Option<f64>,
}

/// A bound and what was found.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Outcome {
    /// What is bounded.
    pub name: &'static str,
    /// The bound.
    pub bound: f64,
    /// What was found; none when this run does not measure it.
    pub found: Option<f64>,
    /// Whether it is kept; what was not measured is not.
    pub kept: bool,
}

impl Open {
    pub(super) fn of(
        seen: Seen,
        rate: f64,
        started: Instant,
        spent: Spent,
        late: std::time::Duration,
        memory_bytes_max: Option<u64>,
    ) -> Self {
        let ms = |us: u64| us as f64 / 1e3;
        let histogram = &seen.latency_us;
        let quantile = |share| ms(histogram.value_at_quantile(share));
        Self {
            rate,
            messages: histogram.len(),
            p50_ms: quantile(0.5),
            p90_ms: quantile(0.9),
            p99_ms: quantile(0.99),
            p999_ms: quantile(0.999),
            max_ms: ms(histogram.max()),
            late_ms_max: late.as_secs_f64() * 1e3,
            first_verdict_seconds: seen.first_after(started),
            spent,
            memory_bytes_max,
            histogram_us: seen.latency_us,
        }
    }
}

impl Report {
    pub(super) fn new(options: &Options) -> Self {
        let (processor, memory_bytes, kernel) = usage::machine();
        let cores = available_parallelism().map_or(1, usize::from);
        Self {
            assize: env!("CARGO_PKG_VERSION"),
            librdkafka: rdkafka::util::get_rdkafka_version().1,
            at: now_ms(),
            machine: Machine { processor, cores, memory_bytes, kernel },
            partitions: options.partitions,
            processes: options.processes,
            text_chars: options.text_chars,
            new_users: options.new_users,
            drains: Vec::new(),
            limits: Vec::new(),
            restart_seconds: None,
            open: None,
            outcomes: Vec::new(),
        }
    }

    /// Median of the drains, messages a second.
    pub fn per_second(&self) -> Option<f64> {
        median(self.drains.iter().map(|drain| drain.per_second))
    }

    /// Median of the drains over that of the bare loop.
    pub fn limit_share(&self) -> Option<f64> {
        Some(self.per_second()? / median(self.limits.iter().map(|limit| limit.per_second))?)
    }

    /// Holds the figures against `bounds`.
    pub(super) fn judge(&mut self, bounds: &Bounds) {
        let open = self.open.as_ref();
        let memory =
            self.drains.iter().map(|drain| drain.memory_bytes_max).chain([open.and_then(|it| it.memory_bytes_max)]);
        let first = self.drains.iter().map(|drain| drain.first_verdict_seconds);
        let first = first.chain(open.map(|it| it.first_verdict_seconds)).reduce(f64::max);
        let least = |name, bound: Option<f64>, found: Option<f64>| {
            bound.map(|bound| Outcome { name, bound, found, kept: found.is_some_and(|found| found >= bound) })
        };
        let most = |name, bound: Option<f64>, found: Option<f64>| {
            bound.map(|bound| Outcome { name, bound, found, kept: found.is_some_and(|found| found <= bound) })
        };
        let outcomes = [
            least("messages/s, at least", bounds.per_second_min, self.per_second()),
            least("share of the bare loop, at least", bounds.limit_share_min, self.limit_share()),
            most("p50 ms, at most", bounds.p50_ms_max, open.map(|it| it.p50_ms)),
            most("p99 ms, at most", bounds.p99_ms_max, open.map(|it| it.p99_ms)),
            most("memory MB, at most", bounds.memory_mb_max, memory.flatten().max().map(|bytes| bytes as f64 / 1e6)),
            most("first verdict s, at most", bounds.first_verdict_seconds_max, first),
        ];
        self.outcomes = outcomes.into_iter().flatten().collect();
    }

    /// Writes JSON, histogram and picture into `folder`.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let json = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        fs::write(folder.join(REPORT_FILE), json + "\n")?;
        if let Some(open) = &self.open {
            fs::write(folder.join("latency.hgrm"), percentiles(&open.histogram_us))?;
            fs::write(folder.join("latency.svg"), picture::latency(open).map_err(io::Error::other)?)?;
        }
        if !self.drains.is_empty() {
            fs::write(folder.join("throughput.svg"), picture::throughput(self).map_err(io::Error::other)?)?;
        }
        Ok(())
    }
}

impl Shape {
    /// What it is, in a line.
    pub fn describe(&self) -> String {
        match self {
            Self::Drain { messages, .. } => format!("drain of {messages} messages"),
            Self::Open { rate, seconds, .. } => format!("open loop at {rate} messages/s for {seconds} s"),
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    Some(f64::midpoint(values[last / 2], values[last.div_ceil(2)]))
}

/// The percentile distribution in milliseconds, in the text format that HdrHistogram's plotters read.
fn percentiles(histogram: &Histogram<u64>) -> String {
    let mut text = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut count = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF) {
        count += step.count_since_last_iteration();
        let (value, share) = (step.value_iterated_to() as f64 / 1e3, step.quantile_iterated_to());
        // Writing to a String cannot fail.
        let _ = match share {
            1.0 => writeln!(text, "{value:12.3} {share:2.12} {count:10}"),
            _ => writeln!(text, "{value:12.3} {share:2.12} {count:10} {:14.2}", 1.0 / (1.0 - share)),
        };
    }
    let (mean, deviation, max) = (histogram.mean() / 1e3, histogram.stdev() / 1e3, histogram.max() as f64 / 1e3);
    let _ = writeln!(text, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]");
    let _ = writeln!(text, "#[Max     = {max:12.3}, Total count    = {:12}]", histogram.len());
    let _ =
        writeln!(text, "#[Buckets = {:12}, SubBuckets     = {:12}]", histogram.buckets(), histogram.distinct_values());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(std::iter::empty()), None);
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0].into_iter()), Some(2.5));
    }

    #[test]
    fn percentiles_reach_every_value_once() {
        let mut histogram = Histogram::new(3).unwrap();
        (1..=1_000).for_each(|ms| histogram.record(ms * 1_000).unwrap());
        let text = percentiles(&histogram);
        let row = |share: &str| text.lines().find(|line| line.split_whitespace().nth(1) == Some(share)).unwrap();
        let half: f64 = row("0.500000000000").split_whitespace().next().unwrap().parse().unwrap();
        assert!((500.0..501.0).contains(&half), "{half}");
        assert!(
            text.lines()
                .any(|line| line.split_whitespace().collect::<Vec<_>>() == ["1000.447", "1.000000000000", "1000"]),
            "{text}"
        );
    }
}
