//! Putting values into a template, and its names into one form.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A value for the placeholders of one name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct MergeField {
    /// The name: `{{name}}` in the template, spaces inside the braces do not count.
    #[schemars(length(min = 1, max = 100))]
    pub find: String,
    /// What stands there instead. A placeholder that is a whole value becomes this value, whatever it is: a number, too.
    pub replace: Value,
}

/// What merging may add to a template, in bytes: a value may be wanted in many places.
const MAX_ADDED_BYTES: usize = 1 << 20;

/// Puts an input into the form that is checked: merged, and with names as `snake_case`, which those of Shotstack are not.
pub(in crate::video_generate) fn tidy(input: &mut Value) {
    let fields: Vec<MergeField> =
        input.get("merge").and_then(|merge| serde_json::from_value(merge.clone()).ok()).unwrap_or_default();
    let mut room = MAX_ADDED_BYTES;
    for part in ["timeline", "output", "title"] {
        if let Some(part) = input.get_mut(part) {
            merge(part, &fields, &mut room);
            rename(part, None);
        }
    }
}

fn merge(value: &mut Value, fields: &[MergeField], room: &mut usize) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| merge(item, fields, room)),
        Value::Object(object) => object.values_mut().for_each(|field| merge(field, fields, room)),
        Value::String(text) if text.contains("{{") => {
            if let Some(merged) = merged(text, fields, room) {
                *value = merged;
            }
        }
        _ => {}
    }
}

/// `text` with its placeholders filled in, as far as there are values for them.
fn merged(text: &str, fields: &[MergeField], room: &mut usize) -> Option<Value> {
    let named = |name: &str| fields.iter().find(|field| field.find == name.trim()).map(|field| &field.replace);
    let whole = text.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    if let Some(replacement) = whole.filter(|name| !name.contains("{{")).and_then(named) {
        *room = room.checked_sub(replacement.to_string().len())?;
        return Some(replacement.clone());
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, name, after)) = placeholder(rest) {
        out.push_str(before);
        match named(name) {
            Some(Value::String(replacement)) => {
                *room = room.checked_sub(replacement.len())?;
                out.push_str(replacement);
            }
            Some(replacement) => out.push_str(&replacement.to_string()),
            None => out.push_str(&rest[before.len()..rest.len() - after.len()]),
        }
        rest = after;
    }
    Some(Value::String(out + rest))
}

/// What is before the first placeholder of `text`, its name, and what is after it.
pub(super) fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (name, after) = rest.split_once("}}")?;
    Some((before, name, after))
}

/// Values that are words, by the name of their field; all other text is the client's.
const WORDS: [&str; 10] =
    ["effect", "volume_effect", "in", "out", "position", "fit", "filter", "format", "quality", "type"];

fn rename(value: &mut Value, field: Option<&str>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, field)),
        Value::Object(object) => {
            let old: Map<String, Value> = std::mem::take(object);
            for (name, mut value) in old {
                let name = snake_case(&name);
                rename(&mut value, Some(&name));
                object.insert(name, value);
            }
        }
        Value::String(word) if field.is_some_and(|field| WORDS.contains(&field)) => *word = snake_case(word),
        _ => {}
    }
}

/// `zoomInSlow` as `zoom_in_slow`; what is no such name as it is.
fn snake_case(name: &str) -> String {
    let is_camel = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && name.bytes().any(|byte| byte.is_ascii_uppercase());
    if !is_camel {
        return name.to_owned();
    }
    let mut out = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn placeholders_become_values_of_their_kind() {
        let mut input = json!({
            "timeline": { "tracks": [{ "clips": [{
                "asset": { "type": "text", "text": "Dear {{ NAME }}, {{MISSING}}!" }, "start": "{{AT}}", "length": 2
            }] }] },
            "merge": [{ "find": "NAME", "replace": "Ada" }, { "find": "AT", "replace": 1.5 }]
        });
        tidy(&mut input);
        let clip = &input["timeline"]["tracks"][0]["clips"][0];
        assert_eq!(clip["asset"]["text"], "Dear Ada, {{MISSING}}!");
        assert_eq!(clip["start"], 1.5);
    }

    #[test]
    fn names_of_others_are_read_as_ours_and_texts_are_left_alone() {
        let mut input = json!({
            "timeline": { "tracks": [{ "clips": [{
                "asset": { "type": "text", "text": "zoomIn", "font": { "lineHeight": 1, "family": "openSans" } },
                "effect": "zoomInSlow", "transition": { "in": "carouselLeft" }, "position": "topRight"
            }] }] },
            "output": { "aspectRatio": "9:16" }
        });
        tidy(&mut input);
        let clip = &input["timeline"]["tracks"][0]["clips"][0];
        assert_eq!(clip["asset"]["font"], json!({ "line_height": 1, "family": "openSans" }));
        assert_eq!((&clip["effect"], &clip["position"]), (&json!("zoom_in_slow"), &json!("top_right")));
        assert_eq!((&clip["transition"]["in"], &clip["asset"]["text"]), (&json!("carousel_left"), &json!("zoomIn")));
        assert_eq!(input["output"]["aspect_ratio"], "9:16");
    }

    #[test]
    fn a_small_template_does_not_become_a_large_one() {
        let mut input = json!({
            "timeline": { "background": "{{A}}".repeat(50_000) },
            "merge": [{ "find": "A", "replace": "x".repeat(50_000) }]
        });
        tidy(&mut input);
        assert!(input.to_string().len() < 4 * MAX_ADDED_BYTES);
    }
}
