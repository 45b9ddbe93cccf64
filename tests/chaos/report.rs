//! What a run shows: a table for people, and the same as JSON in `run/chaos/`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::Value;

use crate::{
    bench::Bench,
    plan::Action,
    slot::{Record, Recovery},
    storm::Settings,
    traffic::Counts,
    witness::{Gap, Seen},
};

/// A gap began with the last verdict before its cause: at most a transaction earlier.
const CAUSE_MS: Duration = Duration::from_millis(300);

/// A step that was taken.
pub struct Done {
    pub action: Action,
    pub at: Instant,
}

/// Of one kind of action.
#[derive(Default, Serialize)]
pub struct Kind {
    pub times: usize,
    /// Longest time that a partition had no verdict after it, seconds.
    pub longest_gap_seconds: f64,
}

#[derive(Serialize)]
pub struct Times {
    pub count: usize,
    pub median: f64,
    pub p90: f64,
    pub max: f64,
}

#[derive(Serialize)]
pub struct Report {
    pub seed: u64,
    pub command: String,
    pub seconds: f64,
    pub brokers: usize,
    pub actions: BTreeMap<&'static str, Kind>,
    pub actions_skipped: usize,
    pub sent: usize,
    /// The audit's summary.
    pub audit: Value,
    pub verdicts_seen: u64,
    pub duplicates_seen: u64,
    pub aborted_copies_seen: u64,
    pub expected_verdicts: usize,
    pub expected_dead_letters: usize,
    /// Lines in the logs of all processes.
    pub new_producers: usize,
    pub aborts: usize,
    pub went_back: usize,
    pub rebalances: usize,
    pub exits: BTreeMap<String, usize>,
    pub rivalries_seconds: Option<Times>,
    /// From a kill -9 to the first commit of the process that takes its place.
    pub recovery_seconds: Option<Times>,
    /// Of those, while all brokers were there.
    pub recovery_seconds_alone: Option<Times>,
    pub findings: Vec<String>,
}

impl Report {
    #[allow(clippy::too_many_arguments, reason = "what a run leaves, each once")]
    pub fn new(
        settings: &Settings,
        bench: &Bench,
        load: Duration,
        counts: &Counts,
        committed: Seen,
        everything: &Seen,
        record: &Record,
        done: &[Done],
        actions_skipped: usize,
    ) -> Self {
        let seconds = |recoveries: &mut dyn Iterator<Item = &Recovery>| times(recoveries.map(|one| one.seconds));
        let logs = logs(&bench.folder);
        let lines = |text: &str| logs.iter().map(|log| log.matches(text).count()).sum();
        let mut report = Self {
            seed: settings.seed,
            command: command(settings),
            seconds: load.as_secs_f64(),
            brokers: settings.brokers,
            actions: kinds(done, &committed.gaps),
            actions_skipped,
            sent: counts.judged + counts.repeats + counts.rejected,
            audit: bench.audit_summary(),
            verdicts_seen: committed.verdicts,
            duplicates_seen: committed.duplicates,
            aborted_copies_seen: everything.verdicts.saturating_sub(committed.verdicts),
            expected_verdicts: counts.judged,
            expected_dead_letters: counts.rejected,
            new_producers: lines("new producer"),
            aborts: lines("action=Abort"),
            went_back: lines("going back to the committed offsets"),
            rebalances: lines("partitions assigned"),
            exits: record.exits.clone(),
            rivalries_seconds: times(record.rivalries_seconds.iter().copied()),
            recovery_seconds: seconds(&mut record.recoveries.iter()),
            recovery_seconds_alone: seconds(&mut record.recoveries.iter().filter(|one| one.alone)),
            findings: record.findings.clone(),
        };
        report.findings.extend(committed.examples);
        report.judge();
        report
    }

    fn audited(&self, key: &str) -> u64 {
        self.audit[key].as_u64().unwrap_or(u64::MAX)
    }

