//! The feature contract: which numbers a model reads, in which order, where each comes from, and its unit.
//!
//! ```text
//!  text ─► the ten text features ──┐
//!                                  ├─► raw: one number or none per feature, in the contract's order
//!  user ─► the store's JSON object ┘
//! ```
//!
//! A model and the service that feeds it agree on a contract by its [`id`](Contract::id): same id, same numbers.

use std::{collections::HashSet, fmt::Write as _};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::text;

/// A contract has at most so many features.
pub const FEATURES_MAX: usize = 256;
/// Of a feature's name and of its unit.
pub const NAME_CHARS_MAX: usize = 64;

/// The units of [`text::NAMES`], in the same order.
pub const TEXT_UNITS: [&str; text::NAMES.len()] = [
    "code points",
    "words",
    "code points per word",
    "occurrences",
    "occurrences",
    "occurrences",
    "occurrences",
    "share of code points",
    "share of words",
    "runs per code point",
];

/// Where a feature comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Computed from the message's text, see [`text::NAMES`].
    Text,
    /// Looked up for the message's author, under the feature's name.
    User,
}

impl Origin {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::User => "user",
        }
    }
}

/// One number that a model reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// Unique in its contract.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
    /// What one of it means.
    pub unit: String,
    /// Stands in where the value is missing, in the feature's unit.
    pub default: f64,
}

impl Feature {
    /// The text feature of this name, by default 0; none if there is no such text feature.
    pub fn text(name: &str) -> Option<Self> {
        let unit = TEXT_UNITS[text::NAMES.iter().position(|known| *known == name)?];
        Some(Self { name: name.into(), origin: Origin::Text, unit: unit.into(), default: 0.0 })
    }

    /// A user feature, by default 0.
    pub fn user(name: &str, unit: &str) -> Self {
        Self { name: name.into(), origin: Origin::User, unit: unit.into(), default: 0.0 }
    }
}

/// Why features make no contract.
#[derive(Clone, Debug, PartialEq, Error)]
#[allow(missing_docs)] // The messages say it.
pub enum ContractError {
    #[error("the contract has {found} features; give at most {FEATURES_MAX}")]
    Count { found: usize },
    #[error("feature {name:?} is there twice; give every feature one place")]
    Duplicate { name: String },
    #[error("{what} {found:?} is not usable; give 1..={NAME_CHARS_MAX} characters, no control characters")]
    Name { what: &'static str, found: String },
    #[error("there is no text feature {name:?}; the text features are {}", text::NAMES.join(", "))]
    UnknownTextFeature { name: String },
    #[error("text feature {name} has the unit {found:?}; this version computes it in {expected:?}")]
    Unit { name: String, expected: &'static str, found: String },
    #[error("the default of feature {name} is {found}; give a finite number")]
    Default { name: String, found: f64 },
}

/// An ordered list of features, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    features: Vec<Feature>,
    sources: Vec<Source>,
    user_names: Vec<String>,
}

/// Where the raw value of a feature stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    Text(usize),
    User(usize),
}

impl Contract {
    /// Takes the features in the order in which a model reads them. There may be none: a model may read terms alone.
    ///
    /// # Errors
    /// [`ContractError`], when there are too many features, one is there twice or not usable, or a text feature is not
    /// one that this version computes, or not in its unit.
    pub fn try_new(features: Vec<Feature>) -> Result<Self, ContractError> {
        if features.len() > FEATURES_MAX {
            return Err(ContractError::Count { found: features.len() });
        }
        let mut names = HashSet::new();
        let (mut sources, mut user_names) = (Vec::new(), Vec::new());
        for feature in &features {
            check(feature)?;
            if !names.insert(&feature.name) {
                return Err(ContractError::Duplicate { name: feature.name.clone() });
            }
            sources.push(match feature.origin {
                Origin::Text => Source::Text(text_position(feature)?),
                Origin::User => {
                    user_names.push(feature.name.clone());
                    Source::User(user_names.len() - 1)
                }
            });
        }
        Ok(Self { features, sources, user_names })
    }

    /// The features, in order.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// The names of the user features, in the contract's order.
    pub fn user_names(&self) -> &[String] {
        &self.user_names
    }

    /// Whether any feature needs the author looked up.
    pub fn uses_user_features(&self) -> bool {
        !self.user_names.is_empty()
    }

    /// Whether any feature is computed from the text.
    pub fn uses_text_features(&self) -> bool {
        self.user_names.len() < self.features.len()
    }

    /// The first 12 hex digits of SHA-256 over one line `name TAB origin TAB unit LF` per feature. Defaults, clipping
    /// and scaling are the model's own affair and not in it.
    pub fn id(&self) -> String {
        let mut lines = String::new();
        for Feature { name, origin, unit, .. } in &self.features {
            lines.push_str(&format!("{name}\t{}\t{unit}\n", origin.as_str()));
        }
        Sha256::digest(lines).iter().take(6).fold(String::new(), |mut id, byte| {
            let _ = write!(id, "{byte:02x}"); // Writing to a string cannot fail.
            id
        })
    }

    /// Fills `raw` with one value or none per feature, in the contract's order: what a prediction logs. `text` is what
    /// [`text::extract`] gave; `user` holds the values of [`Self::user_names`] in that order, NaN where one is missing,
    /// and may be empty if nothing is known about the user.
    pub fn raw(&self, text: &[f64; text::NAMES.len()], user: &[f64], raw: &mut Vec<Option<f64>>) {
        raw.clear();
        raw.extend(self.sources.iter().map(|source| {
            let value = match *source {
                Source::Text(position) => text[position],
                Source::User(position) => user.get(position).copied().unwrap_or(f64::NAN),
            };
            value.is_finite().then_some(value)
        }));
    }
}

