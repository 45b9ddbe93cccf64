//! Whether what a datum says of itself can be true: its lengths and counts are held against its bytes before the
//! decoder believes them.
//!
//! ```text
//! schema ──► Shape (refused: recursion, deep nesting)
//! datum  ──► Shape::check ──► lengths within the bytes, counts that the bytes can hold ──► decoder
//! ```
//!
//! So memory and time of a record are bounded by its size, whatever it claims: a string of 2^62 bytes, or an array of
//! 2^60 nulls, which take no bytes at all.

use std::collections::HashMap;

use apache_avro::{
    Schema,
    schema::{InnerDecimalSchema, Name, UuidSchema},
};

use super::{CodecError, Cursor};
use crate::intake::Reject;

/// Levels of a schema, inside the records that it names too: decoding takes stack for each.
pub(super) const DEPTH_MAX: usize = 64;
/// Values that a datum may hold for each of its bytes ...
const VALUES_PER_BYTE_MAX: usize = 8;
/// ... and besides: a schema may have many fields that take no bytes.
const VALUES_EXTRA_MAX: usize = 10_000;

/// What is left of a schema for somebody who only counts bytes.
pub(super) struct Shape {
    nodes: Vec<Node>,
    root: usize,
}

enum Node {
    Varint,
    /// A length, then that many bytes.
    Sized,
    Bytes(usize),
    Array(usize),
    Map(usize),
    Union(Vec<usize>),
    Record(Vec<usize>),
}

impl Shape {
    /// # Errors
    /// [`CodecError::Recursive`] and [`CodecError::Deep`].
    pub(super) fn try_new(schema: &Schema) -> Result<Self, CodecError> {
        let mut builder = Builder::default();
        let (root, _) = builder.add(schema)?;
        Ok(Self { nodes: builder.nodes, root })
    }

    /// # Errors
    /// [`Reject::Undecodable`] when a length or a count goes beyond the bytes; everything else is left to the decoder.
    pub(super) fn check(&self, datum: &[u8]) -> Result<(), Reject> {
        let values = datum.len().saturating_mul(VALUES_PER_BYTE_MAX).saturating_add(VALUES_EXTRA_MAX);
        Walk { nodes: &self.nodes, cursor: Cursor::new(datum), values }.pass(self.root).ok_or(Reject::Undecodable)
    }
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    /// Node and height of what is named so far; none while it is open.
    named: HashMap<Name, Option<(usize, usize)>>,
}

impl Builder {
    /// The node of `schema` and its height.
    fn add(&mut self, schema: &Schema) -> Result<(usize, usize), CodecError> {
        let (node, below) = match schema {
            Schema::Ref { name } => {
                let known = self.named.get(name).copied().flatten();
                return known.ok_or_else(|| CodecError::Recursive(name.to_string()));
            }
            Schema::Null => (Node::Bytes(0), 0),
            Schema::Boolean => (Node::Bytes(1), 0),
            Schema::Float => (Node::Bytes(4), 0),
            Schema::Double => (Node::Bytes(8), 0),
            Schema::Bytes
            | Schema::String
            | Schema::BigDecimal
            | Schema::Uuid(UuidSchema::Bytes | UuidSchema::String) => (Node::Sized, 0),
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => (Node::Sized, 0),
                InnerDecimalSchema::Fixed(fixed) => (Node::Bytes(fixed.size), 0),
            },
            Schema::Fixed(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) | Schema::Duration(fixed) => {
                (Node::Bytes(fixed.size), 0)
            }
            Schema::Array(array) => self.add(&array.items).map(|(items, height)| (Node::Array(items), height))?,
            Schema::Map(map) => self.add(&map.types).map(|(values, height)| (Node::Map(values), height))?,
            Schema::Union(union) => {
                self.add_all(union.variants()).map(|(variants, height)| (Node::Union(variants), height))?
            }
            Schema::Record(record) => {
                self.named.insert(record.name.clone(), None);
                let (fields, height) = self.add_all(record.fields.iter().map(|field| &field.schema))?;
                (Node::Record(fields), height)
            }
            Schema::Int
            | Schema::Long
            | Schema::Enum(_)
            | Schema::Date
            | Schema::TimeMillis
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => (Node::Varint, 0),
        };
        let height = below + 1;
        if height > DEPTH_MAX {
            return Err(CodecError::Deep);
        }
        let index = self.nodes.len();
        self.nodes.push(node);
        if let Some(name) = schema.name() {
            self.named.insert(name.clone(), Some((index, height)));
        }
        Ok((index, height))
    }

    /// The nodes of `schemas` and the largest height.
    fn add_all<'s>(
        &mut self,
        schemas: impl IntoIterator<Item = &'s Schema>,
    ) -> Result<(Vec<usize>, usize), CodecError> {
        let (mut nodes, mut largest) = (Vec::new(), 0);
        for schema in schemas {
            let (node, height) = self.add(schema)?;
            nodes.push(node);
            largest = largest.max(height);
        }
        Ok((nodes, largest))
    }
}

/// Passes over a datum; none where it cannot be true.
struct Walk<'a> {
    nodes: &'a [Node],
    cursor: Cursor<'a>,
    /// How many more values may come.
    values: usize,
}

