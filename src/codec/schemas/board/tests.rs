//! The board, played through.

use super::*;

const QUIET: Next = Next::Quiet { look: true };
const OUTAGE: Outcome = Outcome::Outage { whole: true, retry_after: None };

fn seconds(start: Instant, seconds: f64) -> Instant {
    start + Duration::from_secs_f64(seconds)
}

/// Looks at an id and asks for it at once.
#[track_caller]
fn ask(board: &mut Board, id: u32, now: Instant) {
    board.next(id, true, now);
    assert_eq!(board.start(now), Some(id));
}

/// Asks for id 7 at each time and settles at once.
#[track_caller]
fn play(board: &mut Board, start: Instant, script: &[(f64, Outcome)]) -> Next {
    for (at, outcome) in script {
        ask(board, 7, seconds(start, *at));
        board.settle(7, *outcome, seconds(start, *at));
    }
    board.next(7, false, seconds(start, script.last().unwrap().0))
}

/// Asks for whatever is wanted, each 20 ms, settles at once; how many questions that were.
fn run(board: &mut Board, from: Instant, seconds: u32, outcome: Outcome) -> usize {
    let mut asked = 0;
    for now in (0..seconds * 50).map(|tick| from + tick * Duration::from_millis(20)) {
        while let Some(id) = board.start(now) {
            board.settle(id, outcome, now);
            asked += 1;
        }
    }
    asked
}

#[test]
fn three_times_over_half_a_minute_is_unknown() {
    let (mut board, start) = (Board::default(), Instant::now());
    let script = [(0.0, Outcome::NotFound), (1.0, Outcome::NotFound), (29.9, Outcome::NotFound)];
    assert_eq!(play(&mut board, start, &script), Next::Later);
    assert_eq!(play(&mut board, start, &[(31.0, Outcome::NotFound)]), Next::Unknown(Why::Absent));
    // Asked again in time, still believed, and confirmed by one more answer.
    assert_eq!(board.next(7, true, seconds(start, 62.0)), Next::Unknown(Why::Absent));
    assert_eq!(board.start(seconds(start, 62.0)), Some(7));
    board.settle(7, Outcome::NotFound, seconds(start, 62.0));
    assert_eq!(board.next(7, false, seconds(start, 91.0)), Next::Unknown(Why::Absent));
}

#[test]
fn twice_over_half_a_minute_is_not() {
    let (mut board, start) = (Board::default(), Instant::now());
    let script = [(0.0, Outcome::NotFound), (40.0, Outcome::NotFound)];
    assert_eq!(play(&mut board, start, &script), Next::Later);
}

#[test]
fn an_outage_is_no_evidence_and_voids_what_there_was() {
    let (mut board, start) = (Board::default(), Instant::now());
    let outages: Vec<_> = (0..20).map(|n| (f64::from(n) * 10.0, OUTAGE)).collect();
    assert_eq!(play(&mut board, start, &outages), QUIET);
    let script = [(300.0, Outcome::NotFound), (320.0, Outcome::NotFound), (325.0, OUTAGE), (340.0, Outcome::NotFound)];
    assert_eq!(play(&mut board, start, &script), Next::Later);
    // Also of an id that was confirmed.
    let script = [(360.0, Outcome::NotFound), (371.0, Outcome::NotFound)];
    assert_eq!(play(&mut board, start, &script), Next::Unknown(Why::Absent));
    ask(&mut board, 7, seconds(start, 402.0));
    board.settle(7, OUTAGE, seconds(start, 402.0));
    assert_eq!(board.next(7, false, seconds(start, 402.0)), QUIET);
}

