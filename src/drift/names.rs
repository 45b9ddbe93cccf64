//! What the numbers and categories of a prediction are called: references, windows and reports share it.

/// Name of the share of the text's terms that the vocabulary lacks.
pub const UNKNOWN_TERM_RATIO: &str = "unknown_term_ratio";

/// Name of the length of the text, code points.
pub const TEXT_CHARS: &str = "text_chars";

/// Categories of every task, in their order.
pub const CATEGORIES: [&str; 5] = ["language", "label", "action", "user_features", "degraded"];

/// The category of no label, and of nothing degraded.
pub const NONE: &str = "(none)";

/// Between several labels of a message.
pub(super) const SEPARATOR: &str = "|";

/// Name of the number that the calibrated probability of a label is.
pub fn score_name(label: &str) -> String {
    format!("score {label}")
}

/// Names of all numbers of a task, in their order: features, [`UNKNOWN_TERM_RATIO`], [`TEXT_CHARS`], the score of each label.
pub fn number_names<'a>(
    features: impl IntoIterator<Item = &'a str>,
    labels: impl IntoIterator<Item = &'a str>,
) -> Vec<String> {
    let features = features.into_iter().map(str::to_owned);
    let of_text = [UNKNOWN_TERM_RATIO, TEXT_CHARS].map(str::to_owned);
    features.chain(of_text).chain(labels.into_iter().map(score_name)).collect()
}

/// The one category that several labels, or several degraded parts, of a message are: rows stay independent.
pub fn category_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_unstable();
    if names.is_empty() { NONE.into() } else { names.join(SEPARATOR) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_names_are_one_category_whatever_their_order() {
        assert_eq!(category_of([]), "(none)");
        assert_eq!(category_of(["b", "a"]), "a|b");
        assert_eq!(category_of(["a", "b"]), "a|b");
    }

    #[test]
    fn numbers_stand_in_the_order_of_the_docstring() {
        assert_eq!(
            number_names(["age", "words"], ["ham"]),
            ["age", "words", "unknown_term_ratio", "text_chars", "score ham"]
        );
    }
}