impl Default for Contract {
    /// Three facts about the author and six about the text.
    fn default() -> Self {
        let user = [
            Feature::user("account_age_days", "days"),
            Feature::user("follower_count", "followers"),
            Feature::user("messages_sent_7d", "messages"),
        ];
        let text = ["char_count", "word_count", "url_count", "exclamation_count", "capital_ratio", "unique_word_ratio"];
        let features = user.into_iter().chain(text.into_iter().filter_map(Feature::text)).collect();
        #[allow(clippy::expect_used)] // Fixed above and tested below.
        Self::try_new(features).expect("the default contract is valid")
    }
}

fn check(feature: &Feature) -> Result<(), ContractError> {
    let Feature { name, unit, default, .. } = feature;
    for (what, found) in [("the name", name), ("the unit", unit)] {
        let usable = (1..=NAME_CHARS_MAX).contains(&found.chars().count()) && !found.chars().any(char::is_control);
        if !usable {
            return Err(ContractError::Name { what, found: found.clone() });
        }
    }
    if !default.is_finite() {
        return Err(ContractError::Default { name: name.clone(), found: *default });
    }
    Ok(())
}

fn text_position(feature: &Feature) -> Result<usize, ContractError> {
    let Feature { name, unit, .. } = feature;
    let position = text::NAMES.iter().position(|known| known == name);
    let position = position.ok_or_else(|| ContractError::UnknownTextFeature { name: name.clone() })?;
    match TEXT_UNITS[position] {
        expected if expected == unit => Ok(position),
        expected => Err(ContractError::Unit { name: name.clone(), expected, found: unit.clone() }),
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn contract(names: &[&str]) -> Result<Contract, ContractError> {
        let feature = |name: &&str| Feature::text(name).unwrap_or_else(|| Feature::user(name, "days"));
        Contract::try_new(names.iter().map(feature).collect())
    }

    #[test]
    fn the_default_contract_has_the_nine_features() {
        let contract = Contract::default();
        assert_eq!(contract.features().len(), 9);
        assert_eq!(contract.user_names(), ["account_age_days", "follower_count", "messages_sent_7d"]);
        assert!(contract.uses_user_features() && contract.uses_text_features());
    }

    #[test]
    fn the_id_depends_on_order_names_origins_and_units_and_on_nothing_else() {
        let id = |features: &[Feature]| Contract::try_new(features.to_vec()).unwrap().id();
        let features = [Feature::user("age", "days"), Feature::text("char_count").unwrap()];
        // printf 'age\tuser\tdays\nchar_count\ttext\tcode points\n' | sha256sum
        assert_eq!(id(&features), "369ef6b4a301");
        let [mut age, chars] = features.clone();
        age.default = 30.0;
        assert_eq!(id(&[age.clone(), chars.clone()]), id(&features));
        age.unit = "hours".into();
        assert_ne!(id(&[age, chars.clone()]), id(&features));
        assert_ne!(id(&[chars.clone(), features[0].clone()]), id(&features));
        assert_ne!(id(&[Feature::user("agee", "days"), chars]), id(&features));
    }

    #[test]
    fn a_contract_may_have_no_features() {
        let contract = Contract::try_new(Vec::new()).unwrap();
        assert!(!contract.uses_user_features());
        assert!(!Contract::try_new(vec![Feature::user("age", "days")]).unwrap().uses_text_features());
        // printf '' | sha256sum
        assert_eq!(contract.id(), "e3b0c44298fc");
        let mut raw = vec![Some(1.0)];
        contract.raw(&[0.0; 10], &[], &mut raw);
        assert_eq!(raw, []);
    }

    #[test]
    fn raw_values_stand_in_the_contracts_order_and_may_be_missing() {
        let contract = contract(&["age", "word_count", "karma", "char_count"]).unwrap();
        let mut raw = vec![Some(9.0); 7];
        let text = [11.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        contract.raw(&text, &[f64::NAN, 5.0], &mut raw);
        assert_eq!(raw, [None, Some(2.0), Some(5.0), Some(11.0)]);
        contract.raw(&text, &[], &mut raw);
        assert_eq!(raw, [None, Some(2.0), None, Some(11.0)]);
    }

    #[track_caller]
    fn bad(features: Vec<Feature>, expected: &str) {
        let error = Contract::try_new(features).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn bad_contracts_are_refused() {
        bad(vec![Feature::user("a", "days"); 257], "has 257 features");
        bad(vec![Feature::user("a", "days"), Feature::user("a", "hours")], "\"a\" is there twice");
        bad(vec![Feature::user("", "days")], "the name \"\" is not usable");
        bad(vec![Feature::user("a", "da\tys")], "the unit \"da\\tys\" is not usable");
        bad(vec![Feature { origin: Origin::Text, ..Feature::user("age", "days") }], "no text feature \"age\"");
        let words = Feature::text("word_count").unwrap();
        bad(vec![Feature { unit: "bytes".into(), ..words.clone() }], "in \"words\"");
        bad(vec![Feature { default: f64::NAN, ..words }], "the default of feature word_count is NaN");
    }
}
