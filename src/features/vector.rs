//! The row that a model reads: clipped and scaled numbers first, term weights behind them.
//!
//! ```text
//!  raw numbers ─► default ─► clip ─► (x - mean) / scale ─► columns 0..N       ┐
//!                                                                             ├─► one row of Rows
//!  text ─┬─────────────────► TF-IDF ────────────────────► columns N..N + T    ┤
//!        └─────────────────► TF-IDF of another vocabulary, behind them ...    ┘
//! ```
//!
//! There may be no numbers. Each vectorizer's columns have a norm of their own.
//!
//! Rows are sparse: of a thousand terms a message has a few dozen. What needs them dense spreads them out itself, see
//! [`crate::model::Scorer`].

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    contract::Contract,
    tfidf::{self, Terms, Vectorizer},
};

/// A row is made by at most so many vectorizers.
pub const VECTORIZERS_MAX: usize = 8;
// Columns have 32 bits.
const _: () = assert!(VECTORIZERS_MAX * tfidf::TERMS_MAX + super::contract::FEATURES_MAX < u32::MAX as usize);

/// How one numeric feature is scaled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// Lower and upper bound of the value, in the feature's unit. What lies outside is moved to the bound.
    pub clip: [f64; 2],
    /// Subtracted, in the feature's unit.
    pub mean: f64,
    /// Divided by, in the feature's unit, > 0.
    pub scale: f64,
}

impl Scaling {
    fn apply(&self, value: f64) -> f32 {
        let [low, high] = self.clip;
        ((value.clamp(low, high) - self.mean) / self.scale) as f32
    }
}

/// Why contract, scaling and vocabulary do not fit together.
#[derive(Clone, Debug, PartialEq, Error)]
#[allow(missing_docs)] // The messages say it.
pub enum TransformerError {
    #[error("there are {found} scalings for {features} features; give one each")]
    Count { features: usize, found: usize },
    #[error("the clip bounds of feature {name} are {low}..={high}; give two finite numbers, low <= high")]
    Clip { name: String, low: f64, high: f64 },
    #[error("the mean of feature {name} is {mean}; give a finite number")]
    Mean { name: String, mean: f64 },
    #[error("the scale of feature {name} is {scale}; give a finite number > 0")]
    Scale { name: String, scale: f64 },
    #[error("feature {name} scaled at its clip bounds leaves the range of 32-bit numbers; check mean and scale")]
    Range { name: String },
    #[error("there are {found} vectorizers; give at most {VECTORIZERS_MAX}")]
    Vectorizers { found: usize },
    #[error("there are no features and no vectorizers; a model reads at least one column")]
    NoColumns,
}

/// Turns a message into a row. Immutable; its buffers are in [`Scratch`].
#[derive(Debug)]
pub struct FeatureTransformer {
    contract: Contract,
    scaling: Vec<Scaling>,
    vectorizers: Vec<Vectorizer>,
    width: usize,
}

/// Buffers that [`FeatureTransformer::push`] uses again and again.
#[derive(Debug, Default)]
pub struct Scratch {
    tfidf: tfidf::Scratch,
    terms: Vec<(u32, f32)>,
}

impl FeatureTransformer {
    /// Takes one scaling per feature of the contract, and the vectorizers in the order of their columns.
    ///
    /// # Errors
    /// [`TransformerError`], when a scaling is missing or can make a number that is not finite, there are too many
    /// vectorizers, or there is no column at all.
    pub fn try_new(
        contract: Contract,
        scaling: Vec<Scaling>,
        vectorizers: Vec<Vectorizer>,
    ) -> Result<Self, TransformerError> {
        let (features, found) = (contract.features().len(), scaling.len());
        if features != found {
            return Err(TransformerError::Count { features, found });
        }
        for (feature, scaling) in contract.features().iter().zip(&scaling) {
            check(&feature.name, scaling)?;
        }
        let found = vectorizers.len();
        if found > VECTORIZERS_MAX {
            return Err(TransformerError::Vectorizers { found });
        }
        let width = features + vectorizers.iter().map(Vectorizer::columns).sum::<usize>();
        if width == 0 {
            return Err(TransformerError::NoColumns);
        }
        Ok(Self { contract, scaling, vectorizers, width })
    }

    /// What the numeric columns mean.
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// What makes the term weights, in the order of their columns.
    pub fn vectorizers(&self) -> &[Vectorizer] {
        &self.vectorizers
    }

    /// Columns of a row: numeric features, then each vectorizer's terms.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Numeric columns; may be 0.
    pub fn numeric(&self) -> usize {
        self.contract.features().len()
    }

