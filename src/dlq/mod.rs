//! Dead letters as operators and upstream teams see them: one by one, counted, and as a report.
//!
//! ```text
//!  dead-letters ─► tail ─► Letter (who, where, why) ─► Filter ─┬─► list, show
//!                                                             └─► Stats ─► stats, report (no message text)
//! ```

mod filter;
mod line;
mod report;
mod scan;
mod stats;
mod timeline;
mod top;

pub use filter::Filter;
pub use line::header;
pub use report::{CodeRow, GroupRow, OTHER_CODES, Report, Scope, bucket, markdown};
pub use scan::{Scan, ScanError};
pub use stats::{Count, Dimension, Stats};
pub use timeline::{Timeline, sparkline};

use std::fmt;

use serde::Serialize;

use crate::{
    codec::wire,
    intake::Reject,
    pipeline::{ERROR_HEADERS, SCHEMA_ID, VALUE_OMITTED},
    tail::{Record, printable},
};

/// Header in which producers say who they are, unless another is named.
pub const CLIENT_HEADER: &str = "client-id";

/// Characters of a client's name that are kept.
const CLIENT_CHARS_MAX: usize = 48;

/// Where a rejected record lies in the input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Origin {
    /// The input topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.topic, self.partition, self.offset)
    }
}

/// A dead letter: the record, and what its headers say. A record that is none has no code and no origin.
#[derive(Clone, Debug)]
pub struct Letter<'m> {
    /// As it lies in its topic.
    pub record: Record<'m>,
    /// Why it was rejected; none for a code that is not in the catalogue.
    pub reject: Option<Reject>,
    /// The code as it stands there, printable.
    pub code: Option<String>,
    /// Where the record came from.
    pub origin: Option<Origin>,
    /// The schema that the value names.
    pub schema_id: Option<u32>,
    /// Who sent it, printable.
    pub client: Option<String>,
    /// Size of a value that was left out, bytes.
    pub omitted_bytes: Option<u64>,
}

impl<'m> Letter<'m> {
    /// Reads the headers of `record`; producers say in `client_header` who they are.
    pub fn of(record: Record<'m>, client_header: &str) -> Self {
        let text = |name: &str, chars_max| record.header(name).map(|value| printable(value, chars_max));
        let ours = |name: &str| text(&format!("{ERROR_HEADERS}{name}"), 256);
        let origin = || {
            let (partition, offset) = (ours("partition")?.parse().ok()?, ours("offset")?.parse().ok()?);
            Some(Origin { topic: ours("topic")?, partition, offset })
        };
        let code = ours("class.name");
        let in_value = || Some(wire::split(record.value?).ok()?.0);
        Self {
            reject: code.as_deref().and_then(Reject::from_code),
            code,
            origin: origin(),
            schema_id: in_value().or_else(|| text(SCHEMA_ID, 10)?.parse().ok()),
            client: text(client_header, CLIENT_CHARS_MAX),
            omitted_bytes: text(VALUE_OMITTED, 20).and_then(|bytes| bytes.parse().ok()),
            record,
        }
    }

    /// Size of the value, bytes, there or left out; none when it was null.
    pub fn value_bytes(&self) -> Option<u64> {
        self.omitted_bytes.or(self.record.value.map(|value| value.len() as u64))
    }

    /// The code, or what to say without one.
    pub fn code(&self) -> &str {
        self.code.as_deref().unwrap_or("(no code)")
    }
}
