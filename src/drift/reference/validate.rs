//! A reference as it comes out of a file: whole and of this bundle, or refused.

use thiserror::Error;

use super::{BundleReference, FORMAT, Subject};
use crate::drift::{
    names::CATEGORIES,
    sketch::{Categories, NAME_BYTES_MAX, NAMES_MAX, Reference},
};

/// Characters of [`BundleReference::from`].
pub const FROM_CHARS_MAX: usize = 200;
/// More rows than any stream keeps; sums of counts stay far from their limits.
const ROWS_MAX: u64 = 1 << 48;

/// What to do about a reference that is refused.
const REBUILD: &str = "rebuild it with `assize drift reference`";

/// Why a reference is refused.
#[derive(Debug, Error)]
#[allow(missing_docs)] // The messages say it.
pub enum ReferenceError {
    #[error("it is not valid; {REBUILD}")]
    Json { source: serde_path_to_error::Error<serde_json::Error> },
    #[error("it has the format {found}; this version reads {FORMAT}: {REBUILD}")]
    Format { found: u32 },
    #[error("\"from\" is {found:?}; it has 1 to {FROM_CHARS_MAX} characters, none of control: {REBUILD}")]
    From { found: String },
    #[error("it is of the feature contract {found:?}; the bundle's is {expected}: {REBUILD}")]
    Contract { expected: String, found: String },
    #[error("it is of the labels {found:?}; the bundle's are {expected:?}: {REBUILD}")]
    Labels { expected: Vec<String>, found: Vec<String> },
    #[error("its {what} are {found:?}; those of the bundle are, in this order, {expected:?}: {REBUILD}")]
    Names { what: &'static str, expected: Vec<String>, found: Vec<String> },
    #[error("it is of {found} rows, which is none or too many: {REBUILD}")]
    Rows { found: u64 },
    #[error("the counts of {name} do not fit their edges: {REBUILD}")]
    Edges { name: String },
    #[error("the counts of {name} do not come to {rows} rows: {REBUILD}")]
    Counts { name: String, rows: u64 },
    #[error("{name} has more than {NAMES_MAX} names, or one of more than {NAME_BYTES_MAX} bytes: {REBUILD}")]
    CategoryNames { name: String },
}

impl BundleReference {
    /// Reads the content of the file `reference.json` in the bundle of `subject`; a bundle's file is bounded where it is
    /// read.
    ///
    /// # Errors
    /// [`ReferenceError`].
    pub fn parse(bytes: &[u8], subject: &Subject<'_>) -> Result<Self, ReferenceError> {
        let source = &mut serde_json::Deserializer::from_slice(bytes);
        let reference: Self =
            serde_path_to_error::deserialize(source).map_err(|source| ReferenceError::Json { source })?;
        reference.check(subject)?;
        Ok(reference)
    }

    /// As [`Self::parse`] reads it: one line.
    ///
    /// # Errors
    /// None in practice: everything in it has a JSON form.
    pub fn to_json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string(self)? + "\n")
    }

    /// Whether it is one of `subject`.
    pub(super) fn check(&self, subject: &Subject<'_>) -> Result<(), ReferenceError> {
        if self.format != FORMAT {
            return Err(ReferenceError::Format { found: self.format });
        }
        if !(1..=FROM_CHARS_MAX).contains(&self.from.chars().count()) || self.from.chars().any(char::is_control) {
            return Err(ReferenceError::From { found: shown(&self.from) });
        }
        let expected = subject.contract.id();
        if self.contract != expected {
            return Err(ReferenceError::Contract { expected, found: shown(&self.contract) });
        }
        if self.labels != subject.labels {
            let found = shown_of(&self.labels, subject.labels.len());
            return Err(ReferenceError::Labels { expected: subject.labels.to_vec(), found });
        }
        if !(1..=ROWS_MAX).contains(&self.rows) {
            return Err(ReferenceError::Rows { found: self.rows });
        }
        let numbers = self.baseline.numbers.iter().map(|(name, _)| name);
        same_names("numbers", subject.number_names(), numbers)?;
        let categories = self.baseline.categories.iter().map(|(name, _)| name);
        same_names("categories", CATEGORIES.map(str::to_owned).to_vec(), categories)?;
        self.baseline.numbers.iter().try_for_each(|(name, number)| self.check_number(name, number))?;
        self.baseline.categories.iter().try_for_each(|(name, counts)| self.check_category(name, counts))
    }

    fn check_number(&self, name: &str, number: &Reference) -> Result<(), ReferenceError> {
        let counts = number.counts();
        if !counts.fits(number.edges()) {
            return Err(ReferenceError::Edges { name: name.to_owned() });
        }
        let values = sum(counts.slots().iter().copied().chain([counts.missing()]));
        // Only after the sum is known to fit.
        let fits = values == Some(self.rows) && counts.moments().n <= counts.numbers();
        fits.then_some(()).ok_or_else(|| self.counts_error(name))
    }

    /// What a prediction does not tell is not counted.
    fn check_category(&self, name: &str, counts: &Categories) -> Result<(), ReferenceError> {
        let names = || counts.names().map(|(name, _)| name);
        if names().count() > NAMES_MAX || names().any(|name| name.len() > NAME_BYTES_MAX) {
            return Err(ReferenceError::CategoryNames { name: name.to_owned() });
        }
        let told = sum(counts.names().map(|(_, count)| count).chain([counts.other()]));
        told.filter(|&told| told <= self.rows).map(|_| ()).ok_or_else(|| self.counts_error(name))
    }

    fn counts_error(&self, name: &str) -> ReferenceError {
        ReferenceError::Counts { name: name.to_owned(), rows: self.rows }
    }
}

/// None where it overflows.
fn sum(mut counts: impl Iterator<Item = u64>) -> Option<u64> {
    counts.try_fold(0_u64, u64::checked_add)
}

fn same_names<'a>(
    what: &'static str,
    expected: Vec<String>,
    found: impl Iterator<Item = &'a String> + Clone,
) -> Result<(), ReferenceError> {
    if found.clone().eq(&expected) {
        return Ok(());
    }
    let found = shown_of(found, expected.len());
    Err(ReferenceError::Names { what, expected, found })
}

/// As much of what a file says as an error tells.
fn shown(text: &str) -> String {
    text.chars().take(FROM_CHARS_MAX).collect()
}

/// Of many, one more than there would be.
fn shown_of<'a>(names: impl IntoIterator<Item = &'a String>, expected: usize) -> Vec<String> {
    names.into_iter().take(expected + 1).map(|name| shown(name)).collect()
}
