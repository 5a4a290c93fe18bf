//! Where an answer leads: from what was made to the operations on it, by its id.

use serde_json::{Map, Value, json};

/// Adds links from operations that make something to those on one of its sort.
pub(super) fn add(paths: &mut Map<String, Value>, schemas: &Map<String, Value>) {
    let on_one: Vec<(String, Value)> = paths
        .iter()
        .filter_map(|(path, methods)| {
            let (collection, rest) = path.split_once("/{id}")?;
            let names = methods.as_object()?.values().map(|operation| operation["operationId"].clone());
            (!rest.contains('{')).then(|| (collection.to_owned(), names.collect::<Value>()))
        })
        .collect();
    for (path, methods) in paths {
        let Some(responses) = methods.pointer_mut("/post/responses").and_then(Value::as_object_mut) else { continue };
        for (_, response) in responses.iter_mut().filter(|(status, _)| matches!(status.as_str(), "200" | "201" | "202"))
        {
            let Some(id) = id(response, schemas) else { continue };
            let names = on_one.iter().filter(|(collection, _)| collection == path).map(|(_, names)| names);
            for name in names.filter_map(Value::as_array).flatten().filter_map(Value::as_str) {
                response["links"][name] =
                    json!({ "operationId": name, "parameters": { "id": format!("$response.body#{id}") } });
            }
        }
    }
}

/// Where the id of what was made stands in an answer: at its top, or in the object that it carries.
fn id(response: &Value, schemas: &Map<String, Value>) -> Option<String> {
    let follow = |schema: &Value| {
        let name = schema["$ref"].as_str()?.rsplit('/').next()?;
        schemas.get(name)?.get("properties")?.as_object()
    };
    let members = follow(&response["content"]["application/json"]["schema"])?;
    if members.contains_key("id") {
        return Some("/id".to_owned());
    }
    let carried = members.iter().find(|(_, member)| follow(member).is_some_and(|inner| inner.contains_key("id")));
    carried.map(|(name, _)| format!("/{name}/id"))
}
