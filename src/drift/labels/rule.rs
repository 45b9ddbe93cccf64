use serde::{Deserialize, Serialize};

use crate::records::LabelSource;

/// How much a source's word weighs; the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Strength {
    /// Anything else.
    Other,
    /// A user's report.
    UserReport,
    /// A moderator's decision.
    Moderator,
    /// An appeal's outcome.
    Appeal,
}

impl From<LabelSource> for Strength {
    fn from(source: LabelSource) -> Self {
        match source {
            LabelSource::Other => Self::Other,
            LabelSource::UserReport => Self::UserReport,
            LabelSource::Moderator => Self::Moderator,
            LabelSource::Appeal => Self::Appeal,
        }
    }
}

/// Of two words, the greater one holds: that of the stronger source, and of equally strong ones the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Weight {
    /// Of the source.
    pub strength: Strength,
    /// Milliseconds since the epoch, as the label says.
    pub labelled_at: i64,
}

/// What a label is to what is known of its message and task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Says the same.
    Repeated,
    /// Says otherwise, weighs at least as much, and comes in time: it takes the place of what was known.
    Corrected,
    /// Says otherwise, and changes nothing.
    Contradicted,
}

/// The rule for labels that are not the first of their message and task. `is_open`: the pane of the first one is.
pub fn rule(known: (Weight, &[String]), later: (Weight, &[String]), is_open: bool) -> Ruling {
    match (known, later) {
        ((_, known), (_, later)) if known == later => Ruling::Repeated,
        ((known, _), (later, _)) if later >= known && is_open => Ruling::Corrected,
        _ => Ruling::Contradicted,
    }
}
