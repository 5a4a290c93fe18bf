//! The OpenAPI document: operations from the routes, bodies from the types that read and write them, problems from the table.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use jobs_core::{GroupSettings, QueueSettings, Registry};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};

use crate::{
    app::Shared,
    integrity::IntegrityView,
    keys::{CreateKey, KeyView, NewKeyView, RotateKey},
    kinds::KindView,
    problem::Code,
    problems::ProblemType,
    projects::{CreateProject, ProjectView},
    queues::{GroupView, QueueView},
    router,
    stats::Stats,
    system::{Health, Pong},
    tasks::{
        actions::{BulkAction, BulkResult},
        attempts::AttemptView,
        batch::{Batch, MOST, PartialBatch},
        submission::CreateTask,
    },
    videos::{ErrorBody, VideoList, VideoView},
    view::{ArtifactView, EventView, Explanation, Page, TaskPage, TaskView},
};

/// In the code: the problems of an operation. Each becomes a response.
const PROBLEMS: &str = "x-problems";
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
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, methods) in paths {
            let problem = if path.contains("/videos/") { "VideoError" } else { "Problem" };
            for operation in methods.as_object_mut().into_iter().flat_map(|methods| methods.values_mut()) {
                complete(operation, problem);
            }
        }
    }
    let schemas = Value::Object(schemas(registry));
    document["components"] = json!({ "schemas": schemas, "securitySchemes": { "key": key() } });
    document
}

fn key() -> Value {
    json!({ "type": "http", "scheme": "bearer", "description": "An API key. Operations name the scopes that it needs." })
}

fn complete(operation: &mut Value, schema: &str) {
    let Some(operation) = operation.as_object_mut() else { return };
    let is_optional = operation.get("operationId").is_some_and(|id| id == "replayTask");
    if let Some(body) = operation.get_mut("requestBody") {
        body["required"] = (!is_optional).into();
    }
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

/// All schemas by name.
fn schemas(registry: &Registry) -> Map<String, Value> {
    let settings = || {
        SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
    };
    let mut read = settings().into_generator();
    read.subschema_for::<CreateTask>();
    read.subschema_for::<BulkAction>();
    read.subschema_for::<QueueSettings>();
    read.subschema_for::<GroupSettings>();
    read.subschema_for::<CreateKey>();
    read.subschema_for::<RotateKey>();
    read.subschema_for::<CreateProject>();
    let mut all: Map<String, Value> = read.take_definitions(true).into_iter().collect();

    let mut written = settings().for_serialize().into_generator();
    for name in [
        written.subschema_for::<TaskView>(),
        written.subschema_for::<TaskPage>(),
        written.subschema_for::<Batch>(),
        written.subschema_for::<PartialBatch>(),
        written.subschema_for::<BulkResult>(),
        written.subschema_for::<QueueView>(),
        written.subschema_for::<GroupView>(),
        written.subschema_for::<NewKeyView>(),
        written.subschema_for::<ProjectView>(),
        written.subschema_for::<KindView>(),
        written.subschema_for::<ProblemType>(),
        written.subschema_for::<Health>(),
        written.subschema_for::<IntegrityView>(),
        written.subschema_for::<Pong>(),
        written.subschema_for::<Explanation>(),
        written.subschema_for::<Stats>(),
        written.subschema_for::<ErrorBody>(),
        written.subschema_for::<VideoView>(),
        written.subschema_for::<VideoList>(),
    ] {
        drop(name);
    }
    let pages = [
        ("EventPage", page::<EventView>(&mut written)),
        ("ArtifactPage", page::<ArtifactView>(&mut written)),
        ("AttemptPage", page::<AttemptView>(&mut written)),
        ("ApiKeyPage", page::<KeyView>(&mut written)),
        ("ProjectPage", page::<ProjectView>(&mut written)),
        ("KindPage", page::<KindView>(&mut written)),
        ("QueuePage", page::<QueueView>(&mut written)),
        ("ProblemTypePage", page::<ProblemType>(&mut written)),
    ];
    // What is both read and written is described as it is read: there it may leave things out.
    for (name, schema) in written.take_definitions(true) {
        all.entry(name).or_insert(schema);
    }
    for (name, page) in pages {
        let generic = page["$ref"].as_str().and_then(|path| path.rsplit('/').next()).map(str::to_owned);
        if let Some(schema) = generic.and_then(|generic| all.remove(&generic)) {
            all.insert(name.to_owned(), schema);
        }
    }
    all.insert("Problem".to_owned(), problem());
    all.insert(
        "CreateTasks".to_owned(),
        json!({
            "type": "array",
            "minItems": 1,
            "maxItems": MOST,
            "items": { "$ref": "#/components/schemas/CreateTask" },
        }),
    );
    add_kinds(&mut all, registry);
    let replay = replay(&all["CreateTask"]);
    all.insert("ReplayTask".to_owned(), replay);
    all
}

/// What a replay says otherwise: a submission of which everything may be left out, and the kind must be.
fn replay(submission: &Value) -> Value {
    let mut replay = submission.clone();
    if let Some(fields) = replay.as_object_mut() {
        fields.retain(|name, _| matches!(name.as_str(), "type" | "properties" | "additionalProperties"));
        fields.insert("description".to_owned(), "What is to be otherwise; the rest is as it was.".into());
        fields.insert("examples".to_owned(), json!([{ "priority": 9 }]));
    }
    if let Some(properties) = replay["properties"].as_object_mut() {
        properties.remove("kind");
    }
    replay
}

fn page<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<Page<T>>().to_value()
}

