//! `GET /videos/status/{task_id}`: how a video is.

use axum::{Json, extract::State};

use super::{VideoView, find};
use crate::{app::Shared, caller::Caller, links::Links, path::TaskPath, problem::Problem};

/// Say how a video is.
#[utoipa::path(
    get,
    path = "/videos/status/{task_id}",
    operation_id = "getVideoStatus",
    tag = "videos",
    security(("key" = ["tasks:read"])),
    params(("task_id" = String, Path, description = "The task of the video.")),
    responses((status = 200, description = "The video.", body = ref("#/components/schemas/Video"))),
    extensions(("x-problems" = json!(["task_not_found", "not_acceptable"])))
)]
pub(crate) async fn status(
    State(app): State<Shared>,
    caller: Caller,
    TaskPath(id): TaskPath,
    links: Links,
) -> Result<Json<VideoView>, Problem> {
    let task = find(&app, caller.project, id).await?;
    let artifacts = app.store.artifacts(caller.project, id).await?;
    Ok(Json(VideoView::new(task, artifacts, &links)))
}
