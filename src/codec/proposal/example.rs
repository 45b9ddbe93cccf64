//! Example datums of any schema, as a producer would write them: from the schema's JSON, as the Avro specification says.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::name;

const EXAMPLE: &str = include_str!("../../../schemas/examples/message.json");
/// A valid value where a string must be one.
const UUID: &str = "6fa459ea-ee8a-4ca4-894e-db77e160355e";

/// A datum of `schema` with the published example's values, and those that it could take. `only` sets one field in one
/// branch of its union; other unions take their last branch.
pub(super) fn example(schema: &Value, only: Option<(&str, usize)>) -> (Vec<u8>, Map<String, Value>) {
    let values: Map<String, Value> = serde_json::from_str(EXAMPLE).unwrap_or_default();
    let mut writer = Example::default();
    let mut written = Map::new();
    let inside = writer.define(schema, "");
    for field in schema["fields"].as_array().into_iter().flatten() {
        let value = values.get(name(field));
        let branch = only.filter(|(only, _)| *only == name(field)).map(|(_, branch)| branch);
        let taken = writer.write(&field["type"], &inside, value, branch);
        written.insert(name(field).to_owned(), taken);
    }
    (writer.out, written)
}

/// Writes datums as the Avro specification says, from a schema's JSON.
#[derive(Default)]
struct Example {
    out: Vec<u8>,
    names: HashMap<String, (Value, String)>,
}

impl Example {
    /// Remembers a named type; the namespace of what is inside it.
    fn define(&mut self, schema: &Value, outside: &str) -> String {
        let space = schema["namespace"].as_str().unwrap_or(outside);
        let full = full_name(name(schema), space);
        let inside = full.rsplit_once('.').map_or_else(String::new, |(space, _)| space.to_owned());
        self.names.insert(full, (schema.clone(), outside.to_owned()));
        inside
    }

    /// Writes `value`, or another that the type can take; what was written, where it is simple.
    fn write(&mut self, schema: &Value, space: &str, value: Option<&Value>, branch: Option<usize>) -> Value {
        match schema {
            Value::Array(union) => {
                let branch = branch.unwrap_or(union.len().saturating_sub(1));
                self.long(i64::try_from(branch).unwrap_or_default());
                self.write(union.get(branch).unwrap_or(&Value::Null), space, value, None)
            }
            Value::Object(object) => match object.get("type") {
                Some(Value::String(kind)) => self.complex(kind, schema, space, value),
                Some(inner) => self.write(inner, space, value, branch),
                None => Value::Null,
            },
            Value::String(kind) => self.primitive(kind, schema, space, value),
            _ => Value::Null,
        }
    }

    fn complex(&mut self, kind: &str, schema: &Value, space: &str, value: Option<&Value>) -> Value {
        match kind {
            "record" | "error" => {
                let inside = self.define(schema, space);
                for field in schema["fields"].as_array().into_iter().flatten() {
                    self.write(&field["type"], &inside, None, None);
                }
            }
            "enum" => {
                self.define(schema, space);
                self.long(0);
            }
            "fixed" => {
                self.define(schema, space);
                let bytes = schema["size"].as_u64().and_then(|size| usize::try_from(size).ok());
                self.out.resize(self.out.len() + bytes.unwrap_or_default().min(1 << 16), 0);
            }
            "array" => {
                self.long(1);
                self.write(&schema["items"], space, None, None);
                self.long(0);
            }
            "map" => {
                let entries = value.and_then(Value::as_object).cloned().unwrap_or_default();
                let mut written = Map::new();
                for (key, value) in &entries {
                    self.long(1);
                    self.text(key);
                    written.insert(key.clone(), self.write(&schema["values"], space, Some(value), None));
                }
                self.long(0);
                return Value::Object(written);
            }
            _ => return self.primitive(kind, schema, space, value),
        }
        Value::Null
    }

    fn primitive(&mut self, kind: &str, schema: &Value, space: &str, value: Option<&Value>) -> Value {
        let number = value.and_then(Value::as_i64).unwrap_or_default();
        match kind {
            "null" => Value::Null,
            "boolean" => {
                self.out.push(0);
                json!(false)
            }
            "int" | "long" => {
                let number = if kind == "int" { number % (1 << 30) } else { number };
                self.long(number);
                json!(number)
            }
            "float" => {
                self.out.extend((number as f32).to_le_bytes());
                json!(number)
            }
            "double" => {
                self.out.extend((number as f64).to_le_bytes());
                json!(number)
            }
            "bytes" | "string" => {
                let text = value.and_then(Value::as_str).unwrap_or("0");
                let text = if schema["logicalType"] == "uuid" { UUID } else { text };
                self.text(text);
                json!(text)
            }
            named => {
                let Some((schema, outside)) = self.names.get(&full_name(named, space)).cloned() else {
                    return Value::Null;
                };
                self.write(&schema, &outside, value, None)
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.long(i64::try_from(text.len()).unwrap_or_default());
        self.out.extend(text.as_bytes());
    }

    /// Zigzag, then seven bits a byte.
    fn long(&mut self, number: i64) {
        let mut bits = ((number << 1) ^ (number >> 63)) as u64;
        while bits > 0x7f {
            self.out.push(bits as u8 | 0x80);
            bits >>= 7;
        }
        self.out.push(bits as u8);
    }
}

fn full_name(name: &str, space: &str) -> String {
    if name.contains('.') || space.is_empty() { name.to_owned() } else { format!("{space}.{name}") }
}
