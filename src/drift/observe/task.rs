use std::{collections::HashMap, iter};

use rustc_hash::FxBuildHasher;

use super::{ARM_BYTES_MAX, ARMS_MAX, ObserverError};
use crate::{
    drift::{
        Window,
        names::{CATEGORIES, NONE, SEPARATOR, category_of, number_names},
        panes::{PredictionPane, PredictionSeries},
        reference::BundleReference,
        reliability::Expected,
        sketch::{Edges, Reference},
    },
    features::contract::Contract,
    model::Digest,
    records::{PredictionView, TaskView},
};

/// A task that is configured.
#[derive(Clone, Copy, Debug)]
pub struct ObservedTask<'a> {
    /// Name of the task.
    pub name: &'a str,
    /// Of its bundle.
    pub digest: Digest,
    /// The labels of its policy, in the model's order.
    pub labels: &'a [String],
    /// What was normal for that bundle.
    pub reference: &'a BundleReference,
}

/// A task, as far as it does not change.
pub(super) struct Watched {
    name: String,
    digest: Digest,
    /// A series of nothing.
    empty: PredictionSeries,
    /// One per number of the reference.
    edges: Vec<Edges>,
    /// Per feature of the reference, its place in the predictions.
    columns: Vec<usize>,
    labels: Vec<String>,
    places: HashMap<String, usize, FxBuildHasher>,
    /// Places of the labels in the order of the alphabet.
    alphabet: Vec<usize>,
}

/// What is read of a prediction before it is counted; memory that is used again and again.
#[derive(Default)]
pub(super) struct Scratch {
    /// In the order of the predictions.
    pub(super) features: Vec<Option<f64>>,
    probabilities: Vec<f64>,
    /// One per label of the model.
    said: Vec<bool>,
    joined: String,
}

