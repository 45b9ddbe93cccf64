//! N-grams of code points, equal to scikit-learn's analyzers `char` and `char_wb`.
//!
//! The trie is one over bytes: terms are UTF-8, as texts are, so a term is found exactly where its characters stand, and
//! nothing needs to be decoded.

use std::iter;

use super::{
    Analyzer, Options, Terms, VectorizerError,
    trie::{END, Slot, Trie, Walk},
};
use crate::pystr::{self, Span};

/// The terms of a vocabulary of characters. Immutable.
#[derive(Debug)]
pub(super) struct Characters {
    trie: Trie,
    /// Whether n-grams stay inside of words.
    within_words: bool,
    ngram_min: usize,
    /// The column of a space alone.
    space: Option<u32>,
}

/// Buffers of [`Characters::find`].
#[derive(Debug, Default)]
pub(super) struct Scratch {
    text: Vec<u8>,
    words: Vec<Span>,
    walks: Vec<Walk>,
    found: Vec<Slot>,
}

impl Characters {
    /// Takes the terms in the order of their columns.
    pub(super) fn try_new(terms: &[(String, f64)], options: &Options) -> Result<Self, VectorizerError> {
        let within_words = options.analyzer == Analyzer::CharWb;
        let mut sorted = Vec::with_capacity(terms.len());
        for (column, (term, _)) in terms.iter().enumerate() {
            let chars = check(column, term, options)?;
            sorted.push((term.as_bytes(), column as u32, chars <= options.ngram_min));
        }
        sorted.sort_unstable();
        let twice = sorted.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| pair[1].1 as usize).min();
        if let Some(column) = twice {
            return Err(VectorizerError::Duplicate { column, term: terms[column].0.clone() });
        }
        let space = terms.iter().position(|(term, _)| term == " ").map(|column| column as u32);
        let trie = Trie::try_new(&sorted).ok_or(VectorizerError::TooManyCharacters { found: terms.len() })?;
        Ok(Self { trie, within_words, ngram_min: options.ngram_min, space })
    }

    /// Replaces `columns` by those of all n-grams that are terms, as often as they occur.
    pub(super) fn find(&self, text: &str, scratch: &mut Scratch, columns: &mut Vec<u32>) -> Terms {
        let Scratch { text: bytes, words, walks, found } = scratch;
        let total = if self.within_words {
            pystr::split_into(text, words);
            pad_words_into(text, words, self.ngram_min, bytes)
        } else {
            join_spaces_into(text, bytes);
            (count_chars(bytes) + 1).saturating_sub(self.ngram_min)
        };
        bytes.push(END);
        self.trie.find(bytes, walks, found);
        columns.clear();
        columns.extend(found.iter().map(|node| node.column()));
        let mut known: u32 = found.iter().map(|node| node.shortest()).sum();
        if let (true, Some(space)) = (self.within_words, self.space) {
            // Between two words stands one space, which is an n-gram of both.
            let shared = words.len().saturating_sub(1);
            columns.extend(iter::repeat_n(space, shared));
            known += shared as u32;
        }
        Terms { total: total as u32, unknown: total as u32 - known }
    }
}

/// The characters of a term, if the n-gram range allows it.
fn check(column: usize, term: &str, options: &Options) -> Result<usize, VectorizerError> {
    let Options { analyzer, ngram_min: min, ngram_max: max, .. } = *options;
    let found = term.chars().count();
    let (inside, padded) = match analyzer {
        Analyzer::CharWb => {
            let inside = term.strip_prefix(' ').unwrap_or(term);
            (inside.strip_suffix(' ').unwrap_or(inside), term.starts_with(' ') && term.ends_with(' '))
        }
        _ => ("", false),
    };
    if inside.contains(pystr::is_space) || found > 1 && padded && inside.is_empty() {
        return Err(VectorizerError::AcrossWords { column, term: term.to_owned() });
    }
    // A word that is shorter than any n-gram is one itself, with its two spaces.
    let short_word = padded && (3..min).contains(&found);
    if !(min..=max).contains(&found) && !short_word {
        return Err(VectorizerError::Characters { column, term: term.to_owned(), found, min, max });
    }
    Ok(found)
}

fn count_chars(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte & 0b1100_0000 != 0b1000_0000).count()
}

/// Replaces `bytes` by the words with one space before, between and after them. Returns the n-grams of the shortest
/// length, of which a word too short for one is one.
///
/// In scikit-learn each word has two spaces of its own. No n-gram has a space inside, so words can share them.
fn pad_words_into(text: &str, words: &[Span], ngram_min: usize, bytes: &mut Vec<u8>) -> usize {
    bytes.clear();
    let mut ngrams = 0;
    for word in words {
        let word = word.of(text);
        bytes.push(b' ');
        bytes.extend_from_slice(word);
        ngrams += (count_chars(word) + 3).saturating_sub(ngram_min).max(1);
    }
    if !words.is_empty() {
        bytes.push(b' ');
    }
    ngrams
}

/// Replaces `bytes` by the text, with one space for every two or more white space characters in a row.
fn join_spaces_into(text: &str, bytes: &mut Vec<u8>) {
    bytes.clear();
    if text.is_ascii() && !has_double_space(text.as_bytes()) {
        bytes.extend_from_slice(text.as_bytes());
        return;
    }
    let mut rest = text;
    while let Some(start) = rest.find(pystr::is_space) {
        let (before, from) = rest.split_at(start);
        rest = from.trim_start_matches(pystr::is_space);
        let space = &from[..from.len() - rest.len()];
        bytes.extend_from_slice(before.as_bytes());
        let single = space.chars().nth(1).is_none();
        bytes.extend_from_slice(if single { space.as_bytes() } else { b" " });
    }
    bytes.extend_from_slice(rest.as_bytes());
}

fn has_double_space(bytes: &[u8]) -> bool {
    let pairs = iter::zip(bytes, bytes.get(1..).unwrap_or_default());
    pairs.fold(false, |found, (&a, &b)| found | (pystr::is_space_byte(a) & pystr::is_space_byte(b)))
}
