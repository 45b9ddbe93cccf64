use apache_avro::Schema;

/// Whether a record has the name of a published one, without the namespace, and its fields, in their order and of their
/// types: its datums can be read without looking at its schema then.
pub(super) fn is_like(theirs: &Schema, ours: &Schema) -> bool {
    match (theirs, ours) {
        (Schema::Record(theirs), Schema::Record(ours)) => {
            let fields = ours.fields.iter().map(|field| (&field.name, &field.schema));
            let same_fields = theirs.fields.iter().map(|field| (&field.name, &field.schema)).eq(fields);
            theirs.name.name() == ours.name.name() && same_fields
        }
        _ => false,
    }
}
