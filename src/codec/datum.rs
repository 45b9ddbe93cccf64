//! Our own records in Avro's binary encoding, straight into a reused buffer.
//!
//! The encoding is the fields one after the other, in the order of the schema, and holds no names (Avro 1.11
//! specification, "Binary Encoding"). So a record can be written without looking at its schema, several times faster than
//! a general writer does; that every record comes out as that writer makes it is shown in `tests/records.rs`.

use std::{borrow::Cow, collections::BTreeMap};

/// Something that has an Avro encoding of its own.
pub trait Datum {
    /// Appends it to `out`.
    fn encode(&self, out: &mut Vec<u8>);
}

impl Datum for i64 {
    /// Zigzag, then seven bits a byte, the lowest first.
    fn encode(&self, out: &mut Vec<u8>) {
        let mut rest = (*self as u64) << 1 ^ (*self >> 63) as u64;
        while rest >= 0x80 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }
}

impl Datum for i32 {
    fn encode(&self, out: &mut Vec<u8>) {
        i64::from(*self).encode(out);
    }
}

impl Datum for f64 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
}

impl Datum for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl Datum for str {
    fn encode(&self, out: &mut Vec<u8>) {
        (self.len() as i64).encode(out);
        out.extend_from_slice(self.as_bytes());
    }
}

impl Datum for String {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_str().encode(out);
    }
}

impl Datum for Cow<'_, str> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_ref().encode(out);
    }
}

/// A `fixed`: its length is in the schema.
impl<const N: usize> Datum for [u8; N] {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

/// The union `["null", T]`.
impl<T: Datum> Datum for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            None => 0_i64.encode(out),
            Some(value) => {
                1_i64.encode(out);
                value.encode(out);
            }
        }
    }
}

/// An array: one block, unless it is empty, and the block of none that ends it.
impl<T: Datum> Datum for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        if !self.is_empty() {
            (self.len() as i64).encode(out);
            self.iter().for_each(|item| item.encode(out));
        }
        0_i64.encode(out);
    }
}

/// A map, as an array of keys with their values.
impl<T: Datum> Datum for BTreeMap<String, T> {
    fn encode(&self, out: &mut Vec<u8>) {
        if !self.is_empty() {
            (self.len() as i64).encode(out);
            for (key, value) in self {
                key.encode(out);
                value.encode(out);
            }
        }
        0_i64.encode(out);
    }
}

/// Records: every field once, in the order of the schema. A field that is left out does not compile.
macro_rules! record {
    ($record:ty: $($field:ident),+) => {
        impl $crate::codec::Datum for $record {
            fn encode(&self, out: &mut Vec<u8>) {
                let Self { $($field),+ } = self;
                $($crate::codec::Datum::encode($field, out);)+
            }
        }
    };
}

/// Enums, whose variants are in the order of the schema's symbols.
macro_rules! symbols {
    ($($symbols:ty),+) => {
        $(impl $crate::codec::Datum for $symbols {
            fn encode(&self, out: &mut Vec<u8>) {
                (*self as i32).encode(out);
            }
        })+
    };
}

pub(crate) use {record, symbols};
