//! The idempotency window of a partition: which identities already have a verdict.
//!
//! ```text
//! on assignment:  verdicts topic ──(up to the high watermark captured after committed() is known)──► Window
//! per message:    Identity ──► Pending (this transaction) ──► Window ──► Fresh | Repeat | Conflict
//! on commit:      Pending ──► Window            on abort: Pending is dropped with its transaction
//! ```
//!
//! The only store is the `verdicts` topic itself, so that the window and the verdicts can never disagree. Dead letters
//! never enter it.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
};

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;
use sha2::{Digest, Sha256};

use crate::hash;

/// (user id, key, revision) of a message, as the first 16 bytes of
/// SHA-256(user id big-endian 8 bytes, revision big-endian 4 bytes, key UTF-8). In hex it is the `verdict_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity([u8; 16]);

impl Identity {
    /// The identity of a message of `user_id` with idempotency key `key`.
    pub fn new(user_id: i64, revision: i32, key: &str) -> Self {
        let hash = Sha256::new()
            .chain_update(user_id.to_be_bytes())
            .chain_update(revision.to_be_bytes())
            .chain_update(key.as_bytes())
            .finalize();
        let mut first = [0; 16];
        first.copy_from_slice(&hash[..16]);
        Self(first)
    }

    /// Reads a `verdict_id`; none when it is not 32 hex digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|bits| Self(bits.to_be_bytes()))
    }

    /// As a `verdict_id`, UTF-8: 32 lower-case hex digits.
    pub fn hex(self) -> [u8; 32] {
        hash::hex(self.0)
    }

    /// It is a hash already.
    fn hash(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.hex()).unwrap_or_default())
    }
}

/// What the window keeps of a verdict: 40 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose verdict.
    pub identity: Identity,
    /// First 8 of the 16 bytes of the payload hash.
    pub payload: u64,
    /// Offset of the judged message.
    pub source_offset: i64,
    /// When it was judged, milliseconds since the epoch.
    pub decided_at_ms: i64,
}

impl Entry {
    /// The entry of a verdict.
    pub fn new(identity: Identity, payload_hash: &[u8; 16], source_offset: i64, decided_at_ms: i64) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = *payload_hash;
        Self { identity, payload: u64::from_be_bytes([a, b, c, d, e, f, g, h]), source_offset, decided_at_ms }
    }

    /// What a later message with the same identity is.
    fn seen_again_by(&self, later: &Self) -> Seen {
        if self.source_offset == later.source_offset {
            // A record that is read again is no repeat of itself: its verdict may have been aborted.
            Seen::Fresh
        } else if self.payload == later.payload {
            Seen::Repeat
        } else {
            Seen::Conflict
        }
    }
}

/// What the window says about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// No verdict yet.
    Fresh,
    /// It has one: counted, not judged again.
    Repeat,
    /// It has one, on another payload.
    Conflict,
}

/// How far back a window reaches: whichever is reached first.
#[derive(Clone, Copy, Debug)]
pub struct WindowLimits {
    /// By verdict time.
    pub age_ms_max: i64,
    /// Number of keys.
    pub keys_max: usize,
}

/// The committed identities of one partition, oldest first; about 50 bytes a key.
pub struct Window {
    limits: WindowLimits,
    entries: VecDeque<Entry>,
    /// Sequence number (wrapping) of `entries[0]`.
    first: u32,
    /// Sequence numbers by identity: the newest entry of each.
    index: HashTable<u32>,
}

impl Window {
    /// An empty window.
    pub fn new(limits: WindowLimits) -> Self {
        Self { limits, entries: VecDeque::new(), first: 0, index: HashTable::new() }
    }

    /// Whether `entry`'s identity has a verdict inside the window.
    pub fn seen(&self, entry: &Entry) -> Seen {
        let oldest = entry.decided_at_ms - self.limits.age_ms_max;
        match self.find(entry.identity) {
            Some(earlier) if earlier.decided_at_ms >= oldest => earlier.seen_again_by(entry),
            _ => Seen::Fresh,
        }
    }

