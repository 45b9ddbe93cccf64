//! Reads the idempotency window of a partition back from the verdicts.
//!
//! ```text
//! verdicts-p:  ... │ start = max(24 h ago, high - 2 keys or further back) ......... high (captured now) │ ...
//!                  └──► StableReader ──► Window
//! ```

use std::{sync::Arc, time::Duration};

use super::{
    Beside,
    stable::{Deadline, StableReader, wait},
};
use crate::{
    clock,
    codec::{Lookup, Schemas, wire},
    config::Kafka,
    dedup::{Entry, Identity, Window, WindowLimits},
    fault::Fault,
};
use rdkafka::{Message as _, message::BorrowedMessage};
use serde::Deserialize;

/// How long the registry may take over one schema id before the restore starts anew.
const REGISTRY_MS_MAX: Duration = Duration::from_millis(5_000);

/// What the window needs of a verdict.
#[derive(Deserialize)]
#[serde(rename = "Verdict")]
struct Head {
    verdict_id: String,
    #[serde(with = "apache_avro::serde::fixed")]
    payload_hash: [u8; 16],
    source_offset: i64,
    decided_at: i64,
}

/// What a lane reads its windows back with.
pub struct Restorer {
    verdicts: StableReader,
    schemas: Arc<Schemas>,
    wait_ms_max: Duration,
}

impl Beside for Restorer {
    fn serve(&self) {
        self.verdicts.serve();
    }
}

impl Restorer {
    /// Clients that connect when they are asked; a restore takes `wait_ms_max` milliseconds at most.
    ///
    /// # Errors
    /// When a setting of the client is refused.
    pub fn new(kafka: &Kafka, verdicts: &str, schemas: Arc<Schemas>, wait_ms_max: u64) -> Result<Self, Fault> {
        let wait_ms_max = Duration::from_millis(wait_ms_max);
        Ok(Self { verdicts: StableReader::new(kafka, verdicts)?, schemas, wait_ms_max })
    }

    /// The window of `partition`; never an empty one in place of one that cannot be read.
    pub(super) fn restore(
        &self,
        partition: i32,
        limits: WindowLimits,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Window, Fault> {
        let deadline = Deadline::within(self.wait_ms_max, go_on);
        let (low, high) = self.verdicts.span(partition, &deadline)?;
        // Where the window starts by time: nowhere when every verdict is older.
        let by_time = self.verdicts.offset_at(partition, clock::now_ms() - limits.age_ms_max)?;
        let oldest = by_time.unwrap_or(high).max(low);
        // Commit markers and aborted records take offsets too: how far back the keys reach shows when they are read.
        let mut span = i64::try_from(limits.keys_max).unwrap_or(i64::MAX).saturating_mul(2);
        loop {
            let start = high.saturating_sub(span).max(oldest);
            let mut window = Window::new(limits);
            if start < high {
                self.read(partition, start, &deadline, &mut window)?;
            }
            if start == oldest || window.len() >= limits.keys_max {
                return Ok(window);
            }
            span = span.saturating_mul(4);
        }
    }

    fn read(&self, partition: i32, start: i64, deadline: &Deadline<'_>, window: &mut Window) -> Result<(), Fault> {
        let mut foreign = 0;
        let result = self.verdicts.read(partition, start, deadline, &mut |message| {
            match entry(message, &self.schemas)? {
                Some(entry) => window.admit(entry),
                None => foreign += 1,
            }
            Ok(())
        });
        if foreign > 0 {
            tracing::warn!(
                partition,
                foreign,
                "values in the verdicts topic are no verdicts; the window passes them over"
            );
        }
        result
    }
}

/// A verdict that cannot be read yet: passed over, it would make the window silently incomplete.
#[derive(Debug, thiserror::Error)]
#[error("schema id {id} of the verdict at partition {partition}, offset {offset}")]
struct NotYet {
    id: u32,
    partition: i32,
    offset: i64,
}

/// None for a value that is no verdict of ours: somebody else wrote into the topic.
fn entry(message: &BorrowedMessage<'_>, schemas: &Schemas) -> Result<Option<Entry>, Fault> {
    let Ok((id, datum)) = wire::split(message.payload().unwrap_or_default()) else { return Ok(None) };
    let not_yet = |doing| {
        let verdict = NotYet { id, partition: message.partition(), offset: message.offset() };
        Fault::caused(wait(), doing, verdict)
    };
    let reader = match schemas.reader(id, &mut REGISTRY_MS_MAX.clone()) {
        Lookup::Known(reader) => reader,
        Lookup::Unknown | Lookup::Unreadable => {
            return Err(not_yet("reading the window back: nobody knows the id; is schemas.* right?"));
        }
        Lookup::Away => return Err(not_yet("reading the window back: waiting for the registry")),
    };
    Ok(reader.read::<Head>(datum).ok().and_then(|head| {
        let identity = Identity::from_hex(&head.verdict_id)?;
        Some(Entry::new(identity, &head.payload_hash, head.source_offset, head.decided_at))
    }))
}
