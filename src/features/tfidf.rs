//! TF-IDF over word n-grams, equal to scikit-learn's `TfidfVectorizer` with its default token pattern
//! `(?u)\b\w\w+\b`: a token is a stretch of two or more of Python's word characters.
//!
//! ```text
//! text ─► lower ─► tokens ─► words ─► n-grams ─► columns ─► count × idf ─► norm ─► row
//!                              └──► total, unknown
//! ```
//!
//! The vocabulary is a trie over words: a word is looked up once, by its bytes, and a longer n-gram by two numbers, the
//! n-gram that it extends and the word that it adds. No n-gram is ever spelt out.

use std::iter;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::pystr::{self, Span};

/// Longest n-gram that a vocabulary may hold, in words.
pub const NGRAM_WORDS_MAX: usize = 8;
/// Most terms that a vocabulary may hold.
pub const TERMS_MAX: usize = 1 << 24;
// Every term makes at most two nodes for each of its words, and nodes have 32 bits.
const _: () = assert!(TERMS_MAX * NGRAM_WORDS_MAX * 2 < Node::MAX as usize);

/// How terms are made and weighed, under the names that scikit-learn gives the same settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// shim
    pub analyzer: Analyzer,
    /// Words of the shortest n-gram, at least 1.
    pub ngram_min: usize,
    /// Words of the longest n-gram, at most [`NGRAM_WORDS_MAX`].
    pub ngram_max: usize,
    /// Whether the text is lower-cased first.
    pub lowercase: bool,
    /// Whether a count `n` weighs `1 + ln n`.
    pub sublinear_tf: bool,
    /// What a row is scaled by.
    pub norm: Norm,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            analyzer: Analyzer::Word,
            ngram_min: 1,
            ngram_max: 2,
            lowercase: true,
            sublinear_tf: false,
            norm: Norm::L2,
        }
    }
}

/// shim
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Analyzer {
    /// shim
    Word,
    /// shim
    Char,
    /// shim
    CharWb,
}

/// What a row is scaled by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// The sum of its absolute weights becomes 1.
    L1,
    /// The sum of its squared weights becomes 1.
    L2,
    /// Nothing.
    None,
}

/// Why a vocabulary cannot be used.
#[derive(Clone, Debug, PartialEq, Error)]
#[allow(missing_docs)] // The messages say it.
pub enum VectorizerError {
    #[error("the n-gram range is {min}..={max}; give 1 <= min <= max <= {NGRAM_WORDS_MAX}")]
    NgramRange { min: usize, max: usize },
    #[error("the vocabulary is empty; give at least one term")]
    NoTerms,
    #[error("the vocabulary has {found} terms; give at most {TERMS_MAX}")]
    TooManyTerms { found: usize },
    #[error(
        "term {column} ({term:?}) has {found} words; the n-gram range allows {min} to {max}, separated by one space"
    )]
    Words { column: usize, term: String, found: usize, min: usize, max: usize },
    #[error("term {column} ({term:?}) has an empty word; separate words by one space")]
    EmptyWord { column: usize, term: String },
    #[error("term {column} ({term:?}) is there twice; give every term one column")]
    Duplicate { column: usize, term: String },
    #[error("term {column} ({term:?}) has the idf {idf}; give a finite number >= 0")]
    Idf { column: usize, term: String, idf: f64 },
}

/// How many tokens a text has, and how many of them the vocabulary lacks as one-word terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Tokens.
    pub total: u32,
    /// Tokens that are no term.
    pub unknown: u32,
}

impl Terms {
    /// `unknown / total`; none where there is no token.
    pub fn unknown_ratio(self) -> Option<f64> {
        (self.total > 0).then(|| f64::from(self.unknown) / f64::from(self.total))
    }
}

/// Buffers that [`Vectorizer::transform`] uses again and again. They grow to the longest text seen.
#[derive(Debug, Default)]
pub struct Scratch {
    lower: String,
    spans: Vec<Span>,
    words: Vec<Option<Node>>,
    columns: Vec<u32>,
    weights: Vec<f64>,
}

/// A fitted vocabulary with its weights. Immutable.
#[derive(Debug)]
pub struct Vectorizer {
    options: Options,
    words: HashMap<Box<[u8]>, Node, FxBuildHasher>,
    /// The n-gram that extends another by a word.
    longer: HashMap<(Node, Node), Node, FxBuildHasher>,
    /// The column of each node, if it is a term.
    columns: Vec<Option<u32>>,
    idf: Vec<f64>,
}

/// A word or n-gram of the vocabulary.
type Node = u32;