    /// Adds a committed verdict and drops what the key limit no longer holds.
    pub fn admit(&mut self, entry: Entry) {
        let sequence = self.first.wrapping_add(self.entries.len() as u32);
        self.entries.push_back(entry);
        let (entries, first) = (&self.entries, self.first);
        let at = |sequence: u32| &entries[sequence.wrapping_sub(first) as usize];
        match self.index.find_mut(entry.identity.hash(), |&other| at(other).identity == entry.identity) {
            Some(newest) => *newest = sequence,
            None => {
                self.index.insert_unique(entry.identity.hash(), sequence, |&other| at(other).identity.hash());
            }
        }
        while self.entries.len() > self.limits.keys_max {
            self.evict();
        }
    }

    /// Drops what is too old at `now_ms`, the time of this process: another's clock may be ahead.
    pub fn expire(&mut self, now_ms: i64) {
        while self.entries.front().is_some_and(|oldest| oldest.decided_at_ms < now_ms - self.limits.age_ms_max) {
            self.evict();
        }
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How far back a repeat is recognised at `now_ms`, seconds: the age limit, or less when the key limit is reached.
    pub fn reach_seconds(&self, now_ms: i64) -> f64 {
        let age_ms = match self.entries.front() {
            Some(oldest) if self.entries.len() >= self.limits.keys_max => {
                (now_ms - oldest.decided_at_ms).clamp(0, self.limits.age_ms_max)
            }
            _ => self.limits.age_ms_max,
        };
        age_ms as f64 / 1000.0
    }

    fn find(&self, identity: Identity) -> Option<&Entry> {
        let at = |sequence: u32| &self.entries[sequence.wrapping_sub(self.first) as usize];
        self.index.find(identity.hash(), |&sequence| at(sequence).identity == identity).map(|&sequence| at(sequence))
    }

    fn evict(&mut self) {
        let Some(oldest) = self.entries.front() else { return };
        // An identity that was judged again later is indexed by its newer entry, which stays.
        if let Ok(found) = self.index.find_entry(oldest.identity.hash(), |&sequence| sequence == self.first) {
            found.remove();
        }
        self.entries.pop_front();
        self.first = self.first.wrapping_add(1);
    }
}

/// The identities that one open transaction adds. It is part of the transaction's one value, so an abort drops it.
#[derive(Default)]
pub struct Pending {
    entries: Vec<(i32, Entry)>,
    index: HashMap<(i32, Identity), usize, FxBuildHasher>,
}

impl Pending {
    /// Whether this transaction already judges `entry`'s identity in `partition`.
    pub fn seen(&self, partition: i32, entry: &Entry) -> Seen {
        match self.index.get(&(partition, entry.identity)) {
            Some(&at) => self.entries[at].1.seen_again_by(entry),
            None => Seen::Fresh,
        }
    }

    /// Adds a verdict of this transaction.
    pub fn add(&mut self, partition: i32, entry: Entry) {
        self.index.insert((partition, entry.identity), self.entries.len());
        self.entries.push((partition, entry));
    }

    /// What the transaction added, in order.
    pub fn into_entries(self) -> Vec<(i32, Entry)> {
        self.entries
    }

    /// The same, but keeps the memory for another transaction.
    pub fn drain(&mut self) -> impl Iterator<Item = (i32, Entry)> {
        self.index.clear();
        self.entries.drain(..)
    }
}

/// The windows of the partitions that a lane holds.
pub struct Windows {
    limits: WindowLimits,
    by_partition: HashMap<i32, Window, FxBuildHasher>,
}

impl Windows {
    /// No partition yet.
    pub fn new(limits: WindowLimits) -> Self {
        Self { limits, by_partition: HashMap::default() }
    }

    /// The limits of every window.
    pub fn limits(&self) -> WindowLimits {
        self.limits
    }

    /// Whether `entry`'s identity has a verdict, committed or in `pending`.
    pub fn seen(&self, pending: &Pending, partition: i32, entry: &Entry) -> Seen {
        match pending.seen(partition, entry) {
            Seen::Fresh => self.by_partition.get(&partition).map_or(Seen::Fresh, |window| window.seen(entry)),
            seen => seen,
        }
    }

    /// Takes a restored window.
    pub fn insert(&mut self, partition: i32, window: Window) {
        self.by_partition.insert(partition, window);
    }

    /// Forgets a partition that is no longer ours.
    pub fn remove(&mut self, partition: i32) {
        self.by_partition.remove(&partition);
    }

