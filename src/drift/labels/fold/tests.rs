use proptest::prelude::*;

use super::*;
use crate::{
    config::Config,
    drift::{
        labels::testing::{
            Log, Memory, PANE_MS, Predicted, REMEMBERED_MAX, about, chunk, judged, label, models, predicted, said, spam,
        },
        panes::Merge as _,
    },
    fault::Action,
    records::{Label, LabelSource},
};

const NOW: i64 = 1_000_000_000;

fn labels(predictions: &[Predicted], indexed: &[bool]) -> Labels<Log> {
    let config = Config::default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let schemas = Arc::new(Schemas::try_new(&config.schemas, runtime.handle()).unwrap());
    let index = Index::new(models(), 1 << 16);
    let is_in = predictions.iter().zip(indexed).filter(|(_, is_in)| **is_in);
    is_in.for_each(|(predicted, _)| index.writer().insert(&predicted.view()));
    let past = Log { predictions: predictions.to_vec(), ..Log::default() };
    Labels::new(&config.drift, models(), index, past, schemas, crate::ops::metrics::Metrics::new())
}

fn fold(predictions: &[Predicted], said: &[Label]) -> (Memory, Labels<Log>) {
    let (mut labels, mut lane) = (labels(predictions, &[]), Memory::new(REMEMBERED_MAX));
    let said: Vec<_> = said.iter().map(|label| (0, label.clone())).collect();
    labels.fold(&chunk(&said, 0), &mut lane, &|| true).unwrap();
    (lane, labels)
}

fn pane(lane: &Memory, start: i64) -> LabelPane {
    lane.partitions[&0].panes.get(&start).cloned().unwrap_or_default()
}

fn spam_of(lane: &Memory, start: i64) -> LabelSeries {
    pane(lane, start).tasks.remove("spam").unwrap_or_default()
}

/// (caught, false alarms, missed, rightly passed) of the label `spam` and the arm `live`.
fn cells(series: &LabelSeries) -> [u64; 4] {
    let found = &series.arms["live"].labels[1];
    [found.true_positives, found.false_positives, found.false_negatives, found.true_negatives]
}

fn two() -> Vec<Predicted> {
    vec![predicted("a", judged(3, 10, NOW), spam(0.9)), predicted("b", judged(0, 11, NOW), spam(0.2))]
}

#[test]
fn a_label_of_any_partition_finds_its_prediction() {
    let predictions = two();
    let (lane, labels) =
        fold(&predictions, &[about(&predictions[0], &["spam"], NOW + 5), about(&predictions[1], &["spam"], NOW + 6)]);
    let series = spam_of(&lane, NOW);
    assert_eq!((series.joined, cells(&series), labels.past.asked), (2, [1, 0, 1, 0], 2));
}

#[test]
fn the_second_label_repeats_corrects_or_contradicts() {
    let predictions = two();
    let of = |labels: &[&str], at, source| Label { source, ..about(&predictions[0], labels, NOW + at) };
    use LabelSource::{Appeal, Moderator, UserReport};
    let check = |later: &[Label], counts: [u64; 4], expected: [u64; 4]| {
        let all = [&[of(&["spam"], 5, Moderator)], later].concat();
        let series = spam_of(&fold(&predictions, &all).0, NOW);
        assert_eq!([series.joined, series.repeated, series.corrected, series.contradicted], counts, "{later:?}");
        assert_eq!(cells(&series), expected, "{later:?}");
    };
    check(&[of(&["spam"], 9, UserReport)], [1, 1, 0, 0], [1, 0, 0, 0]);
    check(&[of(&["ham"], 9, UserReport)], [1, 0, 0, 1], [1, 0, 0, 0]);
    check(&[of(&["ham"], 9, Moderator)], [1, 0, 1, 0], [0, 1, 0, 0]);
    check(&[of(&["ham"], 5, Moderator)], [1, 0, 1, 0], [0, 1, 0, 0]);
    check(&[of(&["ham"], 4, Moderator)], [1, 0, 0, 1], [1, 0, 0, 0]);
    check(&[of(&["ham"], 1, Appeal)], [1, 0, 1, 0], [0, 1, 0, 0]);
    // A repeat lends its weight.
    check(&[of(&["spam"], 6, Appeal), of(&["ham"], 9, Moderator)], [1, 1, 0, 1], [1, 0, 0, 0]);
    // Once the first one's pane is closed, nothing changes it.
    check(&[of(&["ham"], PANE_MS, Appeal)], [1, 0, 0, 0], [1, 0, 0, 0]);
    let (lane, _) = fold(&predictions, &[of(&["spam"], 5, Moderator), of(&["ham"], PANE_MS, Appeal)]);
    assert_eq!(spam_of(&lane, NOW + PANE_MS).contradicted, 1);
}

