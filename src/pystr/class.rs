use std::sync::OnceLock;

use unicode_normalization::{IsNormalized, char::canonical_combining_class, is_nfkc_quick};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// What there is to know about a code point, as bits: one load answers for any script, where the tables of the Unicode
/// crates need a search for each question.
#[derive(Clone, Copy)]
pub(crate) struct Class(u8);

impl Class {
    /// `c.isspace()`.
    pub(crate) const SPACE: Self = Self(1);
    /// `\w`.
    pub(crate) const WORD: Self = Self(1 << 1);
    /// `c.isupper()`.
    pub(crate) const UPPER: Self = Self(1 << 2);
    /// `c.lower()` is another text.
    pub(crate) const LOWERS: Self = Self(1 << 3);
    /// `unicodedata.category(c)` starts with `C`.
    pub(crate) const OTHER: Self = Self(1 << 4);
    /// NFKC keeps it wherever it stands: a starter that neither decomposes nor composes with what is before it.
    pub(crate) const NORMAL: Self = Self(1 << 5);

    #[inline]
    pub(crate) fn of(c: char) -> Self {
        let code = c as usize;
        PAGES[code / PAGE_CODES].get_or_init(|| page(code / PAGE_CODES))[code % PAGE_CODES]
    }

    /// Whether any bit of `flags` is set.
    #[inline]
    pub(crate) const fn is(self, flags: Self) -> bool {
        self.0 & flags.0 != 0
    }

    fn look_up(c: char) -> Self {
        let group = c.general_category_group();
        let letter_or_number = matches!(group, GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number);
        let normal = canonical_combining_class(c) == 0 && is_nfkc_quick([c].into_iter()) == IsNormalized::Yes;
        [
            (Self::SPACE, c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')),
            (Self::WORD, letter_or_number || c == '_'),
            (Self::UPPER, c.is_uppercase()),
            (Self::LOWERS, !c.to_lowercase().eq([c])),
            (Self::OTHER, group == GeneralCategoryGroup::Other),
            (Self::NORMAL, normal),
        ]
        .into_iter()
        .fold(Self(0), |class, (flag, set)| if set { Self(class.0 | flag.0) } else { class })
    }
}

const PAGE_CODES: usize = 256;
type Page = [Class; PAGE_CODES];

/// Made when first asked for, so that a process pays for the scripts that it meets: 1.1 MB when it has met all.
static PAGES: [OnceLock<Box<Page>>; (char::MAX as usize + 1) / PAGE_CODES] =
    [const { OnceLock::new() }; (char::MAX as usize + 1) / PAGE_CODES];

#[cold]
fn page(number: usize) -> Box<Page> {
    let mut page = Box::new([Class(0); PAGE_CODES]);
    for (offset, class) in page.iter_mut().enumerate() {
        // None: a surrogate, which no text holds.
        *class = char::from_u32((number * PAGE_CODES + offset) as u32).map_or(Class(0), Class::look_up);
    }
    page
}
