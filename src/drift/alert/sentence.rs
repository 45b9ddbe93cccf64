//! One sentence for people: what moved, by how much, and since when.

use std::fmt::Write as _;

use super::record::{Alert, Miscalibrated, Moved};
use crate::{
    records::{AlarmChange, AlarmKind, DriftStatistic, FeatureKind},
    tail::minute,
};

/// Most features or labels that a sentence names.
const NAMED_MAX: usize = 3;
/// Longest part of a name that a sentence quotes, characters.
const NAME_CHARS_MAX: usize = 64;

/// The sentence of an alert, from its other fields.
pub(super) fn of(alert: &Alert) -> String {
    let Alert { window, task, arm, .. } = alert;
    let what = match (alert.about, alert.change) {
        (AlarmKind::Drift, AlarmChange::Cleared) => "the traffic looks as it did again".into(),
        (AlarmKind::Calibration, AlarmChange::Cleared) => "probabilities come true again".into(),
        (AlarmKind::Drift, _) => drifted(alert),
        (AlarmKind::Calibration, _) => off(alert),
    };
    format!("{} ({}), {}: {what}{}", plain(task), plain(arm), plain(window), time(alert))
}

/// A name out of a record, without control characters and marks that turn text around, and not longer than a name is.
pub(super) fn plain(name: &str) -> String {
    let end = name.char_indices().nth(NAME_CHARS_MAX).map(|(at, _)| at);
    let short = end.map_or(name, |end| &name[..end]);
    format!("{}{}", short.escape_debug(), if end.is_some() { "…" } else { "" })
}

fn drifted(alert: &Alert) -> String {
    let parts: Vec<String> = alert.moved.iter().take(NAMED_MAX).map(movement).collect();
    format!("{}; {} of {} moved", parts.join(", "), alert.features_moved, alert.features)
}

/// Such as `language en 95 % -> 61 %`, or `char_count mean 78 -> 612 (KS 0.61)`.
fn movement(moved: &Moved) -> String {
    let mut text = plain(&moved.name);
    if let (Some(before), Some(after)) = (moved.before, moved.after) {
        let of = moved.of.as_deref().map_or_else(|| "(others)".into(), plain);
        let value = match moved.kind {
            FeatureKind::Number => number,
            FeatureKind::Category => percent,
        };
        // It cannot fail: this is a string.
        let _ = write!(text, " {of} {} -> {}", value(before), value(after));
    }
    let name = match moved.statistic {
        DriftStatistic::Ks => "KS",
        DriftStatistic::Mean => "mean shift",
        DriftStatistic::Psi => "PSI",
        DriftStatistic::JensenShannon => "JS",
        DriftStatistic::CramersV => "V",
    };
    let _ = write!(text, " ({name} {})", number(moved.effect));
    text
}

fn off(alert: &Alert) -> String {
    let parts: Vec<String> = alert.miscalibrated.iter().take(NAMED_MAX).map(distance).collect();
    let more = alert.miscalibrated.len().saturating_sub(NAMED_MAX);
    format!("{}{}", parts.join(", "), if more > 0 { format!(" and {more} more") } else { String::new() })
}

/// Such as `probabilities of spam are off by 0.12 (0.02 by chance), too high by 0.08, 1234 labels`.
fn distance(label: &Miscalibrated) -> String {
    let mut text = format!("probabilities of {} are off by {}", plain(&label.label), number(label.ece));
    if let Some(chance) = label.ece_by_chance {
        let _ = write!(text, " ({} by chance)", number(chance));
    }
    if let Some(bias) = label.bias {
        let _ = write!(text, ", too {} by {}", if bias < 0.0 { "low" } else { "high" }, number(bias.abs()));
    }
    let _ = write!(text, ", {} labels", label.messages);
    text
}

fn time(alert: &Alert) -> String {
    match (alert.change, &alert.since) {
        (AlarmChange::Cleared, _) => format!(", window of {}", minute(alert.window_start.ms)),
        (_, Some(since)) => format!(" since {}", minute(since.ms)),
        (_, None) => format!(" since {}", minute(alert.window_start.ms)),
    }
}

fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if (1.0..=99.0).contains(&percent) || percent == 0.0 || percent == 100.0 => format!("{percent:.0} %"),
        percent => format!("{percent:.2} %"),
    }
}

/// Three digits that say something.
fn number(value: f64) -> String {
    match value.abs() {
        size if size < 1e6 && size.fract() == 0.0 => format!("{value}"),
        size if !(1e-3..1e6).contains(&size) => format!("{value:.2e}"),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
