//! Values that broke the contract, counted by feature and logged at most once a minute, without a value or a user.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Violation;

/// From one line to the next.
const PAUSE: Duration = Duration::from_secs(60);

/// Shared by the lanes.
#[derive(Debug)]
pub(super) struct ViolationLog {
    names: Vec<String>,
    // std Mutex: held for a few instructions, never across a wait.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    logged_at: Option<Instant>,
    /// Since the last line, by feature; the last is of whole values.
    counts: Vec<u64>,
}

impl ViolationLog {
    pub(super) fn new(names: &[String]) -> Self {
        let counts = vec![0; names.len() + 1];
        Self { names: names.to_vec(), state: Mutex::new(State { logged_at: None, counts }) }
    }

    /// Counts what a look-up found, and logs when it is time. Called also when it found nothing: what is left from
    /// before must come out.
    pub(super) fn note(&self, violations: &[Violation], now: Instant) {
        if let Some(line) = self.due(violations, now) {
            tracing::warn!("user features broke their contract since the last such line, by feature: {line}");
        }
    }

    fn due(&self, violations: &[Violation], now: Instant) -> Option<String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for violation in violations {
            state.counts[violation.feature.unwrap_or(self.names.len())] += violation.count;
        }
        let waits = state.logged_at.is_some_and(|at| now.saturating_duration_since(at) < PAUSE);
        if waits || state.counts.iter().all(|&count| count == 0) {
            return None;
        }
        state.logged_at = Some(now);
        let names = self.names.iter().map(String::as_str).chain(["(the whole value)"]);
        let counted = names.zip(&mut state.counts).filter(|(_, count)| **count > 0);
        let line: Vec<String> = counted.map(|(name, count)| format!("{name} {}", std::mem::take(count))).collect();
        Some(line.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_one_line_with_all_counts() {
        let log = ViolationLog::new(&["age".into(), "karma".into()]);
        let (start, seconds) = (Instant::now(), Duration::from_secs);
        let age = |count| Violation { feature: Some(0), count };
        let whole = Violation { feature: None, count: 3 };
        assert_eq!(log.due(&[], start), None);
        assert_eq!(log.due(&[age(1)], start).as_deref(), Some("age 1"));
        assert_eq!(log.due(&[age(2), whole], start + seconds(1)), None);
        assert_eq!(log.due(&[age(5)], start + seconds(59)), None);
        assert_eq!(log.due(&[], start + seconds(60)).as_deref(), Some("age 7, (the whole value) 3"));
        assert_eq!(log.due(&[], start + seconds(200)), None);
        assert_eq!(log.due(&[whole], start + seconds(201)).as_deref(), Some("(the whole value) 3"));
    }
}
