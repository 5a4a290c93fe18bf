//! `POST /tasks/batch`: submit many tasks in one request.

use std::collections::HashSet;

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use jobs_core::{Fault, NewTask, ProjectId, TaskId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{
    create::REPLAYED,
    submission::{self, accept_all, unknown_dependencies},
};
use crate::{
    app::{App, Shared},
    body::JsonLines,
    caller::Caller,
    idempotency,
    links::Links,
    problem::{Code, Problem},
    query::Query,
    request::RequestId,
    view::TaskView,
};

/// An item of a batch: a task, or everything that is wrong with it.
type Item = Result<NewTask, Vec<Fault>>;

/// So many tasks at most in one request.
pub(crate) const MOST: usize = 1_000;

/// What became of a batch.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Batch {
    /// The tasks, in the order of the request.
    data: Vec<TaskView>,
}

/// What became of a batch of which each task stands for itself.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PartialBatch {
    /// A result for each item, in the order of the request.
    data: Vec<ItemView>,
    /// So many were accepted.
    accepted: usize,
    /// So many were not.
    refused: usize,
}

/// What became of one item: a task, or what is wrong with it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BatchItem")]
struct ItemView {
    /// The task that was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<TaskView>,
    /// Everything that is wrong with the item.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<FaultView>>,
}

/// A wrong field.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Fault")]
struct FaultView {
    /// A JSON pointer to it: into the body, or into the item of a batch; `?name` for a parameter in the query.
    pointer: String,
    /// What is wrong with it.
    detail: String,
}

