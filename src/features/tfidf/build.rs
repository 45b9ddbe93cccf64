//! How a [`Trie`](super::trie::Trie) is laid out.

use std::collections::VecDeque;

use super::trie::{CHILDLESS, ROOT, Slot, Term};

/// Most slots of a table: 2 GiB.
const SLOTS_MAX: usize = 1 << 28;
/// Bases that are tried for the children of a node, before they go to the end.
const TRIES_MAX: usize = 256;
/// Slots that can be reached from a base.
const REACH: usize = 0x100;

#[derive(Default)]
pub(super) struct Builder {
    slots: Vec<Slot>,
    /// Whether a base is taken.
    bases: Vec<bool>,
    /// No search for free slots starts before this one.
    first: usize,
}

/// A node whose children are to be placed: its slot, its depth in bytes, and its terms, from one to before another.
struct Todo {
    slot: usize,
    depth: usize,
    start: usize,
    end: usize,
}

impl Builder {
    /// The slots of the terms, in the order of their bytes; none if there would be more than [`SLOTS_MAX`].
    pub(super) fn build(mut self, terms: &[Term<'_>]) -> Option<Vec<Slot>> {
        self.take(CHILDLESS as usize);
        self.take(ROOT as usize);
        let mut todo = VecDeque::new();
        let mut children = Vec::new();
        // The root has no slot; its base is known.
        split(terms, &Todo { slot: usize::MAX, depth: 0, start: 0, end: terms.len() }, &mut children);
        self.place(ROOT as usize, &children, &mut todo);
        while let Some(mut node) = todo.pop_front() {
            let (term, column, shortest) = terms[node.start];
            if term.len() == node.depth {
                self.slots[node.slot] = self.slots[node.slot].with_term(column, shortest);
                node.start += 1;
            }
            if node.start < node.end {
                split(terms, &node, &mut children);
                let base = self.free_base(&children);
                if base + REACH > SLOTS_MAX {
                    return None;
                }
                self.take(base);
                self.slots[node.slot] = self.slots[node.slot].with_base(base as u32);
                self.place(base, &children, &mut todo);
            }
        }
        Some(self.slots)
    }

    /// A base whose slots for these children are free.
    fn free_base(&mut self, children: &[(u8, Todo)]) -> usize {
        let lowest = usize::from(children[0].0);
        while self.slots.get(self.first).is_some_and(|slot| *slot != Slot::FREE) {
            self.first += 1;
        }
        let fits = |&base: &usize| {
            let free = |&(label, _): &(u8, Todo)| {
                self.slots.get(base + usize::from(label)).is_none_or(|slot| *slot == Slot::FREE)
            };
            !self.bases.get(base).is_some_and(|&taken| taken) && children.iter().all(free)
        };
        let from = self.first.saturating_sub(lowest);
        if let Some(base) = (from..from + TRIES_MAX).find(fits) {
            return base;
        }
        // So that full stretches are not searched for ever.
        self.first += TRIES_MAX / 16;
        self.slots.len()
    }

    /// Marks a base as taken, and makes the slots that can be reached from it.
    fn take(&mut self, base: usize) {
        if self.slots.len() < base + REACH {
            self.slots.resize(base + REACH, Slot::FREE);
            self.bases.resize(base + REACH, false);
        }
        self.bases[base] = true;
    }

    fn place(&mut self, base: usize, children: &[(u8, Todo)], todo: &mut VecDeque<Todo>) {
        for &(label, Todo { depth, start, end, .. }) in children {
            let slot = base + usize::from(label);
            self.slots[slot] = Slot::new(label);
            todo.push_back(Todo { slot, depth, start, end });
        }
    }
}

/// Replaces `children` by the children of a node, by their bytes. Their slots are not known yet.
fn split(terms: &[Term<'_>], node: &Todo, children: &mut Vec<(u8, Todo)>) {
    children.clear();
    let mut start = node.start;
    let label = |term: &Term<'_>| term.0[node.depth];
    for same in terms[node.start..node.end].chunk_by(|a, b| label(a) == label(b)) {
        let end = start + same.len();
        children.push((label(&same[0]), Todo { slot: usize::MAX, depth: node.depth + 1, start, end }));
        start = end;
    }
}