impl Vectorizer {
    /// Takes the terms with their inverse document frequencies, in the order of their columns.
    pub fn try_new(terms: Vec<(String, f64)>, options: Options) -> Result<Self, VectorizerError> {
        let Options { ngram_min: min, ngram_max: max, .. } = options;
        if min == 0 || min > max || max > NGRAM_WORDS_MAX {
            return Err(VectorizerError::NgramRange { min, max });
        }
        if terms.is_empty() {
            return Err(VectorizerError::NoTerms);
        }
        if terms.len() > TERMS_MAX {
            return Err(VectorizerError::TooManyTerms { found: terms.len() });
        }
        let idf = Vec::with_capacity(terms.len());
        let mut vectorizer =
            Self { options, words: HashMap::default(), longer: HashMap::default(), columns: Vec::new(), idf };
        for (term, idf) in terms {
            vectorizer.add(term, idf)?;
        }
        Ok(vectorizer)
    }

    /// The number of columns of a row.
    pub fn columns(&self) -> usize {
        self.idf.len()
    }

    fn add(&mut self, term: String, idf: f64) -> Result<(), VectorizerError> {
        let column = self.idf.len();
        let Options { ngram_min: min, ngram_max: max, .. } = self.options;
        let found = term.split(' ').count();
        if !(min..=max).contains(&found) {
            return Err(VectorizerError::Words { column, term, found, min, max });
        }
        if term.split(' ').any(str::is_empty) {
            return Err(VectorizerError::EmptyWord { column, term });
        }
        if !(idf.is_finite() && idf >= 0.0) {
            return Err(VectorizerError::Idf { column, term, idf });
        }
        let node = self.node_of(&term);
        if self.columns[node as usize].replace(column as u32).is_some() {
            return Err(VectorizerError::Duplicate { column, term });
        }
        self.idf.push(idf);
        Ok(())
    }

    /// The node of a term, made if it is new.
    fn node_of(&mut self, term: &str) -> Node {
        let mut words = term.split(' ').map(|word| Box::from(word.as_bytes()));
        let columns = &mut self.columns;
        let mut new = || {
            columns.push(None);
            columns.len() as Node - 1
        };
        // A split has at least one part.
        let mut ngram = words.next().map_or(0, |word| *self.words.entry(word).or_insert_with(&mut new));
        for word in words {
            let word = *self.words.entry(word).or_insert_with(&mut new);
            ngram = *self.longer.entry((ngram, word)).or_insert_with(&mut new);
        }
        ngram
    }

    /// Replaces `row` by the (column, weight) pairs of the text, in the order of their columns, each column once.
    pub fn transform(&self, text: &str, scratch: &mut Scratch, row: &mut Vec<(u32, f32)>) -> Terms {
        let Scratch { lower, spans, words, columns, weights } = scratch;
        let text = if self.options.lowercase {
            pystr::lower_into(text, lower);
            lower.as_str()
        } else {
            text
        };
        pystr::word_runs_into(text, spans);
        let tokens = spans.iter().map(|span| span.of(text)).filter(|run| has_two_chars(run));
        words.clear();
        words.extend(tokens.map(|token| self.words.get(token).copied()));
        self.find_terms(words, columns);
        columns.sort_unstable();
        self.weigh(columns, weights, row);
        self.count(words)
    }

    /// The columns of all n-grams that are terms, as often as they occur.
    fn find_terms(&self, words: &[Option<Node>], columns: &mut Vec<u32>) {
        columns.clear();
        for start in 0..words.len() {
            let mut longer = words[start..].iter().take(self.options.ngram_max);
            let mut ngram = longer.next().copied().flatten();
            while let Some(node) = ngram {
                columns.extend(self.columns[node as usize]);
                let next = longer.next().copied().flatten();
                ngram = next.and_then(|word| self.longer.get(&(node, word)).copied());
            }
        }
    }

    /// Turns sorted columns, as often as they occur, into weights.
    fn weigh(&self, columns: &[u32], weights: &mut Vec<f64>, row: &mut Vec<(u32, f32)>) {
        weights.clear();
        weights.extend(columns.chunk_by(u32::eq).map(|same| {
            let count = same.len() as f64;
            let frequency = if self.options.sublinear_tf { 1.0 + count.ln() } else { count };
            frequency * self.idf[same[0] as usize]
        }));
        let norm = match self.options.norm {
            Norm::L1 => weights.iter().sum(),
            Norm::L2 => weights.iter().map(|weight| weight * weight).sum::<f64>().sqrt(),
            Norm::None => 1.0,
        };
        let scale = if norm > 0.0 { norm } else { 1.0 };
        let columns = columns.chunk_by(u32::eq).map(|same| same[0]);
        row.clear();
        row.extend(iter::zip(columns, weights).map(|(column, weight)| (column, (*weight / scale) as f32)));
    }

    fn count(&self, words: &[Option<Node>]) -> Terms {
        let is_term = |word: &&Option<Node>| word.is_some_and(|node| self.columns[node as usize].is_some());
        let known = words.iter().filter(is_term).count();
        Terms { total: words.len() as u32, unknown: (words.len() - known) as u32 }
    }
}

