//! A datum of somebody else's schema as the published schema would have it: Avro's schema resolution (Avro 1.11
//! specification, "Schema Resolution"). By a general value, so several times slower than to read our own.

use apache_avro::{Schema, reader::datum::GenericDatumReader, writer::datum::GenericDatumWriter};

use super::json::{DATUM_BYTES_MAX, is_bounded};
use crate::intake::Reject;

/// From one writer's schema to a published one.
pub(super) struct Resolver {
    reader: GenericDatumReader<'static>,
    writer: GenericDatumWriter<'static>,
}

impl Resolver {
    /// None for a schema whose arrays can hold items of no bytes: a short datum could name billions of them.
    pub(super) fn try_new(theirs: &'static Schema, ours: &'static Schema) -> Option<Self> {
        let reader = GenericDatumReader::builder(theirs).reader_schema(ours).human_readable(false);
        let writer = GenericDatumWriter::builder(ours).human_readable(false);
        is_bounded(theirs).then_some(Self { reader: reader.build().ok()?, writer: writer.build().ok()? })
    }

    /// The same record; fields that its writer lacks have the defaults of the published schema. The lengths in `datum` must
    /// have been found true.
    ///
    /// # Errors
    /// [`Reject::Undecodable`], [`Reject::TrailingBytes`], and [`Reject::Oversize`] above 2 MiB.
    pub(super) fn resolve(&self, datum: &[u8]) -> Result<Vec<u8>, Reject> {
        if datum.len() > DATUM_BYTES_MAX {
            return Err(Reject::Oversize);
        }
        let mut rest = datum;
        let value = self.reader.read_value(&mut rest).map_err(|_| Reject::Undecodable)?;
        if !rest.is_empty() {
            return Err(Reject::TrailingBytes);
        }
        self.writer.write_value_to_vec(value).map_err(|_| Reject::Undecodable)
    }
}
