//! `GET /projects/{id}`: a project.

use axum::{Json, extract::State};

use super::ProjectView;
use crate::{app::Shared, path::ProjectPath, problem::Problem};

/// Read about a project.
#[utoipa::path(
    get,
    path = "/projects/{id}",
    operation_id = "getProject",
    tag = "projects",
    security(("key" = ["operator"])),
    params(("id" = String, Path, description = "The project, `proj_…`.")),
    responses((status = 200, description = "The project.", body = ref("#/components/schemas/Project"))),
    extensions(("x-problems" = json!(["project_not_found", "not_acceptable"])))
)]
pub(crate) async fn get(State(app): State<Shared>, ProjectPath(id): ProjectPath) -> Result<Json<ProjectView>, Problem> {
    let row = app.store.project(id).await?;
    let row = row.ok_or_else(|| Problem::no_project(&id.to_string()))?;
    Ok(Json(ProjectView::new(row)))
}
