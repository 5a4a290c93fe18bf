//! `POST /tasks`: submit a task, and wait for its end if that is wanted.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use jobs_core::NewTask;

use super::{
    submission::{accept, artifacts, read},
    wait,
};
use crate::{
    app::{App, Shared},
    body::JsonBody,
    caller::Caller,
    idempotency,
    links::Links,
    prefer,
    problem::Problem,
    request::RequestId,
    view::TaskView,
};

pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const COALESCED: HeaderName = HeaderName::from_static("coalesced");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Submit a task.
///
/// The task is stored when the answer comes, and runs as soon as a worker is free. A request that is repeated under the same
/// `Idempotency-Key` is answered with the first one's task.
///
/// With `depends_on` the task waits until other tasks have succeeded. When one of them ends otherwise, or has before, the task is
/// canceled, with an `error` of type `dependency` that names it; and so are those that wait for it.
///
/// With `coalesce` a submission may get a task that is there already, marked by `Coalesced: true`. Whoever has such a task has it
/// together with others: one who cancels it cancels it for all.
#[utoipa::path(
    post,
    path = "/tasks",
    operation_id = "createTask",
    tag = "tasks",
    security(("key" = ["tasks:write"])),
    params(
        ("Idempotency-Key" = Option<String>, Header, pattern = r#"^("[!#-\[\]-~]{1,253}"|[!#-~][!-~]{0,254})$"#, description = "Makes repetitions of this request one task: 1 to 255 visible ASCII characters, in quotes or bare."),
        ("Prefer" = Option<String>, Header, description = "`wait=N` waits up to N seconds, 60 at most, for the end of the task."),
    ),
    request_body(content = ref("#/components/schemas/CreateTask"), content_type = "application/json"),
    responses(
        (status = 200, description = "The task ended within the time that the client wanted to wait, or `coalesce` found one that had.", body = ref("#/components/schemas/Task")),
        (status = 202, description = "The task is accepted.", body = ref("#/components/schemas/Task"),
            headers(("Location" = String, description = "The address of the task."),
                ("Coalesced" = String, description = "`true` when the task was there before, for the same work."))),
    ),
    extensions(("x-problems" = json!(["malformed", "invalid_header", "not_acceptable", "unsupported_media_type", "invalid", "idempotency_key_reused", "gone", "queue_full", "group_full"])))
)]
pub(crate) async fn create(
    State(app): State<Shared>,
    caller: Caller,
    RequestId(request_id): RequestId,
    links: Links,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let key = idempotency::of(&headers, "POST /tasks", &body)?;
    let new = read(&app, body, caller.project, &request_id, key)?;
    answer(&app, new, &headers, &links).await
}

/// Accepts a task, waits for its end if the client prefers that, and answers with it.
pub(crate) async fn answer(app: &App, new: NewTask, headers: &HeaderMap, links: &Links) -> Result<Response, Problem> {
    let patience = prefer::wait(headers);
    let project = new.project;
    // Watched before it exists: then no change of it is missed.
    let mut watch = patience.map(|_| app.hub.watch(new.id));
    let accepted = accept(app, new).await?;
    let mut task = accepted.task;
    if let Some((patience, watch)) = patience.zip(watch.as_mut()) {
        let id = task.id;
        if watch.task() != id {
            *watch = app.hub.watch(id);
        }
        // The task is accepted; that it cannot be read just now does not take that back.
        if let Ok(now) = wait::until(app, project, id, watch, patience, |_| false).await {
            task = now;
        }
    }
    let is_end = (patience.is_some() || accepted.is_joined) && task.state.is_terminal();
    let status = if is_end { StatusCode::OK } else { StatusCode::ACCEPTED };
    let artifacts = artifacts(app, &task).await;
    let view = TaskView::new(task, artifacts, links);

    let location = view.urls.itself.clone();
    let mut response = (status, Json(view)).into_response();
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(&location) {
        headers.insert(header::LOCATION, location);
    }
    if accepted.is_replay {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    if accepted.is_joined {
        headers.insert(COALESCED, HeaderValue::from_static("true"));
    }
    if let Some(patience) = patience
        && let Ok(applied) = HeaderValue::from_str(&format!("wait={}", patience.as_secs()))
    {
        headers.insert(PREFERENCE_APPLIED, applied);
    }
    Ok(response)
}
