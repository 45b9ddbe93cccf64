use std::{collections::HashSet, hint::black_box, time::Instant};

use proptest::prelude::*;

use super::*;
use crate::drift::labels::{
    Hints,
    answers::Answers,
    testing::{Predicted, judged, label, models, predicted, said, spam},
};
use crate::records::{Label, TaskPrediction};

const BYTES_MAX: usize = 1 << 20;

fn insert<'p>(index: &Index, predictions: impl IntoIterator<Item = &'p Predicted>) {
    let mut writer = index.writer();
    predictions.into_iter().for_each(|predicted| writer.insert(&predicted.view()));
}

fn topics(probability: f64, arm: &'static str) -> TaskPrediction<'static> {
    said("topic", arm, 3, if probability > 0.5 { &["a", "h"] } else { &[] }, &[probability; 8])
}

fn tasks() -> impl Strategy<Value = Vec<TaskPrediction<'static>>> {
    let one = (0..6, -0.5..=1.5_f64).prop_map(|(kind, p)| match kind {
        0 => spam(p),
        1 => vec![said("spam", "canary", 2, &["scam"], &[p, 0.0, 1.0 - p])],
        2 => vec![topics(p, "live")],
        // What cannot be read: another bundle, another number of labels, another task.
        3 => vec![said("spam", "live", 9, &["spam"], &[p, p])],
        4 => vec![said("spam", "live", 1, &["spam"], &[p])],
        _ => vec![said("mood", "live", 1, &["spam"], &[p, p])],
    });
    proptest::collection::vec(one, 0..4).prop_map(|parts| parts.concat())
}

fn predictions() -> impl Strategy<Value = Vec<Predicted>> {
    let one = ((0..4, 0..2, 0..4_i64, 0..4_000_i64), tasks());
    proptest::collection::vec(one, 0..60).prop_map(|all| {
        let mut seen = HashSet::new();
        // No message is judged twice within a millisecond.
        let all = all.into_iter().filter(|(of, _)| seen.insert(*of));
        let predicted =
            |((id, partition, offset, at), tasks)| predicted(&format!("m{id}"), judged(partition, offset, at), tasks);
        all.map(predicted).collect()
    })
}

fn labels() -> impl Strategy<Value = (Label, i32)> {
    let hints = (proptest::option::of(0..2), proptest::option::of(0..4_i64), proptest::option::of(0..4_000_i64));
    (0..5, prop_oneof!["spam", "topic"], hints, 0..2).prop_map(|(id, task, (partition, offset, at), own)| {
        let label = label(&format!("m{id}"), &["spam"], 0);
        (Label { task, source_partition: partition, source_offset: offset, decided_at: at, ..label }, own)
    })
}

proptest! {
    #[test]
    fn what_is_in_the_index_answers_as_the_topic_does(
        predictions in predictions(),
        labels in proptest::collection::vec(labels(), 1..20),
    ) {
        let models = models();
        let index = Index::new(models.clone(), BYTES_MAX);
        insert(&index, &predictions);
        let wanted: Vec<_> = labels.iter().map(|(label, own)| Wanted {
            message_id: &label.message_id,
            task: &label.task,
            hints: Hints::of(label, *own),
        }).collect();
        // Until the first exact answer, as a reading ends then; the rest of the topic may not change it, but for one that
        // was judged twice.
        for (wanted, found) in wanted.iter().zip(index.find(&wanted)) {
            let mut answers = Answers::new(&models, [(wanted, None)]);
            predictions.iter().for_each(|predicted| answers.hear(&predicted.view()));
            let answer = answers.into_best().remove(0).map(|(_, found)| found);
            prop_assert_eq!(found.as_ref().map(|(_, found)| found), answer.as_ref());
            if let Some((rank, found)) = found {
                prop_assert_eq!(wanted.hints.rank(found.judged), Some(rank));
            }
        }
    }

    #[test]
    fn the_newest_stay_and_the_memory_is_bounded(
        predictions in proptest::collection::vec(tasks(), 0..200),
        bytes_max in 0_usize..8_000,
    ) {
        let index = Index::new(models(), bytes_max);
        let all: Vec<_> = predictions.into_iter().enumerate()
            .map(|(number, tasks)| predicted(&format!("m{number}"), judged(0, number as i64, 5), tasks))
            .collect();
        all.chunks(7).for_each(|chunk| insert(&index, chunk));
        {
            let ring = index.lock();
            prop_assert!((ring.heads.len() + ring.words.len()) * 8 <= bytes_max);
        }
        // Any task will do to see whether it is there.
        let is_there = |predicted: &&Predicted| ["spam", "topic"].iter().any(|task| {
            let hints = Hints::of(&label("", &[], 0), 0);
            index.find(&[Wanted { message_id: predicted.view().message_id, task, hints }])[0].is_some()
        });
        let models = models();
        let readable: Vec<_> = all.iter().filter(|predicted| models.readable(&predicted.view()).next().is_some()).collect();
        let there: Vec<_> = readable.iter().copied().filter(is_there).collect();
        prop_assert_eq!(there.len(), index.len());
        if bytes_max > 4_000 {
            prop_assert!(there.len() >= readable.len().min(8));
            prop_assert!(readable.iter().rev().zip(there.iter().rev()).all(|(all, there)| all.view().message_id == there.view().message_id));
        }
    }
}

