//! The circuit breaker of the feature store: after a run of failures nobody asks for a while, then one asks for all.
//!
//! ```text
//!            failures_max in a row             back-off is over: one permit
//!  CLOSED ──────────────────────────► OPEN ──────────────────────────────► HALF OPEN
//!    ▲                                 ▲ │ reconnected                      │     │
//!    │                                 │ └────── back-off is over now       │     │
//!    │                                 └────── back-off doubled ── failed ──┘     │
//!    └──────────────────────────────────────────────────────────── succeeded ─────┘
//! ```
//!
//! One breaker a server. Others degrade at once while the store is open, and while one probes.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What the breaker lets pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum BreakerState {
    /// Every request.
    #[default]
    Closed = 0,
    /// One request, the probe, is under way; no other.
    HalfOpen = 1,
    /// No request until the back-off is over.
    Open = 2,
}

/// When to open and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// So many failures in a row open it, at least 1.
    pub(super) failures_max: u32,
    /// The first back-off; doubles with each failed probe.
    pub(super) backoff_min: Duration,
    /// The longest back-off.
    pub(super) backoff_max: Duration,
}

#[derive(Debug)]
pub(super) struct Breaker {
    /// Whose it is, for the log.
    server: String,
    limits: Limits,
    /// A number in 0..1: where in the upper half of the back-off the probe falls, so that processes do not probe in step.
    jitter: fn() -> f64,
    // std Mutex: held for a few instructions, never across a wait.
    phase: Mutex<Phase>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Closed { failures: u32 },
    Open { until: Instant, backoff: Duration },
    HalfOpen { backoff: Duration },
}

/// Leave to ask the store once. Dropped without [`succeeded`](Permit::succeeded), also by a panic, it is a failure.
#[derive(Debug)]
#[must_use]
pub(super) struct Permit<'a> {
    breaker: &'a Breaker,
    probe: bool,
}

impl Breaker {
    pub(super) fn new(server: String, limits: Limits) -> Self {
        Self { server, limits, jitter: random_unit, phase: Mutex::new(Phase::Closed { failures: 0 }) }
    }

    /// Leave to ask, if there is any at `now`.
    pub(super) fn permit(&self, now: Instant) -> Option<Permit<'_>> {
        let mut phase = self.lock();
        match *phase {
            Phase::Closed { .. } => Some(Permit { breaker: self, probe: false }),
            Phase::Open { until, backoff } if now >= until => {
                *phase = Phase::HalfOpen { backoff };
                Some(Permit { breaker: self, probe: true })
            }
            Phase::Open { .. } | Phase::HalfOpen { .. } => None,
        }
    }

    /// A connection was made: the back-off has lost its reason, so the next request is the probe.
    pub(super) fn reconnected(&self, now: Instant) {
        let mut phase = self.lock();
        if let Phase::Open { until, backoff } = *phase {
            *phase = Phase::Open { until: until.min(now), backoff };
        }
    }

    pub(super) fn state(&self) -> BreakerState {
        match *self.lock() {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
            Phase::Open { .. } => BreakerState::Open,
        }
    }

    fn succeeded(&self, probe: bool) {
        let mut phase = self.lock();
        match *phase {
            Phase::Closed { .. } => *phase = Phase::Closed { failures: 0 },
            Phase::HalfOpen { .. } if probe => {
                *phase = Phase::Closed { failures: 0 };
                tracing::info!(server = self.server, "the feature store answers again: breaker closed");
            }
            // A late answer to a request from before it opened: the probe decides.
            Phase::Open { .. } | Phase::HalfOpen { .. } => {}
        }
    }

    fn failed(&self, probe: bool, now: Instant) {
        let mut phase = self.lock();
        match *phase {
            Phase::Closed { failures } if failures + 1 < self.limits.failures_max => {
                *phase = Phase::Closed { failures: failures + 1 };
            }
            Phase::Closed { .. } => {
                *phase = self.open(self.limits.backoff_min, now);
                tracing::warn!(
                    server = self.server,
                    "the feature store fails: breaker open, user features degrade until it answers"
                );
            }
            Phase::HalfOpen { backoff } if probe => {
                *phase = self.open((backoff * 2).min(self.limits.backoff_max), now);
            }
            Phase::Open { .. } | Phase::HalfOpen { .. } => {}
        }
    }

    fn open(&self, backoff: Duration, now: Instant) -> Phase {
        Phase::Open { until: now + backoff.mul_f64(0.5 + 0.5 * (self.jitter)()), backoff }
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        // A phase is replaced whole: a panic cannot leave half of one.
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// The store answered.
    pub(super) fn succeeded(self) {
        self.breaker.succeeded(self.probe);
        std::mem::forget(self);
    }

    /// The store did not answer, as known at `now`.
    pub(super) fn failed(self, now: Instant) {
        self.breaker.failed(self.probe, now);
        std::mem::forget(self);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.breaker.failed(self.probe, Instant::now());
    }
}

