//! What a datum is made of, read in place: the counterpart of [`Datum`](super::Datum).

use std::marker::PhantomData;

use super::Cursor;

/// Something that has an Avro encoding of its own.
pub(crate) trait Piece<'a>: Sized {
    /// The next one; none where the bytes are none.
    fn read(datum: &mut Cursor<'a>) -> Option<Self>;
}

impl Piece<'_> for i64 {
    #[inline]
    fn read(datum: &mut Cursor<'_>) -> Option<Self> {
        datum.long()
    }
}

impl Piece<'_> for i32 {
    #[inline]
    fn read(datum: &mut Cursor<'_>) -> Option<Self> {
        datum.long()?.try_into().ok()
    }
}

impl Piece<'_> for f64 {
    #[inline]
    fn read(datum: &mut Cursor<'_>) -> Option<Self> {
        <&[u8; 8]>::read(datum).map(|bytes| Self::from_le_bytes(*bytes))
    }
}

impl Piece<'_> for bool {
    #[inline]
    fn read(datum: &mut Cursor<'_>) -> Option<Self> {
        match datum.bytes(1)? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }
}

impl<'a> Piece<'a> for &'a str {
    #[inline]
    fn read(datum: &mut Cursor<'a>) -> Option<Self> {
        datum.string()
    }
}

/// A `fixed`: its length is in the schema.
impl<'a, const N: usize> Piece<'a> for &'a [u8; N] {
    #[inline]
    fn read(datum: &mut Cursor<'a>) -> Option<Self> {
        datum.bytes(N)?.try_into().ok()
    }
}

/// The union `["null", T]`.
impl<'a, T: Piece<'a>> Piece<'a> for Option<T> {
    #[inline]
    fn read(datum: &mut Cursor<'a>) -> Option<Self> {
        match datum.long()? {
            0 => Some(None),
            1 => T::read(datum).map(Some),
            _ => None,
        }
    }
}

/// An array. It is passed over once, and found good, when it is read; its items are read again when they are asked for, so
/// that nobody needs memory for them. Every item takes bytes: the time is bounded by the datum, whatever count it claims.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Array<'a, T> {
    rest: Cursor<'a>,
    /// Of this block.
    left: u64,
    items: PhantomData<T>,
}

impl<'a, T: Piece<'a>> Piece<'a> for Array<'a, T> {
    fn read(datum: &mut Cursor<'a>) -> Option<Self> {
        let array = Self { rest: *datum, left: 0, items: PhantomData };
        loop {
            match datum.block()? {
                0 => return Some(array),
                count => (0..count).try_for_each(|_| T::read(datum).map(drop))?,
            }
        }
    }
}

impl<'a, T: Piece<'a>> Iterator for Array<'a, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        if self.left == 0 {
            let mut rest = self.rest;
            self.left = rest.block()?;
            if self.left == 0 {
                // The cursor stays before the block of none: an array that has ended stays ended.
                return None;
            }
            self.rest = rest;
        }
        self.left -= 1;
        T::read(&mut self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Datum;

    #[test]
    fn an_array_comes_in_blocks_and_stays_ended() {
        // Two items, then one in a block that says its size.
        let datum = [4, 2, 4, 1, 2, 6, 0, 9];
        let mut cursor = Cursor::new(&datum);
        let mut array = Array::<i64>::read(&mut cursor).unwrap();
        assert_eq!(array.by_ref().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!((array.next(), array.next(), i64::read(&mut cursor)), (None, None, Some(-5)));
    }

    #[test]
    fn a_count_beyond_the_bytes_is_no_array() {
        let mut datum = Vec::new();
        i64::MAX.encode(&mut datum);
        datum.extend([2, 2, 2]);
        assert!(Array::<i64>::read(&mut Cursor::new(&datum)).is_none());
    }
}
