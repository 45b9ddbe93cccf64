//! A JSON object of the store to the values of a user, in the order of the names, without a tree in between.
//!
//! | in the object | the value | a violation of the contract |
//! |---|---|---|
//! | a number | itself | no |
//! | `true`, `false` | 1, 0 | no |
//! | `null`, or no such key | missing (NaN) | no |
//! | a string, an array, an object | missing (NaN) | yes, of that feature |
//!
//! What is no JSON object (malformed, too long, a bare number, ...) is a violation as a whole. Keys that are not among
//! the names are skipped. Of a key given twice the last counts.

use std::collections::HashMap;
use std::fmt;

use rustc_hash::FxBuildHasher;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A longer value is not read, bytes. Nine features take some 300.
pub(super) const VALUE_BYTES_MAX: usize = 64 * 1024;

/// Reads the features of one set of names.
#[derive(Debug)]
pub struct Parser {
    positions: HashMap<String, usize, FxBuildHasher>,
}

/// The value is no JSON object.
#[derive(Debug, PartialEq, Eq)]
pub struct NotAnObject;

impl Parser {
    /// A reader of these features.
    pub fn new(names: &[String]) -> Self {
        Self { positions: names.iter().cloned().zip(0..).collect() }
    }

    /// Writes the values of `json` to `values`, one per name, and calls `violation` with the index of each feature
    /// whose value has a wrong type. On an error `values` is worthless.
    ///
    /// # Errors
    /// [`NotAnObject`], also for a value that is too long.
    pub fn parse(&self, json: &[u8], values: &mut [f64], violation: impl FnMut(usize)) -> Result<(), NotAnObject> {
        values.fill(f64::NAN);
        if json.len() > VALUE_BYTES_MAX {
            return Err(NotAnObject);
        }
        let mut input = serde_json::Deserializer::from_slice(json);
        input.deserialize_map(Row { positions: &self.positions, values, violation }).map_err(|_| NotAnObject)?;
        input.end().map_err(|_| NotAnObject)
    }
}

/// A user's record holds something else where a number, true, false or null should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("user feature {name:?} is no number, true, false or null")]
pub struct NotANumber {
    /// Which feature.
    pub name: String,
}

/// The values of `names` in a user's record as every store reads them, NaN where one is missing: for training and for
/// golden vectors, which must see what serving sees.
///
/// # Errors
/// [`NotANumber`] names the last value of a wrong type.
pub fn user_values(names: &[String], user: &Map<String, Value>) -> Result<Vec<f64>, NotANumber> {
    let json = Value::Object(user.clone()).to_string();
    let (mut values, mut wrong) = (vec![f64::NAN; names.len()], None);
    // An object that serde_json wrote is one; only its size can be refused.
    let parsed = Parser::new(names).parse(json.as_bytes(), &mut values, |feature| wrong = Some(feature));
    match wrong {
        Some(feature) => Err(NotANumber { name: names[feature].clone() }),
        None if parsed.is_err() => Err(NotANumber { name: "(the whole record)".into() }),
        None => Ok(values),
    }
}

/// Visits the object.
struct Row<'a, F> {
    positions: &'a HashMap<String, usize, FxBuildHasher>,
    values: &'a mut [f64],
    violation: F,
}

impl<'de, F: FnMut(usize)> Visitor<'de> for Row<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of features")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<(), A::Error> {
        while let Some(position) = object.next_key_seed(Position(self.positions))? {
            let Some(position) = position else {
                object.next_value::<IgnoredAny>()?;
                continue;
            };
            self.values[position] = match object.next_value_seed(Cell)? {
                Some(value) => value,
                None => {
                    (self.violation)(position);
                    f64::NAN
                }
            };
        }
        Ok(())
    }
}

/// Reads a key: its position among the names, if it has one. Allocates nothing.
struct Position<'a>(&'a HashMap<String, usize, FxBuildHasher>);

impl<'de> DeserializeSeed<'de> for Position<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Self::Value, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for Position<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a feature name")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.get(key).copied())
    }
}

/// Reads a value: none when its type is wrong, NaN when it is missing.
struct Cell;

