//! Stopping in time. The first SIGTERM or SIGINT asks every lane to drain; a watchdog ends the process when the
//! drain takes longer than its deadline (closing a Kafka consumer can wait for ever); a second signal ends it at once.
//!
//! ```text
//!  SIGTERM ─► request() ─┬─► requested() / wait(): lanes end their transaction, commit, leave ─► drained() ─► exit 0
//!                        └─► watchdog ── deadline passed before drained() ──────────────────────────────────► exit 75
//!  second SIGTERM / SIGINT ─────────────────────────────────────────────────────────────────────────────► 143 / 130
//! ```
//!
//! Ending without the drain loses nothing: the open transaction is aborted by its broker and read again.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::fault::Exit;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

/// Exit code when the drain took longer than its deadline (`EX_TEMPFAIL` of `sysexits.h`: start again, nothing is lost).
pub const EXIT_DRAIN_DEADLINE: i32 = Exit::Drain as i32;
/// Exit code of a second SIGINT, as a shell reports a process that SIGINT ended.
pub const EXIT_SECOND_SIGINT: i32 = 130;
/// Exit code of a second SIGTERM, as a shell reports a process that SIGTERM ended.
pub const EXIT_SECOND_SIGTERM: i32 = 143;
/// How long a drain may take unless configured, seconds.
pub const DRAIN_SECONDS_DEFAULT: u64 = 10;

/// Asks for a stop, and tells whether one was asked. Clones are the same handle.
#[derive(Clone)]
pub struct Shutdown {
    all: Arc<Inner>,
    /// Of a part of the process: whether it alone is to stop.
    part: Option<Arc<AtomicBool>>,
}

struct Inner {
    drain_deadline: Duration,
    /// Read by lanes around every poll; the truth is `state.requested`.
    requested: AtomicBool,
    /// For async waiters.
    notify: Notify,
    /// For threads, the watchdog among them.
    state: Mutex<State>,
    changed: Condvar,
    exit: Box<dyn Fn(i32) + Send + Sync>,
}

#[derive(Default)]
struct State {
    requested: bool,
    drained: bool,
}

impl Shutdown {
    /// A handle that no signal reaches yet. After [`request`](Self::request) the process has `drain_deadline` to call
    /// [`drained`](Self::drained), or it ends with [`EXIT_DRAIN_DEADLINE`].
    pub fn new(drain_deadline: Duration) -> Self {
        Self::with_exit(drain_deadline, |code| std::process::exit(code))
    }

    fn with_exit(drain_deadline: Duration, exit: impl Fn(i32) + Send + Sync + 'static) -> Self {
        let all = Inner {
            drain_deadline,
            requested: AtomicBool::new(false),
            notify: Notify::new(),
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
            exit: Box::new(exit),
        };
        Self { all: Arc::new(all), part: None }
    }

    /// That of a part of the process, which stops with it, or alone when the part's own handle asks.
    #[must_use]
    pub fn part(&self) -> Self {
        Self { all: Arc::clone(&self.all), part: Some(Arc::default()) }
    }

    /// Listens for SIGTERM and SIGINT on `runtime` for as long as it lives.
    pub fn on_signals(&self, runtime: &Handle) -> io::Result<()> {
        let _context = runtime.enter();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = self.clone();
        runtime.spawn(async move {
            loop {
                let second_exit_code = tokio::select! {
                    Some(()) = terminate.recv() => EXIT_SECOND_SIGTERM,
                    Some(()) = interrupt.recv() => EXIT_SECOND_SIGINT,
                    else => return,
                };
                if !shutdown.request() {
                    tracing::warn!("a second signal: exit at once, without draining");
                    (shutdown.all.exit)(second_exit_code);
                }
            }
        });
        Ok(())
    }

    /// Asks for a stop and starts the watchdog; a part has none. False when a stop was asked before.
    pub fn request(&self) -> bool {
        let mut state = self.lock();
        if let Some(part) = &self.part {
            let is_first = !part.swap(true, Ordering::AcqRel) && !state.requested;
            self.all.changed.notify_all();
            return is_first;
        }
        if std::mem::replace(&mut state.requested, true) {
            return false;
        }
        drop(state);
        tracing::info!(drain_seconds_max = self.all.drain_deadline.as_secs_f64(), "stopping: draining the lanes");
        self.all.requested.store(true, Ordering::Release);
        self.all.notify.notify_waiters();
        self.all.changed.notify_all();
        self.start_watchdog();
        true
    }

    /// True once a stop was asked. One atomic load, two for a part.
    pub fn requested(&self) -> bool {
        self.all.requested.load(Ordering::Acquire) || self.part_requested()
    }

    fn part_requested(&self) -> bool {
        self.part.as_ref().is_some_and(|part| part.load(Ordering::Acquire))
    }

    /// Waits until a stop of the whole process is asked.
    pub async fn wait(&self) {
        // Made before the check: it hears every notify_waiters from here on.
        let notified = self.all.notify.notified();
        if !self.all.requested.load(Ordering::Acquire) {
            notified.await;
        }
    }

