//! `POST /tasks/{id}/cancel`: stop a task, whether it waits or runs.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jobs_core::{ProjectId, Task, TaskId};
use jobs_store::StoreError;

use super::get::view;
use crate::{
    app::{App, Shared},
    caller::Caller,
    links::Links,
    path::TaskPath,
    problem::{Code, Problem},
};

/// Cancel a task.
///
/// A task that waits ends at once. One that runs is told to stop, and ends when its attempt has. Asking again changes nothing.
#[utoipa::path(
    post,
    path = "/tasks/{id}/cancel",
    operation_id = "cancelTask",
    tag = "tasks",
    security(("key" = ["tasks:write"])),
    params(("id" = String, Path, description = "The task.")),
    responses(
        (status = 200, description = "The task is canceled.", body = ref("#/components/schemas/Task")),
        (status = 202, description = "The task runs, and is told to stop.", body = ref("#/components/schemas/Task")),
    ),
    extensions(("x-problems" = json!(["task_not_found", "not_acceptable", "not_cancelable"])))
)]
pub(crate) async fn cancel(
    State(app): State<Shared>,
    caller: Caller,
    TaskPath(id): TaskPath,
    links: Links,
) -> Result<Response, Problem> {
    let task = stop(&app, caller.project, id).await?;
    let status = if task.state.is_terminal() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(view(&app, task, &links).await?)).into_response())
}

/// Cancels a task of a project, and tells the queue and those who watch it.
pub(crate) async fn stop(app: &App, project: ProjectId, id: TaskId) -> Result<Task, Problem> {
    let task = app.store.cancel(project, id).await.map_err(|error| match error {
        StoreError::Refused(refused) => {
            Problem::new(Code::NotCancelable, format!("the task has ended already: it is {}", refused.from.status()))
        }
        other => other.into(),
    })?;
    // The rows say it already: Redis, if it is there, hears of it behind the answer's back.
    app.courier.canceled(id, &task.queue, task.group_key(), task.state);
    Ok(task)
}
