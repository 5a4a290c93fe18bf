//! `POST /projects`: make a project.

use axum::{Json, extract::State, http::StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;

use super::ProjectView;
use crate::{
    app::Shared,
    body::{JsonBody, checked},
    problem::{Code, Problem},
};

/// A project to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "name": "web-shop" }))]
pub(crate) struct CreateProject {
    /// What people call it: letters, digits, dots, underscores and hyphens. No other project is called so.
    #[schemars(regex(pattern = "^[A-Za-z0-9._-]{1,100}$"))]
    name: String,
}

/// Make a project.
///
/// Its tasks, keys and groups are its own: nothing of it is visible in another. Make it a key next: `POST /keys` with its id as `project`.
#[utoipa::path(
    post,
    path = "/projects",
    operation_id = "createProject",
    tag = "projects",
    security(("key" = ["operator"])),
    request_body(content = ref("#/components/schemas/CreateProject"), content_type = "application/json"),
    responses((status = 201, description = "The project.", body = ref("#/components/schemas/Project"))),
    extensions(("x-problems" = json!(["malformed", "not_acceptable", "unsupported_media_type", "invalid", "project_exists"])))
)]
pub(crate) async fn create(
    State(app): State<Shared>,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<ProjectView>), Problem> {
    let CreateProject { name } = checked(body)?;
    let Some(row) = app.store.create_project(&name).await? else {
        return Err(Problem::new(Code::ProjectExists, format!("there is a project `{name}` already")));
    };
    Ok((StatusCode::CREATED, Json(ProjectView::new(row))))
}
