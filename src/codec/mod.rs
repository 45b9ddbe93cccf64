//! Bytes <-> records: the Confluent wire format around Avro.
//!
//! ```text
//! value ──► wire::split ──► id ──► Schemas::reader(id) ──► RecordReader::read ──► record
//!                           │            │ unknown yet: registry away -> the lane waits (nothing is dead-lettered)
//!                           │            └ confirmed unknown          -> Reject::UnknownSchema
//! record ──► RecordWriter::write ──► 0x00, id, datum
//! ```

mod avro;
mod schemas;
pub mod wire;

pub use avro::{CodecError, RecordReader, RecordWriter, limit_allocations};
pub use schemas::{Lookup, Schemas};