    /// Holds the counts against each other.
    fn judge(&mut self) {
        let mut found = Vec::new();
        if self.audit["clean"] != true {
            found.push(format!("the audit: {}", self.audit["findings"]));
        }
        if self.duplicates_seen > 0 {
            found.push(format!("{} duplicates seen by the reader of committed verdicts", self.duplicates_seen));
        }
        let verdicts = self.expected_verdicts as u64;
        if self.verdicts_seen != verdicts || self.audited("verdicts") != verdicts {
            let (seen, audited) = (self.verdicts_seen, self.audited("verdicts"));
            found.push(format!("{verdicts} verdicts expected, {seen} seen, {audited} audited"));
        }
        // A sender that lost an acknowledgement may publish twice: a second verdict is then a repeat, a second reject is
        // a second dead letter, and the input is larger than what was sent.
        let twice = self.audited("input").checked_sub(self.sent as u64);
        let more = self.audited("dead_letters").checked_sub(self.expected_dead_letters as u64);
        if twice.is_none() || more.is_none() || more > twice {
            found.push(format!("sent {}, rejected {}: not what was audited", self.sent, self.expected_dead_letters));
        }
        self.findings.extend(found);
    }

    /// Writes it into `run/chaos/SEED.json`.
    pub fn save(&self) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("run/chaos");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{}.json", self.seed));
        fs::write(&path, serde_json::to_string_pretty(self).unwrap() + "\n").unwrap();
        path
    }

    pub fn table(&self) -> String {
        let mut text = format!("\n{}\n\n", self.command);
        let _ = writeln!(text, "{:24} {:>6} {:>22}", "ACTION", "TIMES", "LONGEST GAP, SECONDS");
        for (name, kind) in &self.actions {
            let _ = writeln!(text, "{name:24} {:>6} {:>22.1}", kind.times, kind.longest_gap_seconds);
        }
        let mut line = |name: &str, value: String| text.push_str(&format!("{name:40} {value}\n"));
        line("\nload, seconds", format!("{:.0}, on {} broker(s)", self.seconds, self.brokers));
        line("steps that could not be taken", self.actions_skipped.to_string());
        line("messages sent", self.sent.to_string());
        for key in ["input", "verdicts", "predictions", "dead_letters", "suppressed", "pending"] {
            line(&format!("audit: {key}"), self.audit[key].to_string());
        }
        line("verdicts expected", self.expected_verdicts.to_string());
        line("duplicates seen while it ran", self.duplicates_seen.to_string());
        line("aborted copies seen", self.aborted_copies_seen.to_string());
        line("new producers", self.new_producers.to_string());
        line("aborts", self.aborts.to_string());
        line("went back to the committed offsets", self.went_back.to_string());
        line("rebalances", self.rebalances.to_string());
        line("processes that ended, by exit code", format!("{:?}", self.exits));
        line("same identity twice: until one ended, s", told(&self.rivalries_seconds));
        line("kill -9 to first commit, s", told(&self.recovery_seconds));
        line("  ... while all brokers were there", told(&self.recovery_seconds_alone));
        let findings = if self.findings.is_empty() { "none".to_owned() } else { self.findings.join("\n  ") };
        line("findings", findings);
        text
    }
}

/// The command that repeats a run.
pub fn command(settings: &Settings) -> String {
    let Settings { seed, seconds, brokers, .. } = settings;
    format!("./dev chaos --seconds {seconds} --seed {seed} --brokers {brokers}")
}

/// Each gap belongs to the last action before it.
fn kinds(done: &[Done], gaps: &[Gap]) -> BTreeMap<&'static str, Kind> {
    let mut kinds = BTreeMap::<_, Kind>::new();
    for one in done {
        kinds.entry(one.action.name()).or_default().times += 1;
    }
    for gap in gaps {
        let cause = done.iter().rfind(|one| one.at <= gap.from + CAUSE_MS);
        let name = cause.map_or("before any", |one| one.action.name());
        let longest = &mut kinds.entry(name).or_default().longest_gap_seconds;
        *longest = longest.max((gap.to - gap.from).as_secs_f64());
    }
    kinds
}

fn times(seconds: impl Iterator<Item = f64>) -> Option<Times> {
    let mut all: Vec<f64> = seconds.collect();
    all.sort_by(f64::total_cmp);
    let at = |share: f64| all[((all.len() - 1) as f64 * share).round() as usize];
    (!all.is_empty()).then(|| Times { count: all.len(), median: at(0.5), p90: at(0.9), max: at(1.0) })
}

fn told(times: &Option<Times>) -> String {
    times.as_ref().map_or_else(
        || "none".to_owned(),
        |Times { count, median, p90, max }| format!("median {median:.2}, p90 {p90:.2}, max {max:.2} of {count}"),
    )
}

/// What the processes logged.
fn logs(folder: &Path) -> Vec<String> {
    ["a", "b", "c", "d"].iter().filter_map(|name| fs::read_to_string(folder.join(format!("{name}.log"))).ok()).collect()
}
