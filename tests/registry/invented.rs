//! Ids that no registry gave out, in numbers: they are found out soon, whoever reads them, and cost others nothing.

use std::{
    thread,
    time::{Duration, Instant},
};

use assize::records::schema::MESSAGE;

use super::{
    LONG, Process,
    fake::{Fake, Mode},
    process,
};

/// Ids from here on are registered.
const GOOD: u32 = 1_000_000;
/// Longer than a burst and a second's questions.
const QUESTIONS_PER_SECOND_MAX: usize = 150;

/// Whether an id is known within 2 s, looked at as by a partition that is held for it.
fn is_known_soon(process: &Process, id: u32) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        if process.look(id, 0) == "known" {
            return true;
        }
        thread::sleep(Duration::from_millis(100));
    }
    false
}

/// The most questions within any second, from how many there were each tenth of one.
fn most_in_a_second(counts: &[usize]) -> usize {
    counts.windows(11).map(|second| second[10] - second[0]).max().unwrap()
}

#[test]
fn ids_that_are_looked_at_once_are_all_found_out_together() {
    let fake = Fake::start(Mode::From(GOOD, MESSAGE.to_owned()));
    let process = process(&fake.url(), None);
    let start = Instant::now();
    let ids: Vec<u32> = (1..=500).collect();
    for id in &ids {
        assert_eq!(process.look(*id, 0), "away");
    }
    let (mut good, mut counts) = (Vec::new(), Vec::new());
    let mut left = ids.iter().copied().peekable();
    // As a lane does that is held for one id, then for the next that is not known.
    while let Some(held) = left.peek() {
        assert!(start.elapsed() < Duration::from_secs(90), "held for {held}, {} questions", fake.questions());
        while left.next_if(|id| process.look(*id, 0) == "unknown").is_some() {}
        counts.push(fake.questions());
        thread::sleep(Duration::from_millis(100));
        // While there are first questions, and while they are asked again.
        for (at, id) in [(1, GOOD), (17, GOOD + 1)] {
            if start.elapsed() > Duration::from_secs(at) && !good.contains(&id) {
                assert!(is_known_soon(&process, id), "good id at {at} s");
                good.push(id);
            }
        }
    }
    assert!(start.elapsed() > Duration::from_secs(30), "{:?}", start.elapsed());
    assert_eq!(good.len(), 2);
    assert!(ids.iter().all(|id| process.look(*id, 0) == "unknown"));
    let most = most_in_a_second(&counts);
    assert!(most <= QUESTIONS_PER_SECOND_MAX, "{most} questions in a second");
    assert!(fake.questions() < 4 * ids.len(), "{} questions", fake.questions());
    println!("all unknown after {:?}, {} questions, at most {most} a second", start.elapsed(), fake.questions());
}

#[test]
fn an_outage_voids_the_evidence_of_ids_that_nobody_looks_at_too() {
    let fake = Fake::start(Mode::NotFound);
    let process = process(&fake.url(), None);
    let start = Instant::now();
    for id in 1..=50 {
        process.look(id, 0);
    }
    let mut at = None;
    while at.is_none() && start.elapsed() < 2 * LONG {
        // Only id 51 is asked for while the registry is away.
        fake.set(if (5..10).contains(&start.elapsed().as_secs()) { Mode::Close } else { Mode::NotFound });
        process.look(51, 0);
        if start.elapsed() > Duration::from_secs(29) && process.look(50, 0) == "unknown" {
            at = Some(start.elapsed());
        }
        thread::sleep(Duration::from_millis(100));
    }
    assert!(at.unwrap() > Duration::from_secs(40), "{at:?}");
}

#[test]
fn a_producer_that_invents_ids_cannot_flood_the_registry() {
    let fake = Fake::start(Mode::NotFound);
    let process = process(&fake.url(), None);
    let (start, mut id) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(3) {
        for _ in 0..50 {
            id += 1;
            assert_eq!(process.look(id, 0), "away");
        }
        thread::sleep(Duration::from_millis(1));
    }
    let questions = fake.questions();
    assert!((50..=500).contains(&questions), "{questions} questions in 3 s for {id} ids");
}
