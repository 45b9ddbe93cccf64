//! The messages, and when each is due.

use std::{
    fs, io,
    ops::Range,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    Options,
    ground::{Ground, Pass},
};
use crate::{clock::now_ms, failure::Failure, fault::Exit, records::Message, send::Publisher};

/// Digits of a message's index in its id: equal widths, so that the bare loop can write one over the other.
pub(super) const INDEX_DIGITS: usize = 12;

/// Message `index` is always the same message.
pub(super) struct Messages {
    texts: Vec<String>,
    users: u64,
    /// Of 10,000 messages, those of authors never seen before.
    new_users: u64,
}

impl Messages {
    pub(super) fn read(options: &Options) -> io::Result<Self> {
        let file = fs::read_to_string(&options.texts)?;
        let texts: Vec<&str> = file
            .lines()
            .map(|line| line.split_once('\t').map_or(line, |(_, text)| text))
            .filter(|text| !text.trim().is_empty())
            .collect();
        if texts.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no text in it"));
        }
        let texts = match options.text_chars {
            None => texts.into_iter().map(str::to_owned).collect(),
            Some(chars) => (0..texts.len()).map(|first| of_length(&texts, first, chars)).collect(),
        };
        Ok(Self { texts, users: options.users.max(1), new_users: (options.new_users * 1e4).round() as u64 })
    }

    /// One text, a thousand users.
    #[cfg(test)]
    pub(super) fn of(text: &str) -> Self {
        Self { texts: vec![text.into()], users: 1_000, new_users: 0 }
    }

    pub(super) fn message(&self, index: u64) -> Message {
        // 7,919 is prime to 10,000: newcomers are spread evenly.
        let is_new = index * 7_919 % 10_000 < self.new_users;
        let user = 1 + if is_new { self.users + index } else { index % self.users };
        Message {
            message_id: format!("{index:0width$}", width = INDEX_DIGITS),
            user_id: user as i64,
            text: self.texts[(index % self.texts.len() as u64) as usize].clone(),
            language: None,
            metadata: [("platform".to_owned(), "bench".to_owned())].into(),
            created_at: now_ms(),
        }
    }

    /// Publishes `indexes`, each when it is due, until the schedule ends. Returns how late the latest was handed to the
    /// client.
    pub(super) fn publish(
        &self,
        ground: &Ground,
        pass: &Pass,
        indexes: Range<u64>,
        schedule: &Schedule,
        progress: impl Fn(u64),
    ) -> Result<Duration, Failure> {
        let unavailable = |error: anyhow::Error| Failure::new(Exit::Unavailable, error);
        let mut publisher =
            Publisher::connect(&pass.config.kafka, &pass.config.topics.messages, &ground.schemas, schedule.linger_ms())
                .map_err(|error| unavailable(error.into()))?;
        let mut latest = Duration::ZERO;
        let (first, last) = (indexes.start, indexes.end);
        schedule.start(first);
        for index in indexes {
            latest = latest.max(schedule.wait_for(index));
            if schedule.has_ended() {
                break;
            }
            publisher.publish(&self.message(index), None, None).map_err(|error| Failure::new(Exit::Failed, error))?;
            if index % 1_024 == 0 {
                ground.check()?;
                progress(index);
            }
        }
        let (failed, why) = publisher.finish();
        if failed > 0 {
            let why = why.unwrap_or_default();
            return Err(unavailable(anyhow::anyhow!("{failed} of {} messages were not taken: {why}", last - first)));
        }
        Ok(latest)
    }
}

/// `chars` code points of the texts, from the `first` on, with blanks between.
fn of_length(texts: &[&str], first: usize, chars: usize) -> String {
    let endless = texts.iter().cycle().skip(first).flat_map(|text| text.chars().chain([' ']));
    let mut text: String = endless.take(chars).collect();
    // A blank at the end would be trimmed away.
    if text.ends_with(' ') {
        text.pop();
        text.push('.');
    }
    text
}

/// When messages are due; clones share start and end.
#[derive(Clone)]
pub(super) struct Schedule {
    /// None means at once.
    rate: Option<f64>,
    start: Arc<OnceLock<(Instant, u64)>>,
    ended: Arc<AtomicBool>,
}

impl Schedule {
    pub(super) fn at_once() -> Self {
        Self { rate: None, start: Arc::default(), ended: Arc::default() }
    }

    /// `rate` messages a second.
    pub(super) fn open(rate: f64) -> Self {
        Self { rate: Some(rate), start: Arc::default(), ended: Arc::default() }
    }

    /// Message `first` is due now.
    fn start(&self, first: u64) {
        self.start.get_or_init(|| (Instant::now(), first));
    }

    /// Nothing is due any more.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// When `index` is due; none before the start.
    pub(super) fn due(&self, index: u64) -> Option<Instant> {
        let (start, first) = *self.start.get()?;
        let after = index.checked_sub(first)? as f64 / self.rate?;
        Some(start + Duration::from_secs_f64(after))
    }

    /// Sleeps until `index` is due. Returns how late it is.
    fn wait_for(&self, index: u64) -> Duration {
        let Some(due) = self.due(index) else { return Duration::ZERO };
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // Also where the sleep was too long.
        due.elapsed()
    }

    /// A message that is timed waits for others no longer than a producer's would that cares for latency: at 0 each
    /// would travel alone, and the broker would be busy with requests.
    fn linger_ms(&self) -> &'static str {
        if self.rate.is_some() { "1" } else { "5" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_brought_to_a_length() {
        let texts = ["ab", "c"];
        assert_eq!(of_length(&texts, 0, 1), "a");
        assert_eq!(of_length(&texts, 0, 3), "ab.");
        assert_eq!(of_length(&texts, 1, 7), "c ab c.");
        assert_eq!(of_length(&texts, 1, 8), "c ab c a");
    }

    #[test]
    fn a_message_is_due_at_its_own_time() {
        let schedule = Schedule::open(1_000.0);
        assert_eq!(schedule.due(5), None, "not started");
        schedule.start(1);
        let first = schedule.due(1).unwrap();
        assert_eq!(schedule.due(501).unwrap() - first, Duration::from_millis(500));
        assert_eq!(schedule.due(0), None, "it was sent before the schedule");
        thread::sleep(Duration::from_millis(30));
        assert!(schedule.wait_for(11) >= Duration::from_millis(15), "due 10 ms after the start");
    }

    #[test]
    fn new_users_come_in_their_share_and_once() {
        let messages = Messages { users: 10, new_users: 2_500, ..Messages::of("x") };
        let users: Vec<i64> = (0..10_000).map(|index| messages.message(index).user_id).collect();
        let new: std::collections::HashSet<_> = users.iter().filter(|user| **user > 10).collect();
        assert_eq!(new.len(), 2_500);
        assert_eq!(users.iter().filter(|user| **user > 10).count(), 2_500);
    }
}
