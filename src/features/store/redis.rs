//! User features from Redis: a JSON object a user, under `<prefix><user id>`.
//!
//! One Redis, or a proxy that looks like one. Not a Redis Cluster: one MGET would span its slots.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Cmd, Value};
use secrecy::ExposeSecret;
use tokio::runtime::Handle;

use super::breaker::Breaker;
use super::cache::{Cache, Found};
use super::config::{RedisConfig, StoreConfigError};
use super::link::Link;
use super::parse::Parser;
use super::{Asked, Failure, FeatureStore, FetchReport, USERS_MAX, UserRow, missing_row};
use crate::records::UserFeatures;

/// User features from Redis, behind a cache and a breaker. Lanes share one.
pub struct RedisStore {
    names: Vec<String>,
    key_prefix: String,
    parser: Parser,
    cache: Cache,
    breaker: Arc<Breaker>,
    link: Arc<Link>,
    runtime: Handle,
    missing: Arc<[f64]>,
}

impl RedisStore {
    /// A store of the features `names`. Tries to connect, for a second at most; a Redis that is down is no error, it
    /// is connected to when it comes. `runtime` must be multi-threaded and outlive the store; this call and
    /// [`fetch`](FeatureStore::fetch) block, so neither belongs in one of its tasks.
    pub fn connect(config: RedisConfig, names: Vec<String>, runtime: Handle) -> Result<Self, StoreConfigError> {
        config.check()?;
        let breaker = Arc::new(Breaker::new(config.breaker_limits()));
        let url = config.url.expose_secret();
        let link = Link::open(url, config.deadline, config.timeouts_max, Arc::clone(&breaker), runtime.clone())
            .map_err(StoreConfigError::Url)?;
        Ok(Self {
            parser: Parser::new(&names),
            missing: missing_row(names.len()),
            cache: Cache::new(config.cache_limits()),
            key_prefix: config.key_prefix,
            names,
            breaker,
            link,
            runtime,
        })
    }

    /// The best that the cache knows of a user: what the row is if the store does not answer.
    fn cached(&self, user: i64, now: Instant) -> UserRow {
        let row = |origin, age: Duration, values| UserRow {
            origin,
            age_ms: Some(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)),
            values,
        };
        match self.cache.find(user, now) {
            Found::Current { values, age } => row(UserFeatures::Cached, age, values),
            Found::Expired { values, age } => row(UserFeatures::Stale, age, values),
            Found::Unknown => self.nothing(UserFeatures::Unknown),
            Found::Nothing => self.nothing(UserFeatures::Default),
        }
    }

    /// Asks Redis for the users at the positions `missing` and puts its answers in their rows. When it fails the rows
    /// stay as they are.
    fn ask(&self, users: &[i64], missing: &[usize], rows: &mut [UserRow], report: &mut FetchReport) {
        let Some(permit) = self.breaker.permit(Instant::now()) else { return };
        let started = Instant::now();
        let answer = self.runtime.block_on(self.link.query(&self.mget(users, missing)));
        let answer = answer.and_then(|value| one_each(value, missing.len()));
        let now = Instant::now();
        report.asked = Some(Asked { elapsed: now - started, failure: answer.as_ref().err().copied() });
        let Ok(values) = answer else { return permit.failed(now) };
        permit.succeeded();
        let mut scratch = vec![f64::NAN; self.names.len()];
        for (&position, value) in missing.iter().zip(values) {
            rows[position] = self.read(users[position], &value, now, &mut scratch, report);
        }
    }

    fn mget(&self, users: &[i64], missing: &[usize]) -> Cmd {
        let mut key = self.key_prefix.clone();
        let mut command = Cmd::with_capacity(1 + missing.len(), 4 + missing.len() * (key.len() + 20));
        command.arg("MGET");
        for &position in missing {
            key.truncate(self.key_prefix.len());
            key += &users[position].to_string();
            command.arg(&key);
        }
        command
    }

    /// One answer of Redis to a row, kept in the cache when it keeps the contract.
    fn read(&self, user: i64, value: &Value, now: Instant, scratch: &mut [f64], report: &mut FetchReport) -> UserRow {
        let json = match value {
            // MGET says nil also of a key that holds no string.
            Value::Nil => {
                self.cache.keep(user, None, now);
                return self.nothing(UserFeatures::Unknown);
            }
            Value::BulkString(json) => json.as_slice(),
            _ => &[],
        };
        if self.parser.parse(json, scratch, |feature| report.violation(Some(feature))).is_err() {
            report.violation(None);
            return self.nothing(UserFeatures::Default);
        }
        let values: Arc<[f64]> = Arc::from(&*scratch);
        self.cache.keep(user, Some(Arc::clone(&values)), now);
        UserRow { origin: UserFeatures::Fresh, age_ms: Some(0), values }
    }

    fn nothing(&self, origin: UserFeatures) -> UserRow {
        UserRow { origin, age_ms: None, values: Arc::clone(&self.missing) }
    }
}

impl FeatureStore for RedisStore {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn fetch(&self, users: &[i64], rows: &mut Vec<UserRow>) -> FetchReport {
        debug_assert!(users.len() <= USERS_MAX, "{} users in one chunk", users.len());
        let now = Instant::now();
        rows.clear();
        rows.extend(users.iter().map(|&user| self.cached(user, now)));
        let missing: Vec<usize> = (0..rows.len()).filter(|&row| rows[row].origin.degraded().is_some()).collect();
        let mut report = FetchReport {
            hits: (rows.len() - missing.len()) as u64,
            misses: missing.len() as u64,
            ..FetchReport::default()
        };
        if !missing.is_empty() {
            self.ask(users, &missing, rows, &mut report);
        }
        report.count(rows);
        report.breaker = self.breaker.state();
        report
    }
}

/// The items of an answer to MGET, as many as keys were asked.
fn one_each(answer: Value, keys: usize) -> Result<Vec<Value>, Failure> {
    match answer {
        Value::Array(values) if values.len() == keys => Ok(values),
        _ => Err(Failure::Server),
    }
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").field("names", &self.names).field("breaker", &self.breaker).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn a_bad_url_is_refused_without_its_password() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        for url in [
            "hunter2",
            "http://u:hunter2@h",
            "redis://u:hunter2@h:port",
            "redis://u:hunter2@h/x",
            "rediss://u:hunter2@h",
        ] {
            let config = RedisConfig { url: url.into(), ..RedisConfig::default() };
            assert!(!format!("{config:?}").contains("hunter2"));
            let error = RedisStore::connect(config, Vec::new(), runtime.handle().clone()).unwrap_err();
            let chain = format!("{error} {error:?} {:?}", error.source());
            assert!(chain.contains("feature store's url") && !chain.contains("hunter2"), "{chain}");
        }
    }
}
