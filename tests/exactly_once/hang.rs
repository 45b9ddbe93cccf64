//! Redis hangs under load, dies, comes back empty and is filled again: every verdict says what Redis could answer at
//! its moment.
//!
//! ```text
//!  holds 10 followers ─► SIGSTOP ─► SIGCONT, holds 10 ─► killed ─► started, empty ─► holds 30
//!  FRESH, CACHED         STALE      FRESH, CACHED        STALE     UNKNOWN           FRESH, CACHED
//! ```

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::Write,
    net::TcpListener,
    thread::sleep,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use assize::records::{Prediction, UserFeatures, Verdict, schema};

use super::{bench::Bench, degrade::Redis, readers, traffic};

/// Between the moment in a record and that of its look-up, and between a signal and its effect, milliseconds.
const SLACK_MS: i64 = 500;
/// `ttl_seconds` and `unknown_ttl_seconds`.
const TTL_MS: i64 = 1000;
/// How soon the store must be back by itself.
const RECOVERY_MS_MAX: i64 = 5_000;
/// An author whom nobody looked up before Redis hung.
const STRANGER: i64 = 9_999;

/// What Redis can say.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// All users, each with so many followers.
    Holds(i64),
    Nobody,
    Silent,
}

/// Since when it could say what, in order.
#[derive(Default)]
struct History(Vec<(i64, State)>);

impl History {
    fn note(&mut self, state: State) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        self.0.push((i64::try_from(now.as_millis()).unwrap(), state));
    }

    /// Whether it was so at some time from `from` to `to`, or so near.
    fn was(&self, state: State, from: i64, to: i64) -> bool {
        let ends = self.0.iter().skip(1).map(|(since, _)| *since).chain([i64::MAX]);
        let mut periods = self.0.iter().zip(ends);
        periods.any(|((since, is), end)| *is == state && *since <= to + SLACK_MS && from - SLACK_MS <= end)
    }

    /// The prediction rests on what Redis could answer when it was read, and only as long as it had to.
    fn explains(&self, prediction: &Prediction<'_>, is_stranger: bool) -> bool {
        let (now, age) = (prediction.decided_at, prediction.user_features_age_ms);
        let read_at = now - age.unwrap_or(0);
        let held = || {
            let followers = prediction.features[1].unwrap() as i64;
            self.was(State::Holds(followers), read_at, read_at)
        };
        match prediction.user_features {
            UserFeatures::Fresh => age == Some(0) && held(),
            UserFeatures::Cached => age < Some(TTL_MS) && held(),
            UserFeatures::Stale => age >= Some(TTL_MS) && held() && self.was(State::Silent, now - RECOVERY_MS_MAX, now),
            UserFeatures::Unknown => prediction.features[1].is_none() && self.was(State::Nobody, now - TTL_MS, now),
            UserFeatures::Default => {
                is_stranger && prediction.features[1].is_none() && self.was(State::Silent, now, now)
            }
            UserFeatures::Unused => false,
        }
    }
}

#[test]
#[ignore = "needs Kafka and redis-server; run ./dev test"]
fn each_verdict_says_what_redis_could_answer() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, "hunter2\n").unwrap();
    let bench = Bench::new("hang", 2, &config(&Redis::url(port), password.to_str().unwrap()));
    let mut history = History::default();
    let mut redis = guarded(port);
    redis.fill(10);
    history.note(State::Holds(10));
    let (file, _) = traffic::write(&bench.folder, "m", 32_000, 7);
    let mut process = bench.start("a", None);
    bench.wait_for_log("a", "window restored");
    let mut sender = bench.send(&file, &["--rate", "1000"]);

    sleep(Duration::from_secs(4));
    history.note(State::Silent);
    redis.signal("-STOP");
    sleep(Duration::from_secs(2));
    send_stranger(&bench);
    sleep(Duration::from_secs(3));
    redis.signal("-CONT");
    history.note(State::Holds(10));
    sleep(Duration::from_secs(6));
    history.note(State::Silent);
    redis.stop();
    sleep(Duration::from_secs(2));
    let redis = guarded(port);
    history.note(State::Nobody);
    sleep(Duration::from_secs(7));
    redis.fill(30);
    history.note(State::Holds(30));
    assert_eq!(sender.wait(), Some(0));
    bench.wait_until_drained();
    assert!(process.is_running(), "losing Redis ends no process");
    assert_eq!(process.stop(), Some(0));
    bench.assert_clean();
    check(&bench, &history);
    let log = fs::read_to_string(bench.folder.join("a.log")).unwrap();
    assert!(log.contains(&format!("server=\"127.0.0.1:{port}\"")) && !log.contains("hunter2"), "{log}");
}

fn check(bench: &Bench, history: &History) {
    let verdicts: Vec<Verdict<'_>> = readers::read_all(bench, &bench.topics().verdicts, schema::VERDICT);
    let verdicts: HashMap<(i32, i64), Verdict<'_>> =
        verdicts.into_iter().map(|verdict| ((verdict.source_partition, verdict.source_offset), verdict)).collect();
    let mut predictions: Vec<Prediction<'_>> =
        readers::read_all(bench, &bench.topics().predictions, schema::PREDICTION);
    assert_eq!(predictions.len(), verdicts.len());
    predictions.sort_by_key(|prediction| prediction.decided_at);
    let mut origins = BTreeMap::<String, usize>::new();
    for prediction in &predictions {
        let verdict = &verdicts[&(prediction.source_partition, prediction.source_offset)];
        let flags: Vec<_> = prediction.user_features.degraded().into_iter().collect();
        assert_eq!(verdict.degraded, flags);
        assert_eq!(prediction.degraded, flags);
        assert!(history.explains(prediction, verdict.user_id == STRANGER), "{prediction:?}\n{:?}", history.0);
        *origins.entry(format!("{:?}", prediction.user_features)).or_default() += 1;
    }
    println!("{origins:?}");
    assert!(["Fresh", "Cached", "Stale", "Unknown"].iter().all(|origin| origins[*origin] > 100), "{origins:?}");
    assert_eq!(origins["Default"], 1);
    assert_eq!(predictions.last().unwrap().features[1], Some(30.0), "recovered by itself");
    let pauses = predictions.windows(2).map(|pair| pair[1].decided_at - pair[0].decided_at);
    let longest = pauses.max().unwrap();
    println!("the longest pause between verdicts was {longest} ms");
    assert!(longest < 2_000, "{longest} ms");
}

/// The deadline is one that a busy test machine does not miss.
fn config(url: &str, password: &str) -> String {
    format!(
        r#"
[features]
redis = "{url}"
username = "assize"
password = {{ file = "{password}" }}
deadline_ms = 200
ttl_seconds = 1
unknown_ttl_seconds = 1
[[task]]
name = "risk"
bundle = "tests/bundles/user-risk"
"#
    )
}

/// A Redis whose features only the user assize may read.
fn guarded(port: u16) -> Redis {
    let redis = Redis::start(port);
    let user = ["SETUSER", "assize", "on", ">hunter2", "~features:user:*", "+getrange"];
    redis::cmd("ACL").arg(&user).exec(&mut redis.connection()).unwrap();
    redis
}

fn send_stranger(bench: &Bench) {
    let stranger = bench.folder.join("stranger.ndjson");
    let line = format!(r#"{{"message_id":"stranger","user_id":{STRANGER},"text":"hello"}}"#);
    writeln!(fs::File::create(&stranger).unwrap(), "{line}").unwrap();
    assert_eq!(bench.send(&stranger, &[]).wait(), Some(0));
}