    /// Adds the row of one message. `raw` is what [`Contract::raw`] gave, `text` the sanitized text. Returns what the
    /// first vectorizer knows of the text.
    pub fn push(&self, raw: &[Option<f64>], text: &str, scratch: &mut Scratch, rows: &mut Rows) -> Terms {
        debug_assert_eq!(raw.len(), self.numeric());
        let features = self.contract.features().iter().zip(&self.scaling).zip(raw);
        let numeric = features.map(|((feature, scaling), raw)| scaling.apply(raw.unwrap_or(feature.default)));
        rows.entries.extend((0u32..).zip(numeric));
        let mut first = self.numeric() as u32; // At most FEATURES_MAX, and at most TERMS_MAX for each vectorizer.
        let mut of_first = None;
        for vectorizer in &self.vectorizers {
            let found = vectorizer.transform(text, &mut scratch.tfidf, &mut scratch.terms);
            of_first.get_or_insert(found);
            rows.entries.extend(scratch.terms.iter().map(|&(column, weight)| (first + column, weight)));
            first += vectorizer.columns() as u32;
        }
        rows.ends.push(rows.entries.len());
        of_first.unwrap_or_default()
    }
}

/// The rows of a chunk, sparse: per row (column, value) pairs in the order of their columns, each column once. The
/// memory is kept between chunks; it is bounded by the rows of a chunk times the numeric features and the terms of a
/// text.
#[derive(Debug, Default)]
pub struct Rows {
    entries: Vec<(u32, f32)>,
    /// Where each row ends in `entries`.
    ends: Vec<usize>,
}

impl Rows {
    /// Rows in it.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Forgets the rows, keeps the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.ends.clear();
    }

    /// Adds a row of numbers for all columns.
    pub fn push_dense(&mut self, row: &[f32]) {
        self.entries.extend((0u32..).zip(row.iter().copied()).filter(|&(_, value)| value != 0.0));
        self.ends.push(self.entries.len());
    }

    /// The non-zero entries of a row. Panics past [`Self::len`].
    pub fn row(&self, row: usize) -> &[(u32, f32)] {
        let start = row.checked_sub(1).map_or(0, |previous| self.ends[previous]);
        &self.entries[start..self.ends[row]]
    }
}

