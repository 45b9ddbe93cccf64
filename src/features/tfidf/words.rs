//! N-grams of words, equal to scikit-learn's analyzer `word` with its default token pattern `(?u)\b\w\w+\b`: a token is a
//! stretch of two or more of Python's word characters.
//!
//! A word is looked up once, by its bytes, and a longer n-gram by two numbers, the n-gram that it extends and the word
//! that it adds. No n-gram is ever spelt out.

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use super::{NGRAM_MAX, Options, TERMS_MAX, Terms, VectorizerError};
use crate::pystr::{self, Span};

// Every term makes at most two nodes for each of its words, and nodes have 32 bits.
const _: () = assert!(TERMS_MAX * NGRAM_MAX * 2 < Node::MAX as usize);

/// The terms of a vocabulary of words. Immutable.
#[derive(Debug)]
pub(super) struct Words {
    ngram_max: usize,
    /// Words of up to eight bytes, by their [`key`]: most words of most languages that have spaces.
    short: HashMap<u64, Node, FxBuildHasher>,
    long: HashMap<Box<[u8]>, Node, FxBuildHasher>,
    /// The n-gram that extends another by a word.
    longer: HashMap<(Node, Node), Node, FxBuildHasher>,
    /// The column of each node, if it is a term.
    columns: Vec<Option<u32>>,
}

/// Buffers of [`Words::find`].
#[derive(Debug, Default)]
pub(super) struct Scratch {
    spans: Vec<Span>,
    words: Vec<Option<Node>>,
}

/// A word or n-gram of the vocabulary.
type Node = u32;

impl Words {
    /// Takes the terms in the order of their columns.
    pub(super) fn try_new(terms: &[(String, f64)], options: &Options) -> Result<Self, VectorizerError> {
        let mut words = Self {
            ngram_max: options.ngram_max,
            short: HashMap::default(),
            long: HashMap::default(),
            longer: HashMap::default(),
            columns: Vec::new(),
        };
        for (column, (term, _)) in terms.iter().enumerate() {
            check(column, term, options)?;
            let node = words.node_of(term);
            if words.columns[node as usize].replace(column as u32).is_some() {
                return Err(VectorizerError::Duplicate { column, term: term.clone() });
            }
        }
        Ok(words)
    }

    /// The node of a term, made if it is new.
    fn node_of(&mut self, term: &str) -> Node {
        let Self { short, long, longer, columns, .. } = self;
        let mut new = || {
            columns.push(None);
            columns.len() as Node - 1
        };
        let mut ngram = None;
        for word in term.split(' ').map(str::as_bytes) {
            let whole = Span { start: 0, end: word.len() as u32 };
            // No token has a zero byte; it would be lost in a key.
            let word = match key(word, whole).filter(|_| !word.contains(&0)) {
                Some(key) => *short.entry(key).or_insert_with(&mut new),
                None => *long.entry(word.into()).or_insert_with(&mut new),
            };
            ngram = Some(match ngram {
                None => word,
                Some(ngram) => *longer.entry((ngram, word)).or_insert_with(&mut new),
            });
        }
        // A split has at least one part.
        ngram.unwrap_or_default()
    }

    /// Replaces `columns` by those of all n-grams that are terms, as often as they occur.
    pub(super) fn find(&self, text: &str, scratch: &mut Scratch, columns: &mut Vec<u32>) -> Terms {
        let Scratch { spans, words } = scratch;
        pystr::word_runs_into(text, spans);
        let bytes = text.as_bytes();
        words.clear();
        words.extend(spans.iter().filter(|span| has_two_chars(span.of(text))).map(|&span| self.word(bytes, span)));
        columns.clear();
        for start in 0..words.len() {
            let mut longer = words[start..].iter().take(self.ngram_max);
            let mut ngram = longer.next().copied().flatten();
            while let Some(node) = ngram {
                columns.extend(self.columns[node as usize]);
                let next = longer.next().copied().flatten();
                ngram = next.and_then(|word| self.longer.get(&(node, word)).copied());
            }
        }
        self.count(words)
    }

    #[inline]
    fn word(&self, text: &[u8], span: Span) -> Option<Node> {
        match key(text, span) {
            Some(key) => self.short.get(&key).copied(),
            None => self.long.get(&text[span.start as usize..span.end as usize]).copied(),
        }
    }

    fn count(&self, words: &[Option<Node>]) -> Terms {
        let is_term = |word: &&Option<Node>| word.is_some_and(|node| self.columns[node as usize].is_some());
        let known = words.iter().filter(is_term).count();
        Terms { total: words.len() as u32, unknown: (words.len() - known) as u32 }
    }
}

fn check(column: usize, term: &str, options: &Options) -> Result<(), VectorizerError> {
    let Options { ngram_min: min, ngram_max: max, .. } = *options;
    let found = term.split(' ').count();
    if !(min..=max).contains(&found) {
        return Err(VectorizerError::Words { column, term: term.to_owned(), found, min, max });
    }
    if term.split(' ').any(str::is_empty) {
        return Err(VectorizerError::EmptyWord { column, term: term.to_owned() });
    }
    Ok(())
}

/// A word of one to eight bytes as a number; none if it is longer. Eight bytes are read whatever its length, and what
/// stands behind it is masked.
#[inline]
fn key(text: &[u8], word: Span) -> Option<u64> {
    let length = word.end - word.start;
    if !(1..=8).contains(&length) {
        return None;
    }
    let eight = text[word.start as usize..].first_chunk().map_or_else(|| last_bytes(text, word), |eight| *eight);
    Some(u64::from_le_bytes(eight) & u64::MAX >> (64 - 8 * length))
}

#[cold]
fn last_bytes(text: &[u8], word: Span) -> [u8; 8] {
    let mut eight = [0; 8];
    let word = &text[word.start as usize..word.end as usize];
    eight[..word.len()].copy_from_slice(word);
    eight
}

/// Whether a character follows the first: a byte that does not continue it.
fn has_two_chars(run: &[u8]) -> bool {
    run.iter().skip(1).any(|byte| byte & 0b1100_0000 != 0b1000_0000)
}
