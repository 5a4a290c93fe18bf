//! `POST /tasks/{id}/retry`: try a task again that ended without success.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jobs_store::StoreError;

use super::get::view;
use crate::{
    app::Shared,
    caller::Caller,
    courier::ticket,
    links::Links,
    path::TaskPath,
    problem::{Code, Problem},
};

/// Try a task again.
///
/// A task that failed, was canceled or expired goes back to its queue, under its own id and with all its attempts before it; a task that has not ended is
/// left as it is. It starts as soon as it can, also when it was to wait for a time, or for other tasks; a deadline that has passed is forgotten. What
/// was before stays in its events and its attempts. Tasks that were canceled because of its earlier end stay canceled.
#[utoipa::path(
    post,
    path = "/tasks/{id}/retry",
    operation_id = "retryTask",
    tag = "tasks",
    security(("key" = ["tasks:write"])),
    params(("id" = String, Path, description = "The task.")),
    responses(
        (status = 200, description = "The task has not ended, so nothing was done.", body = ref("#/components/schemas/Task")),
        (status = 202, description = "The task is queued again.", body = ref("#/components/schemas/Task")),
    ),
    extensions(("x-problems" = json!(["task_not_found", "not_acceptable", "not_retryable"])))
)]
pub(crate) async fn retry(
    State(app): State<Shared>,
    caller: Caller,
    TaskPath(id): TaskPath,
    links: Links,
) -> Result<Response, Problem> {
    let (task, opened) = app.store.reopen(caller.project, id).await.map_err(|error| match error {
        StoreError::Refused(_) => {
            Problem::new(Code::NotRetryable, "the task has succeeded; `replay` makes a new task of it")
        }
        other => other.into(),
    })?;
    if let Some(ticket) = ticket(&task).filter(|_| opened) {
        app.courier.ready(ticket);
    }
    let status = if opened { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, Json(view(&app, task, &links).await?)).into_response())
}
