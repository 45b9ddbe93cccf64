//! A vectorizer's vocabulary: a line `term TAB idf TAB mean` a column, in the order of the columns. `mean` is the mean
//! weight of the term in the training rows, the baseline of explanations. In a term `\t`, `\n`, `\r` and `\\` stand for
//! a tab, the ends of lines and the backslash.

use super::BundleError;

/// Characters that an error tells of a line.
const FOUND_CHARS_MAX: usize = 80;

/// The terms with their inverse document frequencies.
pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Vec<(String, f64)>, BundleError> {
    let text = str::from_utf8(bytes).map_err(|source| BundleError::VocabularyText { file: file.into(), source })?;
    let lines = (1..).zip(text.split_terminator('\n'));
    let parsed = lines.map(|(line, found)| {
        let told = || found.chars().take(FOUND_CHARS_MAX).collect();
        term(found).ok_or_else(|| BundleError::VocabularyLine { file: file.into(), line, found: told() })
    });
    parsed.collect()
}

fn term(line: &str) -> Option<(String, f64)> {
    let mut fields = line.split('\t');
    let [term, idf, mean] = [fields.next()?, fields.next()?, fields.next()?];
    let mean: f64 = mean.parse().ok()?;
    (fields.next().is_none() && mean.is_finite()).then_some(())?;
    Some((unescaped(term)?, idf.parse().ok()?))
}

fn unescaped(written: &str) -> Option<String> {
    let (mut term, mut characters) = (String::with_capacity(written.len()), written.chars());
    while let Some(character) = characters.next() {
        term.push(match character {
            '\\' => match characters.next()? {
                '\\' => '\\',
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            character => character,
        });
    }
    Some(term)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_terms_with_idf_and_mean() {
        let parsed = parse("terms.tsv", b"call now\t2.5\t0.01\na\\tb\\\\n\t1\t0\n").unwrap();
        assert_eq!(parsed, [("call now".to_owned(), 2.5), ("a\tb\\n".to_owned(), 1.0)]);
    }

    #[test]
    fn other_lines_are_refused_by_their_number() {
        for bad in
            ["call", "call\t1", "call\tone\t0", "call\t1\tnan", "call\t1\t0\t0", "ca\\ll\t1\t0", "call\\\t1\t0", ""]
        {
            let error = parse("terms.tsv", format!("good\t1\t0\n{bad}\n").as_bytes()).unwrap_err();
            assert!(error.to_string().contains("terms.tsv, line 2"), "{error}");
        }
        assert!(parse("terms.tsv", b"\xff").is_err());
    }
}