#[test]
fn an_outage_quiets_all_ids_longer_and_longer_up_to_a_limit() {
    let (mut board, mut now) = (Board::default(), Instant::now());
    for pause in [1, 2, 4, 8, 8, 8] {
        ask(&mut board, 7, now);
        board.settle(7, OUTAGE, now);
        now += Duration::from_secs(pause);
        let still = now - Duration::from_millis(1);
        assert_eq!((board.next(8, true, still), board.start(still)), (QUIET, None));
        assert_eq!(board.next(8, true, still), Next::Quiet { look: false }, "the disk is looked at once");
        board.forget(8);
    }
    let hour = Some(Duration::from_secs(3_600));
    ask(&mut board, 7, now);
    board.settle(7, Outcome::Outage { whole: true, retry_after: hour }, now);
    assert_eq!(board.next(7, true, now + Duration::from_secs(59)), QUIET);
    ask(&mut board, 7, now + Duration::from_secs(60));
    board.settle(7, Outcome::Known, now);
    assert_eq!(board.next(8, true, now), Next::Wait, "an answer ends the quiet");
}

#[test]
fn one_bad_answer_does_not_quiet_the_other_ids() {
    let (mut board, now) = (Board::default(), Instant::now());
    ask(&mut board, 7, now);
    board.settle(7, Outcome::Outage { whole: false, retry_after: None }, now);
    assert_eq!((board.next(7, true, now), board.next(8, true, now)), (Next::Later, Next::Wait));
    assert_eq!(board.start(now), Some(8));
}

#[test]
fn ids_that_are_looked_at_once_are_asked_for_three_times_and_no_more() {
    let (mut board, start) = (Board::default(), Instant::now());
    (0..500).for_each(|id| assert_eq!(board.next(id, false, start), Next::Wait));
    assert_eq!(run(&mut board, start, 40, Outcome::NotFound), 1_500);
    assert!(!board.has_wanted());
    let end = seconds(start, 40.0);
    assert!((0..500).all(|id| board.next(id, false, end) == Next::Unknown(Why::Absent)));
}

#[test]
fn an_outage_that_lasts_voids_all_evidence_and_a_lone_bad_answer_only_its_own() {
    for (outages, unknown) in [(1, true), (2, false)] {
        let (mut board, start) = (Board::default(), Instant::now());
        board.next(7, false, start);
        run(&mut board, start, 1, Outcome::NotFound);
        for at in (0..outages).map(|n| seconds(start, 5.0 + 2.0 * f64::from(n))) {
            ask(&mut board, 8, at);
            board.settle(8, OUTAGE, at);
        }
        run(&mut board, seconds(start, 10.0), 25, Outcome::NotFound);
        let found = board.next(7, false, seconds(start, 35.0));
        assert_eq!(found == Next::Unknown(Why::Absent), unknown, "{outages}: {found:?}");
    }
}

#[test]
fn an_id_that_nobody_looks_at_any_more_is_dropped() {
    let (mut board, start) = (Board::default(), Instant::now());
    board.next(7, false, start);
    let one = Outcome::Outage { whole: false, retry_after: None };
    assert_eq!(run(&mut board, start, 400, one), 20, "every 15 s for 300 s");
    assert!(!board.has_wanted() && board.len() == 0);
}

#[test]
fn questions_and_memory_are_bounded_whatever_ids_a_producer_invents() {
    let (mut board, start) = (Board::default(), Instant::now());
    ask(&mut board, 0, start);
    assert_eq!(board.next(0, true, start), Next::Wait);
    assert_eq!(board.start(start), None, "one question an id");
    board.settle(0, Outcome::Known, start);
    let (mut asked, mut id) = (0, 100);
    for now in (0..20_000).map(|tick| start + Duration::from_millis(tick * 10)) {
        for _ in 0..10 {
            id += 1;
            board.next(id, false, now);
        }
        while let Some(id) = board.start(now) {
            asked += 1;
            board.settle(id, Outcome::NotFound, now);
        }
    }
    assert!((19_000..=20_100).contains(&asked), "{asked} questions in 200 s");
    assert!(board.len() <= IDS_MAX, "{}", board.len());
}
