//! Avro by hand, so that it can be wrong.

/// What a datum is put together of.
#[derive(Clone, Debug, Default)]
pub struct Datum(Vec<u8>);

impl Datum {
    pub fn new() -> Self {
        Self::default()
    }

    /// A zigzag number: an int, a long, a length, a count, a position.
    pub fn number(mut self, number: i64) -> Self {
        let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
        while rest > 0x7f {
            self.0.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.raw(&[rest as u8])
    }

    /// A length and as many bytes.
    pub fn string(self, text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        self.number(i64::try_from(text.len()).unwrap()).raw(text)
    }

    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The first three fields of a message.
    pub fn head(id: &str, user: i64) -> Self {
        Self::new().string(id).number(user).string("see you at noon")
    }

    /// Language null, no metadata, and a time: the last three fields of a message.
    pub fn tail(self) -> Self {
        self.number(0).number(0).number(1_700_000_000_000)
    }

    /// With the header of the wire format.
    pub fn value(self, id: u32) -> Vec<u8> {
        [&[0][..], &id.to_be_bytes(), &self.0].concat()
    }
}