/// A number in 0..1, from the randomness that the standard library seeds its hash maps with.
fn random_unit() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    (random >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { failures_max: 3, backoff_min: Duration::from_millis(100), backoff_max: Duration::from_secs(5) };

    /// A breaker whose back-offs are exact, with its clock at zero.
    fn breaker() -> (Breaker, Instant) {
        (Breaker { jitter: || 1.0, ..Breaker::new("test".into(), LIMITS) }, Instant::now())
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn fail(breaker: &Breaker, now: Instant) {
        breaker.permit(now).expect("a permit").failed(now);
    }

    fn opened() -> (Breaker, Instant) {
        let (breaker, start) = breaker();
        for _ in 0..3 {
            fail(&breaker, start);
        }
        assert_eq!(breaker.state(), BreakerState::Open);
        (breaker, start)
    }

    #[test]
    fn only_a_run_of_failures_opens_it() {
        let (breaker, start) = breaker();
        fail(&breaker, start);
        fail(&breaker, start);
        breaker.permit(start).unwrap().succeeded();
        fail(&breaker, start);
        fail(&breaker, start);
        assert_eq!(breaker.state(), BreakerState::Closed);
        fail(&breaker, start);
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn after_the_back_off_one_probe_passes_and_others_do_not() {
        let (breaker, start) = opened();
        assert!(breaker.permit(start + ms(99)).is_none());
        let probe = breaker.permit(start + ms(100)).expect("the probe");
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(breaker.permit(start + ms(100)).is_none());
        assert!(breaker.permit(start + Duration::from_secs(60)).is_none());
        probe.succeeded();
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn failed_probes_double_the_back_off_up_to_its_limit() {
        let (breaker, mut now) = opened();
        for backoff in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            assert!(breaker.permit(now + ms(backoff - 1)).is_none(), "{backoff}");
            now += ms(backoff);
            fail(&breaker, now);
        }
    }

    #[test]
    fn the_back_off_starts_anew_after_a_success() {
        let (breaker, start) = opened();
        fail(&breaker, start + ms(100));
        breaker.permit(start + ms(300)).unwrap().succeeded();
        for _ in 0..3 {
            fail(&breaker, start + ms(300));
        }
        assert!(breaker.permit(start + ms(400)).is_some());
    }

    #[test]
    fn a_permit_lost_to_a_panic_does_not_block_probes_for_ever() {
        let (breaker, start) = opened();
        drop(breaker.permit(start + ms(100)).unwrap());
        assert_eq!(breaker.state(), BreakerState::Open);
        assert!(breaker.permit(Instant::now() + ms(200)).is_some());
    }

    #[test]
    fn late_results_of_older_requests_change_nothing() {
        let (breaker, start) = breaker();
        let (late_success, late_failure) = (breaker.permit(start).unwrap(), breaker.permit(start).unwrap());
        for _ in 0..3 {
            fail(&breaker, start);
        }
        late_success.succeeded();
        assert_eq!(breaker.state(), BreakerState::Open);
        let probe = breaker.permit(start + ms(100)).unwrap();
        late_failure.failed(start + ms(100));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        probe.succeeded();
    }

    #[test]
    fn a_new_connection_ends_the_back_off() {
        let (breaker, start) = opened();
        breaker.reconnected(start + ms(10));
        assert!(breaker.permit(start + ms(10)).is_some());
    }

    #[test]
    fn jitter_keeps_to_the_upper_half_of_the_back_off() {
        for _ in 0..100 {
            let (breaker, start) = (Breaker::new("test".into(), LIMITS), Instant::now());
            for _ in 0..3 {
                fail(&breaker, start);
            }
            assert!(breaker.permit(start + ms(49)).is_none());
            assert!(breaker.permit(start + ms(100)).is_some());
        }
    }
}