impl Walk<'_> {
    fn pass(&mut self, node: usize) -> Option<()> {
        self.values = self.values.checked_sub(1)?;
        let nodes = self.nodes;
        match &nodes[node] {
            Node::Varint => self.cursor.long().map(drop),
            Node::Sized => self.cursor.sized().map(drop),
            Node::Bytes(count) => self.cursor.bytes(*count).map(drop),
            Node::Array(items) => self.blocks(|walk| walk.pass(*items)),
            Node::Map(values) => self.blocks(|walk| walk.cursor.sized().and_then(|_| walk.pass(*values))),
            Node::Union(variants) => {
                let position = usize::try_from(self.cursor.long()?).ok()?;
                self.pass(*variants.get(position)?)
            }
            Node::Record(fields) => fields.iter().try_for_each(|field| self.pass(*field)),
        }
    }

    fn blocks(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        loop {
            match self.cursor.block()? {
                0 => return Some(()),
                count => (0..count).try_for_each(|_| item(self))?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[track_caller]
    fn shape(schema: &str) -> Shape {
        Shape::try_new(&Schema::parse_str(schema).unwrap()).unwrap()
    }

    /// 2^60 as Avro writes it.
    const HUGE: [u8; 9] = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20];

    #[test]
    fn what_is_true_passes() {
        let array = shape(r#"{"type":"array","items":"long"}"#);
        for datum in [&[0][..], &[4, 2, 2, 0], &[2, 2, 2, 2, 0], &[3, 4, 2, 2, 0]] {
            assert_eq!(array.check(datum), Ok(()), "{datum:?}");
        }
        let map = shape(r#"{"type":"map","values":["null","double",{"type":"fixed","name":"F","size":3}]}"#);
        assert_eq!(map.check(&[6, 2, b'a', 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 2, 3, 0]), Ok(()));
        assert_eq!(shape(r#""long""#).check(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), Ok(()));
    }

    #[test]
    fn a_length_beyond_the_bytes_is_undecodable() {
        for schema in ["\"string\"", "\"bytes\"", r#"{"type":"map","values":"null"}"#] {
            for length in [&HUGE[..], &[1], &[8, b'a', b'b']] {
                let map = schema.contains("map");
                let datum: Vec<u8> = map.then_some(2).into_iter().chain(length.iter().copied()).collect();
                assert_eq!(shape(schema).check(&datum), Err(Reject::Undecodable), "{schema} {datum:?}");
            }
        }
        let fixed = shape(r#"{"type":"fixed","name":"F","size":4611686018427387904}"#);
        assert_eq!(fixed.check(b"some"), Err(Reject::Undecodable));
    }

    #[test]
    fn a_count_that_no_bytes_can_hold_is_undecodable() {
        let empty = r#"{"type":"record","name":"E","fields":[]}"#;
        for items in ["\"null\"", "\"long\"", empty, r#"{"type":"fixed","name":"F","size":0}"#] {
            let array = shape(&format!(r#"{{"type":"array","items":{items}}}"#));
            let negative: Vec<u8> = [0xff; 9].into_iter().chain([1, 0]).collect();
            for datum in [&HUGE[..], &negative] {
                assert_eq!(array.check(datum), Err(Reject::Undecodable), "{items} {datum:?}");
            }
        }
        let nested = shape(r#"{"type":"array","items":{"type":"array","items":"null"}}"#);
        // 1,000 arrays that claim 10,000 nulls each.
        let datum: Vec<u8> = [0xd0, 0x0f].into_iter().chain([0xa0, 0x9c, 1, 0].repeat(1_000)).chain([0]).collect();
        assert_eq!(nested.check(&datum), Err(Reject::Undecodable));
    }

    #[test]
    fn fields_that_double_at_each_level_are_counted() {
        let mut fields = r#"{"name":"f0","type":{"type":"record","name":"R0","fields":[]}}"#.to_owned();
        for level in 1..40 {
            let (below, field) = (level - 1, r#""type":{"type":"record","name":"#);
            write!(fields, r#",{{"name":"f{level}",{field}"R{level}","fields":["#).unwrap();
            write!(fields, r#"{{"name":"a","type":"R{below}"}},{{"name":"b","type":"R{below}"}}]}}}}"#).unwrap();
        }
        let doubling = shape(&format!(r#"{{"type":"record","name":"Message","fields":[{fields}]}}"#));
        assert_eq!(doubling.check(b""), Err(Reject::Undecodable));
    }

    #[test]
    fn recursion_and_depth_are_refused_also_through_names() {
        let refused = |schema: &str| Shape::try_new(&Schema::parse_str(schema).unwrap()).err();
        let within = r#"{"type":"record","name":"R","fields":[{"name":"next","type":["null","R"]}]}"#;
        assert!(matches!(refused(within), Some(CodecError::Recursive(_))));

        let mut fields = r#"{"name":"f0","type":{"type":"record","name":"R0","fields":[]}}"#.to_owned();
        for level in 1..2_000 {
            let inner = format!(r#"[{{"name":"x","type":"R{}"}}]"#, level - 1);
            let record = format!(r#"{{"type":"record","name":"R{level}","fields":{inner}}}"#);
            write!(fields, r#",{{"name":"f{level}","type":{record}}}"#).unwrap();
        }
        let chain = format!(r#"{{"type":"record","name":"Message","fields":[{fields}]}}"#);
        assert!(matches!(refused(&chain), Some(CodecError::Deep)));
    }
}
