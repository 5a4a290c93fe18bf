//! `POST /tasks/{id}/replay`: submit a task once more, as a new one.

use axum::{extract::State, http::HeaderMap, response::Response};
use jobs_core::{Fault, Task};
use serde_json::{Map, Value, json};

use super::{create::answer, submission::read};
use crate::{
    app::Shared, body::OptionalJson, caller::Caller, idempotency, links::Links, path::TaskPath, problem::Problem,
    request::RequestId,
};

/// Submit a task once more.
///
/// The new task is like the old one, but for what the body says otherwise: any field of a submission, its kind aside. A start, a
/// deadline, tasks to wait for and `coalesce` are those of the body alone; with another input, so is `timeout_ms`. The result is checked as a submission is. The old task stays as it is,
/// and may have ended or not.
#[utoipa::path(
    post,
    path = "/tasks/{id}/replay",
    operation_id = "replayTask",
    tag = "tasks",
    security(("key" = ["tasks:write"])),
    params(
        ("id" = String, Path, description = "The task that is repeated."),
        ("Idempotency-Key" = Option<String>, Header, pattern = r#"^("[!#-\[\]-~]{1,253}"|[!#-~][!-~]{0,254})$"#, description = "Makes repetitions of this request one task: 1 to 255 visible ASCII characters, in quotes or bare."),
        ("Prefer" = Option<String>, Header, description = "`wait=N` waits up to N seconds, 60 at most, for the end of the task."),
    ),
    request_body(content = ref("#/components/schemas/ReplayTask"), content_type = "application/json"),
    responses(
        (status = 200, description = "The new task ended within the time that the client wanted to wait.", body = ref("#/components/schemas/Task")),
        (status = 202, description = "The new task is accepted.", body = ref("#/components/schemas/Task"),
            headers(("Location" = String, description = "The address of the new task."))),
    ),
    extensions(("x-problems" = json!(["malformed", "invalid_header", "task_not_found", "not_acceptable", "gone", "unsupported_media_type", "invalid", "idempotency_key_reused", "queue_full", "group_full"])))
)]
pub(crate) async fn replay(
    State(app): State<Shared>,
    caller: Caller,
    TaskPath(id): TaskPath,
    RequestId(request_id): RequestId,
    links: Links,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson,
) -> Result<Response, Problem> {
    let changes = match body {
        None => Map::new(),
        Some(Value::Object(changes)) => changes,
        Some(_) => return Err(Problem::invalid(vec![Fault::new("", "must be an object")])),
    };
    let key = idempotency::of(&headers, &format!("POST /tasks/{id}/replay"), &json!(changes))?;
    if changes.contains_key("kind") {
        return Err(Problem::invalid(vec![Fault::new("/kind", "cannot be changed: submit a task of the other kind")]));
    }
    let old = app.store.get(caller.project, id).await?;
    let body = Value::Object(changed(&old, changes)?);
    let mut new = read(&app, body, caller.project, &request_id, key)?;
    new.replayed_from = Some(id);
    answer(&app, new, &headers, &links).await
}

/// The submission that makes such a task, with `changes`.
fn changed(old: &Task, changes: Map<String, Value>) -> Result<Map<String, Value>, Problem> {
    let input: Value = serde_json::from_str(old.input.get()).map_err(|error| Problem::internal(&error))?;
    let mut body = Map::from_iter([
        ("kind".to_owned(), json!(old.kind)),
        ("input".to_owned(), input),
        ("queue".to_owned(), json!(old.queue)),
        ("group".to_owned(), json!(old.group)),
        ("priority".to_owned(), json!(old.priority)),
        ("max_attempts".to_owned(), json!(old.max_attempts)),
        ("retry".to_owned(), json!(old.retry)),
        ("tags".to_owned(), json!(old.tags)),
        ("metadata".to_owned(), json!(old.metadata)),
    ]);
    // The time that an attempt needs may follow from the input.
    if !changes.contains_key("input") {
        let timeout_ms = u64::try_from(old.timeout.as_millis()).unwrap_or(u64::MAX);
        body.insert("timeout_ms".to_owned(), json!(timeout_ms));
    }
    body.extend(changes);
    Ok(body)
}
