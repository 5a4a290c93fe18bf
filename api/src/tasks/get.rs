//! `GET /tasks/{id}`: a task as it stands, or as soon as it stands elsewhere.

use std::time::Duration;

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jobs_core::Task;
use jobs_store::StoreError;

use super::wait;
use crate::{
    app::{App, Shared},
    caller::Caller,
    clock::now,
    etag,
    links::Links,
    path::TaskPath,
    prefer::WAIT_MAX,
    problem::Problem,
    query::Query,
    view::TaskView,
};

/// No client is asked to stay away longer than this.
const RETRY_AFTER_MAX: u64 = 60;

/// Read a task.
///
/// With `wait` the answer comes when the task has changed: since the version in `If-None-Match`, or else since the request
/// arrived. A task that has ended changes no more, so it is answered at once.
#[utoipa::path(
    get,
    path = "/tasks/{id}",
    operation_id = "getTask",
    tag = "tasks",
    security(("key" = ["tasks:read"])),
    params(
        ("id" = String, Path, description = "The task."),
        ("wait" = Option<u32>, Query, description = "Seconds to wait for a change.", minimum = 0, maximum = 60),
        ("If-None-Match" = Option<String>, Header, description = "The entity tag of the version that the client has."),
    ),
    responses(
        (status = 200, description = "The task.", body = ref("#/components/schemas/Task"),
            headers(("ETag" = String, description = "The version of the task."),
                ("Retry-After" = u32, description = "When to look again, in seconds; while it has not ended."))),
        (status = 304, description = "The client has this version."),
    ),
    extensions(("x-problems" = json!(["task_not_found", "not_acceptable", "invalid"])))
)]
pub(crate) async fn get(
    State(app): State<Shared>,
    caller: Caller,
    TaskPath(id): TaskPath,
    RawQuery(query): RawQuery,
    links: Links,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut query = Query::read(query.as_deref(), &["wait"]);
    let wait = query.number("wait", 0, WAIT_MAX.as_secs().cast_signed());
    query.finish()?;

    let has = |task: &Task| etag::none_match(&headers, &tag(task));
    let task = match wait.filter(|seconds| *seconds > 0) {
        None => app.store.get(caller.project, id).await?,
        Some(seconds) => {
            let mut watch = app.hub.watch(id);
            let known = app.store.get(caller.project, id).await?;
            let is_conditional = headers.contains_key(header::IF_NONE_MATCH);
            let changed = |task: &Task| if is_conditional { !has(task) } else { task.seq != known.seq };
            wait::until(&app, caller.project, id, &mut watch, Duration::from_secs(seconds.unsigned_abs()), changed)
                .await?
        }
    };

    let tag = tag(&task);
    let retry_after = retry_after(&task);
    let mut response = if etag::none_match(&headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(view(&app, task, &links).await?).into_response()
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    Ok(response)
}

/// The object of a task, with its artifacts if it can have any.
pub(crate) async fn view(app: &App, task: Task, links: &Links) -> Result<TaskView, StoreError> {
    let has_artifacts = task.state == jobs_core::State::Succeeded;
    let artifacts = if has_artifacts { app.store.artifacts(task.project, task.id).await? } else { Vec::new() };
    Ok(TaskView::new(task, artifacts, links))
}

fn tag(task: &Task) -> String {
    etag::strong(&task.seq.to_string())
}

/// When to look again: when it is due, or when it ends if it goes on as it began.
fn retry_after(task: &Task) -> Option<u64> {
    use jobs_core::State::{Retrying, Running, Scheduled};
    if task.state.is_terminal() {
        return None;
    }
    let now = now();
    let left = match task.state {
        Scheduled | Retrying => task.due_at.map(|due| (due - now).as_seconds_f64()),
        Running => {
            task.started_at.zip(task.progress.as_ref().and_then(|progress| progress.percent)).map(|(start, percent)| {
                let done = f64::from(percent / 100.0).clamp(0.01, 1.0);
                (now - start).as_seconds_f64() * (1.0 - done) / done
            })
        }
        _ => None,
    };
    // Not a number, negative, without end: the clamp takes them all.
    let seconds = left.unwrap_or(1.0).ceil().clamp(1.0, RETRY_AFTER_MAX as f64) as u64;
    Some(seconds)
}