/// Submit many tasks.
///
/// Up to 1,000 submissions as a JSON array, or one a line (`application/x-ndjson`). All are accepted or none is; with `mode=partial` those
/// that are valid are accepted, and each item has its own result. A task may wait for earlier ones of its batch: in `depends_on`, `#0` is the
/// first one. An `Idempotency-Key` makes repetitions of the whole request one
/// batch.
#[utoipa::path(
    post,
    path = "/tasks/batch",
    operation_id = "createTasks",
    tag = "tasks",
    security(("key" = ["tasks:write"])),
    params(
        ("mode" = Option<String>, Query, pattern = "^(all|partial)$", description = "`all`, the default, accepts everything or nothing; `partial` accepts what is valid."),
        ("Idempotency-Key" = Option<String>, Header, pattern = r#"^("[!#-\[\]-~]{1,253}"|[!#-~][!-~]{0,254})$"#, description = "Makes repetitions of this request one batch: 1 to 255 visible ASCII characters, in quotes or bare."),
    ),
    request_body(content = ref("#/components/schemas/CreateTasks"), content_type = "application/json"),
    responses(
        (status = 202, description = "The tasks are accepted.", body = ref("#/components/schemas/Batch")),
        (status = 200, description = "With `mode=partial`: the result of each item.", body = ref("#/components/schemas/PartialBatch")),
    ),
    extensions(("x-problems" = json!(["malformed", "invalid_header", "not_acceptable", "unsupported_media_type", "invalid", "idempotency_key_reused", "gone", "queue_full", "group_full"])))
)]
pub(crate) async fn create(
    State(app): State<Shared>,
    caller: Caller,
    RequestId(request_id): RequestId,
    RawQuery(query): RawQuery,
    links: Links,
    headers: HeaderMap,
    JsonLines(body): JsonLines,
) -> Result<Response, Problem> {
    let is_partial = mode(query.as_deref())?;
    let key = idempotency::of(&headers, "POST /tasks/batch", &body)?;
    let head = TaskId::new();
    let mut items = read_items(&app, caller.project, body, head, &request_id)?;
    check_dependencies(&app, &mut items).await?;
    let mut tasks = Vec::with_capacity(items.len());
    // In the order of the request: the place of a task among those that are valid, or what is wrong.
    let mut found = Vec::with_capacity(items.len());
    for item in items {
        found.push(match item {
            Ok(task) => {
                tasks.push(task);
                Ok(())
            }
            Err(faults) => Err(faults),
        });
    }
    if !is_partial && tasks.len() < found.len() {
        let faults = found.into_iter().enumerate().filter_map(|(n, item)| Some((n, item.err()?)));
        let faults = faults.flat_map(|(n, faults)| faults.into_iter().map(move |fault| fault.under(&format!("/{n}"))));
        return Err(Problem::invalid(faults.collect()));
    }
    tie(&mut tasks, key);
    // Of which nothing is valid nothing is stored.
    let accepted = if tasks.is_empty() { Vec::new() } else { accept_all(&app, tasks).await? };
    let is_replay = accepted.first().is_some_and(|first| first.is_replay);
    let mut views = accepted.into_iter().map(|accepted| TaskView::new(accepted.task, Vec::new(), &links));
    let mut response = if is_partial {
        let data: Vec<ItemView> = found
            .into_iter()
            .map(|item| match item {
                Ok(()) => ItemView { task: views.next(), errors: None },
                Err(faults) => ItemView { task: None, errors: Some(faults.into_iter().map(FaultView::from).collect()) },
            })
            .collect();
        let accepted = data.iter().filter(|item| item.task.is_some()).count();
        let refused = data.len() - accepted;
        (StatusCode::OK, Json(PartialBatch { data, accepted, refused })).into_response()
    } else {
        (StatusCode::ACCEPTED, Json(Batch { data: views.collect() })).into_response()
    };
    if is_replay {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

fn mode(query: Option<&str>) -> Result<bool, Problem> {
    let mut query = Query::read(query, &["mode"]);
    let mode = query.one("mode");
    let is_partial = mode.as_deref() == Some("partial");
    if mode.is_some_and(|mode| mode != "all" && mode != "partial") {
        query.fault("mode", "must be `all` or `partial`");
    }
    query.finish()?;
    Ok(is_partial)
}

/// Each item as a task, or everything that is wrong with it.
fn read_items(
    app: &App,
    project: ProjectId,
    body: Value,
    head: TaskId,
    request_id: &str,
) -> Result<Vec<Item>, Problem> {
    let Value::Array(items) = body else {
        return Err(Problem::invalid(vec![Fault::new("", "must be an array of tasks")]));
    };
    if items.is_empty() || items.len() > MOST {
        let detail = format!("must have from 1 to {MOST} items, has {}", items.len());
        return Err(Problem::invalid(vec![Fault::new("", detail)]));
    }
    let read = |(n, mut item): (usize, Value)| {
        name_siblings(&mut item, head, n);
        match submission::read(app, item, project, request_id, None) {
            Ok(NewTask { coalesce: Some(_), .. }) => {
                Ok(Err(vec![Fault::new("/coalesce", "cannot be used in a batch: submit the task by itself")]))
            }
            // Numbered through, so that ids are in the order of the request.
            Ok(task) => Ok(Ok(NewTask { id: head.nth(n as u128), ..task })),
            Err(problem) if problem.code == Code::Invalid => Ok(Err(problem.errors)),
            Err(problem) => Err(problem),
        }
    };
    items.into_iter().enumerate().map(read).collect()
}

/// Puts the ids of earlier tasks of the batch in the place of their numbers.
fn name_siblings(item: &mut Value, head: TaskId, number: usize) {
    for name in item.get_mut("depends_on").and_then(Value::as_array_mut).into_iter().flatten() {
        let sibling: Option<usize> = name.as_str().and_then(|name| name.strip_prefix('#')?.parse().ok());
        if let Some(sibling) = sibling.filter(|sibling| *sibling < number) {
            *name = head.nth(sibling as u128).to_string().into();
        }
    }
}

/// Refuses those that wait for what does not exist, or for what is refused itself.
async fn check_dependencies(app: &App, items: &mut [Item]) -> Result<(), Problem> {
    let tasks: Vec<&NewTask> = items.iter().filter_map(|item| item.as_ref().ok()).collect();
    if tasks.iter().all(|task| task.depends_on.is_empty()) {
        return Ok(());
    }
    let mut known: HashSet<TaskId> = tasks.iter().map(|task| task.id).collect();
    let mut unknown = unknown_dependencies(app, &tasks).await?.into_iter();
    let ids: HashSet<TaskId> = known.clone();
    for item in items {
        let Ok(task) = item else { continue };
        let mut faults = unknown.next().unwrap_or_default();
        let is_refused = |id: &TaskId| ids.contains(id) && !known.contains(id);
        let refused = task.depends_on.iter().enumerate().filter(|(_, id)| is_refused(id));
        faults.extend(refused.map(|(n, _)| Fault::new(format!("/depends_on/{n}"), "this task is refused itself")));
        if !faults.is_empty() {
            known.remove(&task.id);
            *item = Err(faults);
        }
    }
    Ok(())
}

/// Ties the tasks to the first one's key.
fn tie(tasks: &mut [NewTask], key: Option<jobs_core::task::Idempotency>) {
    let Some((first, rest)) = tasks.split_first_mut() else { return };
    if key.is_some() {
        rest.iter_mut().for_each(|task| task.head = Some(first.id));
    }
    first.idempotency = key;
}

impl From<Fault> for FaultView {
    fn from(fault: Fault) -> Self {
        Self { pointer: fault.pointer, detail: fault.detail }
    }
}
