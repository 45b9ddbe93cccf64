//! Dead letters counted: by code, and by who or what sent them. Memory is bounded whatever is in the topic.

use clap::ValueEnum;
use serde::Serialize;

use super::{
    Letter, Origin, Timeline,
    top::{Add, Top},
};
use crate::{intake::Reject, tail::printable};

/// Buckets of a timeline.
const BUCKETS_MAX: i64 = 24;
/// Newest origins that are kept of each code.
const SAMPLES_MAX: usize = 5;
/// What stands for a value that is not there.
const NONE: &str = "(none)";

/// By what dead letters are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// The id of the schema that the value names.
    Schema,
    /// What the producer calls itself in its header.
    Client,
    /// How the key starts.
    KeyPrefix,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Schema, Self::Client, Self::KeyPrefix];
}

/// How many, when, and by which code.
#[derive(Clone, Debug)]
pub struct Count {
    /// All of them.
    pub count: u64,
    /// When the first was written, milliseconds since the epoch.
    pub first_ms: i64,
    /// When the last was written, milliseconds since the epoch.
    pub last_ms: i64,
    /// As [`Reject::ALL`] has them; the last is for codes that are not in the catalogue.
    pub codes: [u64; Reject::ALL.len() + 1],
    /// Over time.
    pub timeline: Timeline,
}

impl Default for Count {
    fn default() -> Self {
        let codes = [0; Reject::ALL.len() + 1];
        Self { count: 0, first_ms: i64::MAX, last_ms: i64::MIN, codes, timeline: Timeline::new(BUCKETS_MAX) }
    }
}

impl Count {
    fn one(&mut self, code: usize, time_ms: i64) {
        self.count += 1;
        self.codes[code] += 1;
        self.first_ms = self.first_ms.min(time_ms);
        self.last_ms = self.last_ms.max(time_ms);
        self.timeline.count(time_ms);
    }
}

impl Add for Count {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.codes.iter_mut().zip(other.codes).for_each(|(sum, count)| *sum += count);
        self.first_ms = self.first_ms.min(other.first_ms);
        self.last_ms = self.last_ms.max(other.last_ms);
        self.timeline.add(&other.timeline);
    }

    fn size(&self) -> u64 {
        self.count
    }
}

/// One code's dead letters.
#[derive(Clone, Debug, Default)]
pub struct Code {
    /// How many.
    pub count: Count,
    /// When and whence, the newest last.
    pub samples: Vec<(i64, Origin)>,
}

impl Code {
    fn sample(&mut self, time_ms: i64, origin: &Origin) {
        let full = self.samples.len() == SAMPLES_MAX;
        if full && self.samples.first().is_some_and(|(oldest_ms, _)| time_ms < *oldest_ms) {
            return;
        }
        let at = self.samples.partition_point(|(earlier_ms, _)| *earlier_ms <= time_ms);
        self.samples.insert(at, (time_ms, origin.clone()));
        if full {
            self.samples.remove(0);
        }
    }
}

/// Everything that is counted.
#[derive(Clone, Debug)]
pub struct Stats {
    key_prefix_chars: usize,
    /// All dead letters.
    pub total: Count,
    /// As [`Reject::ALL`] has them; the last is for codes that are not in the catalogue.
    pub codes: Vec<Code>,
    schemas: Top<Count>,
    clients: Top<Count>,
    key_prefixes: Top<Count>,
}

impl Stats {
    /// Counts keys by their first `key_prefix_chars` characters.
    pub fn new(key_prefix_chars: usize) -> Self {
        Self {
            key_prefix_chars,
            total: Count::default(),
            codes: vec![Code::default(); Reject::ALL.len() + 1],
            schemas: Top::default(),
            clients: Top::default(),
            key_prefixes: Top::default(),
        }
    }

    /// Counts one.
    pub fn count(&mut self, letter: &Letter<'_>) {
        let time_ms = letter.record.time_ms;
        let code = Reject::ALL.iter().position(|reject| Some(*reject) == letter.reject).unwrap_or(Reject::ALL.len());
        self.total.one(code, time_ms);
        self.codes[code].count.one(code, time_ms);
        if let Some(origin) = &letter.origin {
            self.codes[code].sample(time_ms, origin);
        }
        let schema = letter.schema_id.map(|id| id.to_string());
        self.schemas.entry(schema.as_deref().unwrap_or(NONE)).one(code, time_ms);
        self.clients.entry(letter.client.as_deref().unwrap_or(NONE)).one(code, time_ms);
        let mut prefix = letter.record.key.map(|key| printable(key, self.key_prefix_chars));
        if let Some(cut) = prefix.as_mut().filter(|prefix| prefix.ends_with('…')) {
            cut.pop();
        }
        self.key_prefixes.entry(prefix.as_deref().unwrap_or(NONE)).one(code, time_ms);
    }

    /// The counts by `dimension`.
    pub fn by(&self, dimension: Dimension) -> &Top<Count> {
        match dimension {
            Dimension::Schema => &self.schemas,
            Dimension::Client => &self.clients,
            Dimension::KeyPrefix => &self.key_prefixes,
        }
    }
}