    /// Adds what a transaction committed.
    pub fn admit(&mut self, entries: impl IntoIterator<Item = (i32, Entry)>) {
        for (partition, entry) in entries {
            if let Some(window) = self.by_partition.get_mut(&partition) {
                window.admit(entry);
            }
        }
    }

    /// Drops what is too old at `now_ms`.
    pub fn expire(&mut self, now_ms: i64) {
        self.by_partition.values_mut().for_each(|window| window.expire(now_ms));
    }

    /// Every partition with its window.
    pub fn iter(&self) -> impl Iterator<Item = (i32, &Window)> {
        self.by_partition.iter().map(|(partition, window)| (*partition, window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: WindowLimits = WindowLimits { age_ms_max: 1_000, keys_max: 3 };

    fn entry(key: &str, payload: u8, source_offset: i64, decided_at_ms: i64) -> Entry {
        Entry::new(Identity::new(7, 0, key), &[payload; 16], source_offset, decided_at_ms)
    }

    #[test]
    fn the_identity_is_the_documented_hash() {
        // python3 -c "import hashlib;print(hashlib.sha256((7).to_bytes(8,'big')+(1).to_bytes(4,'big')+b'key').hexdigest()[:32])"
        assert_eq!(Identity::new(7, 1, "key").to_string(), "759d2974f69826d143964c2454616ce6");
        let identity = Identity::new(7, 1, "key");
        assert_eq!(Identity::from_hex(&identity.to_string()), Some(identity));
        assert_eq!(Identity::from_hex("+0000000000000000000000000000001"), None);
    }

    #[test]
    fn repeats_conflicts_and_the_record_itself() {
        let mut window = Window::new(LIMITS);
        window.admit(entry("a", 1, 10, 0));
        assert_eq!(window.seen(&entry("a", 1, 11, 500)), Seen::Repeat);
        assert_eq!(window.seen(&entry("a", 2, 11, 500)), Seen::Conflict);
        assert_eq!(window.seen(&entry("a", 1, 10, 500)), Seen::Fresh, "the same offset");
        assert_eq!(window.seen(&entry("a", 1, 11, 1_001)), Seen::Fresh, "outside by time");
        assert_eq!(window.seen(&entry("b", 1, 11, 500)), Seen::Fresh);
    }

    #[test]
    fn the_key_limit_evicts_the_oldest_and_keeps_a_newer_entry_of_the_same_identity() {
        let mut window = Window::new(LIMITS);
        window.admit(entry("a", 1, 1, 0));
        window.admit(entry("b", 1, 2, 1));
        window.admit(entry("a", 1, 3, 2));
        window.admit(entry("c", 1, 4, 3));
        assert_eq!(window.len(), 3);
        assert_eq!(window.seen(&entry("a", 1, 9, 4)), Seen::Repeat, "its newer entry stays");
        window.admit(entry("d", 1, 5, 4));
        assert_eq!(window.seen(&entry("b", 1, 9, 5)), Seen::Fresh, "evicted");
        assert_eq!(window.reach_seconds(1_002), 1.0);
        assert_eq!(window.reach_seconds(502), 0.5);
    }

    #[test]
    fn sequence_numbers_may_wrap() {
        let mut window = Window::new(LIMITS);
        window.first = u32::MAX - 1;
        for offset in 0..10 {
            window.admit(entry(&offset.to_string(), 1, offset, offset));
        }
        assert_eq!(window.seen(&entry("9", 1, 99, 10)), Seen::Repeat);
        assert_eq!(window.seen(&entry("6", 1, 99, 10)), Seen::Fresh);
        assert_eq!(window.index.len(), 3);
    }

    #[test]
    fn a_transaction_sees_its_own_identities_and_partitions_do_not_mix() {
        let mut windows = Windows::new(LIMITS);
        windows.insert(0, Window::new(LIMITS));
        let mut pending = Pending::default();
        pending.add(0, entry("a", 1, 1, 0));
        assert_eq!(windows.seen(&pending, 0, &entry("a", 1, 2, 0)), Seen::Repeat);
        assert_eq!(windows.seen(&pending, 1, &entry("a", 1, 2, 0)), Seen::Fresh);
        windows.admit(pending.into_entries());
        assert_eq!(windows.seen(&Pending::default(), 0, &entry("a", 2, 2, 0)), Seen::Conflict);
    }
}
