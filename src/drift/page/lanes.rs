//! When something drifted and alarms stood: stretches of time.

use serde::Serialize;

use super::Moment;
use crate::records::{AlarmChange, AlarmKind, AlarmState, DriftStatus};

/// What windows of one length said over time, or one of their alarms.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lane {
    /// The window.
    pub window: String,
    /// The alarm; none is what the windows say.
    pub alarm: Option<AlarmKind>,
    /// In order of time; where there is no report, there is none.
    pub stretches: Vec<Stretch>,
    /// When the alarm was raised or cleared: the ends of these windows.
    pub changes: Vec<Change>,
}

/// Windows in a row that say the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stretch {
    /// Milliseconds since the epoch.
    pub from: i64,
    /// Milliseconds since the epoch.
    pub to: i64,
    /// How many windows.
    pub windows: u64,
    /// What they say.
    pub state: State,
}

/// What a stretch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Nothing has moved.
    Stable,
    /// Something has.
    Drifted,
    /// Nothing had enough values to be judged.
    TooFew,
    /// No drift in the last window.
    Quiet,
    /// Drift, not for long enough yet.
    Rising,
    /// Raised.
    Raised,
}

/// An alarm that was raised, or cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Milliseconds since the epoch.
    pub at: i64,
    /// Which of the two.
    pub change: AlarmChange,
}

/// What these windows said, then each of their alarms.
pub(super) fn lanes<'m>(window: &str, moments: impl Iterator<Item = &'m Moment> + Clone) -> Vec<Lane> {
    let status = |moment: &Moment| {
        Some(match moment.status {
            DriftStatus::Stable => State::Stable,
            DriftStatus::Drifted => State::Drifted,
            DriftStatus::TooFew => State::TooFew,
        })
    };
    let first = Lane {
        window: window.to_owned(),
        alarm: None,
        stretches: stretches(moments.clone(), status),
        changes: Vec::new(),
    };
    let alarm = |about: AlarmKind| Lane {
        window: window.to_owned(),
        alarm: Some(about),
        stretches: stretches(moments.clone(), |moment| state(moment, about)),
        changes: changes(moments.clone(), about),
    };
    let alarms = [AlarmKind::Drift, AlarmKind::Calibration].map(alarm);
    std::iter::once(first).chain(alarms).filter(|lane| !lane.stretches.is_empty()).collect()
}

fn state(moment: &Moment, about: AlarmKind) -> Option<State> {
    let alarm = moment.alarms.iter().find(|alarm| alarm.about == about)?;
    Some(match alarm.state {
        AlarmState::Quiet => State::Quiet,
        AlarmState::Rising => State::Rising,
        AlarmState::Raised => State::Raised,
    })
}

fn stretches<'m>(moments: impl Iterator<Item = &'m Moment>, state: impl Fn(&Moment) -> Option<State>) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for moment in moments {
        let Some(state) = state(moment) else { continue };
        // Windows that slide lie on each other: each adds what is new.
        let from = stretches.last().map_or(moment.window_start, |last| last.to.max(moment.window_start));
        match stretches.last_mut().filter(|last| last.to == from && last.state == state) {
            Some(last) => {
                last.to = moment.window_end.max(from);
                last.windows += 1;
            }
            None => stretches.push(Stretch { from, to: moment.window_end.max(from), windows: 1, state }),
        }
    }
    stretches
}

fn changes<'m>(moments: impl Iterator<Item = &'m Moment>, about: AlarmKind) -> Vec<Change> {
    let changed = moments.flat_map(|moment| moment.alarms.iter().map(|alarm| (moment.window_end, alarm)));
    changed
        .filter(|(_, alarm)| alarm.about == about && alarm.change != AlarmChange::None)
        .map(|(at, alarm)| Change { at, change: alarm.change })
        .collect()
}
