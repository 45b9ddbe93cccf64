//! User features from Redis: a JSON object a user, under `<prefix><user id>`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::Value;
use tokio::runtime::Handle;

use super::breaker::BreakerState;
use super::cache::{Cache, Found};
use super::cluster::Cluster;
use super::config::{RedisConfig, StoreConfigError, Topology};
use super::link::{Link, Options, Place};
use super::parse::Parser;
use super::request::{Answers, Keys, refusal};
use super::sentinel::Sentinels;
use super::servers::Servers;
use super::violations::ViolationLog;
use super::{Asked, Failure, FeatureStore, FetchReport, USERS_MAX, UserRow, missing_row};
use crate::records::UserFeatures;

/// User features from Redis, behind a cache and a breaker. Lanes share one.
pub struct RedisStore {
    names: Vec<String>,
    keys: Keys,
    deadline: Duration,
    parser: Parser,
    cache: Cache,
    route: Route,
    runtime: Handle,
    violations: ViolationLog,
    missing: Arc<[f64]>,
}

/// The way to the servers.
pub(super) enum Route {
    /// One server, wherever it is.
    One(Arc<Link>),
    /// Of several the one that has the user's slot.
    Cluster(Arc<Cluster>),
}

impl RedisStore {
    /// A store of the features `names`. Tries to connect, for a second at most; a Redis that is down is no error, it
    /// is connected to when it comes. `runtime` must be multi-threaded and outlive the store; this call and
    /// [`fetch`](FeatureStore::fetch) block, so neither belongs in one of its tasks.
    ///
    /// # Errors
    /// [`StoreConfigError`], for what cannot be meant.
    pub fn connect(config: RedisConfig, names: Vec<String>, runtime: Handle) -> Result<Self, StoreConfigError> {
        config.check()?;
        let keys = Keys::new(config.key_prefix.clone());
        let route = Route::new(&config, keys.clone(), &runtime)?;
        runtime.block_on(route.start());
        Ok(Self {
            parser: Parser::new(&names),
            missing: missing_row(names.len()),
            cache: Cache::new(config.cache_limits()),
            violations: ViolationLog::new(&names),
            deadline: config.deadline,
            keys,
            names,
            route,
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

    /// Asks Redis for the users at the positions `missing` and puts its answers in their rows. Rows that it does not
    /// answer stay as they are.
    fn ask(&self, users: &[i64], missing: &[usize], rows: &mut [UserRow], report: &mut FetchReport) {
        let asked: Vec<i64> = missing.iter().map(|&position| users[position]).collect();
        let started = Instant::now();
        let answers = self.runtime.block_on(self.route.look_up(&self.keys, &asked, started + self.deadline));
        let now = Instant::now();
        let mut failure = answers.failure;
        let mut scratch = vec![f64::NAN; self.names.len()];
        for (&position, value) in missing.iter().zip(answers.values) {
            match value {
                Some(value) if refusal(&value).is_none() => {
                    rows[position] = self.read(users[position], &value, now, &mut scratch, report);
                }
                Some(_) => failure = failure.or(Some(Failure::Server)),
                None => {}
            }
        }
        report.asked = answers.asked.then_some(Asked { elapsed: now - started, failure });
    }

    /// One answer of Redis to a row, kept in the cache when it keeps the contract.
    fn read(&self, user: i64, value: &Value, now: Instant, scratch: &mut [f64], report: &mut FetchReport) -> UserRow {
        let json = match value {
            // GETRANGE says the same of no key and of an empty value.
            Value::BulkString(json) if json.is_empty() => {
                self.cache.keep(user, None, now);
                return self.nothing(UserFeatures::Unknown);
            }
            Value::BulkString(json) => json.as_slice(),
            // WRONGTYPE: no string.
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
        self.violations.note(&report.violations, now);
        report.breaker = self.route.breaker_state();
        report
    }
}

impl Route {
    /// A way that nobody has gone yet.
    pub(super) fn new(config: &RedisConfig, keys: Keys, runtime: &Handle) -> Result<Self, StoreConfigError> {
        let servers = Servers::try_new(config)?;
        let options = Options::new(config, runtime.clone());
        let place = match config.topology {
            Topology::Single => Place::Single(servers.listed[0].clone()),
            Topology::Sentinel => Place::Master(Sentinels::new(servers, config.sentinel.master.clone())),
            Topology::Cluster => return Ok(Self::Cluster(Cluster::new(servers, keys, options))),
        };
        Ok(Self::One(Link::new(place, options)))
    }

    async fn start(&self) {
        match self {
            Self::One(link) => Arc::clone(link).start().await,
            Self::Cluster(cluster) => Arc::clone(cluster).start().await,
        }
    }

    async fn look_up(&self, keys: &Keys, users: &[i64], deadline: Instant) -> Answers {
        let link = match self {
            Self::Cluster(cluster) => return cluster.look_up(users, deadline).await,
            Self::One(link) => link,
        };
        let mut answers = Answers::default();
        match link.ask(&keys.request(users.iter().copied(), false), deadline).await {
            None => {}
            Some(Ok(values)) => {
                answers.asked = true;
                answers.values = values.into_iter().map(Some).collect();
            }
            Some(Err(failure)) => answers.fail(failure),
        }
        answers
    }

    fn breaker_state(&self) -> BreakerState {
        match self {
            Self::One(link) => link.breaker_state(),
            Self::Cluster(cluster) => cluster.breaker_state(),
        }
    }
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore")
            .field("names", &self.names)
            .field("breaker", &self.route.breaker_state())
            .finish_non_exhaustive()
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
            "rediss://u:hunter2@h#x",
        ] {
            let config = RedisConfig { url: url.into(), ..RedisConfig::default() };
            assert!(!format!("{config:?}").contains("hunter2"));
            let error = RedisStore::connect(config, Vec::new(), runtime.handle().clone()).unwrap_err();
            let chain = format!("{error} {error:?} {:?}", error.source());
            assert!(chain.contains("feature store's url") && !chain.contains("hunter2"), "{chain}");
        }
    }
}
