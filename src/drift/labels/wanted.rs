use std::cmp::Reverse;

use super::said::Judged;
use crate::records::Label;

/// How far a label's `decided_at` may be off: stores that keep whole seconds round or cut, milliseconds.
pub const DECIDED_MS_TOLERANCE: i64 = 1_000;

/// What a label says of where its prediction is. One predicate decides what may answer, [`Hints::rank`], so that it does
/// not matter who found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hints {
    /// The partition that must have it.
    partition: Option<i32>,
    /// Offset of the message.
    pub offset: Option<i64>,
    /// When it was judged, to [`DECIDED_MS_TOLERANCE`], milliseconds since the epoch.
    pub decided_at: Option<i64>,
}

/// How well a prediction answers; the least is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    off_ms: u64,
    /// Of several that are equally near, the latest.
    decided_at: Reverse<i64>,
    partition: i32,
    offset: i64,
}

/// A label's question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wanted<'a> {
    /// The message's id.
    pub message_id: &'a str,
    /// The label's task.
    pub task: &'a str,
    /// What is known of the prediction.
    pub hints: Hints,
}

impl Hints {
    /// Those of a label from partition `own` of the labels. Labels are keyed by user, as messages are: one that says when or
    /// where in a partition, but not in which, means its own.
    pub fn of(label: &Label, own: i32) -> Self {
        let &Label { source_partition, source_offset: offset, decided_at, .. } = label;
        let can_be_read_back = offset.is_some() || decided_at.is_some();
        let partition = source_partition.or_else(|| can_be_read_back.then_some(own));
        Self { partition, offset, decided_at }
    }

    /// The partition to read back; none where there is no saying what of it. Then the index alone answers, as far back as
    /// it happens to reach: best effort, the one answer that another run may give otherwise.
    pub fn read_back(&self) -> Option<i32> {
        self.partition.filter(|_| self.offset.is_some() || self.decided_at.is_some())
    }

    /// Whether a prediction with the label's message id may answer, and how well.
    pub fn rank(&self, judged: Judged) -> Option<Rank> {
        let Judged { partition, offset, decided_at } = judged;
        let off_ms = self.decided_at.map_or(0, |wanted| wanted.abs_diff(decided_at));
        let may = self.partition.is_none_or(|wanted| wanted == partition)
            && self.offset.is_none_or(|wanted| wanted == offset)
            && off_ms <= DECIDED_MS_TOLERANCE.unsigned_abs();
        may.then_some(Rank { off_ms, decided_at: Reverse(decided_at), partition, offset })
    }

    /// Whether no other prediction answers better, so that nobody else need be asked: the message itself is named, or the
    /// millisecond. (One that was judged twice, longer apart than the deduplication window, is named twice.)
    pub fn is_exact(&self, rank: Rank) -> bool {
        self.offset.is_some() || self.decided_at.is_some() && rank.off_ms == 0
    }
}
