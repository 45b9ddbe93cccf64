//! The drift job: windows, what counts as drift, labels, and whom to tell.

mod alert;
mod rule;
mod window;

use std::time::Duration;

use serde::Deserialize;

pub use self::{alert::Alert, rule::RuleConfig, window::WindowSize};
use super::{
    ConfigError,
    limits::{limit, within},
};
use crate::drift::alarm::Hysteresis;

/// Windows that are watched at once.
const WINDOWS_MAX: usize = 8;

/// Panes of a window, and of the grace: all of them are kept until they have ended.
const PANES_MAX: i64 = 2_000;

/// The windowed job on predictions and labels.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Drift {
    /// Whether `assize run` runs it too, on threads of its own; `assize drift run` always does.
    pub enabled: bool,
    /// Its consumer group; empty means that of the stream with `-drift`. Labels are read by the group of this name with
    /// `-labels`.
    pub group_id: String,
    /// What a report is about.
    pub windows: Vec<WindowSize>,
    /// How long a window waits for predictions that come in another order than they were stamped, seconds.
    pub grace_seconds: u64,
    /// A partition that is read to its end and silent for so long no longer holds windows open, seconds.
    pub idle_seconds: u64,
    /// How far a message may be stamped after its decision; a later stamp counts as the time of the decision, seconds.
    pub future_seconds_max: u64,
    /// How often counts and offsets are committed, milliseconds.
    pub snapshot_ms: u64,
    /// Share of the predictions that is counted, chosen by message id, above 0 to 1.
    pub sample_ratio: f64,
    /// What counts as drift.
    pub rule: RuleConfig,
    /// When it becomes an alarm.
    pub alarm: AlarmConfig,
    /// What messages truly were.
    pub labels: Labels,
    /// Whom to tell.
    pub alert: Alert,
}

impl Default for Drift {
    fn default() -> Self {
        let hour = WindowSize { size_ms: 3_600_000, slide_ms: 3_600_000 };
        let day = WindowSize { size_ms: 86_400_000, slide_ms: 86_400_000 };
        Self {
            enabled: false,
            group_id: String::new(),
            windows: vec![hour, day],
            grace_seconds: 300,
            idle_seconds: 300,
            future_seconds_max: 60,
            snapshot_ms: 10_000,
            sample_ratio: 1.0,
            rule: RuleConfig::default(),
            alarm: AlarmConfig::default(),
            labels: Labels::default(),
            alert: Alert::default(),
        }
    }
}

/// When drift becomes an alarm.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlarmConfig {
    /// Windows with drift in a row that raise one.
    pub raise_windows: u32,
    /// Windows without that clear it.
    pub clear_windows: u32,
    /// Calibration error beyond chance that matters, 0..=1.
    pub ece_min: f64,
    /// Labelled messages below which nothing is said of calibration.
    pub labels_min: u64,
}

impl Default for AlarmConfig {
    fn default() -> Self {
        let Hysteresis { raise_windows, clear_windows } = Hysteresis::default();
        Self { raise_windows, clear_windows, ece_min: 0.05, labels_min: 200 }
    }
}

impl AlarmConfig {
    /// What it says of windows in a row.
    pub fn hysteresis(&self) -> Hysteresis {
        Hysteresis { raise_windows: self.raise_windows, clear_windows: self.clear_windows }
    }
}

/// What messages truly were.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Labels {
    /// Whether the topic of labels is read.
    pub enabled: bool,
    /// A label that was learnt longer after the decision is not counted, seconds.
    pub delay_seconds_max: u64,
    /// Memory of recent predictions, bytes; older ones are read back from their topic.
    pub index_bytes_max: usize,
    /// Messages of a partition of labels whose truth is remembered, so that repeats are known.
    pub remembered_max: usize,
    /// How long reading predictions back may take before the labels wait and it is tried again, milliseconds.
    pub read_back_ms_max: u64,
}

impl Default for Labels {
    fn default() -> Self {
        Self {
            enabled: true,
            delay_seconds_max: 7 * 86_400,
            index_bytes_max: 24 << 20,
            remembered_max: 10_000,
            read_back_ms_max: 60_000,
        }
    }
}

