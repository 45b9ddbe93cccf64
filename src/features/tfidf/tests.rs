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

#[track_caller]
fn bad(terms: &[(&str, f64)], options: Options, message: &str) {
    assert_eq!(vectorizer(terms, options).unwrap_err().to_string(), message);
}

#[test]
fn a_bad_vocabulary_is_refused() {
    let options = Options::default();
    bad(&[], options, "the vocabulary is empty; give at least one term");
    let range = "the n-gram range is 2..=1; give 1 <= min <= max <= 8";
    bad(&TERMS, Options { ngram_min: 2, ngram_max: 1, ..options }, range);
    let words = "term 0 (\"a b c\") has 3 words; the n-gram range allows 1 to 2, separated by one space";
    bad(&[("a b c", 1.0)], options, words);
    bad(&[("a ", 1.0)], options, "term 0 (\"a \") has an empty word; separate words by one space");
    bad(&[("a", 1.0), ("a", 2.0)], options, "term 1 (\"a\") is there twice; give every term one column");
    bad(&[("a", f64::NAN)], options, "term 0 (\"a\") has the idf NaN; give a number from 0 to 1000000");
    bad(&[("a", 1e7)], options, "term 0 (\"a\") has the idf 10000000; give a number from 0 to 1000000");
    bad(&[("a", -1.0)], options, "term 0 (\"a\") has the idf -1; give a number from 0 to 1000000");
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