fn check(name: &str, scaling: &Scaling) -> Result<(), TransformerError> {
    let Scaling { clip: [low, high], mean, scale } = *scaling;
    let name = || name.to_owned();
    if !(low.is_finite() && high.is_finite() && low <= high) {
        return Err(TransformerError::Clip { name: name(), low, high });
    }
    if !mean.is_finite() {
        return Err(TransformerError::Mean { name: name(), mean });
    }
    if !(scale.is_finite() && scale > 0.0) {
        return Err(TransformerError::Scale { name: name(), scale });
    }
    // So that every value a row can hold is finite: scaling is monotonic, its ends bound the rest.
    if [low, high].iter().all(|&bound| scaling.apply(bound).is_finite()) {
        Ok(())
    } else {
        Err(TransformerError::Range { name: name() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::contract::Feature;

    const PLAIN: Scaling = Scaling { clip: [0.0, 100.0], mean: 10.0, scale: 4.0 };

    fn transformer(scaling: Vec<Scaling>) -> Result<FeatureTransformer, TransformerError> {
        let features = vec![
            Feature::text("char_count").unwrap(),
            Feature { default: 30.0, ..Feature::user("account_age_days", "days") },
        ];
        let vocabulary = vec![("hello".into(), 1.0), ("free offer".into(), 2.0)];
        let vectorizer = Vectorizer::try_new(vocabulary, tfidf::Options::default()).unwrap();
        FeatureTransformer::try_new(Contract::try_new(features).unwrap(), scaling, vec![vectorizer])
    }

    fn rows(messages: &[([Option<f64>; 2], &str)]) -> Rows {
        let transformer = transformer(vec![PLAIN; 2]).unwrap();
        assert_eq!(transformer.width(), 4);
        let (mut scratch, mut rows) = (Scratch::default(), Rows::default());
        for (raw, text) in messages {
            transformer.push(raw, text, &mut scratch, &mut rows);
        }
        rows
    }

    #[test]
    fn numbers_stand_before_terms() {
        let rows = rows(&[([Some(18.0), Some(6.0)], "a free offer"), ([Some(10.0), Some(10.0)], "nothing")]);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows.row(0), [(0, 2.0), (1, -1.0), (3, 1.0)]);
        assert_eq!(rows.row(1), [(0, 0.0), (1, 0.0)]);
    }

    fn characters() -> Vectorizer {
        let options = tfidf::Options { analyzer: tfidf::Analyzer::Char, ngram_min: 2, ..tfidf::Options::default() };
        Vectorizer::try_new(vec![("hi".into(), 3.0), (" h".into(), 4.0)], options).unwrap()
    }

    #[test]
    fn each_vectorizer_has_columns_and_a_norm_of_its_own() {
        let words =
            Vectorizer::try_new(vec![("hi".into(), 2.0), ("ho".into(), 1.0)], tfidf::Options::default()).unwrap();
        let contract = Contract::try_new(vec![Feature::text("char_count").unwrap()]).unwrap();
        let transformer = FeatureTransformer::try_new(contract, vec![PLAIN], vec![words, characters()]).unwrap();
        assert_eq!((transformer.width(), transformer.numeric(), transformer.vectorizers().len()), (5, 1, 2));
        let (mut scratch, mut rows) = (Scratch::default(), Rows::default());
        let terms = transformer.push(&[Some(6.0)], "oh hi, he", &mut scratch, &mut rows);
        assert_eq!(rows.row(0), [(0, -1.0), (1, 1.0), (3, 0.351_123_44), (4, 0.936_329_2)]);
        // Of the words: `oh` and `he` are none of its terms.
        assert_eq!(terms, Terms { total: 3, unknown: 2 });
    }

    #[test]
    fn a_row_needs_no_numbers() {
        let contract = Contract::try_new(Vec::new()).unwrap();
        let transformer = FeatureTransformer::try_new(contract, Vec::new(), vec![characters()]).unwrap();
        assert_eq!((transformer.width(), transformer.numeric()), (2, 0));
        let (mut scratch, mut rows) = (Scratch::default(), Rows::default());
        for text in ["hi", "", "hi hi"] {
            transformer.push(&[], text, &mut scratch, &mut rows);
        }
        assert_eq!(rows.row(0), [(0, 1.0)]);
        assert_eq!(rows.row(1), []);
        assert_eq!(rows.row(2).len(), 2);
    }

    #[test]
    fn too_many_vectorizers_and_no_columns_are_refused() {
        let with = |found: usize| {
            let vectorizers = (0..found).map(|_| characters()).collect();
            FeatureTransformer::try_new(Contract::try_new(Vec::new()).unwrap(), Vec::new(), vectorizers)
        };
        let found = VECTORIZERS_MAX + 1;
        assert_eq!(with(found).unwrap_err(), TransformerError::Vectorizers { found });
        assert_eq!(with(0).unwrap_err(), TransformerError::NoColumns);
    }

    #[test]
    fn a_model_of_numbers_alone_needs_no_vectorizer() {
        let contract = Contract::try_new(vec![Feature::text("char_count").unwrap()]).unwrap();
        let transformer = FeatureTransformer::try_new(contract, vec![PLAIN], Vec::new()).unwrap();
        let mut rows = Rows::default();
        let terms = transformer.push(&[Some(18.0)], "hi", &mut Scratch::default(), &mut rows);
        assert_eq!((rows.row(0), terms), (&[(0, 2.0)][..], Terms::default()));
    }

    #[test]
    fn a_missing_value_is_the_default() {
        assert_eq!(rows(&[([Some(10.0), None], "")]).row(0)[1], (1, 5.0));
    }

    #[test]
    fn an_outlier_is_moved_to_the_bound() {
        let rows = rows(&[([Some(1e300), Some(-1.0)], "")]);
        assert_eq!(rows.row(0), [(0, 22.5), (1, -2.5)]);
    }

    #[test]
    fn cleared_rows_leave_nothing_behind() {
        let mut rows = rows(&[([None, None], "hello")]);
        rows.clear();
        assert!(rows.is_empty());
        assert_eq!(rows.len(), 0);
    }

    #[track_caller]
    fn bad(scaling: Scaling, expected: &str) {
        let error = transformer(vec![PLAIN, scaling]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn bad_scalings_are_refused() {
        bad(Scaling { clip: [1.0, 0.0], ..PLAIN }, "bounds of feature account_age_days are 1..=0");
        bad(Scaling { clip: [f64::NEG_INFINITY, 0.0], ..PLAIN }, "are -inf..=0");
        bad(Scaling { mean: f64::NAN, ..PLAIN }, "the mean of feature account_age_days is NaN");
        bad(Scaling { scale: 0.0, ..PLAIN }, "the scale of feature account_age_days is 0");
        bad(Scaling { scale: 1e-300, ..PLAIN }, "leaves the range of 32-bit numbers");
        let error = transformer(vec![PLAIN]).unwrap_err().to_string();
        assert!(error.contains("1 scalings for 2 features"), "{error}");
    }
}
