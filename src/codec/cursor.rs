//! Avro's binary encoding, read piece by piece (Avro 1.11 specification, "Binary Encoding"). What a datum says of its
//! own lengths is believed only as far as it has bytes.

use std::str;

/// The rest of a datum. Every piece is none where the bytes end too early or cannot be that piece.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn new(datum: &'a [u8]) -> Self {
        Self(datum)
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// An `int` or a `long`: zigzag, at most ten bytes.
    #[inline]
    pub(crate) fn long(&mut self) -> Option<i64> {
        let mut number = 0_u64;
        for shift in (0..70).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
        }
        None
    }

    /// So many bytes.
    #[inline]
    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A length, then that many bytes.
    #[inline]
    pub(crate) fn sized(&mut self) -> Option<&'a [u8]> {
        let count = usize::try_from(self.long()?).ok()?;
        self.bytes(count)
    }

    /// A `string`.
    #[inline]
    pub(crate) fn string(&mut self) -> Option<&'a str> {
        str::from_utf8(self.sized()?).ok()
    }

    /// How many items the next block of an array or a map has; after one of none there is no other. Before the items of
    /// a negative count stands their size, which is of no use here.
    #[inline]
    pub(crate) fn block(&mut self) -> Option<u64> {
        let count = self.long()?;
        if count < 0 {
            self.long()?;
        }
        Some(count.unsigned_abs())
    }
}