#[test]
fn what_does_not_count_is_told_apart() {
    let predictions = two();
    let delay = Config::default().drift.labels.delay_seconds_max as i64 * 1_000;
    let at = |label: Label| fold(&predictions, std::slice::from_ref(&label)).0.partitions.remove(&0).unwrap().panes;
    let series = |label: Label| at(label).pop_first().unwrap().1.tasks.remove("spam").unwrap();
    let one = &predictions[0];
    assert_eq!(series(about(one, &["spam"], NOW + delay)).joined, 1);
    assert_eq!(series(about(one, &["spam"], NOW + delay + 1)).too_old, 1);
    assert_eq!(series(Label { message_id: "c".into(), ..about(one, &["spam"], NOW) }).unmatched, 1);
    assert_eq!(series(Label { source_offset: Some(9), ..about(one, &["spam"], NOW) }).unmatched, 1);
    assert_eq!(series(label("a", &["spam"], NOW)).unmatched, 1, "nothing says where to read");
    // `scam` is a label of the other model of the task, which said nothing.
    for unknown in [&["spam", "ham"][..], &[], &["x"], &["scam"]] {
        let series = series(about(one, unknown, NOW));
        assert_eq!((series.unknown, series.joined), (1, 0), "{unknown:?}");
    }
    assert_eq!(at(Label { task: "mood".into(), ..about(one, &["spam"], NOW) })[&NOW].unreadable, 1);
}

#[test]
fn a_record_that_is_no_label_does_not_make_old_labels_late() {
    let predictions = two();
    let mut records = chunk(&[(0, about(&predictions[0], &["spam"], NOW))], 0);
    for value in [None, Some(&b"text"[..]), Some(&[0, 0, 0, 0, 4, 1][..]), Some(&[0, 9, 9, 9, 9][..])] {
        records.push(0, 1, None, value);
        records.stamp(Some(NOW + 3 * PANE_MS));
    }
    let (mut labels, mut lane) = (labels(&predictions, &[]), Memory::new(REMEMBERED_MAX));
    labels.fold(&records, &mut lane, &|| true).unwrap();
    labels.fold(&chunk(&[(0, about(&predictions[1], &["spam"], NOW))], 5), &mut lane, &|| true).unwrap();
    let pane = pane(&lane, NOW);
    assert_eq!((pane.unreadable, pane.late, pane.tasks["spam"].joined), (4, 0, 2));
}

#[test]
fn a_label_from_the_far_future_does_not_close_the_panes_of_today() {
    let predictions = two();
    let mut records = chunk(&[(0, about(&predictions[0], &["spam"], i64::MAX))], 0);
    records.stamp(Some(NOW));
    let (mut labels, mut lane) = (labels(&predictions, &[]), Memory::new(REMEMBERED_MAX));
    labels.fold(&records, &mut lane, &|| true).unwrap();
    let ahead = Config::default().drift.future_seconds_max as i64 * 1_000;
    assert_eq!(spam_of(&lane, NOW + ahead).too_old, 1);
    assert_eq!(lane.place(0, NOW + ahead), Place::Open(NOW + ahead));
}

#[test]
fn late_labels_are_late_and_nothing_else() {
    let predictions = two();
    let (lane, _) =
        fold(&predictions, &[about(&predictions[1], &["ham"], NOW + PANE_MS), about(&predictions[0], &["spam"], NOW)]);
    assert_eq!((pane(&lane, NOW + PANE_MS).late, lane.partitions[&0].table.entries().len()), (1, 1));
    assert_eq!(spam_of(&lane, NOW + PANE_MS).joined, 1);
}

