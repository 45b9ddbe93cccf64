//! The ten text features. Lengths are in code points, and every count means what the same expression means in Python.
//!
//! | feature | Python |
//! |---|---|
//! | `char_count` | `len(text)` |
//! | `word_count` | `len(text.split())` |
//! | `avg_word_length` | `sum(len(w) for w in text.split()) / len(text.split())` |
//! | `url_count` | `text.count("http")` |
//! | `email_count` | `text.count("@")` |
//! | `exclamation_count` | `text.count("!")` |
//! | `question_count` | `text.count("?")` |
//! | `capital_ratio` | `sum(c.isupper() for c in text) / len(text)` |
//! | `unique_word_ratio` | `len(set(text.lower().split())) / len(text.split())` |
//! | `repeated_char_ratio` | `len(re.findall(r"(.)\1{2,}", text)) / len(text)` |
//!
//! Where Python would divide by zero the feature is 0.

use std::{
    hash::{BuildHasher, RandomState},
    iter,
};

use memchr::memmem;

use crate::pystr::{self, Class, Span};

/// The features, in the order of [`extract`].
pub const NAMES: [&str; 10] = [
    "char_count",
    "word_count",
    "avg_word_length",
    "url_count",
    "email_count",
    "exclamation_count",
    "question_count",
    "capital_ratio",
    "unique_word_ratio",
    "repeated_char_ratio",
];

/// Buffers that [`extract`] uses again and again. They grow to the longest text seen.
#[derive(Debug)]
pub struct Scratch {
    lower: String,
    words: WordSet,
    http: memmem::Finder<'static>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { lower: String::new(), words: WordSet::default(), http: memmem::Finder::new("http") }
    }
}

/// Computes the features of a text, in the order of [`NAMES`].
pub fn extract(text: &str, scratch: &mut Scratch) -> [f64; 10] {
    let bytes = text.as_bytes();
    let tally = if text.is_ascii() { Tally::of_ascii(bytes) } else { Tally::of_chars(text) };
    pystr::lower_into(text, &mut scratch.lower);
    // White space, so no word changes, and eight bytes can be read from the last letter on.
    scratch.lower.push_str("        ");
    let (words, unique_words) = scratch.words.count(&scratch.lower);
    let occurrences = |byte| count(bytes, |other| other == byte) as f64;
    [
        tally.chars as f64,
        words as f64,
        ratio(tally.chars - tally.spaces, words),
        scratch.http.find_iter(bytes).count() as f64,
        occurrences(b'@'),
        occurrences(b'!'),
        occurrences(b'?'),
        ratio(tally.capitals, tally.chars),
        ratio(unique_words, words),
        ratio(tally.repeats, tally.chars),
    ]
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// What is counted character by character.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    chars: usize,
    spaces: usize,
    capitals: usize,
    /// Stretches of one character three times or more, newlines aside.
    repeats: usize,
}

impl Tally {
    fn of_ascii(bytes: &[u8]) -> Self {
        Self {
            chars: bytes.len(),
            spaces: count(bytes, pystr::is_space_byte),
            capitals: count(bytes, |byte| byte.is_ascii_uppercase()),
            repeats: ascii_repeats(bytes),
        }
    }

    fn of_chars(text: &str) -> Self {
        let mut tally = Self::default();
        let (mut previous, mut run) = ('\n', 0_usize);
        for c in text.chars() {
            tally.chars += 1;
            let class = Class::of(c);
            tally.spaces += usize::from(class.is(Class::SPACE));
            tally.capitals += usize::from(class.is(Class::UPPER));
            run = if c == previous && c != '\n' { run + 1 } else { 1 };
            tally.repeats += usize::from(run == 3);
            previous = c;
        }
        tally
    }
}

// The next two are without branches and add up in few bits, so that the compiler makes vector code of them. No sum
// wraps; to say that it may spares the check.

fn count(bytes: &[u8], is: impl Fn(u8) -> bool) -> usize {
    let count = |chunk: &[u8]| chunk.iter().fold(0_u8, |total, &byte| total.wrapping_add(is(byte).into()));
    bytes.chunks(u8::MAX.into()).map(|chunk| usize::from(count(chunk))).sum()
}

/// Counts the places where a run of equal bytes reaches its third.
fn ascii_repeats(bytes: &[u8]) -> usize {
    let [first, second, third, fourth @ ..] = bytes else { return 0 };
    let starts = first == second && second == third && *third != b'\n';
    let windows = iter::zip(iter::zip(bytes, &bytes[1..]), iter::zip(&bytes[2..], fourth));
    let inner = windows.fold(0_u32, |total, ((a, b), (c, d))| {
        total.wrapping_add(((a != b) & (b == c) & (c == d) & (*d != b'\n')).into())
    });
    usize::from(starts) + inner as usize
}

