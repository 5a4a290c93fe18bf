//! The shape that generators of clients read best, without another meaning: words as one enumeration, objects that come in several forms as
//! a choice of named ones, and no `null` where nothing is ever sent.

use serde_json::{Map, Value, json};

/// Where schemas lie.
const COMPONENTS: &str = "#/components/schemas/";

/// A reference to a schema.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("{COMPONENTS}{name}") })
}

/// Takes away what a name in the document says better.
pub(super) fn untitle(schemas: &mut Map<String, Value>) {
    for schema in schemas.values_mut() {
        schema.as_object_mut().map(|schema| schema.remove("title"));
    }
}

/// Takes away defaults of `null`: what is left out is left out.
pub(super) fn without_default(schema: &mut Value) {
    if let Some(fields) = schema.as_object_mut() {
        fields.retain(|name, value| name != "default" || !value.is_null());
    }
    children(schema).for_each(without_default);
}

/// A choice between constant words, each with its description, as an enumeration of them.
pub(super) fn enumerate(schema: &mut Value) {
    if let Some(words) = words(schema) {
        let names: Vec<Value> = words.iter().map(|word| word["const"].clone()).collect();
        let mut lines = Vec::from([schema["description"].as_str().unwrap_or_default().to_owned()]);
        let said = words.iter().filter(|word| word["description"].is_string());
        lines.extend(said.map(|word| format!("- `{}`: {}", text(&word["const"]), text(&word["description"]))));
        schema["type"] = "string".into();
        schema["enum"] = names.into();
        schema["description"] = lines.join("\n").trim().into();
        schema.as_object_mut().map(|schema| schema.remove("oneOf"));
    }
    children(schema).for_each(enumerate);
}

fn words(schema: &Value) -> Option<Vec<Value>> {
    let choices = schema["oneOf"].as_array()?;
    let is_word = |choice: &Value| choice["const"].is_string() || choice["enum"].is_array();
    choices.iter().all(is_word).then(|| {
        // Words without a description of their own stand together.
        let word = |choice: &Value| match choice["enum"].as_array() {
            Some(words) => words.iter().map(|word| json!({ "const": word })).collect(),
            None => vec![choice.clone()],
        };
        choices.iter().flat_map(word).collect()
    })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Takes `null` away from members that are left out instead.
pub(super) fn leave_out(schema: &mut Value) {
    let required = schema["required"].clone();
    let is_required = |name: &str| required.as_array().is_some_and(|required| required.iter().any(|one| one == name));
    for (name, member) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        if !is_required(name) {
            without_null(member);
        }
    }
    children(schema).for_each(leave_out);
}

/// The schema without the choice of `null`.
pub(super) fn without_null(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            fields.insert("type".to_owned(), only);
        }
    }
    let Some(Value::Array(mut choices)) = fields.remove("anyOf") else { return };
    choices.retain(|choice| choice["type"] != "null");
    match &mut choices[..] {
        [Value::Object(only)] => fields.append(only),
        _ => drop(fields.insert("anyOf".to_owned(), choices.into())),
    }
}

/// An object with members of its own and a choice of more, told apart by the word in `tag`, as a choice of whole objects with names: the
/// word in front of `name`, or what `rename` makes of both.
pub(super) fn divide(schemas: &mut Map<String, Value>, name: &str, tag: &str, rename: impl Fn(&str, &str) -> String) {
    let Some(mut whole) = schemas.remove(name) else { return };
    let Some(fields) = whole.as_object_mut() else { return };
    let Some(Value::Array(choices)) = fields.remove("oneOf") else { return };
    let (mut list, mut mapping) = (Vec::new(), Map::new());
    for mut choice in choices {
        let word = choice.pointer(&format!("/properties/{tag}/const")).map(text).unwrap_or_default().to_owned();
        let mut variant = fields.clone();
        if let Some(Value::Array(examples)) = variant.get_mut("examples") {
            examples.retain(|example| example[tag] == word);
        }
        merge(&mut variant, &mut choice);
        let own = rename(name, &word);
        list.push(reference(&own));
        mapping.insert(word, reference(&own)["$ref"].clone());
        schemas.insert(own, Value::Object(variant));
    }
    let mut choice = json!({ "oneOf": list, "discriminator": { "propertyName": tag, "mapping": mapping } });
    for kept in ["description", "examples"] {
        if let Some(value) = fields.remove(kept) {
            choice[kept] = value;
        }
    }
    schemas.insert(name.to_owned(), choice);
}