#[test]
fn nothing_is_counted_when_predictions_cannot_be_read_back() {
    let predictions = two();
    let said = chunk(&[(0, about(&predictions[1], &["ham"], NOW)), (0, about(&predictions[0], &["spam"], NOW))], 0);
    let (mut labels, mut lane) = (labels(&predictions, &[false, true]), Memory::new(REMEMBERED_MAX));
    labels.past.fault = Some(Fault::new(Action::Retry, "reading"));
    assert!(labels.fold(&said, &mut lane, &|| true).is_err());
    assert!(lane.partitions.values().all(|of| of.panes.is_empty()));
    labels.fold(&said, &mut lane, &|| true).unwrap();
    assert_eq!((spam_of(&lane, NOW).joined, labels.past.asked), (2, 2));
}

#[test]
fn several_arms_each_have_their_own_labels() {
    let tasks = [spam(0.9), vec![said("spam", "canary", 2, &["scam"], &[0.1, 0.1, 0.8])]].concat();
    let predictions = [predicted("a", judged(0, 1, NOW), tasks)];
    let of = |labels: &[&str], at| about(&predictions[0], labels, NOW + at);
    let arms = |all: &[Label]| {
        let series = spam_of(&fold(&predictions, all).0, NOW);
        series.arms.iter().map(|(arm, of)| (arm.clone(), of.labels[0].messages())).collect::<Vec<_>>()
    };
    assert_eq!(arms(&[of(&["spam"], 1)]), [("canary".into(), 1), ("live".into(), 1)]);
    assert_eq!(arms(&[of(&["scam"], 1)]), [("canary".into(), 1)]);
    assert_eq!(arms(&[of(&["spam"], 1), of(&["scam"], 2)]), [("canary".into(), 1), ("live".into(), 0)]);
}

/// Predictions of few messages, and labels of them: all that say where or when.
fn case() -> impl Strategy<Value = (Vec<Predicted>, Vec<(i32, Label)>)> {
    let tasks = (0.0..=1.0_f64, any::<bool>()).prop_map(|(p, two)| {
        let canary = said("spam", "canary", 2, &["scam"], &[0.3 * p, 0.7 * p, 1.0 - p]);
        if two { [spam(p), vec![canary]].concat() } else { spam(p) }
    });
    let predictions = proptest::collection::vec((0..5, 0..2, 0..900_i64, tasks), 1..9).prop_map(|all| {
        let one = |(offset, (id, partition, at, tasks)): (usize, (i32, i32, i64, _))| {
            predicted(&format!("m{id}"), judged(partition, offset as i64, NOW + at), tasks)
        };
        all.into_iter().enumerate().map(one).collect::<Vec<_>>()
    });
    let word =
        prop_oneof![Just(&["spam"][..]), Just(&["ham"][..]), Just(&["scam"][..]), Just(&["x"][..]), Just(&[][..])];
    let source = prop_oneof![
        Just(LabelSource::Other),
        Just(LabelSource::UserReport),
        Just(LabelSource::Moderator),
        Just(LabelSource::Appeal)
    ];
    let given = (0..2, 0..3, 0..2_000_i64);
    let label = (any::<prop::sample::Index>(), word, source, 0..PANE_MS / 2, given);
    (predictions, proptest::collection::vec(label, 1..40)).prop_map(|(predictions, labels)| {
        // Mostly in the order of their times, so that few are late.
        let said = labels.into_iter().zip((0..).step_by(30)).map(
            |((which, words, source, at, (partition, hints, off)), from)| {
                let at = from + at;
                let predicted = &predictions[which.index(predictions.len())];
                let exact = Label { source, ..about(predicted, words, NOW + at) };
                let label = match hints {
                    0 => exact,
                    1 => Label { decided_at: None, ..exact },
                    // About when, and in the partition of the label.
                    _ => Label {
                        source_offset: None,
                        source_partition: None,
                        decided_at: exact.decided_at.map(|at| at + off - 1_000),
                        ..exact
                    },
                };
                (partition, label)
            },
        );
        let said = said.collect();
        (predictions, said)
    })
}