/// Whether a character follows the first: a byte that does not continue it.
fn has_two_chars(run: &[u8]) -> bool {
    run.iter().skip(1).any(|byte| byte & 0b1100_0000 != 0b1000_0000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vectorizer(terms: &[(&str, f64)], options: Options) -> Result<Vectorizer, VectorizerError> {
        Vectorizer::try_new(terms.iter().map(|&(term, idf)| (term.to_owned(), idf)).collect(), options)
    }

    #[track_caller]
    fn check(terms: &[(&str, f64)], options: Options, text: &str, expected: &[(u32, f32)], total: u32, unknown: u32) {
        let mut row = vec![(7, 7.0)];
        let found = vectorizer(terms, options).unwrap().transform(text, &mut Scratch::default(), &mut row);
        assert_eq!(row, expected, "{text:?}");
        assert_eq!(found, Terms { total, unknown }, "{text:?}");
    }

    const TERMS: [(&str, f64); 4] = [("now", 4.0), ("call now", 3.0), ("call", 1.0), ("prize call", 2.0)];

    #[test]
    fn words_and_pairs_of_words() {
        let options = Options { norm: Norm::None, ..Options::default() };
        check(&TERMS, options, "CALL now, call NOW!", &[(0, 8.0), (1, 6.0), (2, 2.0)], 4, 0);
        // `prize` is a word of a term, but no term.
        check(&TERMS, options, "a prize: call x", &[(2, 1.0), (3, 2.0)], 2, 1);
        check(&TERMS, options, "", &[], 0, 0);
        check(&TERMS, options, "nothing known", &[], 2, 2);
    }

    #[test]
    fn options_change_the_weights() {
        check(
            &TERMS,
            Options::default(),
            "call now",
            &[(0, 4.0 / 26.0_f32.sqrt()), (1, 0.588_348_4), (2, 0.196_116_14)],
            2,
            0,
        );
        let options = Options { norm: Norm::L1, ..Options::default() };
        check(&TERMS, options, "call now", &[(0, 0.5), (1, 0.375), (2, 0.125)], 2, 0);
        let options = Options { norm: Norm::None, sublinear_tf: true, ..Options::default() };
        check(&TERMS, options, "call call", &[(2, 1.0 + 2.0_f32.ln())], 2, 0);
        let options = Options { lowercase: false, ..options };
        check(&TERMS, options, "CALL call", &[(2, 1.0)], 2, 1);
    }

    #[test]
    fn the_ratio_of_unknown_terms() {
        assert_eq!(Terms { total: 4, unknown: 1 }.unknown_ratio(), Some(0.25));
        assert_eq!(Terms::default().unknown_ratio(), None);
    }

    #[test]
    fn a_bad_vocabulary_is_refused() {
        #[track_caller]
        fn bad(terms: &[(&str, f64)], options: Options, message: &str) {
            assert_eq!(vectorizer(terms, options).unwrap_err().to_string(), message);
        }
        let options = Options::default();
        bad(&[], options, "the vocabulary is empty; give at least one term");
        let range = "the n-gram range is 2..=1; give 1 <= min <= max <= 8";
        bad(&TERMS, Options { ngram_min: 2, ngram_max: 1, ..options }, range);
        let words = "term 0 (\"a b c\") has 3 words; the n-gram range allows 1 to 2, separated by one space";
        bad(&[("a b c", 1.0)], options, words);
        bad(&[("a ", 1.0)], options, "term 0 (\"a \") has an empty word; separate words by one space");
        bad(&[("a", 1.0), ("a", 2.0)], options, "term 1 (\"a\") is there twice; give every term one column");
        bad(&[("a", f64::NAN)], options, "term 0 (\"a\") has the idf NaN; give a finite number >= 0");
        bad(&[("a", -1.0)], options, "term 0 (\"a\") has the idf -1; give a finite number >= 0");
    }

    proptest! {
        #[test]
        fn a_row_is_sorted_and_of_unit_length(
            words in prop::collection::vec(prop_oneof!["now", "call", "CALL", "prize", "é!"], 0..30)
        ) {
            let (text, mut scratch, mut row) = (words.join(" "), Scratch::default(), Vec::new());
            let vectorizer = vectorizer(&TERMS, Options::default()).unwrap();
            let terms = vectorizer.transform(&text, &mut scratch, &mut row);
            let length: f64 = row.iter().map(|&(_, weight)| f64::from(weight).powi(2)).sum();
            prop_assert!(row.is_sorted_by(|a, b| a.0 < b.0));
            prop_assert!(row.is_empty() || (length - 1.0).abs() < 1e-6);
            prop_assert!(terms.unknown <= terms.total && terms.total as usize <= words.len());
        }
    }
}
