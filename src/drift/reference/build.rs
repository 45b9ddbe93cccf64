//! A reference from predictions that come twice.

use thiserror::Error;

use super::{BundleReference, FORMAT, ReferenceError, Subject};
use crate::{
    drift::{
        Baseline,
        row::{Row, Task},
        samples::Samples,
    },
    features::contract::Contract,
};

/// Why there is no reference.
#[derive(Debug, Error)]
pub enum BuildError {
    /// What predictions log, but for the numbers of this bundle.
    #[error(
        "the tasks of the configuration do not read the feature {0:?}, which the bundle does; is it one of theirs?"
    )]
    Feature(String),
    /// Not enough predictions.
    #[error(
        "{rows} predictions of {model}, {unlike} of another model, version, feature contract or task; it takes {rows_min}: \
         give more, or a lower --rows-min"
    )]
    Few {
        /// Name and version of the bundle.
        model: String,
        /// How many there were.
        rows: u64,
        /// How many it takes.
        rows_min: u64,
        /// How many were passed over.
        unlike: u64,
    },
    /// What was given to say of it.
    #[error(transparent)]
    Refused(#[from] ReferenceError),
}

/// Which predictions count, and where their numbers stand.
#[derive(Debug)]
pub struct Builder<'a> {
    subject: Subject<'a>,
    task: Option<&'a str>,
    layouts: Vec<Layout>,
}

/// Where the features of the bundle stand in predictions of a contract.
#[derive(Debug)]
struct Layout {
    contract: String,
    width: usize,
    /// Per feature of the bundle.
    columns: Vec<usize>,
}

impl Layout {
    fn of(logged: &Contract, read: &Contract) -> Result<Self, BuildError> {
        let place = |name: &str| logged.features().iter().position(|feature| feature.name == name);
        let column = |name: &String| place(name).ok_or_else(|| BuildError::Feature(name.clone()));
        let columns = read.features().iter().map(|feature| column(&feature.name)).collect::<Result<_, _>>()?;
        Ok(Self { contract: logged.id(), width: logged.features().len(), columns })
    }
}

impl<'a> Builder<'a> {
    /// For predictions of `subject`, by the task of this name if there is one. They log the features of the bundle's own
    /// contract, or of `union`, that of all tasks of a stream ([`crate::pipeline::union`]).
    ///
    /// # Errors
    /// [`BuildError::Feature`].
    pub fn try_new(subject: Subject<'a>, union: Option<&Contract>, task: Option<&'a str>) -> Result<Self, BuildError> {
        let logged = [subject.contract].into_iter().chain(union);
        let layouts = logged.map(|logged| Layout::of(logged, subject.contract)).collect::<Result<_, _>>()?;
        Ok(Self { subject, task, layouts })
    }

    /// Pass 1.
    pub(super) fn sampling(&self) -> Sampling<'_> {
        Sampling { builder: self, samples: Samples::of(self.subject.number_names().len()) }
    }

    /// What the bundle's model said of the message, with its numbers in the order of their names; the first task that
    /// has this model counts, so that each message does once.
    fn numbers<'r>(&'r self, row: &'r Row) -> Option<(&'r Task, impl Iterator<Item = Option<f64>> + 'r)> {
        let is_logged = |layout: &&Layout| layout.contract == row.contract && layout.width == row.features.len();
        let layout = self.layouts.iter().find(is_logged)?;
        let task = row.tasks.iter().find(|task| self.is_meant(task))?;
        let features = layout.columns.iter().map(move |&column| row.features[column]);
        Some((task, row.numbers_of(task, features)))
    }

    fn is_meant(&self, Task { task, calibrated, model, .. }: &Task) -> bool {
        let Subject { name, version, labels, .. } = self.subject;
        (model.name == name && model.version == version)
            && calibrated.len() == labels.len()
            && self.task.is_none_or(|wanted| wanted == task)
    }
}

/// Pass 1: a sample of each number.
pub(super) struct Sampling<'b> {
    builder: &'b Builder<'b>,
    samples: Samples,
}

impl<'b> Sampling<'b> {
    /// One more prediction.
    pub(super) fn add(&mut self, row: &Row) {
        if let Some((_, numbers)) = self.builder.numbers(row) {
            self.samples.add(numbers);
        }
    }

    /// Pass 2, over the same predictions.
    pub(super) fn counting(self) -> Counting<'b> {
        let baseline = self.samples.baseline(self.builder.subject.number_names());
        Counting { builder: self.builder, baseline, rows: 0, unlike: 0 }
    }
}

/// Pass 2: all rows, counted on the edges of the samples.
pub(super) struct Counting<'b> {
    builder: &'b Builder<'b>,
    baseline: Baseline,
    rows: u64,
    unlike: u64,
}

/// A reference, and what is not in it.
#[derive(Debug)]
pub struct Built {
    /// The reference.
    pub reference: BundleReference,
    /// Predictions of another model, version, feature contract or task.
    pub unlike: u64,
}

impl Counting<'_> {
    /// One more prediction.
    pub(super) fn add(&mut self, row: &Row) {
        let Some((task, numbers)) = self.builder.numbers(row) else {
            self.unlike += 1;
            return;
        };
        self.baseline.add(numbers, &row.categories(task));
        self.rows += 1;
    }

    /// The reference of at least `rows_min` predictions; `from` says for people which they are.
    ///
    /// # Errors
    /// [`BuildError::Few`]; [`BuildError::Refused`] when `from` is not usable.
    pub(super) fn finish(self, from: String, rows_min: u64) -> Result<Built, BuildError> {
        let Self { builder: Builder { subject, .. }, baseline, rows, unlike } = self;
        if rows < rows_min.max(1) {
            let model = format!("{} {}", subject.name, subject.version);
            return Err(BuildError::Few { model, rows, rows_min: rows_min.max(1), unlike });
        }
        let (contract, labels) = (subject.contract.id(), subject.labels.to_vec());
        let reference = BundleReference { format: FORMAT, from, rows, contract, labels, baseline };
        reference.check(subject)?;
        Ok(Built { reference, unlike })
    }
}
