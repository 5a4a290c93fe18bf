//! `DELETE /tasks/{id}`: remove a task that has ended.

use std::time::Duration;

use axum::{extract::State, http::StatusCode};
use jobs_store::transition::Removed;
use tokio::time::Instant;

use crate::{
    app::Shared,
    caller::Caller,
    path::TaskPath,
    problem::{Code, Problem},
};

/// Whoever waits for a task hears of its end within this.
const HEARD: Duration = Duration::from_secs(2);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Remove a task.
///
/// A task that has ended is gone for good, with its events, its logs and its artifacts; the files of those follow within seconds. One that has not ended has to be canceled first.
#[utoipa::path(
    delete,
    path = "/tasks/{id}",
    operation_id = "deleteTask",
    tag = "tasks",
    security(("key" = ["tasks:write"])),
    params(("id" = String, Path, description = "The task.")),
    responses((status = 204, description = "The task is gone.")),
    extensions(("x-problems" = json!(["task_not_found", "not_acceptable", "not_ended"])))
)]
pub(crate) async fn delete(
    State(app): State<Shared>,
    caller: Caller,
    TaskPath(id): TaskPath,
) -> Result<StatusCode, Problem> {
    let asked = Instant::now();
    loop {
        match app.store.remove(caller.project, id).await? {
            Removed::Yes => {
                app.courier.changed(id);
                return Ok(StatusCode::NO_CONTENT);
            }
            Removed::NotEnded(state) => {
                let detail = format!("the task is {}: cancel it first", state.status());
                return Err(Problem::new(Code::NotEnded, detail));
            }
            Removed::Awaited if asked.elapsed() < HEARD => tokio::time::sleep(LOOK).await,
            Removed::Awaited => {
                let detail = "tasks that wait for this one have not heard of its end yet; nothing was removed";
                return Err(Problem::new(Code::Unavailable, detail).retry_after(1));
            }
        }
    }
}