/// Counts distinct words: a hash table of word numbers, sized anew for every text so that clearing it stays cheap.
#[derive(Debug)]
struct WordSet {
    words: Vec<Span>,
    /// Numbers of words, at most half full, linear probing.
    slots: Vec<u32>,
    /// Drawn at random, so that nobody can write words that collide.
    seed: u64,
}

impl Default for WordSet {
    fn default() -> Self {
        Self { words: Vec::new(), slots: Vec::new(), seed: RandomState::new().hash_one(()) }
    }
}

impl WordSet {
    const EMPTY: u32 = u32::MAX;

    /// Returns the number of words and of distinct words.
    fn count(&mut self, text: &str) -> (usize, usize) {
        pystr::split_into(text, &mut self.words);
        self.slots.clear();
        self.slots.resize((self.words.len() * 2).next_power_of_two(), Self::EMPTY);
        let unique = (0..self.words.len()).filter(|&number| self.insert(text, number)).count();
        (self.words.len(), unique)
    }

    /// Whether the word is new.
    fn insert(&mut self, text: &str, number: usize) -> bool {
        let new = self.words[number];
        let mask = self.slots.len() - 1;
        let mut slot = self.hash(text.as_bytes(), new) as usize & mask;
        loop {
            match self.slots[slot] {
                Self::EMPTY => {
                    self.slots[slot] = number as u32;
                    return true;
                }
                other if self.words[other as usize].of(text) == new.of(text) => return false,
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    /// Takes eight bytes at a time, and pads what is left with zeros: most words are shorter, so no branch depends on
    /// their length.
    fn hash(&self, text: &[u8], word: Span) -> u64 {
        (word.start..word.end).step_by(8).fold(self.seed, |hash, at| {
            let eight = text[at as usize..].first_chunk().map_or(0, |eight| u64::from_le_bytes(*eight));
            let kept = eight << (64 - 8 * (word.end - at).min(8));
            let product = u128::from(hash ^ kept) * 0x9e37_79b9_7f4a_7c15;
            product as u64 ^ (product >> 64) as u64
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: [f64; 10]) {
        assert_eq!(extract(text, &mut Scratch::default()), expected, "{text:?}");
    }

    #[test]
    fn every_feature_of_ascii_text() {
        let text = "WIN! now!!! http://a http://b me@c win! ok?";
        check(text, [43.0, 7.0, 37.0 / 7.0, 2.0, 1.0, 5.0, 1.0, 3.0 / 43.0, 6.0 / 7.0, 1.0 / 43.0]);
    }

    #[test]
    fn every_feature_of_other_text() {
        check("ÉÉÉ ñ\u{3000}Ñ ééé", [11.0, 4.0, 2.0, 0.0, 0.0, 0.0, 0.0, 4.0 / 11.0, 0.5, 2.0 / 11.0]);
    }

    #[test]
    fn nothing_to_divide_by() {
        check("", [0.0; 10]);
        check(" \n", [2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn runs_are_counted_once_and_newlines_never() {
        let repeats = |text: &str| (extract(text, &mut Scratch::default())[9] * text.chars().count() as f64).round();
        for (text, expected) in [("aa", 0.0), ("aaa", 1.0), ("aaaaaaa", 1.0), ("aaabbb", 2.0), ("aaAaaa", 1.0)] {
            assert_eq!(repeats(text), expected, "{text:?}");
            assert_eq!(repeats(&format!("é{text}")), expected, "é{text:?}");
        }
        assert_eq!(repeats("\n\n\n\nx"), 0.0);
        assert_eq!(repeats("é\n\n\n\nx"), 0.0);
    }

    #[test]
    fn sums_go_past_a_byte() {
        let text = "!? ".repeat(1_000);
        check(&text, [3_000.0, 1_000.0, 2.0, 0.0, 0.0, 1_000.0, 1_000.0, 0.0, 0.001, 0.0]);
    }

    #[test]
    fn a_scratch_forgets_the_text_before() {
        let mut scratch = Scratch::default();
        let fresh = extract("one two", &mut scratch);
        extract(&"many more words than before ".repeat(50), &mut scratch);
        assert_eq!(extract("one two", &mut scratch), fresh);
    }

    proptest! {
        #[test]
        fn the_way_for_ascii_counts_as_the_general_way(text in "[aAb! \n\t\x1c]{0,600}") {
            prop_assert_eq!(Tally::of_ascii(text.as_bytes()), Tally::of_chars(&text));
        }

        #[test]
        fn ratios_are_ratios(text in any::<String>()) {
            let features = extract(&text, &mut Scratch::default());
            prop_assert!(features.iter().all(|feature| feature.is_finite() && *feature >= 0.0));
            prop_assert!(features[7..].iter().all(|ratio| *ratio <= 1.0));
        }
    }
}
