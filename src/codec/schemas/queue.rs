//! The ids that the registry is to be asked for: which is next, and when. Pure: it is told the time.
//!
//! ```text
//! want(id, rank, due) ─► Waited │ Held │ Ahead │ Again ─► first(now) ─► start ─► on their way, at most 8 ─► end
//!                        the first line with an id that is due, within 100 questions a second
//! ```

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use super::board::QUESTION_MS_MAX;

/// Questions on their way at once.
pub(super) const QUESTIONS_MAX: usize = 8;
/// Between the starts of two questions, on average: 100 a second.
const QUESTION_EVERY_MS: Duration = Duration::from_millis(10);
/// So many may start at once after a rest.
const BURST_MAX: u32 = 10;

/// Who goes first; within a rank, who was due first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Somebody waits for the answer now.
    Waited,
    /// Looked at more than once: a partition is held for it, or many records have it.
    Held,
    /// Looked at once.
    Ahead,
    /// There was an answer already.
    Again,
}

/// The wanted ids, and those on their way. Whoever adds an id sees to it that there are not too many.
#[derive(Default)]
pub(super) struct Queue {
    lines: [BTreeSet<(Instant, u32)>; 4],
    places: HashMap<u32, (Rank, Instant)>,
    /// At most [`QUESTIONS_MAX`].
    asking: HashMap<u32, Instant>,
    /// The questions so far have used up the time until then.
    used_until: Option<Instant>,
}

impl Queue {
    /// Puts `id` into the queue; one that is there keeps the better of both ranks and of both times.
    pub(super) fn want(&mut self, id: u32, rank: Rank, due: Instant) {
        let (rank, due) = self.remove(id).map_or((rank, due), |(old, was_due)| (old.min(rank), was_due.min(due)));
        self.lines[rank as usize].insert((due, id));
        self.places.insert(id, (rank, due));
    }

    /// Takes `id` out of the queue.
    pub(super) fn remove(&mut self, id: u32) -> Option<(Rank, Instant)> {
        let (rank, due) = self.places.remove(&id)?;
        self.lines[rank as usize].remove(&(due, id));
        Some((rank, due))
    }

    /// When `id` may be asked for, if it is wanted.
    pub(super) fn due(&self, id: u32) -> Option<Instant> {
        self.places.get(&id).map(|(_, due)| *due)
    }

    /// Whether nothing is wanted.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The id to ask for now, if the limits let it.
    pub(super) fn first(&mut self, now: Instant) -> Option<u32> {
        // A task that died must not hold its place for ever.
        self.asking.retain(|_, asked| now.saturating_duration_since(*asked) < 2 * QUESTION_MS_MAX);
        let ahead = self.used_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        if self.asking.len() >= QUESTIONS_MAX || ahead > QUESTION_EVERY_MS * (BURST_MAX - 1) {
            return None;
        }
        let due = |line: &BTreeSet<(Instant, u32)>| line.first().filter(|(due, _)| *due <= now).map(|(_, id)| *id);
        self.lines.iter().find_map(due)
    }

    /// `id` is asked for.
    pub(super) fn start(&mut self, id: u32, now: Instant) {
        self.remove(id);
        self.asking.insert(id, now);
        self.used_until = Some(self.used_until.map_or(now, |until| until.max(now)) + QUESTION_EVERY_MS);
    }

    /// Whether a question for `id` is on its way.
    pub(super) fn is_asking(&self, id: u32) -> bool {
        self.asking.contains_key(&id)
    }

    /// The question for `id` is over.
    pub(super) fn end(&mut self, id: u32) {
        self.asking.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_somebody_waits_for_goes_first_then_who_is_due_longest() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let ms = |ms| now + Duration::from_millis(ms);
        queue.want(1, Rank::Again, ms(0));
        queue.want(2, Rank::Ahead, ms(2));
        queue.want(3, Rank::Ahead, ms(1));
        queue.want(4, Rank::Waited, ms(9_000));
        queue.want(5, Rank::Ahead, ms(3));
        queue.want(5, Rank::Held, ms(4));
        let mut order = Vec::new();
        while let Some(id) = queue.first(ms(100)) {
            queue.start(id, ms(100));
            order.push(id);
        }
        assert_eq!(order, [5, 3, 2, 1]);
        assert_eq!((queue.due(4), queue.is_empty()), (Some(ms(9_000)), false));
        queue.remove(4);
        assert!(queue.is_empty() && queue.lines.iter().all(BTreeSet::is_empty));
    }

    #[test]
    fn questions_on_their_way_and_a_second_are_limited_and_a_lost_one_frees_its_place() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        (0..1_000).for_each(|id| queue.want(id, Rank::Ahead, start));
        let mut ask = |now, ends: bool| {
            let mut asked = 0;
            while let Some(id) = queue.first(now) {
                queue.start(id, now);
                if ends {
                    queue.end(id);
                }
                asked += 1;
            }
            asked
        };
        assert_eq!(ask(start, false), QUESTIONS_MAX);
        assert_eq!(ask(start + Duration::from_secs(5), false), 0);
        let later = start + 2 * QUESTION_MS_MAX;
        let asked: usize = (0..200).map(|tick| ask(later + tick * Duration::from_millis(20), true)).sum();
        assert!((390..=410).contains(&asked), "{asked} in 4 s");
    }
}
