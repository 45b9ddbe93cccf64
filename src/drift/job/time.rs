//! Event time: panes, watermarks, and when a window has ended. Pure.
//!
//! ```text
//!           │ pane │ pane │ pane │ pane │        a window is a whole number of panes
//!  ─────────┴──────┴──────┴──────┴──────┴─────► event time
//!             closed ◄──── closed_to   ▲ watermark: the latest stamp of the partition
//!                          └── grace ──┘
//! ```

use serde::{Deserialize, Serialize};

use crate::{
    config::WindowSize,
    fault::{Action, Exit, Fault},
};

/// How event time is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PaneClock {
    /// Length of a pane, milliseconds; it divides the length and the step of every window.
    pub pane_ms: i64,
    /// How long a pane waits after its end, milliseconds.
    pub grace_ms: i64,
}

impl PaneClock {
    /// The longest panes that the windows can be put together from.
    pub(super) fn of(windows: &[WindowSize], grace_ms: i64) -> Self {
        Self { pane_ms: WindowSize::pane_ms(windows), grace_ms }
    }

    /// Start of the pane of a time; both milliseconds since the epoch.
    pub(super) fn start_of(&self, time_ms: i64) -> i64 {
        time_ms.saturating_sub(time_ms.rem_euclid(self.pane_ms))
    }

    /// Every pane that ends here or before is closed when the watermark has come so far.
    pub(super) fn closed_to(&self, watermark_ms: i64) -> i64 {
        self.start_of(watermark_ms.saturating_sub(self.grace_ms))
    }
}

/// How far a partition has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The latest stamp, milliseconds since the epoch; none before the first record.
    pub watermark_ms: Option<i64>,
    /// Every pane that ends here or before is closed, for good.
    pub closed_to_ms: Option<i64>,
    /// Length of its panes, milliseconds.
    #[serde(default)]
    pub pane_ms: i64,
}

impl Progress {
    /// A record with this stamp, or silence up to it. Time does not go back.
    pub(super) fn advance(&mut self, time_ms: i64, clock: &PaneClock) {
        let watermark_ms = self.watermark_ms.map_or(time_ms, |known| known.max(time_ms));
        let closed_to_ms = clock.closed_to(watermark_ms);
        self.pane_ms = clock.pane_ms;
        self.watermark_ms = Some(watermark_ms);
        self.closed_to_ms = Some(self.closed_to_ms.map_or(closed_to_ms, |known| known.max(closed_to_ms)));
    }

    /// Panes of another length cannot be put together with those to come.
    ///
    /// # Errors
    /// [`Fault`] that ends the process.
    pub(super) fn check(&self, clock: &PaneClock) -> Result<(), Fault> {
        if self.watermark_ms.is_none() || self.pane_ms == clock.pane_ms {
            return Ok(());
        }
        let doing = "reading the drift state back: it is of other drift.windows; name another topics.drift_state and another \
                     drift.group_id, or take the windows back";
        Err(Fault::new(Action::Exit(Exit::Config), doing))
    }

    /// Whether the pane that starts here takes no more records.
    pub(super) fn is_closed(&self, start_ms: i64, clock: &PaneClock) -> bool {
        self.closed_to_ms.is_some_and(|closed_to_ms| start_ms.saturating_add(clock.pane_ms) <= closed_to_ms)
    }
}

/// The ends of windows of one size that hold something of the panes that start at `panes` and end after `from_ms` and not
/// after `to_ms`, ascending.
pub(super) fn ends(window: WindowSize, panes: impl Iterator<Item = i64>, from_ms: i64, to_ms: i64) -> Vec<i64> {
    let mut ends = std::collections::BTreeSet::new();
    for start_ms in panes {
        // The first end after the pane's start, and after what is reported; a pane is in no window that starts after it.
        let first = (start_ms.max(from_ms).div_euclid(window.slide_ms) + 1) * window.slide_ms;
        let last = to_ms.min(start_ms + window.size_ms);
        let steps = (0..=(last - first).div_euclid(window.slide_ms)).map(|step| first + step * window.slide_ms);
        ends.extend(steps);
    }
    ends.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &str) -> WindowSize {
        text.parse().unwrap()
    }

    #[test]
    fn panes_divide_every_window() {
        let pane =
            |windows: &[&str]| PaneClock::of(&windows.iter().map(|text| window(text)).collect::<Vec<_>>(), 0).pane_ms;
        assert_eq!(pane(&["1h", "24h"]), 3_600_000);
        assert_eq!(pane(&["1h/10m", "90m/15m"]), 300_000);
    }

    #[test]
    fn a_pane_is_closed_after_its_grace_and_stays_so() {
        let clock = PaneClock { pane_ms: 10, grace_ms: 3 };
        let mut progress = Progress::default();
        assert!(!progress.is_closed(-1_000, &clock));
        progress.advance(12, &clock);
        assert_eq!((progress.is_closed(0, &clock), progress.closed_to_ms), (false, Some(0)));
        progress.advance(13, &clock);
        assert!(progress.is_closed(0, &clock) && !progress.is_closed(10, &clock));
        progress.advance(-5, &clock);
        assert_eq!(progress, Progress { watermark_ms: Some(13), closed_to_ms: Some(10), pane_ms: 10 });
        assert_eq!((clock.start_of(-1), clock.start_of(-10), clock.start_of(19)), (-10, -10, 10));
    }

    #[test]
    fn windows_end_when_they_hold_something() {
        let (tumbling, sliding) = (window("4s"), window("4s/2s"));
        assert_eq!(ends(tumbling, [0, 1_000, 9_000].into_iter(), i64::MIN / 2, 100_000), [4_000, 12_000]);
        assert_eq!(ends(sliding, [2_000].into_iter(), 0, 100_000), [4_000, 6_000]);
        assert_eq!(ends(sliding, [2_000].into_iter(), 4_000, 100_000), [6_000]);
        assert_eq!(ends(sliding, [2_000].into_iter(), 0, 5_000), [4_000]);
        assert_eq!(ends(tumbling, [-1_000].into_iter(), -10_000, 0), [0]);
    }
}
