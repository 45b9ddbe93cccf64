/// A stretch of a text, in bytes. Texts are far shorter than the 4 GiB that it can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    /// The bytes of the stretch.
    #[inline]
    pub(crate) fn of(self, text: &str) -> &[u8] {
        &text.as_bytes()[self.start as usize..self.end as usize]
    }
}

/// Replaces `spans` by the longest stretches of which every character is of a class. `of_byte` and `of_char` say the
/// same of ASCII.
#[inline]
pub(super) fn fill(text: &str, of_byte: impl Fn(u8) -> bool, of_char: impl Fn(char) -> bool, spans: &mut Vec<Span>) {
    spans.clear();
    if text.is_ascii() { fill_ascii(text.as_bytes(), of_byte, spans) } else { fill_chars(text, of_char, spans) }
}

/// Works on blocks of 64 bytes, one bit for each, so that there is no branch for a byte and hardly one for a word.
#[inline]
fn fill_ascii(bytes: &[u8], of: impl Fn(u8) -> bool, spans: &mut Vec<Span>) {
    let (blocks, rest) = bytes.as_chunks::<64>();
    let mut last = [0; 64];
    last[..rest.len()].copy_from_slice(rest);
    let last_mask = mask(&last, &of) & ((1 << rest.len()) - 1);
    let masks = blocks.iter().map(|block| mask(block, &of)).chain([last_mask]);

    let (mut start, mut inside) = (0, 0);
    for (inner, base) in masks.zip((0..).step_by(64)) {
        let mut edges = inner ^ (inner << 1 | inside);
        inside = inner >> 63;
        while edges != 0 {
            let bit = edges.trailing_zeros();
            if inner >> bit & 1 == 1 {
                start = base + bit;
            } else {
                spans.push(Span { start, end: base + bit });
            }
            edges &= edges - 1;
        }
    }
    // The last block has at least one byte that is past the end, so no stretch is open.
}

/// Bit n says whether byte n is of the class.
#[inline]
fn mask(block: &[u8; 64], of: impl Fn(u8) -> bool) -> u64 {
    let flags = block.map(|byte| u8::from(of(byte)));
    let (groups, _) = flags.as_chunks::<8>();
    // The product gathers the lowest bits of eight bytes in the highest byte.
    let gather = |group: &[u8; 8]| u64::from_le_bytes(*group).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    groups.iter().rev().fold(0, |mask, group| mask << 8 | gather(group))
}

fn fill_chars(text: &str, of: impl Fn(char) -> bool, spans: &mut Vec<Span>) {
    let mut start = None;
    for (at, c) in text.char_indices() {
        match (of(c), start) {
            (true, None) => start = Some(at as u32),
            (false, Some(first)) => {
                spans.push(Span { start: first, end: at as u32 });
                start = None;
            }
            _ => {}
        }
    }
    spans.extend(start.map(|start| Span { start, end: text.len() as u32 }));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn blocks_and_characters_find_the_same(lengths in prop::collection::vec(0..140_usize, 0..12)) {
            let pieces = ["a", " "].iter().cycle().zip(lengths);
            let text: String = pieces.map(|(piece, length)| piece.repeat(length)).collect();
            let (mut blocks, mut chars) = (Vec::new(), Vec::new());
            fill_ascii(text.as_bytes(), |byte| byte != b' ', &mut blocks);
            fill_chars(&text, |c| c != ' ', &mut chars);
            prop_assert_eq!(blocks, chars);
        }
    }
}
