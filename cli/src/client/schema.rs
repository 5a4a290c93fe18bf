//! The fields of an object schema (JSON Schema 2020-12), one line each.

use serde_json::Value;

use super::text::clean;

/// One field, ready to be shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) is_required: bool,
    /// Limits, choices and the default.
    pub(super) rules: String,
    pub(super) about: String,
}

/// Deeper than this, a schema is shown as the name of its type.
const DEEPEST: usize = 3;

/// The fields of the object that `schema` describes, nested ones as `outer.inner`.
pub(super) fn fields(schema: &Value) -> Vec<Field> {
    let mut fields = Vec::new();
    collect(schema, schema, "", DEEPEST, &mut fields);
    fields
}

fn collect(root: &Value, schema: &Value, prefix: &str, depth: usize, fields: &mut Vec<Field>) {
    let schema = resolve(root, schema);
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        // One of two forms: what most ask for first.
        for form in ["else", "then"].iter().filter_map(|form| schema.get(form)) {
            collect(root, form, prefix, depth, fields);
        }
        return;
    };
    let required = schema.get("required").and_then(Value::as_array);
    for (name, own) in properties {
        let target = resolve(root, own);
        let is_required = required.is_some_and(|required| required.contains(&name.as_str().into()));
        let name = format!("{prefix}{}", clean(name));
        fields.push(Field {
            kind: kind(root, own),
            is_required,
            rules: rules(own, target),
            about: about(own, target),
            name: name.clone(),
        });
        if depth > 0 {
            collect(root, own, &format!("{name}."), depth - 1, fields);
        }
    }
}

/// The schema behind references, and behind the `null` that makes a field optional.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let mut schema = schema;
    // A circle of references ends here too.
    for _ in 0..8 {
        let reference = schema.get("$ref").and_then(Value::as_str);
        let next =
            reference.and_then(|reference| root.pointer(reference.strip_prefix('#')?)).or_else(|| only_choice(schema));
        let Some(next) = next else { break };
        schema = next;
    }
    schema
}

fn only_choice(schema: &Value) -> Option<&Value> {
    let choices = ["anyOf", "oneOf", "allOf"].iter().find_map(|name| schema.get(name));
    let mut choices = choices?.as_array()?.iter().filter(|choice| !is_null(choice));
    choices.next().filter(|_| choices.next().is_none())
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

fn kind(root: &Value, schema: &Value) -> String {
    let schema = resolve(root, schema);
    let types = match schema.get("type") {
        Some(Value::String(one)) => one.clone(),
        Some(Value::Array(many)) => {
            let many = many.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            many.collect::<Vec<_>>().join(" or ")
        }
        _ if choices(schema).is_some() => "string".to_owned(),
        _ if schema.get("properties").is_some() => "object".to_owned(),
        _ => "any".to_owned(),
    };
    match schema.get("items") {
        Some(items) if types == "array" => format!("{} list", kind(root, items)),
        _ => clean(&types),
    }
}

/// The values that a field can have, when they are listed.
fn choices(schema: &Value) -> Option<Vec<String>> {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if let Some(list) = schema.get("enum").and_then(Value::as_array) {
        return Some(list.iter().filter(|value| !value.is_null()).map(word).collect());
    }
    let list = ["oneOf", "anyOf"].iter().find_map(|name| schema.get(name))?.as_array()?;
    let words = list.iter().filter(|choice| !is_null(choice)).map(|choice| match choice.get("const") {
        Some(value) => Some(vec![word(value)]),
        None => choices(choice),
    });
    words.collect::<Option<Vec<_>>>().map(|words| words.concat())
}

fn rules(own: &Value, target: &Value) -> String {
    let number = |name: &str| [own, target].iter().find_map(|schema| schema.get(name)).filter(|n| n.is_number());
    let mut rules = Vec::new();
    let ranges =
        [("minimum", "maximum", ""), ("minLength", "maxLength", " characters"), ("minItems", "maxItems", " items")];
    for (low, high, unit) in ranges {
        match (number(low), number(high)) {
            (Some(low), Some(high)) => rules.push(format!("{low} to {high}{unit}")),
            (Some(low), None) => rules.push(format!("at least {low}{unit}")),
            (None, Some(high)) => rules.push(format!("at most {high}{unit}")),
            (None, None) => {}
        }
    }
    if let Some(choices) = choices(target) {
        rules.push(choices.join(" | "));
    }
    if let Some(format) = target.get("format").and_then(Value::as_str)
        && target.get("type").and_then(Value::as_str) == Some("string")
    {
        rules.push(format.to_owned());
    }
    if let Some(default) = own.get("default").filter(|default| !default.is_null()) {
        rules.push(format!("default {default}"));
    }
    clean(&rules.join(", "))
}

fn about(own: &Value, target: &Value) -> String {
    let text = [own, target].iter().find_map(|schema| schema.get("description")?.as_str());
    let first = text.unwrap_or_default().split("\n\n").next().unwrap_or_default();
    clean(first)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_says_what_it_takes() {
        let schema = json!({
            "type": "object",
            "required": ["title", "look"],
            "properties": {
                "title": { "type": "string", "minLength": 3, "maxLength": 200, "description": "Its title.\n\nMore." },
                "seconds": { "type": ["integer", "null"], "minimum": 15, "default": 30 },
                "look": { "$ref": "#/$defs/Look" },
                "tone": { "anyOf": [{ "$ref": "#/$defs/Tone" }, { "type": "null" }] },
                "scenes": { "type": "array", "items": { "type": "string" }, "maxItems": 5 },
            },
            "$defs": {
                "Look": { "type": "object", "properties": { "font": { "type": "string" } } },
                "Tone": { "description": "How it sounds.", "oneOf": [{ "const": "calm" }, { "const": "bold" }] },
            },
        });
        let line = |field: Field| {
            let Field { name, kind, is_required, rules, about } = field;
            format!("{name}|{kind}|{is_required}|{rules}|{about}")
        };
        let lines: Vec<_> = fields(&schema).into_iter().map(line).collect();
        let mut expected = vec![
            "title|string|true|3 to 200 characters|Its title.",
            "seconds|integer|false|at least 15, default 30|",
            "look|object|true||",
            "look.font|string|false||",
            "tone|string|false|calm | bold|How it sounds.",
            "scenes|string list|false|at most 5 items|",
        ];
        // The order of an object's fields depends on how serde_json was built.
        let mut lines: Vec<_> = lines.iter().map(String::as_str).collect();
        lines.sort_unstable();
        expected.sort_unstable();
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_schema_that_refers_to_itself_comes_to_an_end() {
        let schema = json!({ "properties": { "next": { "$ref": "#" }, "odd": { "$ref": "#/properties/odd" } } });
        assert!(!fields(&schema).is_empty());
    }
}
