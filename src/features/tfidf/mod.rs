//! TF-IDF over n-grams of words or of characters, equal to scikit-learn's `TfidfVectorizer`.
//!
//! ```text
//!                ┌─► words: tokens ─► n-grams ──────────────┐
//!  text ─► lower ┤                                          ├─► columns ─► count × idf ─► norm ─► row
//!                └─► characters: white space ─► n-grams ────┘     (weigh)
//! ```
//!
//! No n-gram is ever spelt out: vocabularies are tries, and a text is walked along them.

mod build;
mod characters;
#[cfg(test)]
mod characters_tests;
#[cfg(test)]
mod tests;
mod trie;
mod weigh;
mod words;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::{characters::Characters, weigh::Weigher, words::Words};
use crate::pystr;

/// Longest n-gram that a vocabulary may hold, in words or code points.
pub const NGRAM_MAX: usize = 8;
/// Most terms that a vocabulary may hold.
pub const TERMS_MAX: usize = 1 << 24;

/// Largest inverse document frequency: far above that of any corpus, so that squares of weights stay numbers.
pub const IDF_MAX: f64 = 1e6;

/// How terms are made and weighed, under the names that scikit-learn gives the same settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// What n-grams are made of.
    #[serde(default)]
    pub analyzer: Analyzer,
    /// Words or code points of the shortest n-gram, at least 1.
    pub ngram_min: usize,
    /// Words or code points of the longest n-gram, at most [`NGRAM_MAX`].
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

/// What n-grams are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Analyzer {
    /// Words: stretches of two or more word characters.
    #[default]
    Word,
    /// Code points of the text, in which two or more white space characters in a row are one space.
    Char,
    /// Code points of each word, between white space, with a space before and behind it. A word that is too short for
    /// any n-gram is one as a whole.
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
    #[error("the n-gram range is {min}..={max}; give 1 <= min <= max <= {NGRAM_MAX}")]
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
    #[error("term {column} ({term:?}) has {found} characters; the n-gram range allows {min} to {max}")]
    Characters { column: usize, term: String, found: usize, min: usize, max: usize },
    #[error("term {column} ({term:?}) reaches across words, which \"char_wb\" never does; give the analyzer \"char\"")]
    AcrossWords { column: usize, term: String },
    #[error("the characters of {found} terms need more memory than a vocabulary may have; give fewer terms")]
    TooManyCharacters { found: usize },
    #[error("term {column} ({term:?}) is there twice; give every term one column")]
    Duplicate { column: usize, term: String },
    #[error("term {column} ({term:?}) has the idf {idf}; give a number from 0 to {IDF_MAX}")]
    Idf { column: usize, term: String, idf: f64 },
}

/// How many of a text's terms the vocabulary lacks. Of words these are the tokens, as terms of one word; of characters the
/// n-grams of the shortest length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Tokens, or n-grams of the shortest length.
    pub total: u32,
    /// Those that are no term.
    pub unknown: u32,
}

impl Terms {
    /// `unknown / total`; none where there is none of either.
    pub fn unknown_ratio(self) -> Option<f64> {
        (self.total > 0).then(|| f64::from(self.unknown) / f64::from(self.total))
    }
}

/// Buffers that [`Vectorizer::transform`] uses again and again. They grow to the longest text and the widest vocabulary
/// seen.
#[derive(Debug, Default)]
pub struct Scratch {
    lower: String,
    words: words::Scratch,
    characters: characters::Scratch,
    columns: Vec<u32>,
    weigh: weigh::Scratch,
}

/// A fitted vocabulary with its weights. Immutable.
#[derive(Debug)]
pub struct Vectorizer {
    lowercase: bool,
    vocabulary: Vocabulary,
    weigher: Weigher,
}

#[derive(Debug)]
enum Vocabulary {
    Words(Words),
    Characters(Characters),
}

impl Vectorizer {
    /// Takes the terms with their inverse document frequencies, in the order of their columns.
    ///
    /// # Errors
    /// [`VectorizerError`], when the n-gram range is none, or the terms are none, too many, or not of that range, when
    /// one is there twice, or an idf is not in 0..=[`IDF_MAX`].
    pub fn try_new(terms: Vec<(String, f64)>, options: Options) -> Result<Self, VectorizerError> {
        let Options { ngram_min: min, ngram_max: max, .. } = options;
        if min == 0 || min > max || max > NGRAM_MAX {
            return Err(VectorizerError::NgramRange { min, max });
        }
        if terms.is_empty() {
            return Err(VectorizerError::NoTerms);
        }
        if terms.len() > TERMS_MAX {
            return Err(VectorizerError::TooManyTerms { found: terms.len() });
        }
        let unusable = |(_, (_, idf)): &(usize, &(String, f64))| !(0.0..=IDF_MAX).contains(idf);
        if let Some((column, (term, idf))) = terms.iter().enumerate().find(unusable) {
            return Err(VectorizerError::Idf { column, term: term.clone(), idf: *idf });
        }
        let vocabulary = match options.analyzer {
            Analyzer::Word => Vocabulary::Words(Words::try_new(&terms, &options)?),
            Analyzer::Char | Analyzer::CharWb => Vocabulary::Characters(Characters::try_new(&terms, &options)?),
        };
        let weigher = Weigher::new(terms.into_iter().map(|(_, idf)| idf).collect(), &options);
        Ok(Self { lowercase: options.lowercase, vocabulary, weigher })
    }

    /// The number of columns of a row.
    pub fn columns(&self) -> usize {
        self.weigher.columns()
    }

    /// Replaces `row` by the (column, weight) pairs of the text, in the order of their columns, each column once.
    pub fn transform(&self, text: &str, scratch: &mut Scratch, row: &mut Vec<(u32, f32)>) -> Terms {
        let Scratch { lower, words, characters, columns, weigh } = scratch;
        let text = if self.lowercase {
            pystr::lower_into(text, lower);
            lower.as_str()
        } else {
            text
        };
        let terms = match &self.vocabulary {
            Vocabulary::Words(vocabulary) => vocabulary.find(text, words, columns),
            Vocabulary::Characters(vocabulary) => vocabulary.find(text, characters, columns),
        };
        self.weigher.weigh(columns, weigh, row);
        terms
    }
}
