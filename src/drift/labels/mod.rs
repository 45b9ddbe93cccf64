//! What messages truly were, put together with what was predicted.
//!
//! ```text
//!  predictions ──► Index: recent ones, by message id ─┐ exact?
//!                                                     ▼   │no
//!  labels ──► read: Truth ──► Wanted: id, task, Hints ──► Past: reads predictions back, one pass for many
//!                                                     │
//!                                                  Found ──► rule ─┬─ first ─────► its pane: joined
//!                                                            ▲     ├─ repeated
//!                                             Table: what is known ├─ corrected ─► the pane of the first, while it is open
//!                                                                  └─ contradicted
//! ```
//!
//! A label of any partition may be about a prediction of any partition. What may answer it is one predicate,
//! [`Hints::rank`]: the index answers only what nothing else can answer better, so that it does not matter which
//! predictions happen to be in it.
//!
//! **Rule.** For each message id and task, within a partition of labels: the first label counts in the pane of its
//! `labelled_at`. A later one that says the same is `repeated`, and lends what is known its weight. One that says otherwise
//! is `corrected` where it weighs at least as much (APPEAL > MODERATOR > USER_REPORT > OTHER, then the later `labelled_at`)
//! and the pane of the first is open: there the old contribution goes, and the new one comes. Else it is `contradicted`, and
//! changes nothing. A label whose own pane is closed is `late`, and nothing else.
//!
//! What was learnt is forgotten, the oldest first, beyond a number of messages: then a further label counts as a first one.

mod answers;
mod count;
mod fold;
mod heard;
mod index;
mod plan;
mod read;
mod read_back;
mod rule;
mod said;
mod table;
#[cfg(test)]
mod testing;
mod wanted;

pub use fold::{Labels, Lane};
pub use index::{Index, IndexWriter};
pub use read_back::{Past, ReadBack};
pub use rule::{Ruling, Strength, Weight, rule};
pub use said::{Found, Judged, Model, Models, Said};
pub use table::{Changes, Contribution, Key, Remembered, Table};
pub use wanted::{DECIDED_MS_TOLERANCE, Hints, Rank, Wanted};
