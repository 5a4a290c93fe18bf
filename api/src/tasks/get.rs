//! `GET /tasks/{id}`: a task as it stands, or as soon as it stands elsewhere.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use jobs_core::{ProjectId, Task, TaskId};
use jobs_store::StoreError;
use tokio::time::{Instant, sleep_until};

use crate::{
    app::{App, Shared},
    cache::{Rendered, Stand},
    caller::Caller,
    clock::now,
    etag, foretell,
    links::Links,
    path::TaskPath,
    prefer::WAIT_MAX,
    problem::Problem,
    query::Query,
    sign::Edition,
    view::TaskView,
};

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
            headers(("ETag" = String, description = "The version of the task; with artifacts also the edition of their addresses."),
                ("Retry-After" = u32, description = "When to look again, in seconds, by the time that it should still take; while it has not ended."))),
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

    let project = caller.project;
    let rendered = match wait.filter(|seconds| *seconds > 0) {
        None => rendered(&app, project, id, &links).await?,
        Some(seconds) => {
            let patience = Duration::from_secs(seconds.unsigned_abs());
            changed(&app, project, id, &links, &headers, patience).await?
        }
    };
    Ok(answer(&app, project, &rendered, &headers))
}

/// The task as it is kept, or as it is read now.
async fn rendered(app: &Shared, project: ProjectId, id: TaskId, links: &Links) -> Result<Arc<Rendered>, Problem> {
    match app.cache.get(project, id, links) {
        Some(rendered) => Ok(rendered),
        None => app.cache.get_or_read(project, id, links, || render(app, project, id, links)).await,
    }
}

/// The task when it is not what the client has, when it has ended, or when `patience` is over. While nothing happens nothing is read.
async fn changed(
    app: &Shared,
    project: ProjectId,
    id: TaskId,
    links: &Links,
    headers: &HeaderMap,
    patience: Duration,
) -> Result<Arc<Rendered>, Problem> {
    let deadline = Instant::now() + patience;
    // Before the task is read: no change after that is missed.
    let mut watch = app.hub.watch(id);
    let first = rendered(app, project, id, links).await?;
    let is_conditional = headers.contains_key(header::IF_NONE_MATCH);
    let mut current = first.clone();
    loop {
        let is_news = if is_conditional { !has(headers, &current) } else { current.task.version != first.task.version };
        if is_news || current.task.is_ended || app.stopping.is_cancelled() {
            return Ok(current);
        }
        tokio::select! {
            () = watch.changed() => {}
            () = sleep_until(deadline) => {}
            () = app.stopping.cancelled() => return Ok(current),
        }
        let is_over = Instant::now() >= deadline;
        if is_over && app.cache.is_current(&current) {
            return Ok(current);
        }
        current = rendered(app, project, id, links).await?;
        if is_over {
            return Ok(current);
        }
    }
}

/// The answer to a client that may have this version.
fn answer(app: &App, project: ProjectId, rendered: &Rendered, headers: &HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    if has(headers, rendered) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        *response.body_mut() = Body::from(rendered.body.clone());
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let said = response.headers_mut();
    said.insert(header::ETAG, rendered.tag.clone());
    said.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Some(seconds) = app.expectations.retry_after(project, &rendered.task.kind, &rendered.task.pace) {
        said.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn has(headers: &HeaderMap, rendered: &Rendered) -> bool {
    rendered.tag.to_str().is_ok_and(|tag| etag::none_match(headers, tag))
}

/// Reads a task, in one statement, and writes its answer.
async fn render(app: &Shared, project: ProjectId, id: TaskId, links: &Links) -> Result<Rendered, Problem> {
    let (task, artifacts) = app.store.get_whole(project, id).await?;
    foretell::consider(app, &task);
    let stand = Stand::of(&task);
    // Addresses of artifacts end, so an answer with some is good for an edition of them.
    let now = now();
    let edition = (!artifacts.is_empty()).then(|| Edition::at(now));
    let view = TaskView::new(task, artifacts, links);
    let body = serde_json::to_vec(&view).map_err(|error| Problem::internal(&error))?;
    let good_until = edition.map(|edition| Instant::now() + edition.left(now));
    Ok(Rendered::new(stand, body.into(), good_until, edition.map(Edition::number)))
}

/// The object of a task, with its artifacts if it can have any.
pub(crate) async fn view(app: &App, task: Task, links: &Links) -> Result<TaskView, StoreError> {
    let has_artifacts = task.state == jobs_core::State::Succeeded;
    let artifacts = if has_artifacts { app.store.artifacts(task.project, task.id).await? } else { Vec::new() };
    Ok(TaskView::new(task, artifacts, links))
}
