use std::{
    collections::{BTreeSet, VecDeque},
    hash::{BuildHasher, RandomState},
};

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

use super::{Said, Weight};

/// Message id and task: what a truth is of.
pub type Key = (String, String);

/// What was learnt of a message and task from a partition of labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// The message's id.
    pub message_id: String,
    /// Name of the task.
    pub task: String,
    /// Offset of the first label that counted, in its partition of labels.
    pub first_offset: i64,
    /// Start of the pane in which that label was learnt, milliseconds since the epoch.
    pub pane: i64,
    /// Of the weightiest label that said what is known.
    pub weight: Weight,
    /// The true labels, sorted, each once.
    pub labels: Vec<String>,
    /// What it added to the pane.
    pub contributions: Vec<Contribution>,
}

/// What one arm's prediction added to a pane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contribution {
    /// What was said.
    #[serde(flatten)]
    pub said: Said,
    /// Of each label of the model, whether it is so.
    pub truth: Vec<bool>,
}

impl Remembered {
    fn is_of(&self, message_id: &str, task: &str) -> bool {
        self.message_id == message_id && self.task == task
    }

    fn key(&self) -> Key {
        (self.message_id.clone(), self.task.clone())
    }
}

/// What changed since the last time that it was asked for.
#[derive(Debug, Default, PartialEq)]
pub struct Changes {
    /// Entries to be kept, in order of their first offset.
    pub changed: Vec<Remembered>,
    /// Keys to be forgotten; none of them is in `changed`.
    pub dropped: Vec<Key>,
}

/// What was learnt from a partition of labels, oldest first: a bounded number of messages, so that repeats are known.
#[derive(Clone, Debug)]
pub struct Table {
    entries_max: usize,
    /// In order of their first offsets.
    entries: VecDeque<Remembered>,
    /// Sequence number of `entries[0]`.
    first: u64,
    /// Sequence numbers by key.
    index: HashTable<u64>,
    hasher: RandomState,
    changed: BTreeSet<u64>,
    dropped: BTreeSet<Key>,
}

impl Table {
    /// An empty one, of at most `entries_max` entries.
    pub fn new(entries_max: usize) -> Self {
        Self {
            entries_max,
            entries: VecDeque::new(),
            first: 0,
            index: HashTable::new(),
            hasher: RandomState::new(),
            changed: BTreeSet::new(),
            dropped: BTreeSet::new(),
        }
    }

    /// The table that has these entries, in whatever order they come. Where there are more than it may have, the oldest are
    /// dropped, and reported as such.
    pub fn restore(entries_max: usize, mut entries: Vec<Remembered>) -> Self {
        entries.sort_unstable_by_key(|entry| entry.first_offset);
        let mut table = Self::new(entries_max);
        entries.into_iter().for_each(|entry| table.insert(entry));
        table.changed.clear();
        table
    }

    /// What is known of a message and task.
    pub fn get(&self, message_id: &str, task: &str) -> Option<&Remembered> {
        self.find(message_id, task).map(|sequence| self.at(sequence))
    }

    /// Adds what was not known; offsets must come in order. The oldest entry makes room.
    pub fn insert(&mut self, entry: Remembered) {
        let (hash, sequence) = (self.hash(&entry.message_id, &entry.task), self.first + self.entries.len() as u64);
        self.dropped.remove(&entry.key());
        self.entries.push_back(entry);
        let Self { entries, first, hasher, index, .. } = self;
        index.insert_unique(hash, sequence, |&other| {
            let entry = &entries[(other - *first) as usize];
            hasher.hash_one((&entry.message_id, &entry.task))
        });
        self.changed.insert(sequence);
        while self.entries.len() > self.entries_max {
            self.drop_oldest();
        }
    }

    /// Changes what is known of a message and task; its key and first offset must stay.
    pub fn update(&mut self, message_id: &str, task: &str, with: impl FnOnce(&mut Remembered)) {
        if let Some(sequence) = self.find(message_id, task) {
            with(&mut self.entries[(sequence - self.first) as usize]);
            self.changed.insert(sequence);
        }
    }

    /// Whether a message and task is known and stays so while `more` entries come.
    pub fn will_know(&self, message_id: &str, task: &str, more: usize) -> bool {
        let dropped = (self.entries.len() + more).saturating_sub(self.entries_max) as u64;
        self.find(message_id, task).is_some_and(|sequence| sequence >= self.first + dropped)
    }

    /// What changed since the last call.
    pub fn take_changes(&mut self) -> Changes {
        let changed = std::mem::take(&mut self.changed);
        let dropped = std::mem::take(&mut self.dropped).into_iter().collect();
        Changes { changed: changed.into_iter().map(|sequence| self.at(sequence).clone()).collect(), dropped }
    }

    /// All entries, in order of their first offset.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Remembered> {
        self.entries.iter()
    }

    fn drop_oldest(&mut self) {
        let Some(oldest) = self.entries.front() else { return };
        let hash = self.hash(&oldest.message_id, &oldest.task);
        self.dropped.insert(oldest.key());
        if let Ok(found) = self.index.find_entry(hash, |&sequence| sequence == self.first) {
            found.remove();
        }
        self.changed.remove(&self.first);
        self.entries.pop_front();
        self.first += 1;
    }

    fn find(&self, message_id: &str, task: &str) -> Option<u64> {
        let is_of = |&sequence: &u64| self.at(sequence).is_of(message_id, task);
        self.index.find(self.hash(message_id, task), is_of).copied()
    }

    fn at(&self, sequence: u64) -> &Remembered {
        &self.entries[(sequence - self.first) as usize]
    }

    fn hash(&self, message_id: &str, task: &str) -> u64 {
        self.hasher.hash_one((message_id, task))
    }
}
