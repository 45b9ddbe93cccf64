//! What is known of the ids that have no reader yet, and when the registry is asked for one. Pure: it is told the time.
//!
//! ```text
//! next(id) ─► Queue ─► start() ─► settle(id, outcome) ─┬─ known ──────► forgotten here
//!     │         ▲                                      ├─ unreadable ─► Unreadable for a minute
//!     │         ├───────────────── in 15 s ◄───────────┼─ not found ──► three times over 30 s, in a row: Unknown
//!     │         └───────────────── in 15 s ◄───────────┴─ outage ─────► evidence is void; all pause, 1 s to 8 s
//!     └──► Wait, Later, Quiet, Unknown
//! ```
//!
//! Who looks at an id has it asked at most once a second; an id that nobody looks at is asked again just often enough.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::queue::{Queue, Rank};

/// How long one question to the registry may take.
pub(super) const QUESTION_MS_MAX: Duration = Duration::from_millis(5_000);
/// Pause between two questions for the same id, and the first pause after an outage.
const ASK_AGAIN_MS: Duration = Duration::from_millis(1_000);
/// The pause after outages in a row doubles up to this.
const OUTAGE_PAUSE_MS_MAX: Duration = Duration::from_millis(8_000);
/// The longest pause that a registry may ask for.
const RETRY_AFTER_SECONDS_MAX: Duration = Duration::from_secs(60);
/// Pause between two log lines about one outage.
const SAY_AGAIN_SECONDS: Duration = Duration::from_secs(60);
/// An id is unknown when it was "not found" this often ...
const NOT_FOUND_TIMES_MIN: u32 = 3;
/// ... over at least this long; a registry that restarts empty for a moment must not cause dead letters.
const NOT_FOUND_SECONDS_MIN: Duration = Duration::from_secs(30);
/// How long "unknown" is believed; the registry is asked again in the second half.
const UNKNOWN_SECONDS_MAX: Duration = Duration::from_secs(60);
/// Ids kept; a producer that invents ids cannot fill the memory.
pub(super) const IDS_MAX: usize = 10_000;
/// Pause before an id is asked for again of itself: the third answer is 30 s after the first.
const CONFIRM_SECONDS: Duration = Duration::from_secs(15);
/// An id that nobody has looked at for so long is not asked for any more.
const WANTED_SECONDS_MAX: Duration = Duration::from_secs(300);

/// What one question brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A schema that can be read.
    Known,
    /// A registered schema that cannot.
    Unreadable,
    /// The registry says that there is no such id.
    NotFound,
    /// Nothing about the id.
    Outage {
        /// Whether the registry as a whole is away, not just this answer.
        whole: bool,
        /// The pause that it asks for.
        retry_after: Option<Duration>,
    },
}

/// What is known of an id now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// There is no reader for it.
    Unknown(Why),
    /// It is asked for, or is about to be.
    Wait,
    /// It was asked for a moment ago, or there are too many ids.
    Later,
    /// The registry is away.
    Quiet {
        /// Whether to look for it on disk: once in each pause.
        look: bool,
    },
}

/// Why an id has no reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Confirmed: the registry has no such id.
    Absent,
    /// Its schema cannot be read.
    Unreadable,
}

#[derive(Clone, Copy)]
enum State {
    New,
    NotFound { times: u32, first: Instant },
    Unknown { why: Why, since: Instant },
    Outage,
}

struct Slot {
    looked: Instant,
    asked: Option<Instant>,
    /// The pause in which it was looked for on disk, by its end.
    sought: Option<Instant>,
    state: State,
}

/// The ids without a reader.
#[derive(Default)]
pub(super) struct Board {
    slots: HashMap<u32, Slot>,
    /// Only of ids that have a slot.
    queue: Queue,
    outages: u32,
    quiet_until: Option<Instant>,
    /// "Not found" from before does not count.
    void_until: Option<Instant>,
    said: Option<Instant>,
    swept: Option<Instant>,
}

impl Board {
    /// What is known of `id`; if need be it is wanted from now on, `waits` tells whether somebody waits for it.
    pub(super) fn next(&mut self, id: u32, waits: bool, now: Instant) -> Next {
        if !self.slots.contains_key(&id) && !self.has_room(now) {
            return Next::Later;
        }
        let new = || Slot { looked: now, asked: None, sought: None, state: State::New };
        let is_new = !self.slots.contains_key(&id);
        let slot = self.slots.entry(id).or_insert_with(new);
        slot.looked = now;
        let age = |since| now.saturating_duration_since(since);
        let believed = match slot.state {
            State::Unknown { why, since } if age(since) < UNKNOWN_SECONDS_MAX / 2 => return Next::Unknown(why),
            State::Unknown { why, since } => (age(since) < UNKNOWN_SECONDS_MAX).then_some(why),
            _ => None,
        };
        if !self.queue.is_asking(id) {
            let rank = match slot.state {
                _ if waits && believed.is_none() => Rank::Waited,
                State::New if is_new => Rank::Ahead,
                State::New => Rank::Held,
                _ => Rank::Again,
            };
            self.queue.want(id, rank, slot.asked.map_or(now, |asked| now.max(asked + ASK_AGAIN_MS)));
        }
        if let Some(why) = believed {
            Next::Unknown(why)
        } else if self.queue.is_asking(id) {
            Next::Wait
        } else if self.quiet_until.is_some_and(|until| now < until) {
            let look = slot.sought != self.quiet_until;
            slot.sought = self.quiet_until;
            Next::Quiet { look }
        } else if self.queue.due(id).is_some_and(|due| now < due) {
            Next::Later
        } else {
            Next::Wait
        }
    }

