//! `GET /kinds` and `GET /kinds/{kind}`: the kinds of jobs, and how to submit one.

use axum::{Json, extract::State};
use jobs_core::{Registry, RetryPolicy, kind::KindSpec};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    app::Shared,
    links::Links,
    path::NamePath,
    problem::{Code, Problem},
    view::Page,
};

/// A kind of job.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Kind")]
pub(crate) struct KindView {
    /// Its name, as `kind` of a task.
    name: &'static str,
    /// What it does.
    summary: &'static str,
    /// What a task has that does not say otherwise.
    defaults: Defaults,
    /// The JSON Schema of its input.
    input_schema: Value,
    /// The JSON Schema of its output.
    output_schema: Value,
    /// A body for `POST /tasks` that works as it is.
    example: Value,
    /// The same as a command, with the key in `LONGSHORE_API_KEY`.
    curl: String,
    /// The address of this object.
    url: String,
}

/// What a task of a kind has unless it says otherwise.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "KindDefaults")]
struct Defaults {
    /// The queue.
    queue: String,
    /// The priority, from 0 to 9.
    priority: u8,
    /// How long an attempt may run; the input may lengthen it.
    timeout_ms: u64,
    /// How many attempts may fail.
    max_attempts: u32,
    /// How long it waits between attempts.
    retry: RetryPolicy,
}

impl KindView {
    fn new(spec: &KindSpec, registry: &Registry, links: &Links) -> Self {
        let defaults = registry.defaults(spec);
        let example = json!({ "kind": spec.name, "input": spec.example });
        // In single quotes a shell takes everything as it is but a single quote.
        let body = example.to_string().replace('\'', r"'\''");
        Self {
            name: spec.name,
            summary: spec.summary,
            defaults: Defaults {
                queue: defaults.queue,
                priority: defaults.priority,
                timeout_ms: u64::try_from(defaults.timeout.unwrap_or(spec.timeout).as_millis()).unwrap_or(u64::MAX),
                max_attempts: defaults.max_attempts,
                retry: defaults.retry,
            },
            input_schema: spec.input.document().clone(),
            output_schema: spec.output.document().clone(),
            example,
            curl: format!(
                "curl -sS {} -H \"Authorization: Bearer $LONGSHORE_API_KEY\" -H 'Content-Type: application/json' -d '{body}'",
                links.api("tasks"),
            ),
            url: links.api(&format!("kinds/{}", spec.name)),
        }
    }
}

/// List the kinds of jobs.
#[utoipa::path(
    get,
    path = "/kinds",
    operation_id = "listKinds",
    tag = "kinds",
    security(("key" = [])),
    responses((status = 200, description = "All kinds, by name.", body = ref("#/components/schemas/KindPage"))),
    extensions(("x-problems" = json!(["not_acceptable"])))
)]
pub(crate) async fn list(State(app): State<Shared>, links: Links) -> Json<Page<KindView>> {
    let data = app.registry.iter().map(|kind| KindView::new(kind.spec(), &app.registry, &links)).collect();
    Json(Page { data, has_more: false })
}

/// Read about a kind of job.
#[utoipa::path(
    get,
    path = "/kinds/{kind}",
    operation_id = "getKind",
    tag = "kinds",
    security(("key" = [])),
    params(("kind" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The kind.", body = ref("#/components/schemas/Kind"))),
    extensions(("x-problems" = json!(["kind_not_found", "not_acceptable"])))
)]
pub(crate) async fn get(
    State(app): State<Shared>,
    NamePath(name): NamePath,
    links: Links,
) -> Result<Json<KindView>, Problem> {
    let kind = app.registry.get(&name).ok_or_else(|| {
        let known: Vec<_> = app.registry.iter().map(|kind| kind.spec().name).collect();
        let detail = format!("there is no kind `{}`; known are {}", name.escape_debug(), known.join(", "));
        Problem::new(Code::KindNotFound, detail)
    })?;
    Ok(Json(KindView::new(kind.spec(), &app.registry, &links)))
}
