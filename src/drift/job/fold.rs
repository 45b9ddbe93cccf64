//! What a lane does with the records of its input: there is one for predictions and one for labels.

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};

use super::{
    partition::{Partition, Table},
    state::Input,
};
use crate::{fault::Fault, stream::Chunk};

/// The partitions of a lane.
pub(super) type Partitions<F> = BTreeMap<i32, Partition<<F as Fold>::Pane, <F as Fold>::Table>>;

/// What is done with the records of an input.
pub(super) trait Fold {
    /// The input.
    const INPUT: Input;
    /// Counts of a pane.
    type Pane: Default + Serialize + DeserializeOwned;
    /// What a partition remembers beside them.
    type Table: Table;

    /// What a partition remembers that nothing is known of.
    fn table(&self) -> Self::Table;

    /// Counts a chunk; partitions that are not in `partitions` are none of this lane. What comes out may depend on the
    /// records of each partition and their order only.
    ///
    /// # Errors
    /// [`Fault`], when the chunk must be read again.
    fn fold(&mut self, chunk: &Chunk, partitions: &mut Partitions<Self>, go_on: &dyn Fn() -> bool) -> Result<(), Fault>
    where
        Self: Sized;

    /// A pane of a partition is closed and committed: what it counted becomes public.
    fn closed(&self, partition: i32, pane: &Self::Pane);
}
