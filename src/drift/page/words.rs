//! What a page says in words, and how it writes numbers.

use super::{
    TaskPage,
    moment::{largest_test, over_floor},
};
use crate::{
    records::{AlarmKind, DriftFinding, DriftStatistic, DriftStatus, FeatureKind},
    tail,
};

/// Findings that are told in words; the table has all.
const TOLD_MAX: usize = 5;
/// Least change of the share of missing values that is told in words.
const MISSING_MIN: f64 = 0.02;

/// How a task stands: alarms, then what moved most.
pub(super) fn says(page: &TaskPage) -> Vec<String> {
    let alarms = page.raised().map(|(now, alarm)| {
        let since = alarm.since.map_or_else(String::new, |since| format!(" since {}", minute(since)));
        format!("{} alarm raised{since}, by windows of {}.", kind(alarm.about), now.window)
    });
    let mut says: Vec<_> = alarms.collect();
    let report = &page.report;
    if let Some(now) = page.now().filter(|now| now.window_start != report.window_start) {
        let span = |start, end| format!("{} to {}", minute(start), minute(end));
        let (newest, shown) = (span(now.window_start, now.window_end), span(report.window_start, report.window_end));
        says.push(format!("The newest window, {newest}, had too few values to be judged; shown is {shown}."));
    }
    let moved: Vec<_> = report.findings.iter().filter(|finding| finding.moved).collect();
    let (all, told) = (report.findings.len(), moved.iter().take(TOLD_MAX).map(|finding| moved_to(finding)));
    says.push(match (report.status, moved.len()) {
        (DriftStatus::TooFew, _) => "Nothing had enough values to be judged.".to_owned(),
        (_, 0) => format!("Nothing of {all} has moved."),
        (_, count) => {
            let more = if count > TOLD_MAX { format!("; and {} more", count - TOLD_MAX) } else { String::new() };
            format!("{count} of {all} moved: {}{more}.", told.collect::<Vec<_>>().join("; "))
        }
    });
    says
}

/// `language en: 95 % to 60 %`.
pub(super) fn moved_to(finding: &DriftFinding) -> String {
    let of = match (finding.kind, &finding.of) {
        (FeatureKind::Number, _) => "mean",
        (FeatureKind::Category, Some(of)) => of,
        (FeatureKind::Category, None) => "(others)",
    };
    let mut says =
        format!("{} {of}: {} to {}", finding.name, value(finding, finding.before), value(finding, finding.after));
    if (finding.missing - finding.missing_before).abs() >= MISSING_MIN {
        says += &format!(" (missing {} to {})", percent(finding.missing_before), percent(finding.missing));
    }
    says
}

/// A mean in its unit, or a share.
pub(super) fn value(finding: &DriftFinding, value: Option<f64>) -> String {
    match (value, finding.kind) {
        (None, _) => "-".to_owned(),
        (Some(mean), FeatureKind::Number) => short(mean),
        (Some(share), FeatureKind::Category) => percent(share),
    }
}

/// About three digits.
pub(super) fn short(number: f64) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-3..1e6).contains(&size) => format!("{number:.1e}"),
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        size if size >= 1.0 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

/// A share, of a hundred.
pub(super) fn percent(share: f64) -> String {
    let hundredths = share * 100.0;
    match hundredths {
        whole if (whole - whole.round()).abs() < 0.05 => format!("{whole:.0} %"),
        part => format!("{part:.1} %"),
    }
}

/// How likely chance is: `2e-12`.
pub(super) fn chance(probability: f64) -> String {
    if probability == 0.0 || probability >= 0.001 { short(probability) } else { format!("{probability:.0e}") }
}

/// The largest effect over its floor; none without tests.
pub(super) fn times_floor(finding: &DriftFinding) -> Option<f64> {
    largest_test(finding).map(over_floor)
}

/// How a statistic is called.
pub(super) fn statistic(statistic: DriftStatistic) -> &'static str {
    match statistic {
        DriftStatistic::Ks => "KS",
        DriftStatistic::Mean => "mean/SD",
        DriftStatistic::Psi => "PSI",
        DriftStatistic::JensenShannon => "JS",
        DriftStatistic::CramersV => "Cramér's V",
    }
}

/// How a status is called.
pub(super) fn status(status: DriftStatus) -> &'static str {
    match status {
        DriftStatus::Stable => "stable",
        DriftStatus::Drifted => "drifted",
        DriftStatus::TooFew => "too few",
    }
}

/// How an alarm is called, at the start of a sentence.
pub(super) fn kind(about: AlarmKind) -> &'static str {
    match about {
        AlarmKind::Drift => "Drift",
        AlarmKind::Calibration => "Calibration",
    }
}

/// `2026-01-31 10:00 UTC`, with seconds where they matter.
pub(super) fn minute(time_ms: i64) -> String {
    tail::minute(time_ms).replace('T', " ").replace('Z', " UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_say_enough() {
        let numbers = [0.0, 0.00004, 0.1234, 9.876, 12.34, 1234.5, -0.5, 2e9].map(short);
        assert_eq!(numbers, ["0", "4.0e-5", "0.123", "9.88", "12.3", "1234", "-0.500", "2.0e9"]);
        assert_eq!([0.95, 0.6, 0.123, 0.0, 1.0].map(percent), ["95 %", "60 %", "12.3 %", "0 %", "100 %"]);
        assert_eq!([0.0, 0.5, 3.4e-12].map(chance), ["0", "0.500", "3e-12"]);
        assert_eq!(minute(1_769_853_600_000), "2026-01-31 10:00 UTC");
        assert_eq!(minute(1_769_853_601_000), "2026-01-31 10:00:01 UTC");
        assert_eq!(minute(1_769_853_600_007), "2026-01-31 10:00:00.007 UTC");
    }
}
