//! `GET /tasks/{id}/artifacts`: the files that a task left.

use axum::{Json, extract::State};

use crate::{
    app::Shared,
    caller::Caller,
    links::Links,
    path::TaskPath,
    problem::Problem,
    view::{ArtifactView, Page},
};

/// List the artifacts of a task.
///
/// They are those of the attempt that succeeded; until then there are none.
#[utoipa::path(
    get,
    path = "/tasks/{id}/artifacts",
    operation_id = "listTaskArtifacts",
    tag = "tasks",
    security(("key" = ["tasks:read"])),
    params(("id" = String, Path, description = "The task.")),
    responses((status = 200, description = "All artifacts, by name.", body = ref("#/components/schemas/ArtifactPage"))),
    extensions(("x-problems" = json!(["task_not_found", "not_acceptable"])))
)]
pub(crate) async fn artifacts(
    State(app): State<Shared>,
    caller: Caller,
    TaskPath(id): TaskPath,
    links: Links,
) -> Result<Json<Page<ArtifactView>>, Problem> {
    app.store.get(caller.project, id).await?;
    let artifacts = app.store.artifacts(caller.project, id).await?;
    let data = artifacts.into_iter().map(|artifact| ArtifactView::new(caller.project, id, artifact, &links)).collect();
    Ok(Json(Page { data, has_more: false }))
}
