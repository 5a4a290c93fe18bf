//! `GET /projects`: all projects.

use axum::{Json, extract::State};

use super::ProjectView;
use crate::{app::Shared, problem::Problem, view::Page};

/// List projects.
#[utoipa::path(
    get,
    path = "/projects",
    operation_id = "listProjects",
    tag = "projects",
    security(("key" = ["operator"])),
    responses((status = 200, description = "All projects, the oldest first.", body = ref("#/components/schemas/ProjectPage"))),
    extensions(("x-problems" = json!(["not_acceptable"])))
)]
pub(crate) async fn list(State(app): State<Shared>) -> Result<Json<Page<ProjectView>>, Problem> {
    let data = app.store.projects().await?.into_iter().map(ProjectView::new).collect();
    Ok(Json(Page { data, has_more: false }))
}
