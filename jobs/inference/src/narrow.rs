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

/// Where the narrowed schema says what any value is.
const ANY: &str = "#/$defs/x-any-value";

/// The schema for a generator. It accepts a part of what `schema` accepts.
///
/// A `oneOf` is taken for an `anyOf`, as generators take it.
#[must_use]
pub fn narrow(schema: &Value) -> Value {
    let mut narrowed = schema.clone();
    let mut narrower = Narrower { mixes: mixes(schema), needs_any: false };
    narrower.visit(&mut narrowed, true);
    if narrower.needs_any
        && let Some(keywords) = narrowed.as_object_mut()
        && let Some(definitions) = keywords.entry("$defs").or_insert_with(|| json!({})).as_object_mut()
    {
        let mut any = any_value();
        narrower.visit(&mut any, true);
        definitions.insert("x-any-value".to_owned(), any);
    }
    narrowed
}

/// Any value: a schema that names what is in it, so that each part can be narrowed.
fn any_value() -> Value {
    json!({ "anyOf": [
        { "type": "string" },
        { "type": "number" },
        { "type": "boolean" },
        { "type": "null" },
        { "type": "array", "items": { "$ref": ANY } },
        { "type": "object", "additionalProperties": { "$ref": ANY } },
    ]})
}

/// Whether several schemas speak about the same object somewhere, so that a definition may be only a part of one.
fn mixes(schema: &Value) -> bool {
    match schema {
        Value::Object(keywords) => {
            let is_joined = keywords.contains_key("$ref")
                && keywords.keys().any(|name| OPEN.contains(&name.as_str()) && name != "$ref");
            let has_more = keywords.contains_key("$ref") && keywords.contains_key("properties");
            is_joined || has_more || keywords.contains_key("allOf") || keywords.values().any(mixes)
        }
        Value::Array(items) => items.iter().any(mixes),
        _ => false,
    }
}

struct Narrower {
    mixes: bool,
    needs_any: bool,
}

impl Narrower {
    /// Narrows a schema and those within. It may only be closed where no other schema speaks about the same value.
    fn visit(&mut self, schema: &mut Value, is_alone: bool) {
        let says_nothing = schema.as_bool() == Some(true) || schema.as_object().is_some_and(Map::is_empty);
        if says_nothing && is_alone {
            *schema = self.any();
            return;
        }
        let Some(keywords) = schema.as_object_mut() else { return };
        let is_literal = keywords.contains_key("enum") || keywords.contains_key("const");
        if !is_literal {
            bound_number(keywords);
            bound_text(keywords);
            bound_list(keywords);
            if is_alone {
                self.close(keywords);
            }
        }
        // Alternatives can be closed when nothing is said beside them.
        let are_alone = is_alone && !keywords.keys().any(|name| OPEN.contains(&name.as_str()) && !is_choice(name));
        let are_alone = are_alone && !keywords.contains_key("properties") && !keywords.contains_key("required");
        let is_defined_alone = !self.mixes;
        for (keyword, value) in keywords.iter_mut() {
            match (keyword.as_str(), value) {
                ("$defs" | "definitions", Value::Object(schemas)) => {
                    schemas.values_mut().for_each(|schema| self.visit(schema, is_defined_alone));
                }
                ("properties" | "patternProperties", Value::Object(schemas)) => {
                    schemas.values_mut().for_each(|schema| self.visit(schema, true));
                }
                ("items" | "additionalProperties", schema) => self.visit(schema, true),
                ("prefixItems", Value::Array(schemas)) => {
                    schemas.iter_mut().for_each(|schema| self.visit(schema, true));
                }
                ("allOf", Value::Array(schemas)) => schemas.iter_mut().for_each(|schema| self.visit(schema, false)),
                (name, Value::Array(schemas)) if is_choice(name) => {
                    schemas.iter_mut().for_each(|schema| self.visit(schema, are_alone));
                }
                _ => {}
            }
        }
    }

    fn any(&mut self) -> Value {
        self.needs_any = true;
        json!({ "$ref": ANY })
    }

    /// An object gets the properties that the schema names and no others, if it may have all that it must; a list without
    /// a word about its items, and an object without a word about its properties, get values that come to an end.
    fn close(&mut self, keywords: &mut Map<String, Value>) {
        if has_type(keywords, "array") && !keywords.contains_key("items") {
            keywords.insert("items".to_owned(), self.any());
        }
        if OPEN.iter().any(|keyword| keywords.contains_key(*keyword)) {
            return;
        }
        let properties = keywords.get("properties").and_then(Value::as_object);
        if properties.is_none() && !has_type(keywords, "object") {
            return;
        }
        let required = keywords.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let is_known = |name: &Value| {
            let name = name.as_str().unwrap_or_default();
            properties.is_some_and(|properties| properties.contains_key(name))
        };
        let is_closed = properties.is_some_and(|properties| !properties.is_empty()) && required.iter().all(is_known);
        let others = if is_closed { json!(false) } else { self.any() };
        keywords.insert("additionalProperties".to_owned(), others);
    }
}

fn is_choice(keyword: &str) -> bool {
    ["anyOf", "oneOf"].contains(&keyword)
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
        let mixed = json!({ "allOf": [part, { "$ref": "#/$defs/x" }], "$defs": { "x": part } });
        assert_eq!(narrow(&mixed), mixed);
        let beside = json!({ "properties": { "b": { "const": 2 } }, "required": ["b"], "anyOf": [part] });
        assert_eq!(narrow(&beside), beside);
    }

    #[test]
    fn alternatives_and_definitions_that_stand_alone_are_closed() {
        let part = json!({ "type": "object", "properties": { "a": { "const": 1 } } });
        let mut closed = part.clone();
        closed["additionalProperties"] = json!(false);
        let schema = |part: &Value| json!({ "anyOf": [part, { "$ref": "#/$defs/x" }], "$defs": { "x": part } });
        assert_eq!(narrow(&schema(&part)), schema(&closed));
    }

    #[test]
    fn what_may_be_anything_gets_values_that_end() {
        let narrowed = narrow(&json!({ "type": "object", "properties": { "a": true }, "required": ["b"] }));
        assert_eq!(narrowed["properties"]["a"], json!({ "$ref": ANY }));
        assert_eq!(narrowed["additionalProperties"], json!({ "$ref": ANY }));
        let kinds = &narrowed["$defs"]["x-any-value"]["anyOf"];
        assert_eq!(kinds[1], json!({ "type": "number", "minimum": -NUMBER_ROOM, "maximum": NUMBER_ROOM }));
        assert_eq!(kinds[4]["maxItems"], json!(32));
        assert_eq!(narrow(&json!({ "type": "array" }))["items"], json!({ "$ref": ANY }));
    }

    #[test]
    fn bounds_are_not_turned_around() {
        let large = json!({ "type": "number", "minimum": 1e20 });
        assert_eq!(narrow(&large), large);
    }
}
