//! Each fault, planted alone into a history that is right, is named; the history itself is clean.

use std::convert::Infallible;

use super::*;
use crate::dedup::Identity;

const LIMITS: WindowLimits = WindowLimits { age_ms_max: 1_000_000, keys_max: 2 };

/// Offset, user and key of an input record; without a user it cannot be decoded. Its hash is its offset.
type Input = (i64, Option<i64>, &'static str);

struct History {
    inputs: Vec<Input>,
    verdicts: Vec<Verdict>,
    predictions: Vec<Prediction>,
    letters: Vec<DeadLetter>,
    bounds: Bounds,
}

fn verdict(source: i64, user_id: i64, key: &str, decided_at_ms: i64) -> Verdict {
    let Ids { identity, ids } = ids_of(user_id, key);
    Verdict { source, identity, ids, user_id, decided_at_ms }
}

fn ids_of(user_id: i64, key: &str) -> Ids {
    Ids { identity: Identity::new(user_id, 0, key), ids: key.bytes().map(u64::from).sum() }
}

impl History {
    /// Two users; offset 13 is a dead letter, 15 cannot be decoded, 16 repeats 10; offsets have gaps.
    fn right() -> Self {
        let verdicts = vec![verdict(10, 1, "a", 0), verdict(12, 2, "b", 5), verdict(17, 1, "c", 9)];
        let bounds = Bounds {
            low: 10,
            answers_from: 10,
            pairs_from: 10,
            until: 18,
            committed: Some(18),
            transaction_records_max: 0,
        };
        Self {
            inputs: vec![
                (10, Some(1), "a"),
                (12, Some(2), "b"),
                (13, Some(2), ""),
                (15, None, ""),
                (16, Some(1), "a"),
                (17, Some(1), "c"),
                (18, Some(1), "d"),
            ],
            predictions: verdicts
                .iter()
                .map(|verdict| Prediction { source: verdict.source, ids: verdict.ids })
                .collect(),
            verdicts,
            letters: vec![DeadLetter { source: 13, bytes: Some(13) }, DeadLetter { source: 15, bytes: Some(15) }],
            bounds,
        }
    }

    /// Verdict and prediction on one more record, in the place of those that are pending.
    fn judged(&mut self, input: Input, decided_at_ms: i64) {
        let (offset, Some(user), key) = input else { panic!("only a message has a verdict") };
        self.inputs.retain(|(pending, ..)| *pending < self.bounds.until);
        self.inputs.push(input);
        let verdict = verdict(offset, user, key, decided_at_ms);
        self.predictions.push(Prediction { source: offset, ids: verdict.ids });
        self.verdicts.push(verdict);
        self.bounds.until = offset + 1;
        self.bounds.committed = Some(offset + 1);
    }

    fn audit(self) -> (Tally, Vec<(Kind, i64)>) {
        let mut ledger = Ledger::new(0, LIMITS, 20);
        self.predictions.into_iter().for_each(|prediction| ledger.prediction(prediction));
        self.verdicts.into_iter().for_each(|verdict| ledger.verdict(verdict));
        self.letters.into_iter().for_each(|letter| ledger.dead_letter(letter));
        let mut judge = ledger.close(self.bounds);
        for (offset, user, key) in self.inputs {
            let ids = || Ok::<_, Infallible>(user.map(|user| ids_of(user, key)));
            let Ok(()) = judge.input(offset, offset as u64, ids);
        }
        let (tally, findings) = judge.finish();
        assert_eq!(findings.counts.total(), findings.samples.len() as u64);
        (tally, findings.samples.iter().map(|found| (found.kind, found.offset)).collect())
    }
}

/// The findings after one change to the right history.
fn after(change: impl FnOnce(&mut History)) -> Vec<(Kind, i64)> {
    let mut history = History::right();
    change(&mut history);
    history.audit().1
}

#[test]
fn a_right_history_is_clean_and_every_record_is_counted_once() {
    let (tally, findings) = History::right().audit();
    assert_eq!(findings, []);
    let expected =
        Tally { input: 7, verdicts: 3, predictions: 3, dead_letters: 2, suppressed: 1, pending: 1, not_judged: 0 };
    assert_eq!(tally, expected);
}

#[test]
fn lost() {
    let without = |offset: i64| {
        after(|history| {
            history.verdicts.retain(|verdict| verdict.source != offset);
            history.predictions.retain(|prediction| prediction.source != offset);
            history.letters.retain(|letter| letter.source != offset);
        })
    };
    assert_eq!(without(12), [(Kind::Lost, 12)]);
    assert_eq!(without(13), [(Kind::Lost, 13)], "a record that should be a dead letter");
    assert_eq!(without(15), [(Kind::Lost, 15)], "a record that cannot be decoded");
    assert_eq!(without(10), [(Kind::Lost, 10), (Kind::Lost, 16)], "a repeat of nothing is no repeat");
    assert_eq!(after(|history| history.bounds.until = 19), [(Kind::Lost, 18)], "behind the committed offset");
}

#[test]
fn duplicated() {
    let again = |history: &mut History| history.verdicts.insert(2, history.verdicts[1]);
    assert_eq!(after(again), [(Kind::Duplicated, 12)]);
    let prediction = |history: &mut History| history.predictions.push(history.predictions[0]);
    assert_eq!(after(prediction), [(Kind::Duplicated, 10)]);
    let letter = |history: &mut History| history.letters.push(history.letters[0]);
    assert_eq!(after(letter), [(Kind::Duplicated, 13)]);
    let both = |history: &mut History| history.letters.push(DeadLetter { source: 17, bytes: Some(17) });
    assert_eq!(after(both), [(Kind::Duplicated, 17)]);
}

#[test]
fn an_identity_is_duplicated_only_inside_the_window() {
    let repeat = (20, Some(2), "b");
    assert_eq!(after(|history| history.judged(repeat, 1_000_005)), [(Kind::Duplicated, 20)], "the last of the window");
    assert_eq!(after(|history| history.judged(repeat, 1_000_006)), [], "too late");
    assert_eq!(after(|history| history.judged((20, Some(1), "a"), 10)), [], "two keys since");
}

#[test]
fn a_repeat_is_suppressed_only_inside_the_window() {
    let repeat = |key, decided_at_ms| {
        after(|history| {
            history.judged((20, Some(3), "e"), decided_at_ms);
            history.inputs.push((21, Some(2), key));
            history.bounds.until = 22;
            history.bounds.transaction_records_max = 1;
        })
    };
    assert_eq!(repeat("b", 100), []);
    assert_eq!(repeat("b", 1_060_005), [], "the clocks of two hosts may differ");
    assert_eq!(repeat("b", 1_060_006), [(Kind::Lost, 21)], "too late");
    assert_eq!(repeat("a", 100), [(Kind::Lost, 21)], "another user's key");
    let of_a_later_one = after(|history| history.inputs[1] = (12, Some(1), "c"));
    assert_eq!(of_a_later_one, [(Kind::Unexpected, 12)]);
}

#[test]
fn unexpected() {
    let stray = |history: &mut History| {
        history.verdicts.push(verdict(19, 9, "x", 9));
        history.predictions.push(Prediction { source: 11, ids: 0 });
        history.letters.push(DeadLetter { source: 14, bytes: Some(0) });
        history.bounds.committed = None;
    };
    assert_eq!(
        after(stray),
        [(Kind::Unexpected, 11), (Kind::Unexpected, 14), (Kind::Unexpected, 19)],
        "no such input record"
    );
    let other_user = |history: &mut History| history.inputs[1].1 = Some(7);
    assert_eq!(after(other_user), [(Kind::Unexpected, 12)]);
    let other_message = |history: &mut History| {
        history.verdicts[1].ids += 1;
        history.predictions[1].ids += 1;
    };
    assert_eq!(after(other_message), [(Kind::Unexpected, 12)]);
    let undecodable = |history: &mut History| history.inputs[1].1 = None;
    assert_eq!(after(undecodable), [(Kind::Unexpected, 12)]);
    let other_bytes = |history: &mut History| history.letters[0].bytes = Some(0);
    assert_eq!(after(other_bytes), [(Kind::Unexpected, 13)]);
    let early = |history: &mut History| history.bounds.committed = Some(17);
    assert_eq!(after(early), [(Kind::Unexpected, 17)], "answered before its offset was committed");
}

#[test]
fn torn() {
    assert_eq!(after(|history| history.predictions.retain(|prediction| prediction.source != 12)), [(Kind::Torn, 12)]);
    assert_eq!(after(|history| history.verdicts.retain(|verdict| verdict.source != 12)), [(Kind::Torn, 12)]);
    assert_eq!(after(|history| history.predictions[1].ids += 1), [(Kind::Torn, 12)]);
    let with_letter = |history: &mut History| history.predictions.push(Prediction { source: 13, ids: 0 });
    assert_eq!(after(with_letter), [(Kind::Torn, 13)], "a dead letter has no prediction");
}

#[test]
fn out_of_order_is_a_matter_of_one_user() {
    let last_first = |history: &mut History| history.verdicts.rotate_right(1);
    assert_eq!(after(last_first), [(Kind::OutOfOrder, 10)]);
    let others = |history: &mut History| history.verdicts.swap(0, 1);
    assert_eq!(after(others), [], "two users");
}

#[test]
fn what_is_past_its_retention_is_not_judged() {
    let (tally, findings) = {
        let mut history = History::right();
        history.verdicts.remove(0);
        history.bounds.answers_from = 16;
        history.bounds.pairs_from = 17;
        history.letters.clear();
        history.audit()
    };
    assert_eq!(findings, [(Kind::Lost, 16)], "only what is not");
    assert_eq!(tally.not_judged, 2, "10 has a prediction");
    let input_deleted = |history: &mut History| {
        history.inputs.drain(..3);
        history.bounds.low = 14;
        history.bounds.answers_from = 14;
        history.bounds.pairs_from = 14;
    };
    assert_eq!(after(input_deleted), [], "a repeat of a record that is gone has its verdict still");
}

#[test]
fn what_is_not_committed_is_pending() {
    let (tally, findings) = {
        let mut history = History::right();
        history.bounds.until = 12;
        history.verdicts.truncate(2);
        history.letters.clear();
        history.audit()
    };
    assert_eq!(findings, [], "half a pair was captured");
    assert_eq!(tally.pending, 4);
}