    /// Sleeps on this thread for `pause`, or less when a stop is asked; true if one was. For back-offs of lanes.
    pub fn sleep(&self, pause: Duration) -> bool {
        let state = self.lock();
        let goes_on = |state: &mut State| !state.requested && !self.part_requested();
        let (mut state, _) =
            self.all.changed.wait_timeout_while(state, pause, goes_on).unwrap_or_else(PoisonError::into_inner);
        !goes_on(&mut state)
    }

    /// Every lane has ended: the watchdog goes home.
    pub fn drained(&self) {
        self.lock().drained = true;
        self.all.changed.notify_all();
    }

    fn start_watchdog(&self) {
        let shutdown = self.clone();
        let watchdog = std::thread::Builder::new().name("assize-watchdog".into()).spawn(move || shutdown.watch());
        if let Err(error) = watchdog {
            tracing::error!(%error, "no thread for the watchdog, so the drain has no bound: exit at once");
            (self.all.exit)(EXIT_DRAIN_DEADLINE);
        }
    }

    fn watch(&self) {
        let state = self.lock();
        let waited = self.all.changed.wait_timeout_while(state, self.all.drain_deadline, |state| !state.drained);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if !state.drained {
            drop(state);
            tracing::error!(
                exit_code = EXIT_DRAIN_DEADLINE,
                "the drain passed its deadline: exit; open transactions are aborted by the broker and read again"
            );
            (self.all.exit)(EXIT_DRAIN_DEADLINE);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Two booleans cannot be left half-changed by a panic.
        self.all.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shutdown").field("requested", &self.requested()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
    use std::time::Instant;

    use super::*;

    fn with_recorded_exit(drain_deadline_ms: u64) -> (Shutdown, Receiver<i32>) {
        let (sender, exits) = channel();
        let exit = move |code| sender.send(code).unwrap_or(());
        (Shutdown::with_exit(Duration::from_millis(drain_deadline_ms), exit), exits)
    }

    #[test]
    fn a_drain_past_its_deadline_ends_the_process() {
        let (shutdown, exits) = with_recorded_exit(20);
        assert!(shutdown.request());
        assert_eq!(exits.recv_timeout(Duration::from_secs(5)), Ok(EXIT_DRAIN_DEADLINE));
    }

    #[test]
    fn a_drain_in_time_sends_the_watchdog_home() {
        let (shutdown, exits) = with_recorded_exit(50);
        shutdown.request();
        shutdown.drained();
        assert_eq!(exits.recv_timeout(Duration::from_millis(200)), Err(RecvTimeoutError::Timeout));
    }

    #[test]
    fn only_the_first_request_counts() {
        let (shutdown, _exits) = with_recorded_exit(60_000);
        assert!(!shutdown.requested());
        assert!(shutdown.request());
        assert!(!shutdown.request());
        assert!(shutdown.clone().requested());
        shutdown.drained();
    }

    #[test]
    fn sleepers_wake_when_a_stop_is_asked() {
        let (shutdown, _exits) = with_recorded_exit(60_000);
        assert!(!shutdown.sleep(Duration::from_millis(1)));
        let sleeper = std::thread::spawn({
            let shutdown = shutdown.clone();
            move || (shutdown.sleep(Duration::from_secs(60)), Instant::now())
        });
        std::thread::sleep(Duration::from_millis(50));
        let asked = Instant::now();
        shutdown.request();
        let (requested, woke) = sleeper.join().unwrap();
        assert!(requested && woke - asked < Duration::from_secs(5));
        shutdown.drained();
    }

    #[test]
    fn a_part_stops_alone_or_with_the_others() {
        let (shutdown, exits) = with_recorded_exit(20);
        let (part, other) = (shutdown.part(), shutdown.part());
        let sleeper = std::thread::spawn({
            let part = part.clone();
            move || part.sleep(Duration::from_secs(60))
        });
        std::thread::sleep(Duration::from_millis(20));
        assert!(part.request() && !part.request());
        assert!(sleeper.join().unwrap() && part.requested() && part.sleep(Duration::ZERO));
        assert!(!shutdown.requested() && !other.requested() && !other.sleep(Duration::from_millis(1)));
        assert_eq!(exits.recv_timeout(Duration::from_millis(100)), Err(RecvTimeoutError::Timeout), "no watchdog");
        shutdown.request();
        shutdown.drained();
        assert!(other.requested() && !other.request());
    }

    #[tokio::test]
    async fn async_waiters_hear_of_it_before_and_after() {
        let (shutdown, _exits) = with_recorded_exit(60_000);
        let early = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.wait().await }
        });
        tokio::task::yield_now().await;
        shutdown.request();
        tokio::time::timeout(Duration::from_secs(5), early).await.unwrap().unwrap();
        tokio::time::timeout(Duration::from_secs(5), shutdown.wait()).await.unwrap();
        shutdown.drained();
    }
}
