//! Held against n-grams that are spelt out, as scikit-learn does it.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::*;

const PLAIN: Options = Options {
    analyzer: Analyzer::Char,
    ngram_min: 2,
    ngram_max: 3,
    lowercase: true,
    sublinear_tf: false,
    norm: Norm::None,
};
const WITHIN: Options = Options { analyzer: Analyzer::CharWb, ..PLAIN };

/// Every n-gram of the text, as `TfidfVectorizer.build_analyzer()` lists them.
fn ngrams(text: &str, options: Options) -> Vec<String> {
    let text = if options.lowercase { text.to_lowercase() } else { text.to_owned() };
    let mut found = Vec::new();
    let mut of =
        |chars: &[char], n: usize| found.extend(chars.windows(n).map(|ngram| ngram.iter().collect::<String>()));
    match options.analyzer {
        Analyzer::Char => {
            let chars = one_space_for_many(&text);
            (options.ngram_min..=options.ngram_max).for_each(|n| of(&chars, n));
        }
        _ => {
            for word in text.split(pystr::is_space).filter(|word| !word.is_empty()) {
                let padded: Vec<char> = format!(" {word} ").chars().collect();
                let sizes = options.ngram_min.min(padded.len())..=options.ngram_max.min(padded.len());
                sizes.for_each(|n| of(&padded, n));
            }
        }
    }
    found
}

fn one_space_for_many(text: &str) -> Vec<char> {
    let chars: Vec<char> = text.chars().collect();
    let runs = chars.chunk_by(|&a, &b| pystr::is_space(a) && pystr::is_space(b));
    runs.flat_map(|run| if run.len() > 1 { vec![' '] } else { run.to_vec() }).collect()
}

/// How many n-grams are of the shortest length; a word too short for one is one.
fn shortest(ngrams: &[String], options: Options) -> Vec<&String> {
    ngrams.iter().filter(|ngram| ngram.chars().count() <= options.ngram_min).collect()
}

#[track_caller]
fn check(terms: &[&str], options: Options, text: &str, expected: &[(u32, f32)], total: u32, unknown: u32) {
    let terms = terms.iter().map(|&term| (term.to_owned(), 1.0)).collect();
    let (mut scratch, mut row) = (Scratch::default(), Vec::new());
    let found = Vectorizer::try_new(terms, options).unwrap().transform(text, &mut scratch, &mut row);
    assert_eq!(row, expected, "{text:?}");
    assert_eq!(found, Terms { total, unknown }, "{text:?}");
}

#[test]
fn spaces_are_characters() {
    check(&["o h", "lo", "  ", " h"], PLAIN, "Hello hello", &[(0, 1.0), (1, 2.0), (3, 1.0)], 10, 7);
    // Two or more white space characters are one space, one alone stays what it is.
    check(&["o h", "o\th", "\th"], PLAIN, "o \u{3000}h o\th", &[(0, 1.0), (1, 1.0), (2, 1.0)], 6, 5);
    check(&["ab"], PLAIN, "a", &[], 0, 0);
    check(&["ab"], PLAIN, "", &[], 0, 0);
}

#[test]
fn ngrams_are_of_code_points() {
    check(&["éa", "😀é", "a😀é"], PLAIN, "ÉA😀É", &[(0, 1.0), (1, 1.0), (2, 1.0)], 3, 1);
    check(&["a", "é", "éa"], Options { ngram_min: 1, ..PLAIN }, "éaé", &[(0, 1.0), (1, 2.0), (2, 1.0)], 3, 0);
    check(&["É"], Options { ngram_min: 1, lowercase: false, ..PLAIN }, "éÉ", &[(0, 1.0)], 2, 1);
}

#[test]
fn words_are_padded() {
    check(&[" a", "b ", "ab"], WITHIN, "ab\u{1c}AB cab", &[(0, 2.0), (1, 3.0), (2, 3.0)], 10, 2);
    // Each word has two spaces of its own.
    check(&[" "], Options { ngram_min: 1, ..WITHIN }, " ab c ", &[(0, 4.0)], 7, 3);
    check(&["ab"], WITHIN, " \n", &[], 0, 0);
}

#[test]
fn a_word_that_is_too_short_is_one_ngram() {
    let options = Options { ngram_min: 5, ngram_max: 6, ..WITHIN };
    check(&[" ab ", "abcd ", " abc "], options, "ab abc ab x", &[(0, 2.0), (2, 1.0)], 4, 1);
}

#[test]
fn a_bad_vocabulary_is_refused() {
    #[track_caller]
    fn bad(terms: &[&str], options: Options, message: &str) {
        let terms = terms.iter().map(|&term| (term.to_owned(), 1.0)).collect();
        let error = Vectorizer::try_new(terms, options).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
    bad(&["ab", "a"], PLAIN, "term 1 (\"a\") has 1 characters; the n-gram range allows 2 to 3");
    bad(&["ab", "éééé"], PLAIN, "term 1 (\"éééé\") has 4 characters; the n-gram range allows 2 to 3");
    bad(&[""], PLAIN, "term 0 (\"\") has 0 characters");
    bad(&["ab", "b", "ab"], Options { ngram_min: 1, ..PLAIN }, "term 2 (\"ab\") is there twice");
    bad(&["a b"], WITHIN, "term 0 (\"a b\") reaches across words");
    bad(&["  "], WITHIN, "term 0 (\"  \") reaches across words");
    let long = Options { ngram_min: 5, ngram_max: 6, ..WITHIN };
    bad(&[" ab"], long, "term 0 (\" ab\") has 3 characters; the n-gram range allows 5 to 6");
}

fn texts() -> impl Strategy<Value = String> {
    const PIECES: [&str; 15] =
        ["a", "b", "ab", "A", " ", "  ", "\t", "\u{3000}", "é", "É", "ß", "😀", "\u{1c} ", "İ", "語"];
    prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn rows_count_what_is_spelt_out(
        learnt in prop::collection::vec(texts(), 1..6),
        text in texts(),
        within_words in any::<bool>(),
        (ngram_min, more) in (1..6_usize, 0..3_usize),
        keep in 1..4_usize,
    ) {
        let analyzer = if within_words { Analyzer::CharWb } else { Analyzer::Char };
        let options = Options { analyzer, ngram_min, ngram_max: ngram_min + more, ..PLAIN };
        let vocabulary: BTreeMap<String, ()> =
            learnt.iter().flat_map(|text| ngrams(text, options)).map(|ngram| (ngram, ())).collect();
        let terms: Vec<(String, f64)> = vocabulary.into_keys().step_by(keep).map(|term| (term, 1.0)).collect();
        prop_assume!(!terms.is_empty());
        let columns: HashMap<String, u32> = terms.iter().map(|(term, _)| term.clone()).zip(0..).collect();

        let spelt = ngrams(&text, options);
        let mut expected = BTreeMap::new();
        spelt.iter().filter_map(|ngram| columns.get(ngram)).for_each(|column| *expected.entry(*column).or_insert(0.0) += 1.0);
        let shortest = shortest(&spelt, options);
        let unknown = shortest.iter().filter(|ngram| !columns.contains_key(**ngram)).count();

        let vectorizer = Vectorizer::try_new(terms, options).unwrap();
        let (mut scratch, mut row) = (Scratch::default(), Vec::new());
        for _ in 0..2 {
            let found = vectorizer.transform(&text, &mut scratch, &mut row);
            prop_assert_eq!(&row, &expected.clone().into_iter().collect::<Vec<_>>());
            prop_assert_eq!(found, Terms { total: shortest.len() as u32, unknown: unknown as u32 });
        }
    }
}