/// Adds what a choice says to what all of them have in common.
fn merge(common: &mut Map<String, Value>, choice: &mut Value) {
    if let Some(description) = choice.get("description") {
        common.insert("description".to_owned(), description.clone());
    }
    let own = choice.get_mut("properties").map(Value::take);
    if let (Some(Value::Object(members)), Some(Value::Object(own))) = (common.get_mut("properties"), own) {
        for (name, member) in own {
            let described = members.get(&name).and_then(|member| member.get("description")).cloned();
            members.insert(name.clone(), member);
            // A reference and words beside it, as 3.1 allows.
            if let Some(described) = described.filter(|_| members[&name]["description"].is_null()) {
                members[&name]["description"] = described;
            }
        }
    }
    if let (Some(Value::Array(all)), Some(Value::Array(own))) = (common.get_mut("required"), choice.get("required")) {
        all.extend(own.iter().cloned());
    }
}

fn children(schema: &mut Value) -> Box<dyn Iterator<Item = &mut Value> + '_> {
    match schema {
        Value::Object(fields) => Box::new(fields.values_mut()),
        Value::Array(items) => Box::new(items.iter_mut()),
        _ => Box::new(std::iter::empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn described_words_are_an_enumeration() {
        let mut schema = json!({ "description": "A colour.", "oneOf": [
            { "type": "string", "const": "red", "description": "Like a rose." },
            { "type": "string", "enum": ["blue", "grey"] },
        ] });
        enumerate(&mut schema);
        assert_eq!(
            schema,
            json!({ "description": "A colour.\n- `red`: Like a rose.", "type": "string", "enum": ["red", "blue", "grey"] })
        );
        let mut other = json!({ "oneOf": [{ "type": "string", "const": "red" }, { "type": "integer" }] });
        let before = other.clone();
        enumerate(&mut other);
        assert_eq!(other, before);
    }

    #[test]
    fn what_is_left_out_is_not_null() {
        let mut schema = json!({ "required": ["a"], "properties": {
            "a": { "type": ["string", "null"] },
            "b": { "type": ["string", "null"] },
            "c": { "anyOf": [{ "$ref": "#/x" }, { "type": "null" }], "description": "C." },
        } });
        leave_out(&mut schema);
        let properties = json!({
            "a": { "type": ["string", "null"] },
            "b": { "type": "string" },
            "c": { "$ref": "#/x", "description": "C." },
        });
        assert_eq!(schema["properties"], properties);
    }

    #[test]
    fn an_object_of_several_forms_is_a_choice_of_named_ones() {
        let Value::Object(mut schemas) = json!({ "Event": {
            "type": "object", "required": ["at"], "properties": { "at": { "type": "string" } },
            "oneOf": [{ "required": ["type"], "description": "A line.", "properties": { "type": { "const": "log" } } }],
        } }) else {
            unreachable!()
        };
        divide(&mut schemas, "Event", "type", |name, word| format!("{word}{name}"));
        assert_eq!(schemas["Event"]["oneOf"], json!([{ "$ref": "#/components/schemas/logEvent" }]));
        assert_eq!(schemas["Event"]["discriminator"]["mapping"]["log"], "#/components/schemas/logEvent");
        assert_eq!(schemas["logEvent"]["required"], json!(["at", "type"]));
        assert_eq!(schemas["logEvent"]["properties"]["at"]["type"], "string");
        assert_eq!(schemas["logEvent"]["description"], "A line.");
    }
}
