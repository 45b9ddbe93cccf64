//! User features from memory: for demos, files and tests.

use std::collections::HashMap;
use std::sync::Arc;

use super::{FeatureStore, FetchReport, UserRow, missing_row};
use crate::records::UserFeatures;

/// A store that always answers: `FRESH` for the users it holds, `UNKNOWN` for the others.
#[derive(Debug)]
pub struct MemoryStore {
    names: Vec<String>,
    users: HashMap<i64, Arc<[f64]>>,
    missing: Arc<[f64]>,
}

impl MemoryStore {
    /// A store of no users with features of these names.
    pub fn new(names: Vec<String>) -> Self {
        Self { missing: missing_row(names.len()), names, users: HashMap::new() }
    }

    /// Adds or replaces a user. `values` are in the order of the names; NaN is missing.
    ///
    /// # Panics
    /// When there are not as many values as names.
    pub fn insert(&mut self, user: i64, values: &[f64]) {
        assert_eq!(values.len(), self.names.len(), "one value per name");
        self.users.insert(user, values.into());
    }
}

impl FeatureStore for MemoryStore {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn fetch(&self, users: &[i64], rows: &mut Vec<UserRow>) -> FetchReport {
        let mut report = FetchReport::default();
        rows.clear();
        rows.extend(users.iter().map(|user| match self.users.get(user) {
            Some(values) => UserRow { origin: UserFeatures::Fresh, age_ms: Some(0), values: Arc::clone(values) },
            None => UserRow { origin: UserFeatures::Unknown, age_ms: None, values: Arc::clone(&self.missing) },
        }));
        report.misses = users.len() as u64;
        report.count(rows);
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_answer_users_in_order() {
        let mut store = MemoryStore::new(vec!["a".into(), "b".into()]);
        store.insert(7, &[1.0, f64::NAN]);
        let mut rows = Vec::new();
        let report = store.fetch(&[8, 7], &mut rows);
        assert_eq!((rows[0].origin, rows[0].age_ms), (UserFeatures::Unknown, None));
        assert!(rows[0].values.iter().all(|value| value.is_nan()) && rows[0].values.len() == 2);
        assert_eq!((rows[1].origin, rows[1].age_ms, rows[1].values[0]), (UserFeatures::Fresh, Some(0), 1.0));
        assert_eq!((report.origins.fresh, report.origins.unknown, report.asked), (1, 1, None));
        store.fetch(&[7], &mut rows);
        assert_eq!(rows.len(), 1);
    }
}
