use std::collections::HashSet;

use serde_json::{Value, json};

/// The decoder passes over a record that carries this field by field.
const AS_TUPLE: &str = "org.apache.avro.rust.tuple";

/// Makes everything in a schema such that the decoder can pass over it where the struct leaves it out.
///
/// Avro writes an enum as the position of its symbol, an int, and a record as its fields, a tuple: apache-avro passes
/// over ints and tuples, but over no enum or record. Defaults go too: an int has none of an enum.
pub(super) fn let_pass_over(schema: &mut Value, namespace: &str, enums: &mut HashSet<String>) {
    let full_name = |name: &str, namespace: &str| match name.contains('.') || namespace.is_empty() {
        true => name.to_owned(),
        false => format!("{namespace}.{name}"),
    };
    match schema {
        Value::String(name) if enums.contains(&full_name(name, namespace)) => *schema = "int".into(),
        Value::Array(union) => union.iter_mut().for_each(|variant| let_pass_over(variant, namespace, enums)),
        Value::Object(object) => {
            let own = object.get("namespace").and_then(Value::as_str).unwrap_or(namespace).to_owned();
            let name = object.get("name").and_then(Value::as_str).map(|name| full_name(name, &own));
            // The namespace of a dotted name holds for what is inside.
            let inside =
                name.as_deref().and_then(|name| name.rsplit_once('.')).map_or(own, |(space, _)| space.to_owned());
            if object.get("type").and_then(Value::as_str) == Some("enum") {
                enums.extend(name);
                *schema = "int".into();
                return;
            }
            if object.contains_key("fields") {
                object.insert(AS_TUPLE.to_owned(), true.into());
            }
            if let Some(Value::Array(fields)) = object.get_mut("fields") {
                for field in fields.iter_mut().filter_map(Value::as_object_mut) {
                    field.remove("default");
                    field.get_mut("type").into_iter().for_each(|kind| let_pass_over(kind, &inside, enums));
                }
                // A tuple of one is read as its element, without end; nulls take no bytes.
                for number in fields.len()..2 {
                    fields.push(json!({"name": format!("padding_{number}"), "type": "null"}));
                }
            }
            for part in ["type", "items", "values"] {
                object.get_mut(part).into_iter().for_each(|part| let_pass_over(part, &inside, enums));
            }
        }
        _ => {}
    }
}
