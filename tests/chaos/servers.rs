//! What the processes depend on, and how it breaks and comes back.

use std::time::{Duration, Instant};

use crate::{cluster::Cluster, plan::Action, redis_server::Redis, registry::Registry};

/// After something came back, so long are its effects no surprise.
const TROUBLED_MS: Duration = Duration::from_secs(20);
/// A broker that does not stop in good order within this is killed.
const STOP_MS_MAX: Duration = Duration::from_secs(40);
const USERS: i64 = 300;

#[derive(Clone, Copy)]
enum Down {
    No,
    /// Asked to stop; started when it has.
    Stopping {
        since: Instant,
    },
    /// To be started then.
    Until(Instant),
    /// Started, and does not answer yet.
    Starting,
}

pub struct Servers {
    pub cluster: Cluster,
    pub registry: Registry,
    redis: Redis,
    brokers: Vec<Down>,
    registry_down: Down,
    redis_down: Down,
    /// When a broker was last seen broken.
    broken: Option<Instant>,
}

impl Servers {
    /// Starts everything, all users in Redis.
    pub fn start(brokers: usize) -> Self {
        let (registry, redis) = (Registry::start(), Redis::start());
        fill(&redis);
        let cluster = Cluster::start(brokers);
        let start = Instant::now();
        while !registry.answers() {
            assert!(start.elapsed() < Duration::from_secs(120), "the registry does not answer");
            std::thread::sleep(Duration::from_millis(200));
        }
        let brokers = vec![Down::No; brokers];
        Self { cluster, registry, redis, brokers, registry_down: Down::No, redis_down: Down::No, broken: None }
    }

    pub fn redis_url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.redis.port)
    }

    /// Does `action`; false when it cannot be done now.
    pub fn suffer(&mut self, action: Action, lasts: Duration, victim: usize) -> bool {
        let until = Down::Until(Instant::now() + lasts);
        match action {
            // Two at once would leave fewer replicas than are asked for: waiting, not a fault of anybody.
            Action::BrokerRestart | Action::BrokerKill if self.brokers.iter().any(|down| !matches!(down, Down::No)) => {
                return false;
            }
            Action::BrokerRestart => {
                let broker = victim % self.brokers.len();
                self.cluster.brokers[broker].ask_to_stop();
                self.brokers[broker] = Down::Stopping { since: Instant::now() };
            }
            Action::BrokerKill => {
                let broker = victim % self.brokers.len();
                self.cluster.brokers[broker].kill();
                self.brokers[broker] = until;
            }
            Action::RegistryKill if matches!(self.registry_down, Down::No) => {
                self.registry.kill();
                self.registry_down = until;
            }
            Action::RedisKill if matches!(self.redis_down, Down::No) => {
                self.redis.kill();
                self.redis_down = until;
            }
            _ => return false,
        }
        true
    }

    /// Starts what is due.
    pub fn tick(&mut self) {
        for (broker, down) in self.cluster.brokers.iter_mut().zip(&mut self.brokers) {
            *down = match *down {
                Down::Stopping { .. } if broker.has_ended() => Down::Until(Instant::now()),
                Down::Stopping { since } if since.elapsed() > STOP_MS_MAX => {
                    eprintln!("chaos: a broker did not stop within {STOP_MS_MAX:?} and is killed");
                    broker.kill();
                    Down::Until(Instant::now())
                }
                Down::Until(at) if Instant::now() >= at => {
                    broker.spawn();
                    Down::Starting
                }
                Down::Starting if broker.answers() => Down::No,
                same => same,
            };
        }
        self.registry_down = match self.registry_down {
            Down::Until(at) if Instant::now() >= at => {
                self.registry.spawn();
                Down::Starting
            }
            Down::Starting if self.registry.answers() => Down::No,
            same => same,
        };
        if matches!(self.redis_down, Down::Until(at) if Instant::now() >= at) {
            self.redis.restart();
            self.redis_down = Down::No;
        }
        if self.brokers.iter().any(|down| !matches!(down, Down::No)) {
            self.broken = Some(Instant::now());
        }
    }

    /// Whether all of them answer.
    pub fn are_whole(&self) -> bool {
        let downs = self.brokers.iter().chain([&self.registry_down, &self.redis_down]);
        downs.into_iter().all(|down| matches!(down, Down::No))
    }

    /// A broker is away, or was a moment ago. Nothing else may end a process or keep it from its work.
    pub fn are_troubled(&self) -> bool {
        self.broken.is_some_and(|broken| broken.elapsed() < TROUBLED_MS)
    }
}

fn fill(redis: &Redis) {
    for user in 1..=USERS {
        let value = format!(r#"{{"account_age_days":{user},"follower_count":10,"messages_sent_7d":3}}"#);
        redis.set(&format!("features:user:{user}"), &value);
    }
}
