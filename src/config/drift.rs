//! The drift job: windows, what counts as drift, labels, and whom to tell.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, de::Error};

use super::{
    ConfigError, SecretSource,
    limits::{filled, limit, within},
};
use crate::drift::{Floors, Rule, alarm::Hysteresis};

/// Windows that are watched at once.
const WINDOWS_MAX: usize = 8;

/// Panes of a window: all of them are kept until it has ended.
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

/// Length and step of a window: `1h` tumbles, `24h/1h` slides by an hour. Windows start at multiples of the step since
/// the epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSize {
    /// Length, milliseconds.
    pub size_ms: i64,
    /// From one start to the next, milliseconds.
    pub slide_ms: i64,
}

/// Units of a duration, the largest first.
const UNITS: [(&str, i64); 4] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

fn duration_ms(text: &str) -> Option<i64> {
    let (number, unit_ms) = UNITS.iter().find_map(|(unit, ms)| Some((text.strip_suffix(unit)?, ms)))?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse::<i64>().ok().filter(|_| digits)?.checked_mul(*unit_ms).filter(|ms| (1..=31 * 86_400_000).contains(ms))
}

impl WindowSize {
    /// The longest panes that these windows can be put together from, milliseconds.
    pub fn pane_ms(windows: &[Self]) -> i64 {
        windows.iter().map(|window| window.slide_ms).fold(0, gcd).max(1)
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl FromStr for WindowSize {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let help = "give a length such as 1h, or length and step such as 24h/1h, of s, m, h and d, at most 31d";
        let (size, slide) = text.split_once('/').unwrap_or((text, text));
        let (size_ms, slide_ms) = (duration_ms(size).ok_or(help)?, duration_ms(slide).ok_or(help)?);
        if size_ms % slide_ms != 0 {
            return Err("the length must be a multiple of the step");
        }
        Ok(Self { size_ms, slide_ms })
    }
}

impl fmt::Display for WindowSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |ms: i64| {
            // A day is written as hours, as people say it of windows.
            let (unit, unit_ms) = UNITS[1..].iter().find(|(_, unit_ms)| ms % unit_ms == 0).unwrap_or(&("s", 1_000));
            format!("{}{unit}", ms / unit_ms)
        };
        match self.size_ms == self.slide_ms {
            true => f.write_str(&part(self.size_ms)),
            false => write!(f, "{}/{}", part(self.size_ms), part(self.slide_ms)),
        }
    }
}

impl<'de> Deserialize<'de> for WindowSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// [`Rule`], as it is configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleConfig {
    /// Of what is called moved, the share that may be chance.
    pub alpha: f64,
    /// Fewer values say nothing.
    pub values_min: u64,
    /// Least KS distance that matters.
    pub ks_min: f64,
    /// Least shift of a mean, standard deviations.
    pub mean_min: f64,
    /// Least population stability index.
    pub psi_min: f64,
    /// Least Jensen-Shannon distance.
    pub js_min: f64,
    /// Least Cramér's V.
    pub cramers_v_min: f64,
}

impl Default for RuleConfig {
    fn default() -> Self {
        let Rule { alpha, values_min, floors } = Rule::default();
        let Floors { ks, mean, psi, jensen_shannon, cramers_v } = floors;
        Self {
            alpha,
            values_min,
            ks_min: ks,
            mean_min: mean,
            psi_min: psi,
            js_min: jensen_shannon,
            cramers_v_min: cramers_v,
        }
    }
}

impl RuleConfig {
    /// What it says.
    pub fn rule(&self) -> Rule {
        let &Self { alpha, values_min, ks_min, mean_min, psi_min, js_min, cramers_v_min } = self;
        let floors =
            Floors { ks: ks_min, mean: mean_min, psi: psi_min, jensen_shannon: js_min, cramers_v: cramers_v_min };
        Rule { alpha, values_min, floors }
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
            index_bytes_max: 32 << 20,
            remembered_max: 100_000,
            read_back_ms_max: 60_000,
        }
    }
}

/// Whom to tell of an alarm, besides the log and the reports themselves.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alert {
    /// Where alarms are posted as JSON: raised and cleared, at least once each.
    pub webhook: Option<String>,
    /// Sent as a bearer token.
    pub webhook_token: SecretSource,
    /// How long one attempt may take, milliseconds.
    pub webhook_ms_max: u64,
    /// Attempts, with pauses that double from a second up to five minutes.
    pub webhook_attempts_max: u32,
    /// Program and arguments that are run when an incident starts, at most once each; the alarm is its standard input.
    pub retrain_command: Vec<String>,
    /// Where it runs; none is where the job runs.
    pub retrain_folder: Option<PathBuf>,
    /// It is ended after so long, seconds.
    pub retrain_seconds_max: u64,
}

impl Default for Alert {
    fn default() -> Self {
        Self {
            webhook: None,
            webhook_token: SecretSource::default(),
            webhook_ms_max: 5_000,
            webhook_attempts_max: 10,
            retrain_command: Vec::new(),
            retrain_folder: None,
            retrain_seconds_max: 3_600,
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
        within("drift.idle_seconds", self.idle_seconds, 1..=86_400)?;
        within("drift.future_seconds_max", self.future_seconds_max, 0..=86_400)?;
        within("drift.snapshot_ms", self.snapshot_ms, 10..=60_000)?;
        within("drift.sample_ratio", self.sample_ratio, 1e-6..=1.0)?;
        let RuleConfig { alpha, values_min, ks_min, mean_min, psi_min, js_min, cramers_v_min } = self.rule;
        within("drift.rule.alpha", alpha, 1e-12..=1.0)?;
        within("drift.rule.values_min", values_min, 1..=1_000_000_000)?;
        let floors =
            [("ks", ks_min), ("mean", mean_min), ("psi", psi_min), ("js", js_min), ("cramers_v", cramers_v_min)];
        for (name, floor) in floors {
            within(&format!("drift.rule.{name}_min"), floor, 1e-9..=100.0)?;
        }
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

impl Alert {
    fn validate(&self) -> Result<(), ConfigError> {
        within("drift.alert.webhook_ms_max", self.webhook_ms_max, 100..=60_000)?;
        within("drift.alert.webhook_attempts_max", self.webhook_attempts_max, 1..=100)?;
        within("drift.alert.retrain_seconds_max", self.retrain_seconds_max, 1..=604_800)?;
        if let Some(program) = self.retrain_command.first() {
            filled("drift.alert.retrain_command[0]", program)?;
        }
        // What is refused is not shown: it may hold a secret.
        let is_url = |url: &String| {
            reqwest::Url::parse(url).is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
        };
        match &self.webhook {
            Some(url) if !is_url(url) => Err(limit("drift.alert.webhook", "no such URL", "an http:// or https:// URL")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn windows_tumble_or_slide() {
        let window = |text: &str| text.parse::<WindowSize>().map(|window| (window.size_ms, window.slide_ms));
        assert_eq!(window("1h"), Ok((3_600_000, 3_600_000)));
        assert_eq!(window("24h/15m"), Ok((86_400_000, 900_000)));
        for wrong in ["", "h", "0h", "1h/7m", "-1h", "+1h", "1 h", "32d", "1h/", "/1h", "9999999999999999d"] {
            assert!(window(wrong).is_err(), "{wrong}");
        }
        for name in ["1h", "24h/15m", "90s", "24h"] {
            assert_eq!(name.parse::<WindowSize>().unwrap().to_string(), name);
        }
        assert_eq!("1d".parse::<WindowSize>().unwrap().to_string(), "24h");
    }

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
