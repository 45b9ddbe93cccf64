//! From verdicts to an alarm that does not flap: raised after some windows of drift, cleared after some without.

use serde::{Deserialize, Serialize};

/// How many windows in a row it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hysteresis {
    /// With drift, to raise.
    pub raise_windows: u32,
    /// Without, to clear.
    pub clear_windows: u32,
}

impl Default for Hysteresis {
    /// At once: a window has floors, a least number and a correction already. Cleared after three.
    fn default() -> Self {
        Self { raise_windows: 1, clear_windows: 3 }
    }
}

/// The state, which each window replaces by the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Alarm {
    /// No drift in the last window.
    #[default]
    Quiet,
    /// Drift, not for long enough yet.
    Rising {
        /// Windows with drift in a row.
        windows: u32,
        /// Start of the first, milliseconds since the epoch.
        since_ms: i64,
    },
    /// Raised.
    Raised {
        /// Start of the first window with drift, milliseconds since the epoch.
        since_ms: i64,
        /// Windows without drift in a row.
        calm_windows: u32,
    },
}

/// What a window changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The start of an incident: once.
    Raised,
    /// Its end.
    Cleared,
}

impl Alarm {
    /// The state after a window that starts at `start_ms`; a window with too few values, `None`, leaves it as it is.
    #[must_use]
    pub fn after(self, drifted: Option<bool>, start_ms: i64, hysteresis: Hysteresis) -> (Self, Option<Change>) {
        let Some(drifted) = drifted else { return (self, None) };
        match (self, drifted) {
            (Self::Raised { since_ms, .. }, true) => (Self::Raised { since_ms, calm_windows: 0 }, None),
            (Self::Raised { since_ms, calm_windows }, false) => match calm_windows + 1 {
                calm if calm >= hysteresis.clear_windows => (Self::Quiet, Some(Change::Cleared)),
                calm_windows => (Self::Raised { since_ms, calm_windows }, None),
            },
            (_, false) => (Self::Quiet, None),
            (Self::Rising { windows, since_ms }, true) => Self::rising(windows + 1, since_ms, hysteresis),
            (Self::Quiet, true) => Self::rising(1, start_ms, hysteresis),
        }
    }

    fn rising(windows: u32, since_ms: i64, hysteresis: Hysteresis) -> (Self, Option<Change>) {
        match windows >= hysteresis.raise_windows {
            true => (Self::Raised { since_ms, calm_windows: 0 }, Some(Change::Raised)),
            false => (Self::Rising { windows, since_ms }, None),
        }
    }

    /// Whether it is raised.
    pub fn is_raised(self) -> bool {
        matches!(self, Self::Raised { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `+` drift, `-` none, `?` too few: R and C where it is raised and cleared.
    fn changes(windows: &str, hysteresis: Hysteresis) -> (String, Alarm) {
        let mut alarm = Alarm::default();
        let letters = windows.chars().enumerate().map(|(index, window)| {
            let change;
            let drifted = match window {
                '+' => Some(true),
                '-' => Some(false),
                _ => None,
            };
            (alarm, change) = alarm.after(drifted, 1_000 * index as i64, hysteresis);
            match change {
                Some(Change::Raised) => 'R',
                Some(Change::Cleared) => 'C',
                None => '.',
            }
        });
        (letters.collect(), alarm)
    }

    #[test]
    fn it_does_not_flap() {
        let slow = Hysteresis { raise_windows: 2, clear_windows: 3 };
        assert_eq!(changes("+-+-+-", slow).0, "......");
        assert_eq!(changes("-++-+--?-+", slow).0, "..R.....C.");
        assert_eq!(changes("+--+---", Hysteresis::default()).0, "R.....C");
        assert_eq!(changes("+", Hysteresis { raise_windows: 0, clear_windows: 0 }).0, "R");
    }

    #[test]
    fn it_says_since_when() {
        let slow = Hysteresis { raise_windows: 3, clear_windows: 3 };
        let (_, alarm) = changes("+-++?+-+", slow);
        assert_eq!(alarm, Alarm::Raised { since_ms: 2_000, calm_windows: 0 });
        let json = serde_json::to_string(&alarm).unwrap();
        assert_eq!(json, r#"{"state":"raised","since_ms":2000,"calm_windows":0}"#);
        assert_eq!(serde_json::from_str::<Alarm>(&json).unwrap(), alarm);
    }
}