    /// The next id to ask for now; it counts as asked.
    pub(super) fn start(&mut self, now: Instant) -> Option<u32> {
        if self.quiet_until.is_some_and(|until| now < until) {
            return None;
        }
        while let Some(id) = self.queue.first(now) {
            match self.slots.get_mut(&id) {
                Some(slot) if now.saturating_duration_since(slot.looked) < WANTED_SECONDS_MAX => {
                    slot.asked = Some(now);
                    self.queue.start(id, now);
                    return Some(id);
                }
                _ => self.forget(id),
            }
        }
        None
    }

    /// Whether any id is to be asked for, now or later.
    pub(super) fn has_wanted(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Enters what a question for `id` brought.
    pub(super) fn settle(&mut self, id: u32, outcome: Outcome, now: Instant) {
        self.queue.end(id);
        match outcome {
            Outcome::Outage { whole, retry_after } => return self.outage(id, whole, retry_after, now),
            Outcome::Known => self.forget(id),
            Outcome::Unreadable => self.enter(id, State::Unknown { why: Why::Unreadable, since: now }, now),
            Outcome::NotFound => {
                let state = self.not_found(id, now);
                self.enter(id, state, now);
            }
        }
        if self.outages > 0 {
            tracing::info!("the registry answers again");
        }
        (self.outages, self.quiet_until, self.said) = (0, None, None);
    }

    /// Nothing more is to be found out about `id`: it has a reader, or nobody wants it.
    pub(super) fn forget(&mut self, id: u32) {
        self.queue.remove(id);
        self.slots.remove(&id);
    }

    /// How many ids are remembered.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.slots.len()
    }

    fn enter(&mut self, id: u32, state: State, now: Instant) {
        // None: it was forgotten meanwhile.
        let Some(slot) = self.slots.get_mut(&id) else { return };
        slot.state = state;
        if !matches!(state, State::Unknown { .. }) {
            self.queue.want(id, Rank::Again, now + CONFIRM_SECONDS);
        }
    }

    fn not_found(&self, id: u32, now: Instant) -> State {
        let (times, first) = match self.slots.get(&id).map(|slot| slot.state) {
            // It was confirmed: one more "not found" confirms it again, without stopping the stream for 30 s.
            Some(State::Unknown { .. }) => return State::Unknown { why: Why::Absent, since: now },
            Some(State::NotFound { times, first }) if self.void_until.is_none_or(|void| void < first) => {
                (times + 1, first)
            }
            _ => (1, now),
        };
        if times >= NOT_FOUND_TIMES_MIN && now.saturating_duration_since(first) >= NOT_FOUND_SECONDS_MIN {
            tracing::warn!(id, "registry has no such schema id; its records are dead letters");
            return State::Unknown { why: Why::Absent, since: now };
        }
        if times == 1 {
            tracing::warn!(id, "registry knows no such schema id; asking again before it counts");
        }
        State::NotFound { times, first }
    }

    fn outage(&mut self, id: u32, whole: bool, retry_after: Option<Duration>, now: Instant) {
        self.enter(id, State::Outage, now);
        if whole {
            self.quiet(retry_after, now);
        }
    }

    /// The registry as a whole is away: no questions for a while.
    pub(super) fn quiet(&mut self, retry_after: Option<Duration>, now: Instant) {
        if self.quiet_until.is_some_and(|until| now < until) {
            return;
        }
        self.outages = self.outages.saturating_add(1);
        // Of all ids, also those that were not asked for just now; a lone bad answer voids only that of its own id.
        if self.outages > 1 {
            self.void_until = Some(now);
        }
        let doubled = ASK_AGAIN_MS * 2u32.saturating_pow(self.outages - 1).min(8);
        let asked_for = retry_after.unwrap_or_default().min(RETRY_AFTER_SECONDS_MAX);
        self.quiet_until = Some(now + doubled.min(OUTAGE_PAUSE_MS_MAX).max(asked_for));
    }

    /// Whether an outage is to be logged now: when it begins, then once a minute.
    pub(super) fn say_outage(&mut self, now: Instant) -> bool {
        let say = self.said.is_none_or(|said| now.saturating_duration_since(said) >= SAY_AGAIN_SECONDS);
        if say {
            self.said = Some(now);
        }
        say
    }

    /// Forgets ids that nobody has looked at lately when there are too many; at most once a second.
    fn has_room(&mut self, now: Instant) -> bool {
        let age = |then: Instant| now.saturating_duration_since(then);
        if self.slots.len() >= IDS_MAX && self.swept.is_none_or(|swept| age(swept) >= ASK_AGAIN_MS) {
            self.swept = Some(now);
            let old = UNKNOWN_SECONDS_MAX + NOT_FOUND_SECONDS_MIN;
            self.slots.retain(|id, slot| {
                let keep = age(slot.looked) < old;
                if !keep {
                    self.queue.remove(*id);
                }
                keep
            });
        }
        self.slots.len() < IDS_MAX
    }
}

#[cfg(test)]
mod tests;
