//! From rows to a baseline, a window and what is said of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Names, NotCompared, TASKS_MAX, TaskReport, Why};
use crate::drift::{
    Baseline, Rule, Window,
    names::number_names,
    row::{Row, Shape, Task},
    samples::Samples,
};

/// Task and arm.
type Key = (String, String);

/// Pass 1: what the tasks of the reference are made of, and a sample of each number.
#[derive(Default)]
pub(super) struct Shapes(BTreeMap<Key, (Shape, Samples)>);

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
            let first = || (row.shape(task), Samples::of(row.numbers(task).count()));
            let (shape, samples) = self.0.entry(key).or_insert_with(first);
            if row.is_like(task, shape) {
                samples.add(row.numbers(task));
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
        let one = |(key, (shape, samples)): (Key, (Shape, Samples))| {
            let baseline = samples.baseline(names_of(&shape, names));
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
            one.baseline.add(row.numbers(task), &row.categories(task));
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
            one.window.add(&one.baseline, row.numbers(task), &row.categories(task));
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

/// In the order of [`Row::numbers`]; numbered where the bundle is not known.
fn names_of(shape: &Shape, names: &Names) -> Vec<String> {
    let named = |known: bool, names: &[String], count: usize, what: &str| match known && names.len() == count {
        true => names.to_vec(),
        false => (0..count).map(|index| format!("{what}{index}")).collect(),
    };
    let features = named(shape.contract == names.contract, &names.features, shape.features, "feature ");
    let labels = named(shape.model == names.model, &names.labels, shape.scores, "");
    number_names(features.iter().map(String::as_str), labels.iter().map(String::as_str))
}
