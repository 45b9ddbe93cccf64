#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use apache_avro::Schema;

use super::{Action, UserFeatures, published, schema::PREDICTION};
use crate::{
    codec::{Array, Cursor, Piece},
    intake::Reject,
};

/// A [`Prediction`](super::Prediction), read in place: it borrows from its datum, and takes no memory of its own. It has
/// what counting and labels need of it.
#[derive(Clone, Copy, Debug)]
pub struct PredictionView<'a> {
    /// The producer's id of the message.
    pub message_id: &'a str,
    /// Partition of the message.
    pub source_partition: i32,
    /// Offset of the message.
    pub source_offset: i64,
    /// Event time, milliseconds since the epoch.
    pub created_at: i64,
    /// When the verdict was reached, milliseconds since the epoch.
    pub decided_at: i64,
    /// Two lower-case letters.
    pub language: &'a str,
    /// As in the verdict.
    pub action: Action,
    /// Where the user features came from.
    pub user_features: UserFeatures,
    /// Id of the ordered list of the features.
    pub feature_contract: &'a str,
    /// Length of the sanitized text as it was judged, code points.
    pub text_chars: Option<i32>,
    /// Of the first task, as writers before it stood with each task have it.
    unknown_term_ratio: Option<f64>,
    degraded: Array<'a, &'a str>,
    features: Array<'a, Option<f64>>,
    tasks: Array<'a, TaskView<'a>>,
}

/// What one task's model said.
#[derive(Clone, Copy, Debug)]
pub struct TaskView<'a> {
    /// Name of the task.
    pub task: &'a str,
    /// Of the bundle that scored.
    pub digest: &'a [u8; 32],
    /// `live`, or another arm.
    pub arm: &'a str,
    /// True: judged beside, no part in the verdict.
    pub shadow: bool,
    /// Share of the text's terms that the vocabulary of this task lacks, 0..=1.
    pub unknown_term_ratio: Option<f64>,
    labels: Array<'a, &'a str>,
    calibrated: Array<'a, f64>,
}

static PUBLISHED: LazyLock<Option<Schema>> = LazyLock::new(|| Schema::parse_str(PREDICTION).ok());

impl<'a> PredictionView<'a> {
    /// The published schema.
    pub(crate) fn schema() -> Option<&'static Schema> {
        PUBLISHED.as_ref()
    }

    /// Whether datums of `schema` can be read by [`Self::of`].
    pub(crate) fn is_written_by(schema: &Schema) -> bool {
        Self::schema().is_some_and(|ours| published::is_like(schema, ours))
    }

    /// Reads a datum that was written with the published schema, without looking at it.
    ///
    /// # Errors
    /// [`Reject::Undecodable`] or [`Reject::TrailingBytes`].
    pub(crate) fn of(datum: &'a [u8]) -> Result<Self, Reject> {
        let mut cursor = Cursor::new(datum);
        let view = Self::read(&mut cursor).ok_or(Reject::Undecodable)?;
        if cursor.is_at_end() { Ok(view) } else { Err(Reject::TrailingBytes) }
    }

    /// `user:stale` or `user:default`, if any.
    pub fn degraded(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.degraded
    }

    /// Numeric features before clipping and scaling, in the order of [`Self::feature_contract`].
    pub fn features(&self) -> impl Iterator<Item = Option<f64>> + use<'a> {
        self.features
    }

    /// One entry per task.
    pub fn tasks(&self) -> impl Iterator<Item = TaskView<'a>> + use<'a> {
        let mut of_first = self.unknown_term_ratio;
        self.tasks.map(move |task| {
            let of_first = of_first.take();
            TaskView { unknown_term_ratio: task.unknown_term_ratio.or(of_first), ..task }
        })
    }
}

impl<'a> TaskView<'a> {
    /// Chosen labels.
    pub fn labels(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.labels
    }

    /// Probabilities, one per label of the model, in its order; 0..=1 if they are any.
    pub fn calibrated(&self) -> impl Iterator<Item = f64> + use<'a> {
        self.calibrated
    }
}

impl<'a> Piece<'a> for PredictionView<'a> {
    fn read(datum: &mut Cursor<'a>) -> Option<Self> {
        let message_id = Piece::read(datum)?;
        let (_idempotency_key, _revision) = (Option::<&str>::read(datum)?, i32::read(datum)?);
        let (_user_hash, _text_hash) = (<&[u8; 16]>::read(datum)?, <&[u8; 32]>::read(datum)?);
        let _hash_key_id = <&str>::read(datum)?;
        let (source_partition, source_offset) = (Piece::read(datum)?, Piece::read(datum)?);
        let (created_at, decided_at) = (Piece::read(datum)?, Piece::read(datum)?);
        let (language, action, degraded) = (Piece::read(datum)?, Piece::read(datum)?, Piece::read(datum)?);
        let (user_features, _age_ms) = (Piece::read(datum)?, Option::<i64>::read(datum)?);
        let (features, feature_contract) = (Piece::read(datum)?, Piece::read(datum)?);
        let (unknown_term_ratio, text_chars, tasks) = (Piece::read(datum)?, Piece::read(datum)?, Piece::read(datum)?);
        Some(Self {
            message_id,
            source_partition,
            source_offset,
            created_at,
            decided_at,
            language,
            action,
            user_features,
            feature_contract,
            text_chars,
            unknown_term_ratio,
            degraded,
            features,
            tasks,
        })
    }
}

impl<'a> Piece<'a> for TaskView<'a> {
    fn read(datum: &mut Cursor<'a>) -> Option<Self> {
        let (task, labels) = (Piece::read(datum)?, Piece::read(datum)?);
        let (_raw, calibrated) = (Array::<f64>::read(datum)?, Piece::read(datum)?);
        let (_name, _version) = (<&str>::read(datum)?, <&str>::read(datum)?);
        let (digest, arm, shadow) = (Piece::read(datum)?, Piece::read(datum)?, Piece::read(datum)?);
        let unknown_term_ratio = Piece::read(datum)?;
        Some(Self { task, digest, arm, shadow, unknown_term_ratio, labels, calibrated })
    }
}

/// The symbols in the order of the published schema.
fn symbol<T: Copy>(datum: &mut Cursor<'_>, symbols: &[T]) -> Option<T> {
    symbols.get(usize::try_from(datum.long()?).ok()?).copied()
}

impl Piece<'_> for Action {
    fn read(datum: &mut Cursor<'_>) -> Option<Self> {
        symbol(datum, &[Self::Allow, Self::Review, Self::Block])
    }
}

impl Piece<'_> for UserFeatures {
    fn read(datum: &mut Cursor<'_>) -> Option<Self> {
        symbol(datum, &[Self::Fresh, Self::Cached, Self::Stale, Self::Default, Self::Unknown, Self::Unused])
    }
}