impl Drift {
    /// The group that reads predictions.
    pub fn group_id(&self, stream: &str) -> String {
        if self.group_id.is_empty() { format!("{stream}-drift") } else { self.group_id.clone() }
    }

    /// How long a window waits.
    pub fn grace_ms(&self) -> i64 {
        self.grace_seconds as i64 * 1_000
    }

    /// How often counts and offsets are committed.
    pub fn snapshot(&self) -> Duration {
        Duration::from_millis(self.snapshot_ms)
    }

    pub(super) fn validate(&self, stream: &str) -> Result<(), ConfigError> {
        let group = self.group_id(stream);
        if group == stream || format!("{group}-labels") == stream {
            return Err(limit("drift.group_id", format!("{group:?}"), "another group than that of the stream"));
        }
        within("drift.windows", self.windows.len(), 1..=WINDOWS_MAX)?;
        let longest_ms = self.windows.iter().map(|window| window.size_ms).max().unwrap_or_default();
        let panes = longest_ms / WindowSize::pane_ms(&self.windows);
        within("drift.windows, panes of the longest (the common divisor of all steps)", panes, 1..=PANES_MAX)?;
        let mut names: Vec<_> = self.windows.iter().map(ToString::to_string).collect();
        names.sort();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(limit("drift.windows", format!("{} twice", pair[0]), "different windows"));
        }
        within("drift.grace_seconds", self.grace_seconds, 0..=86_400)?;
        let panes = self.grace_ms() / WindowSize::pane_ms(&self.windows);
        within("drift.grace_seconds, in panes (the common divisor of all steps)", panes, 0..=PANES_MAX)?;
        within("drift.idle_seconds", self.idle_seconds, 1..=86_400)?;
        within("drift.future_seconds_max", self.future_seconds_max, 0..=86_400)?;
        within("drift.snapshot_ms", self.snapshot_ms, 10..=60_000)?;
        within("drift.sample_ratio", self.sample_ratio, 1e-6..=1.0)?;
        self.rule.validate()?;
        within("drift.alarm.raise_windows", self.alarm.raise_windows, 1..=100)?;
        within("drift.alarm.clear_windows", self.alarm.clear_windows, 1..=100)?;
        within("drift.alarm.ece_min", self.alarm.ece_min, 0.0..=1.0)?;
        within("drift.alarm.labels_min", self.alarm.labels_min, 1..=1_000_000_000)?;
        let labels = &self.labels;
        within("drift.labels.delay_seconds_max", labels.delay_seconds_max, 1..=366 * 86_400)?;
        within("drift.labels.index_bytes_max", labels.index_bytes_max, 0..=4 << 30)?;
        within("drift.labels.remembered_max", labels.remembered_max, 1..=10_000_000)?;
        within("drift.labels.read_back_ms_max", labels.read_back_ms_max, 1_000..=240_000)?;
        self.alert.validate()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn each_bad_line_says_what_is_allowed() {
        let bad = |text: &str| Config::parse(text, std::iter::empty()).unwrap_err().to_string();
        assert_eq!(
            bad("[drift]\nwindows = [\"24h\", \"1d\"]"),
            "config key drift.windows: found 24h twice, allowed is different windows"
        );
        assert_eq!(
            bad("[drift]\nwindows = [\"1h/7m\"]"),
            "config key drift.windows[0]: the length must be a multiple of the step"
        );
        assert_eq!(
            bad("[drift.alert]\nwebhook = \"ftp://user:secret@host\""),
            "config key drift.alert.webhook: found no such URL, allowed is an http:// or https:// URL"
        );
        assert_eq!(
            bad("[drift]\nwindows = [\"24h/1s\"]"),
            "config key drift.windows, panes of the longest (the common divisor of all steps): found 86400, allowed is 1 to \
             2000"
        );
        assert_eq!(
            bad("[drift]\ngroup_id = \"assize\""),
            "config key drift.group_id: found \"assize\", allowed is another group than that of the stream"
        );
        assert!(bad("[drift.rule]\nks_min = 0").starts_with("config key drift.rule.ks_min: found 0, allowed is"));
    }
}