#[test]
fn an_id_without_end_and_arms_without_end_are_bounded() {
    let index = Index::new(models(), BYTES_MAX);
    let same = predicted("m", judged(0, 7, 5), spam(0.9));
    insert(&index, std::iter::repeat_n(&same, 100_000));
    assert!(index.len() < BYTES_MAX / 80, "{}", index.len());
    let other = index.find(&[Wanted { message_id: "m", task: "topic", hints: Hints::of(&label("", &[], 0), 0) }]);
    assert_eq!(other, [None]);

    for arm in 0..2 * ARMS_MAX {
        let mut tasks = spam(0.9);
        tasks[0].model.arm = arm.to_string().into();
        insert(&index, [&predicted(&format!("arm {arm}"), judged(0, 1, 5), tasks)]);
    }
    assert_eq!(index.lock().arms.len(), ARMS_MAX);
}

#[test]
fn labels_fill_more_than_a_word() {
    let names: Vec<String> = (0..130).map(|number| format!("l{number}")).collect();
    let model = crate::drift::labels::Model {
        task: "wide".into(),
        digest: crate::model::Digest([7; 32]),
        labels: names,
        is_exclusive: false,
    };
    let index = Index::new(Arc::new(Models::new(vec![model])), BYTES_MAX);
    let probabilities: Vec<f64> = (0..130).map(|number| f64::from(number) / 130.0).collect();
    let tasks = vec![said("wide", "live", 7, &["l0", "l63", "l64", "l129"], &probabilities)];
    insert(&index, [&predicted("m", judged(0, 0, 0), tasks)]);
    let found = index.find(&[Wanted { message_id: "m", task: "wide", hints: Hints::of(&label("", &[], 0), 0) }]);
    let said = &found[0].as_ref().unwrap().1.said[0];
    let set: Vec<_> = (0..130).filter(|&label| said.said[label]).collect();
    assert_eq!((set, &said.probabilities), (vec![0, 63, 64, 129], &probabilities));
}

#[test]
#[ignore = "prints the time of an insert"]
fn time_of_an_insert() {
    for (name, tasks) in [("binary", spam(0.9)), ("8 classes", vec![topics(0.9, "live")])] {
        // Ids as long as a UUID; more than there is room for, so that the oldest are dropped on the way.
        let index = Index::new(models(), 32 << 20);
        // Of whole chunks, just read, as the lane inserts them: half of them take no longer, whatever else the machine does.
        let of_chunk = |chunk: i64| {
            let one = |number| predicted(&format!("{number:036}"), judged(0, number, number), tasks.clone());
            let made: Vec<_> = (chunk * 512..chunk * 512 + 512).map(one).collect();
            let views: Vec<_> = made.iter().map(Predicted::view).collect();
            let start = Instant::now();
            let mut writer = index.writer();
            views.iter().for_each(|view| writer.insert(black_box(view)));
            drop(writer);
            start.elapsed().as_nanos() as f64 / made.len() as f64
        };
        let mut times: Vec<_> = (0..2_000).map(of_chunk).collect();
        times.sort_by(f64::total_cmp);
        let (least, median) = (times[0], times[times.len() / 2]);
        println!(
            "{name}: {median:.0} ns an insert (least {least:.0}), {} in 32 MiB, {:.0} bytes each",
            index.len(),
            f64::from(32 << 20) / index.len() as f64
        );
    }
}
