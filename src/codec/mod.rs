//! Bytes <-> records: the Confluent wire format around Avro.
//!
//! ```text
//! value ──► wire::split ──► id ──► Schemas::reader(id) ──► RecordReader::read ──► record
//!                           │            │ not known yet: the partition waits, nothing is dead-lettered
//!                           │            └ confirmed unknown -> Reject::UnknownSchema; no use -> UnreadableSchema
//! record ──► RecordWriter::write ──► 0x00, id, datum
//!
//! a producer's schema ──► Proposal::check ──► what the reader above would find, field by field
//! ```

mod avro;
mod cursor;
mod datum;
mod json;
mod passable;
mod piece;
mod proposal;
mod resolve;
mod schemas;
mod shape;
pub mod wire;

pub use avro::{CodecError, RecordReader, RecordWriter, limit_allocations};
pub(crate) use cursor::Cursor;
pub use datum::Datum;
pub(crate) use datum::{record, symbols};
pub(crate) use piece::{Array, Piece};
pub use proposal::{Field, Proposal, Status};
pub use schemas::{Compatibility, Lookup, Schemas, subject};
pub(crate) use schemas::{Probe, Silence};
