use std::collections::BTreeMap;

/// Per partition, the offset of the record to read next: what Kafka commits. Offsets are sparse, so "next" is only
/// ever one past a record that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NextOffsets(BTreeMap<i32, i64>);

impl NextOffsets {
    /// The record at `offset` is done: the next one is behind it.
    pub fn advance_past(&mut self, partition: i32, offset: i64) {
        self.0.insert(partition, offset + 1);
    }

    /// Takes an offset that is already the next one, as the broker reports it.
    pub fn set_next(&mut self, partition: i32, next: i64) {
        self.0.insert(partition, next);
    }

    /// The next offset of `partition`, if it has one.
    pub fn next(&self, partition: i32) -> Option<i64> {
        self.0.get(&partition).copied()
    }

    /// Whether the record at `offset` lies before the next one.
    pub fn covers(&self, partition: i32, offset: i64) -> bool {
        self.next(partition).is_some_and(|next| offset < next)
    }

    /// Every partition with its next offset.
    pub fn iter(&self) -> impl Iterator<Item = (i32, i64)> {
        self.0.iter().map(|(partition, next)| (*partition, *next))
    }

    /// Whether there is no partition.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
