//! `DELETE /videos/tasks/{task_id}`: stop making a video.

use axum::{Json, extract::State};

use super::{VideoView, find};
use crate::{app::Shared, caller::Caller, links::Links, path::TaskPath, problem::Problem, tasks::cancel::stop};

/// Stop making a video.
///
/// One that waits is stopped at once; one that is being made stops soon. Its record stays.
#[utoipa::path(
    delete,
    path = "/videos/tasks/{task_id}",
    operation_id = "cancelVideo",
    tag = "videos",
    security(("key" = ["tasks:write"])),
    params(("task_id" = String, Path, description = "The task of the video.")),
    responses((status = 200, description = "It is stopped, or told to stop.", body = ref("#/components/schemas/Video"))),
    extensions(("x-problems" = json!(["task_not_found", "not_acceptable", "not_cancelable"])))
)]
pub(crate) async fn cancel(
    State(app): State<Shared>,
    caller: Caller,
    TaskPath(id): TaskPath,
    links: Links,
) -> Result<Json<VideoView>, Problem> {
    find(&app, caller.project, id).await?;
    let task = stop(&app, caller.project, id).await?;
    Ok(Json(VideoView::new(task, Vec::new(), &links)))
}
