//! From rows to a baseline, a window and what is said of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Names, NotCompared, SAMPLE_MAX, TASKS_MAX, TaskReport, Why,
    row::{CATEGORIES, Row, Shape, Task},
};
use crate::{
    decision::tune::Random,
    drift::{
        Baseline, Rule, Window,
        sketch::{Categories, Edges, Reference},
    },
};

/// Task and arm.
type Key = (String, String);

/// Pass 1: what the tasks of the reference are made of, and a sample of each number.
#[derive(Default)]
pub(super) struct Shapes(BTreeMap<Key, (Shape, Vec<Sample>)>);

/// A uniform sample of a number's values: reservoir sampling (Vitter 1985, algorithm R) from a fixed seed.
struct Sample {
    values: Vec<f64>,
    seen: usize,
    random: Random,
}

impl Sample {
    fn new(seed: u64) -> Self {
        Self { values: Vec::new(), seen: 0, random: Random::new(seed) }
    }

    fn add(&mut self, value: f64) {
        self.seen += 1;
        if self.values.len() < SAMPLE_MAX {
            self.values.push(value);
        } else if let Some(place) = self.values.get_mut(self.random.below(self.seen)) {
            *place = value;
        }
    }
}

fn key(task: &Task) -> Key {
    let (task, arm) = task.key();
    (task.to_owned(), arm.to_owned())
}

impl Shapes {
    pub(super) fn add(&mut self, row: &Row) -> Result<(), String> {
        for task in &row.tasks {
            let key = key(task);
            if !self.0.contains_key(&key) && self.0.len() == TASKS_MAX {
                return Err(format!("task {:?} is the {}th of this file and is left out", task.task, TASKS_MAX + 1));
            }
            let (shape, samples) = self.0.entry(key).or_insert_with(|| {
                let samples = row.numbers(task).enumerate().map(|(index, _)| Sample::new(index as u64));
                (row.shape(task), samples.collect())
            });
            if row.is_like(task, shape) {
                let values = samples.iter_mut().zip(row.numbers(task));
                values.for_each(|(sample, value)| value.into_iter().for_each(|value| sample.add(value)));
            }
        }
        Ok(())
    }
}

/// Pass 2 and the current file: all rows, counted.
pub(super) struct Found {
    tasks: BTreeMap<Key, One>,
    /// Tasks of the current file that the reference lacks, as many of them as a file may have.
    strangers: BTreeSet<Key>,
}

struct One {
    shape: Shape,
    baseline: Baseline,
    window: Window,
    rows: [u64; 2],
    unlike: u64,
}

impl Found {
    pub(super) fn of(shapes: Shapes, names: &Names) -> Self {
        let one = |(key, (shape, samples)): (Key, (Shape, Vec<Sample>))| {
            let references = samples.into_iter().map(|sample| Reference::on(Edges::of(sample.values)));
            let numbers = number_names(&shape, names).into_iter().zip(references).collect();
            let categories = CATEGORIES.iter().map(|&name| (name.to_owned(), Categories::default())).collect();
            let baseline = Baseline { numbers, categories };
            let window = Window::of(&baseline);
            (key, One { shape, baseline, window, rows: [0, 0], unlike: 0 })
        };
        Self { tasks: shapes.0.into_iter().map(one).collect(), strangers: BTreeSet::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Calls `with` for every task of the row that can be compared.
    fn each(&mut self, row: &Row, mut with: impl FnMut(&mut One, &Task)) {
        for task in &row.tasks {
            let Some(one) = self.tasks.get_mut(&key(task)) else { continue };
            match row.is_like(task, &one.shape) {
                true => with(one, task),
                false => one.unlike += 1,
            }
        }
    }

    pub(super) fn add_reference(&mut self, row: &Row) {
        self.each(row, |one, task| {
            one.rows[0] += 1;
            let numbers = one.baseline.numbers.iter_mut().zip(row.numbers(task));
            numbers.for_each(|((_, reference), value)| reference.add(value));
            let categories = one.baseline.categories.iter_mut().zip(row.categories(task));
            categories.for_each(|((_, counts), name)| counts.add(&name));
        });
    }

    pub(super) fn add_current(&mut self, row: &Row) {
        for key in row.tasks.iter().map(key) {
            if !self.tasks.contains_key(&key) && self.strangers.len() < TASKS_MAX {
                self.strangers.insert(key);
            }
        }
        self.each(row, |one, task| {
            one.rows[1] += 1;
            let references = one.baseline.numbers.iter().map(|(_, reference)| reference.edges());
            let numbers = one.window.numbers.iter_mut().zip(references).zip(row.numbers(task));
            numbers.for_each(|((counts, edges), value)| counts.add(edges, value));
            let categories = one.window.categories.iter_mut().zip(row.categories(task));
            categories.for_each(|(counts, name)| counts.add(&name));
        });
    }

    /// What is said of the tasks of the reference, and which of both files cannot be said anything of.
    pub(super) fn judge(self, rule: &Rule) -> (Vec<TaskReport>, Vec<NotCompared>) {
        let report = |((task, arm), one): (Key, One)| {
            let verdict = one.baseline.judge(&one.window, rule);
            let [rows_before, rows_after] = one.rows;
            TaskReport { task, arm, rows_before, rows_after, rows_unlike: one.unlike, verdict }
        };
        let tasks: Vec<_> = self.tasks.into_iter().map(report).collect();
        let few = tasks
            .iter()
            .filter(|report| report.verdict.too_few)
            .map(|TaskReport { task, arm, .. }| NotCompared { task: task.clone(), arm: arm.clone(), why: Why::TooFew });
        let strange = self.strangers.into_iter().map(|(task, arm)| NotCompared { task, arm, why: Why::NoReference });
        let not_compared = few.chain(strange).collect();
        (tasks, not_compared)
    }
}

/// In the order of [`Row::numbers`].
fn number_names(shape: &Shape, names: &Names) -> Vec<String> {
    let known = shape.contract == names.contract && shape.features == names.features.len();
    let feature = |index: usize| if known { names.features[index].clone() } else { format!("feature {index}") };
    let labels = shape.model == names.model && shape.scores == names.labels.len();
    let score = |index: usize| match labels {
        true => format!("score {}", names.labels[index]),
        false => format!("score {index}"),
    };
    let features = (0..shape.features).map(feature);
    features.chain(["unknown_term_ratio".to_owned()]).chain((0..shape.scores).map(score)).collect()
}
