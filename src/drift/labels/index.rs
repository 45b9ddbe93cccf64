//! Recent predictions by message id, in a fixed piece of memory.
//!
//! ```text
//!  heads, by hash ─┐          ┌──────────── link ───────────┐
//!                  ▼          ▼                             │
//!  ring:  ... │ oldest │ ... │ of the same head, older │ ... │ newest │ free ...
//!             └ dropped first: a link or head that points before it ends its chain
//! ```
//!
//! A log that is its own hash table (as Chandramouli et al. 2018, "FASTER", keep theirs): an entry is written once, and is
//! gone when the ring comes round to it, so that nothing is ever deleted from a table. Binary: 80 bytes an entry; eight
//! classes: 128; and 4 to 8 for its head.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Found, Judged, Models, Rank, Said, Wanted};
use crate::records::PredictionView;

/// Words (8 bytes) before what an arm said: length and partition, link, key, offset, time.
const HEAD_WORDS: usize = 6;
/// Words of an entry of a binary model, the smallest that is common: there is a head for each.
const ENTRY_WORDS: usize = HEAD_WORDS + 4;
/// Pairs of a model and an arm that can be told apart; the predictions of others are read back.
const ARMS_MAX: usize = 256;
/// Entries that a search looks at: a message id that is used without end must not hold everybody up.
const CHAIN_MAX: usize = 1_024;
/// Flags in a word.
const WORD_BITS: usize = u64::BITS as usize;

/// An index that the lane of the predictions writes and that of the labels asks; cloning is cheap.
#[derive(Clone)]
pub struct Index(Arc<Mutex<Ring>>);

impl Index {
    /// Of at most `bytes_max` bytes, taken from the system as they are written.
    pub fn new(models: Arc<Models>, bytes_max: usize) -> Self {
        Self(Arc::new(Mutex::new(Ring::new(models, bytes_max))))
    }

    /// Who adds the predictions of a chunk. Nobody else gets at the index until it is dropped.
    pub fn writer(&self) -> IndexWriter<'_> {
        IndexWriter(self.lock())
    }

    /// What answers each label best of what is here, and how well.
    pub fn find<'w>(&self, wanted: impl IntoIterator<Item = &'w Wanted<'w>>) -> Vec<Option<(Rank, Found)>> {
        let ring = self.lock();
        wanted.into_iter().map(|wanted| ring.find(wanted)).collect()
    }

    /// How many predictions there are.
    pub fn len(&self) -> usize {
        self.lock().entries
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    // A panic elsewhere leaves at worst an entry that was not finished, behind the end.
    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds predictions to an [`Index`].
pub struct IndexWriter<'a>(MutexGuard<'a, Ring>);

impl IndexWriter<'_> {
    /// Adds a prediction, and drops as many of the oldest as need be. One of which nothing can be read is passed over.
    pub fn insert(&mut self, prediction: &PredictionView<'_>) {
        self.0.insert(prediction);
    }
}

struct Ring {
    models: Arc<Models>,
    /// Model, by its place, and arm of what was said: an entry names them by their place here.
    arms: Vec<(usize, String)>,
    /// Position of the newest entry of each hash.
    heads: Box<[u64]>,
    /// Position p is in `words[p % words.len()]`; positions start at 1 and never come again.
    words: Box<[u64]>,
    oldest: u64,
    end: u64,
    entries: usize,
    /// The entry that is being made.
    made: Vec<u64>,
    hashers: [RandomState; 2],
}

/// An entry without what was said.
struct Head {
    words: u64,
    link: u64,
    key: [u64; 2],
    judged: Judged,
}

impl Ring {
    fn new(models: Arc<Models>, bytes_max: usize) -> Self {
        let all = bytes_max / size_of::<u64>();
        let heads = match all / (ENTRY_WORDS + 1) {
            0 => 0,
            some => 1 << some.ilog2(),
        };
        Self {
            models,
            arms: Vec::new(),
            heads: vec![0; heads].into(),
            words: vec![0; all - heads].into(),
            oldest: 1,
            end: 1,
            entries: 0,
            made: Vec::new(),
            hashers: [RandomState::new(), RandomState::new()],
        }
    }

    /// 128 bits of SipHash under secret keys: a message is taken for one of n others with a probability of n / 2^128, and
    /// nobody outside can choose ids that meet.
    fn key(&self, message_id: &str) -> [u64; 2] {
        self.hashers.each_ref().map(|hasher| hasher.hash_one(message_id))
    }

