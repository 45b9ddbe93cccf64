use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// When each message is due: at once, or `index / rate` seconds after the start, whatever became of those before it.
pub(super) struct Schedule {
    start: Instant,
    start_ms: i64,
    rate: Option<f64>,
    latest: Duration,
}

impl Schedule {
    /// `rate` in messages a second, > 0; none means full speed.
    pub(super) fn start_now(rate: Option<f64>) -> Self {
        Self { start: Instant::now(), start_ms: now_ms(), rate, latest: Duration::ZERO }
    }

    /// Sleeps until message `index` is due. Returns when it was due, milliseconds since the epoch.
    pub(super) fn wait_for(&mut self, index: u64) -> i64 {
        let Some(rate) = self.rate else { return now_ms() };
        let due = Duration::from_secs_f64(index as f64 / rate);
        let now = self.start.elapsed();
        match due.checked_sub(now) {
            Some(early) => thread::sleep(early),
            None => self.latest = self.latest.max(now - due),
        }
        self.start_ms + due.as_millis() as i64
    }

    /// How late the latest message was.
    pub(super) fn latest(&self) -> Duration {
        self.latest
    }

    /// Since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_message_does_not_move_the_next() {
        let mut schedule = Schedule::start_now(Some(100.0));
        let first = schedule.wait_for(0);
        thread::sleep(Duration::from_millis(45));
        // Due at 10, 20, ... ms: all at once now, each with the time that it was due.
        let dues: Vec<_> = (1..5).map(|index| schedule.wait_for(index) - first).collect();
        assert_eq!(dues, [10, 20, 30, 40]);
        assert!(schedule.latest() >= Duration::from_millis(35), "{:?}", schedule.latest());
        schedule.wait_for(10);
        assert!(schedule.elapsed() >= Duration::from_millis(100));
    }
}