/// The input of each kind, and a submission as the choice between them.
fn add_kinds(all: &mut Map<String, Value>, registry: &Registry) {
    let mut choices = Vec::new();
    let mut examples = Map::new();
    for kind in registry.iter() {
        let spec = kind.spec();
        let name = format!("{}Input", camel(spec.name));
        let mut schema = spec.input.document().clone();
        lift(&mut schema, all, &name);
        all.insert(name.clone(), schema);
        choices.push(json!({
            "title": spec.name,
            "properties": { "kind": { "const": spec.name }, "input": { "$ref": format!("#/components/schemas/{name}") } },
        }));
        examples.insert(spec.name.to_owned(), json!({ "kind": spec.name, "input": spec.example }));
    }
    if let Some(submission) = all.get_mut("CreateTask") {
        submission["oneOf"] = choices.into();
        submission["examples"] = examples.into_iter().map(|(_, example)| example).collect();
        // The choices say more.
        let known: Vec<_> = registry.iter().map(|kind| kind.spec().name).collect();
        submission["properties"]["kind"]["enum"] = json!(known);
    }
}

/// Moves the definitions of a schema of its own beside the others.
fn lift(schema: &mut Value, all: &mut Map<String, Value>, owner: &str) {
    let Some(fields) = schema.as_object_mut() else { return };
    fields.remove("$schema");
    let definitions = fields.remove("$defs").and_then(|definitions| match definitions {
        Value::Object(definitions) => Some(definitions),
        _ => None,
    });
    point(schema, owner);
    for (name, mut definition) in definitions.into_iter().flatten() {
        point(&mut definition, owner);
        all.insert(format!("{owner}{name}"), definition);
    }
}

fn point(schema: &mut Value, owner: &str) {
    match schema {
        Value::Object(fields) => {
            if let Some(name) =
                fields.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/"))
            {
                let path = format!("#/components/schemas/{owner}{name}");
                fields.insert("$ref".to_owned(), path.into());
            }
            fields.values_mut().for_each(|value| point(value, owner));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| point(item, owner)),
        _ => {}
    }
}

/// `video.generate` as `VideoGenerate`.
fn camel(name: &str) -> String {
    let word = |word: &str| {
        let mut chars = word.chars();
        chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
    };
    name.split(['.', '_']).map(word).collect()
}

fn problem() -> Value {
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
    json!({
        "type": "object",
        "description": "What went wrong, as RFC 9457 has it.",
        "required": ["type", "title", "status", "detail", "instance", "code", "request_id", "timestamp"],
        "additionalProperties": false,
        "properties": {
            "type": { "type": "string", "description": "A page about this sort of problem." },
            "title": { "type": "string", "description": "The same for every problem of this sort." },
            "status": { "type": "integer", "description": "The HTTP status." },
            "detail": { "type": "string", "description": "What is wrong this time." },
            "instance": { "type": "string", "description": "The path of the request." },
            "code": { "type": "string", "enum": codes, "description": "A stable word for programs." },
            "request_id": { "type": "string", "description": "The id of the request, to find it in the logs." },
            "timestamp": { "type": "string", "format": "date-time" },
            "errors": {
                "type": "array",
                "description": "All wrong fields.",
                "items": {
                    "type": "object",
                    "required": ["pointer", "detail"],
                    "additionalProperties": false,
                    "properties": {
                        "pointer": { "type": "string", "description": "A JSON pointer into the body, or `?name` for a parameter." },
                        "detail": { "type": "string", "description": "What is wrong with it." },
                    },
                },
            },
        },
    })
}

/// `GET /openapi.json`.
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