    fn insert(&mut self, prediction: &PredictionView<'_>) {
        let key = self.key(prediction.message_id);
        let Judged { partition, offset, decided_at } = Judged::from(prediction);
        let Some(bucket) = self.bucket(key) else { return };
        self.made.clear();
        self.made.extend([0, self.heads[bucket], key[0], key[1], offset as u64, decided_at as u64]);
        if !self.say(prediction) || self.made.len() == HEAD_WORDS || self.made.len() > self.words.len() {
            return;
        }
        let words = self.made.len() as u64;
        self.made[0] = words << 32 | u64::from(partition as u32);
        while self.end + words - self.oldest > self.words.len() as u64 {
            self.oldest += self.words[self.place(self.oldest)] >> 32;
            self.entries -= 1;
        }
        self.heads[bucket] = self.end;
        self.write();
        self.end += words;
        self.entries += 1;
    }

    /// False when there are too many arms.
    fn say(&mut self, prediction: &PredictionView<'_>) -> bool {
        let Self { models, arms, made, .. } = self;
        for (model_at, model, said) in models.readable(prediction) {
            let known = arms.iter().position(|(model, arm)| *model == model_at && arm == said.arm);
            let Some(arm) = known.or_else(|| {
                (arms.len() < ARMS_MAX).then(|| arms.push((model_at, said.arm.to_owned())))?;
                Some(arms.len() - 1)
            }) else {
                return false;
            };
            made.push(arm as u64);
            let flags = made.len();
            made.resize(flags + model.labels.len().div_ceil(WORD_BITS), 0);
            model.chosen(&said).for_each(|label| made[flags + label / WORD_BITS] |= 1 << (label % WORD_BITS));
            made.extend(said.calibrated().map(f64::to_bits));
        }
        true
    }

    fn find(&self, wanted: &Wanted<'_>) -> Option<(Rank, Found)> {
        let key = self.key(wanted.message_id);
        let mut best: Option<(Rank, Found)> = None;
        let mut at = self.heads[self.bucket(key)?];
        for _ in 0..CHAIN_MAX {
            if at < self.oldest {
                break;
            }
            let head = self.head(at);
            let rank = wanted.hints.rank(head.judged).filter(|_| head.key == key);
            if let Some(rank) = rank.filter(|rank| best.as_ref().is_none_or(|(best, _)| rank < best)) {
                let said = self.said(at, head.words as usize, wanted.task);
                if !said.is_empty() {
                    best = Some((rank, Found { judged: head.judged, said }));
                }
            }
            at = head.link;
        }
        best
    }

    fn said(&self, at: u64, words: usize, task: &str) -> Vec<Said> {
        let (mut said, mut words) = (Vec::new(), self.read(at).take(words).skip(HEAD_WORDS));
        while let Some((place, arm)) = words.next().and_then(|arm| self.arms.get(arm as usize)) {
            let Some(model) = self.models.at(*place) else { break };
            let labels = model.labels.len();
            let flags: Vec<u64> = words.by_ref().take(labels.div_ceil(WORD_BITS)).collect();
            let probabilities = words.by_ref().take(labels).map(f64::from_bits).collect();
            if model.task == task {
                let is_said = |label: usize| flags[label / WORD_BITS] >> (label % WORD_BITS) & 1 == 1;
                let flags = (0..labels).map(is_said).collect();
                said.push(Said { arm: arm.clone(), digest: model.digest, probabilities, said: flags });
            }
        }
        said
    }

    fn bucket(&self, key: [u64; 2]) -> Option<usize> {
        (!self.heads.is_empty()).then(|| key[0] as usize & (self.heads.len() - 1))
    }

    fn head(&self, at: u64) -> Head {
        let mut words = self.read(at);
        let mut next = || words.next().unwrap_or_default();
        let (first, link, key) = (next(), next(), [next(), next()]);
        let judged = Judged { partition: first as u32 as i32, offset: next() as i64, decided_at: next() as i64 };
        Head { words: first >> 32, link, key, judged }
    }

    fn place(&self, at: u64) -> usize {
        (at % self.words.len() as u64) as usize
    }

    fn read(&self, at: u64) -> impl Iterator<Item = u64> {
        self.words[self.place(at)..].iter().chain(&self.words).copied()
    }

    fn write(&mut self) {
        let place = self.place(self.end);
        let (before, after) = self.made.split_at(self.made.len().min(self.words.len() - place));
        self.words[place..place + before.len()].copy_from_slice(before);
        self.words[..after.len()].copy_from_slice(after);
    }
}

#[cfg(test)]
mod tests;
