//! Schemas that name the field that is wrong, where those that are derived would only say that nothing fits.

use schemars::Schema;
use serde_json::{Map, Value, json};

/// Turns the alternatives of a tagged enum into conditions on its `type`: what is checked is the variant that was meant.
pub(super) fn by_type(schema: &mut Schema) {
    let Some(Value::Array(variants)) = schema.remove("oneOf") else { return };
    let name = |variant: &Value| variant.pointer("/properties/type/const").cloned();
    let names: Vec<Value> = variants.iter().filter_map(name).collect();
    let conditions: Vec<Value> = variants
        .into_iter()
        .map(|variant| {
            let meant = json!({ "properties": { "type": { "const": name(&variant) } }, "required": ["type"] });
            json!({ "if": meant, "then": variant })
        })
        .collect();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("required".to_owned(), json!(["type"]));
    schema.insert("properties".to_owned(), json!({ "type": { "enum": names } }));
    schema.insert("allOf".to_owned(), Value::Array(conditions));
}

/// A number, or one of some words.
pub(super) fn number_or(words: &[&str], least: f64, most: f64) -> Schema {
    let mut either = Map::new();
    either.insert("type".to_owned(), json!(["number", "string"]));
    either.insert("if".to_owned(), json!({ "type": "string" }));
    either.insert("then".to_owned(), json!({ "enum": words }));
    either.insert("else".to_owned(), json!({ "minimum": least, "maximum": most }));
    Schema::from(either)
}