impl Watched {
    pub(super) fn try_new(task: &ObservedTask<'_>, union: &Contract) -> Result<Self, ObserverError> {
        let &ObservedTask { name, digest, labels, reference } = task;
        let own = features(reference, labels).ok_or_else(|| ObserverError::Reference(name.to_owned()))?;
        let place = |feature: &str| union.features().iter().position(|known| known.name == feature);
        let columns = own.iter().map(|(feature, _)| {
            place(feature).ok_or_else(|| ObserverError::Feature { task: name.to_owned(), feature: feature.clone() })
        });
        let mut alphabet: Vec<_> = (0..labels.len()).collect();
        alphabet.sort_unstable_by_key(|&label| &labels[label]);
        Ok(Self {
            name: name.to_owned(),
            digest,
            empty: PredictionSeries {
                digest: digest.to_string(),
                counted: 0,
                unlike: 0,
                window: Window::of(&reference.baseline),
                expected: vec![Expected::default(); labels.len()],
            },
            edges: reference.baseline.numbers.iter().map(|(_, number)| number.edges().clone()).collect(),
            columns: columns.collect::<Result<_, _>>()?,
            labels: labels.to_vec(),
            places: labels.iter().cloned().zip(0..).collect(),
            alphabet,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The series of an arm in the pane, and `true`; once there are too many arms, that of the first, and `false`.
    pub(super) fn series<'p>(
        &self,
        arm: &str,
        pane: &'p mut PredictionPane,
    ) -> Option<(&'p mut PredictionSeries, bool)> {
        let arm = &arm[..arm.floor_char_boundary(ARM_BYTES_MAX)];
        // No entry(): it takes a name of its own for every record.
        if !pane.tasks.contains_key(&self.name) {
            pane.tasks.insert(self.name.clone(), [].into());
        }
        let arms = pane.tasks.get_mut(&self.name)?;
        let mut is_own = arms.contains_key(arm);
        if !is_own && arms.len() < ARMS_MAX {
            arms.insert(arm.to_owned(), self.empty.clone());
            is_own = true;
        }
        let series = if is_own { arms.get_mut(arm) } else { arms.values_mut().next() };
        Some((series?, is_own))
    }

    /// Whether both are of the bundle that the reference is of.
    pub(super) fn is_of(&self, series: &PredictionSeries, digest: &[u8; 32]) -> bool {
        let PredictionSeries { digest: begun, window, expected, .. } = series;
        self.digest.0 == *digest
            && self.empty.digest == *begun
            && self.empty.window.numbers.len() == window.numbers.len()
            && self.empty.window.categories.len() == window.categories.len()
            && self.empty.expected.len() == expected.len()
    }

    /// Counts what the scratch has [heard](Scratch::hear) in a series that [is of](Self::is_of) this bundle.
    pub(super) fn count(
        &self,
        view: &PredictionView<'_>,
        entry: &TaskView<'_>,
        scratch: &mut Scratch,
        series: &mut PredictionSeries,
    ) {
        series.counted += 1;
        let features = self.columns.iter().map(|&column| scratch.features[column]);
        let (of_features, others) = series.window.numbers.split_at_mut(self.columns.len());
        let (edges, others_edges) = self.edges.split_at(self.columns.len());
        of_features.iter_mut().zip(edges).zip(features).for_each(|((counts, edges), value)| counts.add(edges, value));
        let of_text = [entry.unknown_term_ratio, view.text_chars.map(f64::from)];
        let values = of_text.into_iter().chain(scratch.probabilities.iter().copied().map(Some));
        others.iter_mut().zip(others_edges).zip(values).for_each(|((counts, edges), value)| counts.add(edges, value));
        let said = scratch.probabilities.iter().zip(&scratch.said);
        series.expected.iter_mut().zip(said).for_each(|(expected, (&p, &said))| expected.add(p, said));
        let label = scratch.label(self);
        if let [languages, labels, actions, origins, degraded] = &mut series.window.categories[..] {
            languages.add(view.language);
            labels.add(label);
            actions.add(view.action.as_str());
            origins.add(view.user_features.as_str());
            let mut names = view.degraded();
            match (names.next(), names.next()) {
                (None, _) => degraded.add(NONE),
                (Some(name), None) => degraded.add(name),
                _ => degraded.add(&category_of(view.degraded())),
            }
        }
    }
}

impl Scratch {
    /// Takes in what the model said; `false` where this is not what this model says.
    pub(super) fn hear(&mut self, task: &Watched, entry: &TaskView<'_>) -> bool {
        self.probabilities.clear();
        self.probabilities.extend(entry.calibrated());
        self.said.clear();
        self.said.resize(task.labels.len(), false);
        self.probabilities.len() == task.labels.len()
            && entry.labels().all(|label| {
                task.places.get(label).is_some_and(|&place| {
                    self.said[place] = true;
                    true
                })
            })
    }

    /// The labels that were said, as one name: rows stay independent.
    fn label<'a>(&'a mut self, task: &'a Watched) -> &'a str {
        let Self { said, joined, .. } = self;
        let mut names = task.alphabet.iter().filter(|&&label| said[label]).map(|&label| task.labels[label].as_str());
        match (names.next(), names.next()) {
            (None, _) => NONE,
            (Some(name), None) => name,
            (Some(first), Some(second)) => {
                joined.clear();
                joined.push_str(first);
                iter::once(second).chain(names).for_each(|name| joined.extend([SEPARATOR, name]));
                joined
            }
        }
    }
}

/// The features of a reference; none when its other numbers and its categories are not those of a model with these labels.
fn features<'r>(reference: &'r BundleReference, labels: &[String]) -> Option<&'r [(String, Reference)]> {
    let baseline = &reference.baseline;
    let expected = number_names([], labels.iter().map(String::as_str));
    let count = baseline.numbers.len().checked_sub(expected.len())?;
    let (features, others) = baseline.numbers.split_at(count);
    let categories = baseline.categories.iter().map(|(name, _)| name.as_str());
    (others.iter().map(|(name, _)| name).eq(&expected) && categories.eq(CATEGORIES)).then_some(features)
}