impl<'de> DeserializeSeed<'de> for Cell {
    type Value = Option<f64>;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Cell {
    type Value = Option<f64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a feature value")
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value as f64))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(f64::from(u8::from(value))))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Some(f64::NAN))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MISSING: f64 = f64::NAN;

    fn parser() -> Parser {
        Parser::new(&["followers".into(), "verified".into(), "reply_rate".into()])
    }

    #[test]
    fn training_reads_a_record_as_serving_does() {
        let names = ["rate", "age", "verified", "karma"].map(String::from);
        let user = serde_json::json!({"rate": 0.25, "age": 12, "verified": true, "karma": null, "more": "ignored"});
        let values = user_values(&names, user.as_object().unwrap()).unwrap();
        assert_eq!(values[..3], [0.25, 12.0, 1.0]);
        assert!(values[3].is_nan());
        let user = serde_json::json!({"age": "12"});
        assert_eq!(user_values(&names, user.as_object().unwrap()), Err(NotANumber { name: "age".into() }));
    }

    #[track_caller]
    fn check(json: &str, expected: [f64; 3], expected_violations: &[usize]) {
        let (mut values, mut violations) = ([0.0; 3], Vec::new());
        let parsed = parser().parse(json.as_bytes(), &mut values, |feature| violations.push(feature));
        assert_eq!(parsed, Ok(()), "{json}");
        assert_eq!(values.map(f64::to_bits), expected.map(f64::to_bits), "{json}");
        assert_eq!(violations, expected_violations, "{json}");
    }

    #[test]
    fn numbers_and_booleans_count() {
        check(r#"{"followers": 12, "verified": true, "reply_rate": 0.25}"#, [12.0, 1.0, 0.25], &[]);
        check(r#"{"reply_rate": -1e-3, "verified": false, "followers": -7}"#, [-7.0, 0.0, -0.001], &[]);
        check(r#"{"followers": 18446744073709551615}"#, [18446744073709551615.0, MISSING, MISSING], &[]);
    }

    #[test]
    fn what_is_missing_is_no_violation() {
        check("{}", [MISSING; 3], &[]);
        check(r#"{"followers": null, "verified": 1}"#, [MISSING, 1.0, MISSING], &[]);
    }

    #[test]
    fn other_keys_are_skipped_whatever_they_hold() {
        check(r#"{"country": "se", "x": [1, {"y": []}], "verified": 1, "z": {}}"#, [MISSING, 1.0, MISSING], &[]);
    }

    #[test]
    fn the_last_of_two_counts() {
        check(r#"{"followers": 1, "followers": 2}"#, [2.0, MISSING, MISSING], &[]);
    }

    #[test]
    fn wrong_types_are_violations_of_their_feature_alone() {
        check(r#"{"followers": "12", "verified": 1}"#, [MISSING, 1.0, MISSING], &[0]);
        check(
            r#"{"verified": [1, [2]], "reply_rate": {"a": {"b": 1}}, "followers": 3}"#,
            [3.0, MISSING, MISSING],
            &[1, 2],
        );
    }

    #[test]
    fn a_key_with_an_escape_is_the_same_key() {
        check(r#"{"follow\u0065rs": 5}"#, [5.0, MISSING, MISSING], &[]);
    }

    #[test]
    fn what_is_no_object_is_a_violation_as_a_whole() {
        let deep = format!("{{\"x\": {}1{}}}", "[".repeat(200), "]".repeat(200));
        let long = format!("{{\"x\": \"{}\"}}", "a".repeat(VALUE_BYTES_MAX));
        for json in
            ["", "nonsense", "{", r#"{"followers": 1"#, "12", "null", "[1, 2]", r#""text""#, "{} {}", "{1: 2}", &long]
        {
            assert_eq!(parser().parse(json.as_bytes(), &mut [0.0; 3], |_| ()), Err(NotAnObject), "{json:.40}");
        }
        for json in [r#"{"followers": NaN}"#, r#"{"followers": 1e999}"#] {
            assert_eq!(parser().parse(json.as_bytes(), &mut [0.0; 3], |_| ()), Err(NotAnObject), "{json}");
        }
        assert_eq!(parser().parse(b"{\"followers\xff\": 1}", &mut [0.0; 3], |_| ()), Err(NotAnObject));
        // Depth is bounded by the reader: whether refused or skipped, it must not overflow the stack.
        let _ = parser().parse(deep.as_bytes(), &mut [0.0; 3], |_| ());
    }
}
