//! What is kept of the values of a window: integers, whose addition does not depend on the order.

mod categories;
mod counts;
mod edges;
mod fixed;

pub use categories::{Categories, NAME_BYTES_MAX, NAMES_MAX};
pub use counts::{Counts, Reference};
pub(crate) use edges::fnv1a;
pub use edges::{EDGES_MAX, Edges, QUANTILES};
pub use fixed::{Moments, Unit};
pub(crate) use fixed::{PROBABILITY, digits};

/// Two sketches that were made on different edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("counts on edges {ours:016x} and on edges {theirs:016x} cannot be added; rebuild them on one reference")]
pub struct Mismatch {
    /// Id of our edges.
    pub ours: u64,
    /// Id of the others'.
    pub theirs: u64,
}
