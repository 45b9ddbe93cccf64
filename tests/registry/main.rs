//! What becomes of schema ids when the registry fails: no outage makes an id unknown, nobody waits longer than they
//! said, everything recovers by itself, and what was known stays known, also to the next process.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test that cannot go on panics")]

mod command;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/fake.rs"]
mod fake;
mod invented;
mod kept;
mod secure;

use std::{
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use assize::{
    codec::{Lookup, Schemas},
    config,
    ops::metrics::Metrics,
    records::schema::MESSAGE,
};
use tokio::runtime::Runtime;

use fake::{Fake, Mode};

/// How long anything may take that ought to take a second or two.
const PATIENCE: Duration = Duration::from_secs(30);

/// Schemas of one process.
struct Process {
    schemas: Schemas,
    _runtime: Runtime,
}

/// A process that keeps its schemas in `folder`, or nowhere.
fn process(url: &str, folder: Option<&Path>) -> Process {
    process_with(&config::Schemas {
        registry: Some(url.to_owned()),
        cache_folder: Some(folder.unwrap_or(Path::new("")).to_owned()),
        ..config::Schemas::default()
    })
}

fn process_with(config: &config::Schemas) -> Process {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    Process { schemas: Schemas::try_new(config, runtime.handle()).unwrap(), _runtime: runtime }
}

impl Process {
    fn look(&self, id: u32, patience_ms: u64) -> &'static str {
        name(&self.schemas.reader(id, &mut Duration::from_millis(patience_ms)))
    }

    /// Waits until an id is known.
    #[track_caller]
    fn wait_until_known(&self, id: u32, why: &str) {
        let start = Instant::now();
        while self.look(id, 100) != "known" {
            assert!(start.elapsed() < PATIENCE, "{why}: never known");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn name(lookup: &Lookup) -> &'static str {
    match lookup {
        Lookup::Known(_) => "known",
        Lookup::Unknown => "unknown",
        Lookup::Unreadable => "unreadable",
        Lookup::Away => "away",
    }
}

/// Longer than "not found" needs to count.
const LONG: Duration = Duration::from_secs(36);

#[test]
fn no_outage_makes_an_id_unknown_and_each_ends_by_itself() {
    let message = || MESSAGE.to_owned();
    let outages = [
        Mode::Status(500, "", r#"{"error_code":50001,"message":"store"}"#),
        Mode::Status(502, "", "<html>bad gateway</html>"),
        Mode::Status(503, "retry-after: 2\r\n", ""),
        Mode::Status(504, "", ""),
        Mode::Status(429, "retry-after: 1\r\n", r#"{"error_code":42901,"message":"slow down"}"#),
        Mode::Status(429, "retry-after: Wed, 21 Oct 2099 07:28:00 GMT\r\n", ""),
        Mode::Status(401, "", r#"{"error_code":401,"message":"who?"}"#),
        Mode::Status(403, "", ""),
        // Wrong path, or a proxy: no registry says this about an id.
        Mode::Status(404, "", "<html>no such page</html>"),
        Mode::Status(404, "", r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#),
        Mode::Status(200, "", "<html>please log in</html>"),
        Mode::Status(200, "", r#"{"answer":42}"#),
        Mode::Status(204, "", ""),
        Mode::Hang,
        Mode::Half,
        Mode::Close,
    ];
    let results: Vec<(String, Vec<String>)> = thread::scope(|scope| {
        let tried: Vec<_> = outages
            .into_iter()
            .map(|mode| {
                scope.spawn(move || {
                    let name = format!("{mode:?}");
                    let fake = Fake::start(mode);
                    let process = process(&fake.url(), None);
                    let (start, mut seen) = (Instant::now(), Vec::new());
                    while start.elapsed() < LONG {
                        let called = Instant::now();
                        let found = process.look(9, 50);
                        if found != "away" && seen.is_empty() {
                            seen.push(format!("{found} after {:?}", start.elapsed()));
                        }
                        if called.elapsed() > Duration::from_secs(3) {
                            seen.push(format!("a call took {:?}", called.elapsed()));
                        }
                        thread::sleep(Duration::from_millis(50));
                    }
                    if !(2..=40).contains(&fake.questions()) {
                        seen.push(format!("{} questions in {LONG:?}", fake.questions()));
                    }
                    fake.set(Mode::Schema(message()));
                    process.wait_until_known(9, &name);
                    (name, seen)
                })
            })
            .collect();
        tried.into_iter().map(|tried| tried.join().unwrap()).collect()
    });
    let bad: Vec<_> = results.iter().filter(|(_, seen)| !seen.is_empty()).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn not_found_counts_after_half_a_minute_and_an_outage_starts_it_anew() {
    let fake = Fake::start(Mode::NotFound);
    let steady = process(&fake.url(), None);
    let other = Fake::start(Mode::NotFound);
    let broken = process(&other.url(), None);
    let start = Instant::now();
    let (mut unknown_at, mut broken_at) = (None, None);
    while (unknown_at.is_none() || broken_at.is_none()) && start.elapsed() < 2 * LONG {
        let in_between = (5..8).contains(&start.elapsed().as_secs());
        other.set(if in_between { Mode::Close } else { Mode::NotFound });
        for (process, at) in [(&steady, &mut unknown_at), (&broken, &mut broken_at)] {
            if process.look(9, 0) == "unknown" && at.is_none() {
                *at = Some(start.elapsed());
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
    let (unknown_at, broken_at) = (unknown_at.unwrap(), broken_at.unwrap());
    assert!((Duration::from_secs(30)..LONG).contains(&unknown_at), "{unknown_at:?}");
    assert!(broken_at > Duration::from_secs(37), "{broken_at:?}");
}

#[test]
fn nobody_waits_longer_than_their_patience_and_late_answers_are_there_for_the_next() {
    let fake = Fake::start(Mode::Slow(Duration::from_secs(3), MESSAGE.to_owned()));
    let process = process(&fake.url(), None);
    let (start, mut patience) = (Instant::now(), Duration::from_millis(100));
    // One chunk, several ids, one budget.
    for id in 1..=5 {
        assert!(matches!(process.schemas.reader(id, &mut patience), Lookup::Away));
    }
    assert_eq!(patience, Duration::ZERO);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    for id in 1..=5 {
        process.wait_until_known(id, "slow");
    }
    assert_eq!(fake.questions(), 5, "they went out together, once each");

    fake.set(Mode::Hang);
    let start = Instant::now();
    for _ in 0..1_000 {
        assert_eq!(process.look(99, 0), "away");
        assert_eq!(process.look(1, 0), "known");
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn many_who_ask_are_one_question() {
    let fake = Fake::start(Mode::Slow(Duration::from_millis(500), MESSAGE.to_owned()));
    let process = process(&fake.url(), None);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert_eq!(process.look(3, 10_000), "known"));
        }
    });
    assert_eq!(fake.questions(), 1);
}

#[test]
fn a_registry_that_is_not_there_is_found_when_it_comes_back_on_its_port() {
    let fake = Fake::start(Mode::Schema(MESSAGE.to_owned()));
    let (port, url) = (fake.port, fake.url());
    let process = process(&url, None);
    process.wait_until_known(1, "up");
    drop(fake);
    thread::sleep(Duration::from_millis(100));
    for _ in 0..20 {
        assert_eq!((process.look(1, 0), process.look(2, 50)), ("known", "away"));
    }
    let _again = Fake::on(port, Mode::Schema(MESSAGE.to_owned()));
    process.wait_until_known(2, "back");
}

#[test]
fn a_registry_that_asks_for_a_pause_gets_it() {
    let fake = Fake::start(Mode::Status(429, "retry-after: 4\r\n", ""));
    let process = process(&fake.url(), None);
    let start = Instant::now();
    while fake.questions() == 0 {
        process.look(1, 10);
    }
    thread::sleep(Duration::from_millis(200));
    while start.elapsed() < Duration::from_millis(3_500) {
        for id in 1..50 {
            assert_eq!(process.look(id, 0), "away");
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert!(fake.questions() <= 8, "only those that were on their way: {}", fake.questions());
}

#[test]
fn what_questions_bring_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::start(Mode::Schema(MESSAGE.to_owned()));
    let metrics = Metrics::new();
    let counted = |result: &str, times: u32| {
        let line = format!("assize_schema_lookups_total{{result=\"{result}\"}} {times}\n");
        let start = Instant::now();
        while !metrics.encode().unwrap().contains(&line) {
            assert!(start.elapsed() < PATIENCE, "{line}{}", metrics.encode().unwrap());
            thread::sleep(Duration::from_millis(10));
        }
    };
    // What is asked for comes back within this, whatever it says.
    let ask = |process: &Process, id: u32| process.look(id, 10_000);
    let first = process(&fake.url(), Some(folder.path()));
    first.schemas.report_to(Arc::clone(&metrics));
    assert_eq!(ask(&first, 1), "known");
    counted("known", 1);
    fake.set(Mode::NotFound);
    assert_eq!(ask(&first, 2), "away");
    counted("not_found", 1);
    fake.set(Mode::Schema("\"nonsense\"".to_owned()));
    assert_eq!(ask(&first, 3), "unreadable");
    counted("unreadable", 1);
    fake.set(Mode::Close);
    assert_eq!(ask(&first, 4), "away");
    counted("outage", 1);
    let next = process(&fake.url(), Some(folder.path()));
    next.schemas.report_to(Arc::clone(&metrics));
    assert_eq!(ask(&next, 1), "known");
    counted("disk", 1);
}

#[test]
fn a_second_url_answers_when_the_first_does_not() {
    let fake = Fake::start(Mode::Schema(MESSAGE.to_owned()));
    let process = process(&format!("http://127.0.0.1:1,{}", fake.url()), None);
    process.wait_until_known(1, "second");
    assert_eq!(fake.questions(), 1);
}
