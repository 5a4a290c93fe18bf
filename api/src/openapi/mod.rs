//! The OpenAPI document: operations from the routes, bodies from the types that read and write them, problems from the table.

mod headers;
mod links;
mod schemas;
mod tidy;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use jobs_core::Registry;
use serde_json::{Map, Value, json};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};

use crate::{app::Shared, problem::Code, router};

/// In the code: the problems of an operation. Each becomes a response.
const PROBLEMS: &str = "x-problems";
/// Operations that can be asked without a body.
const OPTIONAL: [&str; 3] = ["replayTask", "pauseSchedule", "runSchedule"];
/// What can happen to every request.
const ALWAYS: [Code; 7] = [
    Code::Malformed,
    Code::RequestTimeout,
    Code::TooLarge,
    Code::Internal,
    Code::Overloaded,
    Code::Unavailable,
    Code::Timeout,
];

/// The document before its operations.
pub(crate) fn frame() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Longshore")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Background jobs over HTTP: submit a task, then poll it, follow it or wait for it. Every error is a problem of RFC 9457.",
        ));
    OpenApiBuilder::new().info(info.build()).build()
}

/// The document for these kinds.
pub(crate) fn document(registry: &Registry) -> Value {
    let mut document = serde_json::to_value(router::described()).unwrap_or_default();
    let schemas = schemas::schemas(registry);
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, methods) in paths.iter_mut() {
            let problem = if path.contains("/videos/") { "VideoError" } else { "Problem" };
            for operation in methods.as_object_mut().into_iter().flat_map(|methods| methods.values_mut()) {
                complete(operation, problem);
            }
        }
        links::add(paths, &schemas);
    }
    document["components"] =
        json!({ "schemas": schemas, "headers": headers::components(), "securitySchemes": { "key": key() } });
    document
}

fn key() -> Value {
    json!({ "type": "http", "scheme": "bearer", "description": "An API key. Operations name the scopes that it needs. `X-API-Key` takes it, too." })
}

fn complete(operation: &mut Value, schema: &str) {
    let Some(operation) = operation.as_object_mut() else { return };
    let is_optional = operation.get("operationId").and_then(Value::as_str).is_some_and(|id| OPTIONAL.contains(&id));
    if let Some(body) = operation.get_mut("requestBody") {
        body["required"] = (!is_optional).into();
    }
    let parameters = parameters(operation);
    let named = operation.remove(PROBLEMS).unwrap_or_default();
    let named: Vec<&str> = named.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let of_keys = of_keys(operation.get("security").unwrap_or(&Value::Null));
    // A task that is not there may have been removed.
    let may_be_gone = named.contains(&Code::TaskNotFound.name());
    let has = |code: &Code| {
        let is_named = named.contains(&code.name()) || (may_be_gone && *code == Code::Gone);
        ALWAYS.contains(code) || of_keys.contains(code) || is_named
    };
    let codes: Vec<Code> = Code::ALL.iter().copied().filter(has).collect();
    let media_type = if schema == "Problem" { "application/problem+json" } else { "application/json" };
    let Some(responses) = operation.entry("responses").or_insert(json!({})).as_object_mut() else { return };
    for code in codes {
        let said = format!("`{}`: {}.", code.name(), code.title());
        let response = responses.entry(code.status().as_str()).or_insert(json!({ "description": "" }));
        // A status that the operation answers with itself can also be a problem.
        response["content"][media_type] = json!({ "schema": { "$ref": format!("#/components/schemas/{schema}") } });
        let description = response["description"].as_str().unwrap_or_default();
        response["description"] = json!(format!("{description} {said}").trim());
        if matches!(code.status().as_u16(), 429 | 503) {
            response["headers"]["Retry-After"] =
                json!({ "schema": { "type": "integer" }, "description": "When to try again, in seconds." });
        }
    }
    headers::add(responses, !of_keys.is_empty(), &parameters);
}

/// The names of the parameters of an operation. One that may be left out is never `null`: there is no such thing in an address or a header.
fn parameters(operation: &mut Map<String, Value>) -> Vec<String> {
    let mut names = Vec::new();
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        tidy::without_null(&mut parameter["schema"]);
        names.extend(parameter["name"].as_str().map(str::to_owned));
    }
    names
}

/// What can be wrong with the key of a request, by what the operation says of keys.
fn of_keys(security: &Value) -> Vec<Code> {
    let keys: Vec<&Value> = security.as_array().into_iter().flatten().filter_map(|choice| choice.get("key")).collect();
    match &keys[..] {
        [] => Vec::new(),
        keys if keys.iter().all(|scopes| scopes.as_array().is_some_and(Vec::is_empty)) => {
            vec![Code::Unauthorized, Code::InvalidHeader, Code::RateLimited]
        }
        _ => vec![Code::Unauthorized, Code::InvalidHeader, Code::InsufficientScope, Code::RateLimited],
    }
}

/// Read the description of this API.
///
/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "getDescription",
    tag = "system",
    security(()),
    responses((status = 200, description = "OpenAPI 3.1.", content((serde_json::Value = "application/json")))),
    extensions(("x-problems" = json!(["not_acceptable"])))
)]
pub(crate) async fn serve(State(app): State<Shared>) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")];
    (headers, app.openapi.clone()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_operation_is_whole() {
        let document = document(&jobs_kinds::registry());
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 50);
        for reference in found {
            let pointer = reference.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                assert!(operation["operationId"].is_string() && operation["summary"].is_string(), "{method} {path}");
                assert!(operation["responses"]["503"].is_object(), "{method} {path}");
                assert!(operation.get(PROBLEMS).is_none(), "{method} {path}");
                let security = operation["security"].as_array();
                assert!(security.is_some_and(|security| !security.is_empty()), "{method} {path} says nothing of keys");
            }
        }
    }

    #[test]
    fn problems_that_the_code_names_are_in_the_table() {
        let described = serde_json::to_value(router::described()).unwrap();
        for operation in
            described["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values())
        {
            for name in operation[PROBLEMS].as_array().unwrap() {
                assert!(Code::ALL.iter().any(|code| code.name() == name), "{name} is no code");
            }
        }
    }
}
