//! User features: one look-up for a chunk, and what to say when the store cannot answer.
//!
//! ```text
//!  user ─► cache ── within its TTL ───────────────────────────────────────────► CACHED   (known) or UNKNOWN
//!            │ past its TTL, or nothing
//!            ▼
//!          breaker ─ closed ─► one round trip for the chunk ─ an object ──────► FRESH
//!            │ open                 │         │         no such key ──────────► UNKNOWN  not degraded
//!            │                      │         └ not an object of the contract ► DEFAULT  a contract violation
//!            ▼                      ▼ failed, or late
//!          the cache still holds the values, past their TTL ──────────────────► STALE    with their age
//!            │ nothing
//!            └────────────────────────────────────────────────────────────────► DEFAULT
//! ```
//!
//! Losing the store degrades rows, each flagged; it never stops the stream. A dead store costs a lane at most one
//! deadline per back-off of the breaker, not one per chunk.
//!
//! - [`RedisStore`]: the ladder above
//! - `cache`, `parse`: what is known of a user; a value to numbers
//! - `servers`: configuration to addresses, credentials, certificates
//! - `request`: what is sent for a user
//! - `breaker`, `link`: one server, its connection, and when to leave it alone
//! - `sentinel`, `cluster`: which server
//! - `probe`: the same servers, only looked at
//! - `violations`: bad values, logged once a minute

mod breaker;
mod cache;
mod cluster;
mod config;
mod link;
mod memory;
mod parse;
mod probe;
mod redis;
mod request;
mod sentinel;
mod servers;
mod violations;

use std::sync::Arc;
use std::time::Duration;

pub use breaker::BreakerState;
pub use config::{RedisConfig, SentinelConfig, StoreConfigError, TlsFiles, Topology};
pub use memory::MemoryStore;
pub use parse::{NotANumber, NotAnObject, Parser, user_values};
pub(crate) use probe::Probe;
pub use redis::RedisStore;

use crate::records::UserFeatures;

/// A chunk has at most so many distinct users.
pub const USERS_MAX: usize = 512;

/// The features of one user.
#[derive(Clone, Debug)]
pub struct UserRow {
    /// Where they came from; never `UNUSED`, which the caller sets when no model asks.
    pub origin: UserFeatures,
    /// How long ago the store gave them, milliseconds; none for `DEFAULT` and `UNKNOWN`.
    pub age_ms: Option<i64>,
    /// In the order of [`FeatureStore::names`]; NaN is missing. `DEFAULT` and `UNKNOWN` are all NaN.
    pub values: Arc<[f64]>,
}

/// A source of user features.
pub trait FeatureStore: Send + Sync {
    /// Names of the user features, the order of [`UserRow::values`].
    fn names(&self) -> &[String];

    /// Looks up a chunk's distinct users, at most [`USERS_MAX`]. Clears `rows` and fills it: `rows[i]` answers
    /// `users[i]`. Never fails: losing the store degrades rows. Blocks for at most the store's deadline.
    ///
    /// Not to be called from a task of an async runtime.
    fn fetch(&self, users: &[i64], rows: &mut Vec<UserRow>) -> FetchReport;
}

/// What one [`FeatureStore::fetch`] did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchReport {
    /// Users that the cache answered: values within their TTL, or that there is no such user.
    pub hits: u64,
    /// Users that it did not.
    pub misses: u64,
    /// How many rows came from where.
    pub origins: Origins,
    /// Values that broke the contract, by feature; empty in good times.
    pub violations: Vec<Violation>,
    /// The request to the store, if the cache did not answer everything and the breaker let it pass.
    pub asked: Option<Asked>,
    /// The breaker afterwards.
    pub breaker: BreakerState,
}

/// Rows by [`UserFeatures`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// Read from the store now.
    pub fresh: u64,
    /// From the cache, within the TTL.
    pub cached: u64,
    /// From the cache, past the TTL, because the store did not answer.
    pub stale: u64,
    /// Nothing known and the store did not answer, or what it answered was no object.
    pub default: u64,
    /// The store has no such user.
    pub unknown: u64,
}

/// One request to the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// How long the lane waited for it.
    pub elapsed: Duration,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
}

/// Why a request to the store failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is no connection; one is being made in the background.
    Disconnected,
    /// No answer within the deadline.
    Deadline,
    /// The connection broke.
    Connection,
    /// The server answered with an error, such as LOADING or NOPERM.
    Server,
}

/// Values that broke the feature contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Index into [`FeatureStore::names`]; none means the whole row was no JSON object.
    pub feature: Option<usize>,
    /// How many.
    pub count: u64,
}

impl FetchReport {
    fn count(&mut self, rows: &[UserRow]) {
        for row in rows {
            match row.origin {
                UserFeatures::Fresh => self.origins.fresh += 1,
                UserFeatures::Cached => self.origins.cached += 1,
                UserFeatures::Stale => self.origins.stale += 1,
                UserFeatures::Default => self.origins.default += 1,
                UserFeatures::Unknown => self.origins.unknown += 1,
                // A store answers or degrades; that nothing was asked is the caller's word.
                UserFeatures::Unused => {}
            }
        }
    }

    fn violation(&mut self, feature: Option<usize>) {
        match self.violations.iter_mut().find(|known| known.feature == feature) {
            Some(known) => known.count += 1,
            None => self.violations.push(Violation { feature, count: 1 }),
        }
    }
}

/// A row that knows nothing.
fn missing_row(features: usize) -> Arc<[f64]> {
    std::iter::repeat_n(f64::NAN, features).collect()
}
