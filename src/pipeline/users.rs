//! The user features of a chunk: one look-up of its distinct users, when a live model asks for any.

use std::collections::HashMap;

use crate::{
    features::store::{FeatureStore, UserRow},
    ops::metrics::LaneMetrics,
    records::UserFeatures,
};

/// The look-up of one chunk, in buffers that are used again and again.
pub(super) struct Users {
    used: bool,
    distinct: Vec<i64>,
    places: HashMap<i64, usize, rustc_hash::FxBuildHasher>,
    /// Per case, the place of its user in `rows`.
    of_case: Vec<usize>,
    rows: Vec<UserRow>,
}

impl Users {
    /// `used` says whether any live model reads a user feature.
    pub(super) fn new(used: bool) -> Self {
        Self { used, distinct: Vec::new(), places: HashMap::default(), of_case: Vec::new(), rows: Vec::new() }
    }

    /// Looks up the user of each case.
    pub(super) fn look_up(
        &mut self,
        users: impl Iterator<Item = i64>,
        store: &dyn FeatureStore,
        metrics: &LaneMetrics,
    ) {
        if !self.used {
            return;
        }
        self.distinct.clear();
        self.places.clear();
        self.of_case.clear();
        for user in users {
            let place = *self.places.entry(user).or_insert_with(|| {
                self.distinct.push(user);
                self.distinct.len() - 1
            });
            self.of_case.push(place);
        }
        if !self.distinct.is_empty() {
            let report = store.fetch(&self.distinct, &mut self.rows);
            metrics.features(&report, store.names());
        }
    }

    /// Values of the case's user, in the order of the store's names; empty when unused.
    pub(super) fn values(&self, case: usize) -> &[f64] {
        self.row(case).map_or(&[], |row| &row.values)
    }

    /// Where they came from.
    pub(super) fn origin(&self, case: usize) -> UserFeatures {
        self.row(case).map_or(UserFeatures::Unused, |row| row.origin)
    }

    /// How old they are, milliseconds.
    pub(super) fn age_ms(&self, case: usize) -> Option<i64> {
        self.row(case).and_then(|row| row.age_ms)
    }

    fn row(&self, case: usize) -> Option<&UserRow> {
        self.used.then(|| &self.rows[self.of_case[case]])
    }
}
