//! Reports as a page: what an operator looks at when an alarm calls, and keeps beside the incident.
//!
//! ```text
//!  file of reports ─┐                            ┌─ Moment of every report ─┐
//!                   ├─► Filter ─► Kept (newest) ─┤                          ├─► Page ─┬─► html: one file
//!  drift-reports  ──┘                            └─ the newest ones, whole ─┘         └─► JSON twin
//! ```
//!
//! A [`Page`] holds everything that is shown; [`html()`] is a pure function of it, so that the JSON twin cannot say other
//! things than the page.

mod html;
mod kept;
mod lanes;
mod measured;
mod moment;
mod over_time;
mod pictures;
mod source;
#[cfg(test)]
mod tests;
mod totals;
mod view;
mod words;

pub use html::html;
pub use kept::{Filter, Kept, SERIES_MAX};
pub use lanes::{Change, Lane, State, Stretch};
pub use moment::{F1, LABELS_MAX, Largest, Moment, Said, Score};
pub use source::{read_file, read_topic};
pub use totals::Totals;
pub use view::{FORMAT, NoPage, Page, ReportCounts, TaskPage, WindowNow};
