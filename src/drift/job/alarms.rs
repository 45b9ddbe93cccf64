//! The alarms of all windows, and which of them start an incident. Pure.

use std::collections::BTreeMap;

use crate::drift::report::Alarms;

/// Window, task and arm.
pub(super) type Series = (String, String, String);

/// Those of all windows, tasks and arms.
#[derive(Clone, Debug, Default)]
pub(super) struct AlarmBook(BTreeMap<Series, Alarms>);

impl AlarmBook {
    /// What is known; quiet until a window has said something.
    pub(super) fn get(&self, series: &Series) -> Alarms {
        self.0.get(series).copied().unwrap_or_default()
    }

    /// Takes what is known after a window, and says whether an incident starts with it: an alarm of this task and arm is
    /// raised, and none was, in no window.
    pub(super) fn set(&mut self, series: Series, alarms: Alarms) -> bool {
        let of_same = |known: &Series| (&known.1, &known.2) == (&series.1, &series.2);
        let was_raised = self.0.iter().any(|(known, alarms)| of_same(known) && is_raised(*alarms));
        let starts = !was_raised && is_raised(alarms);
        self.0.insert(series, alarms);
        starts
    }
}

fn is_raised(alarms: Alarms) -> bool {
    alarms.drift.is_raised() || alarms.calibration.is_raised()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::alarm::Alarm;

    #[test]
    fn an_incident_starts_once_whatever_windows_say_so() {
        let (quiet, raised) = (Alarms::default(), Alarm::Raised { since_ms: 0, calm_windows: 0 });
        let drift = Alarms { drift: raised, ..quiet };
        let calibration = Alarms { calibration: raised, ..quiet };
        let series = |window: &str, arm: &str| (window.to_owned(), "spam".to_owned(), arm.to_owned());
        let mut book = AlarmBook::default();
        let steps = [
            ("1h", "live", quiet, false),
            ("1h", "live", drift, true),
            ("24h", "live", calibration, false),
            ("1h", "other", drift, true),
            ("1h", "live", quiet, false),
            ("1h", "live", drift, false),
            ("1h", "live", quiet, false),
            ("24h", "live", quiet, false),
            ("24h", "live", drift, true),
        ];
        for (index, (window, arm, alarms, starts)) in steps.into_iter().enumerate() {
            assert_eq!(book.set(series(window, arm), alarms), starts, "step {index}");
        }
        assert_eq!(book.get(&series("24h", "live")), drift);
    }
}
