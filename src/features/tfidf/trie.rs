//! Terms by their bytes: a double-array trie. The child of a node by a byte is in slot `base of the node + byte`, if that
//! slot is labelled with the byte. No two nodes with children have the same base, so the label alone tells whose child it
//! is, and all that a step needs is one load of eight bytes. Nodes are laid out level by level: the upper levels, which
//! every text visits, share few cache lines.

use super::build::Builder;

/// Base of the root.
pub(super) const ROOT: u32 = 1;
/// Base of all nodes without children. Their children would be labelled so, and are not.
pub(super) const CHILDLESS: u32 = 0;
/// What ends a text that is walked: no term holds this byte, for UTF-8 does not.
pub(super) const END: u8 = 0xff;

/// A term as the trie keeps it: its bytes, its column, below 2^24, and whether it is one of the shortest n-grams.
pub(super) type Term<'a> = (&'a [u8], u32, bool);

/// A node: from the lowest bit on 8 bits of label, 24 of column, 28 of base, and flags.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Slot(u64);

impl Slot {
    /// Neither a term nor a parent.
    const NOTHING: Self = Self(0);
    /// Labelled with a byte that no UTF-8 holds, and no text ends with.
    pub(super) const FREE: Self = Self(0xfe);
    const SHORTEST: u32 = 60;
    const PARENT: u32 = 62;
    const TERM: u32 = 63;

    pub(super) fn new(label: u8) -> Self {
        Self(label.into())
    }

    pub(super) fn with_term(self, column: u32, shortest: bool) -> Self {
        Self(self.0 | u64::from(column) << 8 | u64::from(shortest) << Self::SHORTEST | 1 << Self::TERM)
    }

    pub(super) fn with_base(self, base: u32) -> Self {
        Self(self.0 | u64::from(base) << 32 | 1 << Self::PARENT)
    }

    #[inline]
    fn is(self, label: u8) -> bool {
        self.0 as u8 == label
    }

    #[inline]
    fn flag(self, bit: u32) -> usize {
        (self.0 >> bit) as usize & 1
    }

    /// Of a term.
    #[inline]
    pub(super) fn column(self) -> u32 {
        self.0 as u32 >> 8
    }

    /// 1 if it is a term of the shortest n-grams, else 0.
    #[inline]
    pub(super) fn shortest(self) -> u32 {
        self.flag(Self::SHORTEST) as u32
    }

    #[inline]
    fn base(self) -> u32 {
        (self.0 >> 32) as u32 & 0xfff_ffff
    }
}

/// A walk that may go on: where its next byte stands, and the base of the node that it came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Walk {
    at: u32,
    base: u32,
}

/// Terms by their bytes. Immutable.
#[derive(Debug)]
pub(super) struct Trie {
    slots: Vec<Slot>,
    /// The nodes of two ASCII bytes, by both: where nearly all walks start.
    pairs: Vec<Slot>,
    /// Whether a byte alone is a term.
    single: bool,
}

impl Trie {
    /// Takes terms in the order of their bytes, each once, none empty. None if they need too many slots.
    pub(super) fn try_new(terms: &[Term<'_>]) -> Option<Self> {
        debug_assert!(terms.is_sorted_by(|a, b| a.0 < b.0));
        let single = terms.iter().any(|(term, ..)| term.len() == 1);
        let mut trie = Self { slots: Builder::default().build(terms)?, pairs: Vec::new(), single };
        trie.pairs = (0..0x4000_u16).map(|pair| trie.pair((pair >> 7) as u8, pair as u8 & 0x7f)).collect();
        Some(trie)
    }

    /// Replaces `found` by the nodes of all terms in `text`, as often as they occur. The text ends with [`END`].
    ///
    /// All walks, one from each byte, take their first two steps, then all that are left their third. So nothing waits
    /// for a load but the next step of the same walk, and no branch depends on the text: what is found is written in any
    /// case, and kept by moving on or not.
    pub(super) fn find(&self, text: &[u8], walks: &mut Vec<Walk>, found: &mut Vec<Slot>) {
        debug_assert_eq!(text.last(), Some(&END));
        found.clear();
        if self.single {
            let nodes = text.iter().map(|&byte| (byte, self.slots[ROOT as usize + usize::from(byte)]));
            found.extend(
                nodes.filter(|(byte, node)| node.is(*byte) && node.flag(Slot::TERM) == 1).map(|(_, node)| node),
            );
        }
        self.start(text, walks, found);
        while !walks.is_empty() {
            self.step(text, walks, found);
        }
    }

    /// The first two steps of all walks.
    fn start(&self, text: &[u8], walks: &mut Vec<Walk>, found: &mut Vec<Slot>) {
        let (mut terms, mut left) = (found.len(), 0);
        found.resize(terms + text.len(), Slot::NOTHING);
        walks.resize(text.len(), Walk::default());
        for (at, pair) in (2..).zip(text.windows(2)) {
            let (first, second) = (pair[0], pair[1]);
            let node = if (first | second).is_ascii() {
                self.pairs[usize::from(first) << 7 | usize::from(second)]
            } else {
                self.pair(first, second)
            };
            found[terms] = node;
            terms += node.flag(Slot::TERM);
            walks[left] = Walk { at, base: node.base() };
            left += node.flag(Slot::PARENT);
        }
        walks.truncate(left);
        found.truncate(terms);
    }

    fn pair(&self, first: u8, second: u8) -> Slot {
        let parent = self.slots[ROOT as usize + usize::from(first)];
        let node = self.slots[parent.base() as usize + usize::from(second)];
        if parent.is(first) & node.is(second) { node } else { Slot::NOTHING }
    }

    /// One step of all walks.
    fn step(&self, text: &[u8], walks: &mut Vec<Walk>, found: &mut Vec<Slot>) {
        let (mut terms, mut left) = (found.len(), 0);
        found.resize(terms + walks.len(), Slot::NOTHING);
        let slots = self.slots.as_slice();
        let (all, kept) = (walks.as_mut_slice(), found.as_mut_slice());
        for index in 0..all.len() {
            let Walk { at, base } = all[index];
            let byte = text[at as usize];
            let node = slots[base as usize + usize::from(byte)];
            let is_child = usize::from(node.is(byte));
            kept[terms] = node;
            terms += is_child & node.flag(Slot::TERM);
            all[left] = Walk { at: at + 1, base: node.base() };
            left += is_child & node.flag(Slot::PARENT);
        }
        walks.truncate(left);
        found.truncate(terms);
    }
}
