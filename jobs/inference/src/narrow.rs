//! Schemas made narrower, so that writing a document by them comes to an end.
//!
//! A model is free to choose among everything that a schema allows. It may write a number of a thousand digits, a list
//! without an end, or properties that nobody asked for. Each rule here only takes documents away: whatever the narrow
//! schema accepts, the schema of the client accepts, too.

use serde_json::{Map, Value, json};

/// How many characters a text may have more than it must, where the schema gives no bound.
const TEXT_ROOM: u64 = 256;
/// How many items a list may have more than it must, where the schema gives no bound.
const LIST_ROOM: u64 = 32;
/// Numbers without bounds stay within this, where a double still holds every integer.
const NUMBER_ROOM: i64 = 1_000_000_000_000_000;

/// Addresses that are surely addresses: what the format allows beyond is refused by half of all programs.
const EMAIL: &str = r"^[a-z0-9][a-z0-9._-]{0,30}[a-z0-9]@[a-z0-9]{1,20}([.][a-z0-9]{1,10}){1,2}$";
/// Without leap seconds, which validators take for wrong on most days.
const TIME: &str = r"^[0-9]{2}:[0-9]{2}:[0-5][0-9](Z|[+-][0-9]{2}:[0-9]{2})$";
/// A date with such a time.
const DATE_TIME: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9](Z|[+-][0-9]{2}:[0-9]{2})$";

/// Keywords that say more about an object's properties than `properties` does: closing it might empty the schema.
const OPEN: [&str; 9] = [
    "allOf",
    "anyOf",
    "oneOf",
    "$ref",
    "additionalProperties",
    "patternProperties",
    "unevaluatedProperties",
    "minProperties",
    "propertyNames",
];

/// The schema for a generator. It accepts a part of what `schema` accepts.
#[must_use]
pub fn narrow(schema: &Value) -> Value {
    let mut narrowed = schema.clone();
    visit(&mut narrowed, true);
    narrowed
}

/// Narrows a schema and those within. An object may only be closed where no other schema speaks about the same object.
fn visit(schema: &mut Value, is_alone: bool) {
    let Some(keywords) = schema.as_object_mut() else { return };
    let is_literal = keywords.contains_key("enum") || keywords.contains_key("const");
    if !is_literal {
        bound_number(keywords);
        bound_text(keywords);
        bound_list(keywords);
        if is_alone {
            close_object(keywords);
        }
    }
    for (keyword, value) in keywords.iter_mut() {
        match (keyword.as_str(), value) {
            // The same definition may be named in an allOf.
            ("$defs" | "definitions", Value::Object(schemas)) => {
                schemas.values_mut().for_each(|schema| visit(schema, false));
            }
            ("properties" | "patternProperties", Value::Object(schemas)) => {
                schemas.values_mut().for_each(|schema| visit(schema, true));
            }
            ("items" | "additionalProperties", schema) => visit(schema, true),
            ("prefixItems", Value::Array(schemas)) => schemas.iter_mut().for_each(|schema| visit(schema, true)),
            ("anyOf" | "oneOf" | "allOf", Value::Array(schemas)) => {
                schemas.iter_mut().for_each(|schema| visit(schema, false));
            }
            _ => {}
        }
    }
}

fn has_type(keywords: &Map<String, Value>, name: &str) -> bool {
    match keywords.get("type") {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(several)) => several.iter().any(|one| one == name),
        _ => false,
    }
}

/// The number at the first of `names` that is there.
fn number(keywords: &Map<String, Value>, names: [&str; 2]) -> Option<f64> {
    names.iter().find_map(|name| keywords.get(*name)).and_then(Value::as_f64)
}

fn bound_number(keywords: &mut Map<String, Value>) {
    if !has_type(keywords, "number") && !has_type(keywords, "integer") {
        return;
    }
    let room = NUMBER_ROOM as f64;
    let lowest = number(keywords, ["minimum", "exclusiveMinimum"]);
    let highest = number(keywords, ["maximum", "exclusiveMaximum"]);
    if lowest.is_none() && highest.is_none_or(|highest| highest > -room) {
        keywords.insert("minimum".to_owned(), json!(-NUMBER_ROOM));
    }
    if highest.is_none() && lowest.is_none_or(|lowest| lowest < room) {
        keywords.insert("maximum".to_owned(), json!(NUMBER_ROOM));
    }
}

fn bound_text(keywords: &mut Map<String, Value>) {
    if keywords.contains_key("pattern") {
        return;
    }
    let pattern = match keywords.get("format").and_then(Value::as_str) {
        Some("email") => Some(EMAIL),
        Some("time") => Some(TIME),
        Some("date-time") => Some(DATE_TIME),
        _ => None,
    };
    if let Some(pattern) = pattern {
        keywords.insert("pattern".to_owned(), json!(pattern));
        return;
    }
    let is_bounded = keywords.contains_key("maxLength") || keywords.contains_key("format");
    if has_type(keywords, "string") && !is_bounded {
        let least = keywords.get("minLength").and_then(Value::as_u64).unwrap_or(0);
        keywords.insert("maxLength".to_owned(), json!(least.saturating_add(TEXT_ROOM)));
    }
}

fn bound_list(keywords: &mut Map<String, Value>) {
    if has_type(keywords, "array") && !keywords.contains_key("maxItems") {
        let least = keywords.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        keywords.insert("maxItems".to_owned(), json!(least.saturating_add(LIST_ROOM)));
    }
}

/// An object gets the properties that the schema names and no others, if it may have all that it must.
fn close_object(keywords: &mut Map<String, Value>) {
    if OPEN.iter().any(|keyword| keywords.contains_key(*keyword)) {
        return;
    }
    let Some(properties) = keywords.get("properties").and_then(Value::as_object) else { return };
    let required = keywords.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let has_all = required.iter().all(|name| name.as_str().is_some_and(|name| properties.contains_key(name)));
    if !properties.is_empty() && has_all {
        keywords.insert("additionalProperties".to_owned(), json!(false));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_gets_one() {
        let schema = json!({
            "type": "object",
            "properties": {
                "n": { "type": "number" },
                "i": { "type": "integer", "minimum": 3 },
                "s": { "type": "string", "minLength": 2 },
                "l": { "type": "array", "items": { "type": "string", "maxLength": 3 } },
                "e": { "enum": ["a", "b"] },
            },
        });
        let expected = json!({
            "type": "object",
            "properties": {
                "n": { "type": "number", "minimum": -NUMBER_ROOM, "maximum": NUMBER_ROOM },
                "i": { "type": "integer", "minimum": 3, "maximum": NUMBER_ROOM },
                "s": { "type": "string", "minLength": 2, "maxLength": 258 },
                "l": { "type": "array", "items": { "type": "string", "maxLength": 3 }, "maxItems": 32 },
                "e": { "enum": ["a", "b"] },
            },
            "additionalProperties": false,
        });
        assert_eq!(narrow(&schema), expected);
    }

    #[test]
    fn an_object_that_others_speak_about_stays_open() {
        let part = json!({ "type": "object", "properties": { "a": { "const": 1 } } });
        let schema = json!({ "allOf": [part, { "$ref": "#/$defs/x" }], "$defs": { "x": part } });
        assert_eq!(narrow(&schema), schema);
        let needs_more = json!({ "properties": { "a": true }, "required": ["b"] });
        assert_eq!(narrow(&needs_more), needs_more);
    }

    #[test]
    fn bounds_are_not_turned_around() {
        let large = json!({ "type": "number", "minimum": 1e20 });
        assert_eq!(narrow(&large), large);
    }
}
