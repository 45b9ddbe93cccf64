use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

/// What one manifest says and the other says otherwise, or not at all.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Where, as `/contract/features/char_count/mean`: keys joined as in a JSON pointer, with `~1` for `/` and `~0` for `~`.
    pub at: String,
    /// In A.
    pub a: Option<Value>,
    /// In B.
    pub b: Option<Value>,
}

/// All of them, by where they are. Entries of a list are found by their names, where all have one of their own, so that
/// one more does not shift the others; otherwise by their index.
pub fn differences(a: &Value, b: &Value) -> Vec<Difference> {
    let (mut in_a, mut in_b) = (BTreeMap::new(), BTreeMap::new());
    flatten(String::new(), a, &mut in_a);
    flatten(String::new(), b, &mut in_b);
    let places: BTreeSet<_> = in_a.keys().chain(in_b.keys()).collect();
    let differs = |at: &&&String| in_a.get(**at) != in_b.get(**at);
    let difference = |at: &String| {
        let of = |all: &BTreeMap<String, &Value>| all.get(at).map(|value| (*value).clone());
        Difference { at: at.clone(), a: of(&in_a), b: of(&in_b) }
    };
    places.iter().filter(differs).map(|at| difference(at)).collect()
}

fn flatten<'a>(at: String, value: &'a Value, found: &mut BTreeMap<String, &'a Value>) {
    let inside = |key: &str| format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(key, value)| flatten(inside(key), value, found));
        }
        Value::Array(entries) if entries.iter().any(Value::is_object) => {
            let names: BTreeSet<_> = entries.iter().filter_map(|entry| entry["name"].as_str()).collect();
            let named = names.len() == entries.len();
            for (index, entry) in entries.iter().enumerate() {
                let name = entry["name"].as_str().filter(|_| named);
                flatten(inside(&name.map_or_else(|| index.to_string(), str::to_owned)), entry, found);
            }
        }
        value => {
            found.insert(at, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_more_feature_is_one_difference() {
        let feature = |name: &str| json!({"name": name, "mean": 1.0});
        let a = json!({"version": "1", "features": [feature("x"), feature("z")], "labels": ["p", "q"], "same": {}});
        let b = json!({"version": "2", "features": [feature("x"), feature("y"), feature("z")], "labels": ["p"], "same": {}});
        let found = differences(&a, &b);
        let at: Vec<_> = found.iter().map(|difference| difference.at.as_str()).collect();
        assert_eq!(at, ["/features/y/mean", "/features/y/name", "/labels", "/version"]);
        assert_eq!((&found[3].a, &found[3].b, &found[0].a), (&Some(json!("1")), &Some(json!("2")), &None));
        assert_eq!(differences(&a, &a), []);
    }

    #[test]
    fn no_place_hides_another() {
        let places = |a, b| differences(&a, &b).into_iter().map(|found| found.at).collect::<Vec<_>>();
        let (a, b) = (json!({"a.b": 1, "a": {"b": 3}, "c/d": 1}), json!({"a.b": 2, "a": {"b": 3}, "c": {"d": 1}}));
        assert_eq!(places(a, b), ["/a.b", "/c/d", "/c~1d"]);
        let twice = |mean: u8| json!({"features": [{"name": "x", "mean": mean}, {"name": "x", "mean": 2}]});
        assert_eq!(places(twice(1), twice(3)), ["/features/0/mean"]);
    }
}
