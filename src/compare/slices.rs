use std::collections::BTreeMap;

use serde::Serialize;

use crate::classify::Case;

/// Upper ends of the buckets of text length, code points; the last has none.
const LENGTH_CHARS: [usize; 5] = [20, 50, 100, 200, 500];

/// Messages that have something in common, counted. Bounded: languages have two letters, labels are those of bundles.
#[derive(Clone, Debug, Default)]
pub(super) struct Slices(BTreeMap<(By, String), Slice>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    Language,
    /// With the bucket's index, so that buckets stand in order.
    Length(usize),
    Truth,
}

/// What became of the messages of a slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Slice {
    /// In it.
    pub messages: u64,
    /// Of these, with another action or other labels.
    pub flips: u64,
    /// Of these, with another action.
    pub action_flips: u64,
    /// Wrong by A, right by B.
    pub better: u64,
    /// Right by A, wrong by B.
    pub worse: u64,
}

/// A slice with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SliceReport {
    /// `language`, `length` or `truth`.
    pub by: &'static str,
    /// Which of these.
    pub name: String,
    /// What became of it.
    #[serde(flatten)]
    pub slice: Slice,
}

impl Slices {
    /// One message, which counts in every slice that it belongs to.
    pub(super) fn add(&mut self, case: &Case, one: Slice) {
        let chars = case.heard.text.chars().count();
        let bucket = LENGTH_CHARS.iter().position(|&end| chars <= end).unwrap_or(LENGTH_CHARS.len());
        self.count(By::Language, case.heard.language.as_str().to_owned(), one);
        self.count(By::Length(bucket), length(bucket), one);
        for label in case.truth.iter().flatten() {
            self.count(By::Truth, label.clone(), one);
        }
    }

    pub(super) fn report(&self) -> Vec<SliceReport> {
        let report = |((by, name), slice): (&(By, String), &Slice)| {
            let by = match by {
                By::Language => "language",
                By::Length(_) => "length",
                By::Truth => "truth",
            };
            SliceReport { by, name: name.clone(), slice: *slice }
        };
        self.0.iter().map(report).collect()
    }

    fn count(&mut self, by: By, name: String, one: Slice) {
        let slice = self.0.entry((by, name)).or_default();
        slice.messages += one.messages;
        slice.flips += one.flips;
        slice.action_flips += one.action_flips;
        slice.better += one.better;
        slice.worse += one.worse;
    }
}

fn length(bucket: usize) -> String {
    let from = bucket.checked_sub(1).map_or(1, |before| LENGTH_CHARS[before] + 1);
    LENGTH_CHARS.get(bucket).map_or_else(|| format!("{from}.. chars"), |end| format!("{from}..{end} chars"))
}
