//! The Confluent wire format: `0x00`, 4-byte big-endian schema id, Avro datum.

use crate::intake::Reject;

/// First byte of every value.
pub const MAGIC: u8 = 0;

/// Bytes before the datum.
pub const HEADER_BYTES: usize = 5;

/// Splits a value into its schema id and its datum.
///
/// # Errors
/// [`Reject::BadMagic`] when the header is short or starts with another byte.
pub fn split(value: &[u8]) -> Result<(u32, &[u8]), Reject> {
    match value {
        [MAGIC, a, b, c, d, datum @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), datum)),
        _ => Err(Reject::BadMagic),
    }
}

/// Appends the header of a value written with schema `id`.
pub fn write_header(id: u32, out: &mut Vec<u8>) {
    out.push(MAGIC);
    out.extend_from_slice(&id.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back() {
        let mut value = Vec::new();
        write_header(0x0102_0304, &mut value);
        value.extend_from_slice(b"datum");
        assert_eq!(value[..HEADER_BYTES], [0, 1, 2, 3, 4]);
        assert_eq!(split(&value), Ok((0x0102_0304, &b"datum"[..])));
    }

    #[test]
    fn short_and_foreign_values_are_bad_magic() {
        for value in [&b""[..], b"\0\0\0\0", b"\x01\0\0\0\x01x", b"{\"message_id\":1}"] {
            assert_eq!(split(value), Err(Reject::BadMagic), "{value:?}");
        }
    }
}
