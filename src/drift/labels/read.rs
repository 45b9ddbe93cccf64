//! Records of the labels topic.

use super::{Hints, Models, Strength, Wanted, Weight};
use crate::{
    codec::{Lookup, Schemas, wire},
    fault::{Action, Fault},
    records::Label,
    stream::{Chunk, Record},
};

/// A record of the labels topic.
pub(super) struct Learnt {
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// Event time, milliseconds since the epoch; none of a record that is no label.
    pub(super) time_ms: Option<i64>,
    pub(super) what: What,
}

/// What it says.
pub(super) enum What {
    /// No label, or of a task that is not configured.
    Unreadable,
    /// Labels that no model of this task can have.
    Unknown(String),
    /// A truth.
    Truth(Truth),
}

/// What a message truly was.
pub(super) struct Truth {
    pub(super) message_id: String,
    pub(super) task: String,
    /// Sorted, each once.
    pub(super) labels: Vec<String>,
    pub(super) weight: Weight,
    pub(super) hints: Hints,
}

impl Learnt {
    pub(super) fn truth(&self) -> Option<&Truth> {
        if let What::Truth(truth) = &self.what { Some(truth) } else { None }
    }
}

impl Truth {
    pub(super) fn wanted(&self) -> Wanted<'_> {
        Wanted { message_id: &self.message_id, task: &self.task, hints: self.hints }
    }
}

/// Reads labels.
pub(super) struct Reader<'a> {
    pub(super) schemas: &'a Schemas,
    pub(super) models: &'a Models,
    /// How far a label may be stamped after it was written, milliseconds.
    pub(super) future_ms_max: i64,
}

impl Reader<'_> {
    /// Every record of `chunk`, in order.
    ///
    /// # Errors
    /// [`Fault`] while the schema of any is not known.
    pub(super) fn read(&self, chunk: &Chunk) -> Result<Vec<Learnt>, Fault> {
        let mut patience = self.schemas.chunk_patience();
        chunk
            .records()
            .map(|record| {
                let label = self.label(&record, &mut patience)?;
                let (partition, offset) = (record.partition, record.offset);
                let time_ms = label.as_ref().map(|label| self.time_ms(label, record.timestamp_ms));
                let what = label.map_or(What::Unreadable, |label| self.what(label, partition));
                Ok(Learnt { partition, offset, time_ms, what })
            })
            .collect()
    }

    /// The time that the label says, at most so much later than its record was written: one that was stamped far ahead must
    /// not end every pane before it.
    fn time_ms(&self, label: &Label, written: Option<i64>) -> i64 {
        written.map_or(label.labelled_at, |written| label.labelled_at.min(written.saturating_add(self.future_ms_max)))
    }

    fn label(&self, record: &Record<'_>, patience: &mut std::time::Duration) -> Result<Option<Label>, Fault> {
        let Ok((id, datum)) = wire::split(record.value.unwrap_or_default()) else { return Ok(None) };
        match self.schemas.reader(id, patience) {
            // By the names of its fields and symbols: the reader of parts passes over enums, and who says so matters.
            Lookup::Known(reader) => {
                Ok(reader.read_json(datum).ok().and_then(|value| serde_json::from_value(value).ok()))
            }
            Lookup::Unknown | Lookup::Unreadable => Ok(None),
            Lookup::Away => {
                let pause = Action::Wait(std::time::Duration::from_millis(500));
                Err(Fault::new(pause, "reading labels: waiting for the registry"))
            }
        }
    }

    fn what(&self, label: Label, partition: i32) -> What {
        let hints = Hints::of(&label, partition);
        let Label { message_id, task, mut labels, source, labelled_at, .. } = label;
        labels.sort_unstable();
        labels.dedup();
        let mut models = self.models.of_task(&task).peekable();
        if models.peek().is_none() {
            return What::Unreadable;
        }
        if !models.any(|model| model.takes(&labels)) {
            drop(models);
            return What::Unknown(task);
        }
        drop(models);
        let weight = Weight { strength: Strength::from(source), labelled_at };
        What::Truth(Truth { message_id, task, labels, weight, hints })
    }
}
