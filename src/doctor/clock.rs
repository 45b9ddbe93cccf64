//! The clock of this host against those of the services: dedup windows, timestamps and certificates hang on it. Kafka
//! tells no time; Redis does (`TIME`), and the registry in the `Date` of its answers.

use std::time::{Duration, SystemTime};

use super::Report;

/// More than this is told.
const SKEW_MAX: Duration = Duration::from_secs(1);

/// Compares: the other clock said a time between `from` and `to` when ours went from `asked` to `answered`.
pub(super) fn compare(
    whose: &str,
    (asked, answered): (SystemTime, SystemTime),
    (from, to): (SystemTime, SystemTime),
    report: &Report,
) {
    let ahead = asked.duration_since(to).unwrap_or_default();
    let behind = from.duration_since(answered).unwrap_or_default();
    let skew = ahead.max(behind);
    if skew <= SKEW_MAX {
        return report.ok("clock", format!("within {} s of {whose}", SKEW_MAX.as_secs()));
    }
    let direction = if ahead > behind { "ahead of" } else { "behind" };
    report.warn(
        "clock",
        format!("{:.1} s {direction} {whose}", skew.as_secs_f64()),
        "keep the clocks of all hosts together: chrony or systemd-timesyncd",
    );
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::doctor::Status;

    #[test]
    fn a_clock_that_differs_is_told_with_its_direction() {
        let now = SystemTime::now();
        let at = |seconds: f64| now + Duration::from_secs_f64(100.0 + seconds) - Duration::from_secs(100);
        let said = |theirs: (f64, f64)| {
            let (lines, arriving) = mpsc::channel();
            compare("redis", (at(0.0), at(0.1)), (at(theirs.0), at(theirs.1)), &Report { lines });
            let line = arriving.recv().unwrap();
            (line.status, line.found)
        };
        assert_eq!(said((0.05, 0.05)).0, Status::Ok);
        assert_eq!(said((-0.9, 0.1)).0, Status::Ok, "a Date is cut to its second");
        assert_eq!(said((5.1, 6.1)), (Status::Warn, "5.0 s behind redis".into()));
        assert_eq!(said((-3.0, -2.0)), (Status::Warn, "2.0 s ahead of redis".into()));
    }
}