/// Everything that is kept.
fn state(lane: &Memory) -> String {
    let of = |(partition, of): (&i32, &crate::drift::labels::testing::Partition)| {
        let table: Vec<_> = of.table.entries().collect();
        format!("{partition} {} {}", serde_json::to_string(&of.panes).unwrap(), serde_json::to_string(&table).unwrap())
    };
    lane.partitions.iter().map(of).collect::<Vec<_>>().join("\n")
}

proptest! {
    #[test]
    fn neither_the_index_nor_batches_nor_restarts_change_what_is_counted(
        (predictions, said) in case(),
        indexed in proptest::collection::vec(any::<bool>(), 9),
        cuts in proptest::collection::vec(1_usize..12, 40),
    ) {
        let mut whole = Memory::new(REMEMBERED_MAX);
        labels(&predictions, &[]).fold(&chunk(&said, 0), &mut whole, &|| true).unwrap();

        let mut cut = Memory::new(REMEMBERED_MAX);
        let mut kept: std::collections::BTreeMap<i32, std::collections::BTreeMap<_, String>> = Default::default();
        let mut labels = labels(&predictions, &indexed);
        let mut from = 0;
        for by in cuts {
            let to = said.len().min(from + by);
            labels.fold(&chunk(&said[from..to], from as i64), &mut cut, &|| true).unwrap();
            from = to;
            // The changes are all that is kept; what is restored from them goes on.
            for (partition, of) in &mut cut.partitions {
                let (kept, changes) = (kept.entry(*partition).or_default(), of.table.take_changes());
                for entry in changes.changed {
                    let key = (entry.message_id.clone(), entry.task.clone());
                    prop_assert!(!changes.dropped.contains(&key));
                    kept.insert(key, serde_json::to_string(&entry).unwrap());
                }
                changes.dropped.iter().for_each(|key| drop(kept.remove(key)));
                let entries = kept.values().map(|json| serde_json::from_str(json).unwrap()).collect();
                of.table = Table::restore(REMEMBERED_MAX, entries);
                prop_assert_eq!(of.table.take_changes(), Default::default());
            }
        }
        prop_assert_eq!(state(&cut), state(&whole));
    }

    #[test]
    fn panes_hold_what_is_known_and_nothing_else((predictions, said) in case()) {
        let mut lane = Memory::new(1_000);
        labels(&predictions, &[]).fold(&chunk(&said, 0), &mut lane, &|| true).unwrap();
        for of in lane.partitions.values() {
            let mut sum = LabelSeries::default();
            of.panes.values().filter_map(|pane| pane.tasks.get("spam")).for_each(|series| sum.merge(series));
            let mut known = LabelSeries::default();
            for entry in of.table.entries() {
                let counted = count::put(&mut known, entry.contributions.clone());
                prop_assert_eq!(&counted, &entry.contributions);
            }
            for (arm, counted) in sum.arms {
                let empty = vec![crate::drift::reliability::Labelled::default(); counted.labels.len()];
                prop_assert_eq!(&counted.labels, known.arms.get(&arm).map_or(&empty, |known| &known.labels));
            }
            prop_assert_eq!(sum.joined, of.table.entries().len() as u64);
            let late: u64 = of.panes.values().map(|pane| pane.late + pane.unreadable).sum();
            let rest = sum.unmatched + sum.too_old + sum.repeated + sum.corrected + sum.contradicted + sum.unknown;
            prop_assert_eq!(sum.joined + rest + late, said_of(&said, &lane, of));
        }
    }
}

fn said_of(said: &[(i32, Label)], lane: &Memory, of: &crate::drift::labels::testing::Partition) -> u64 {
    let partition = lane.partitions.iter().find(|(_, found)| std::ptr::eq(*found, of)).map(|(partition, _)| *partition);
    said.iter().filter(|(own, _)| Some(*own) == partition).count() as u64
}
