//! `GET /queues`: all queues.

use axum::{Json, extract::State};

use super::QueueView;
use crate::{app::Shared, problem::Problem, view::Page};

/// List queues.
///
/// Those of the kinds, those that workers serve, and those that have settings.
#[utoipa::path(
    get,
    path = "/queues",
    operation_id = "listQueues",
    tag = "queues",
    security(("key" = ["operator"])),
    responses((status = 200, description = "The queues, by name.", body = ref("#/components/schemas/QueuePage"))),
    extensions(("x-problems" = json!(["not_acceptable"])))
)]
pub(crate) async fn list(State(app): State<Shared>) -> Result<Json<Page<QueueView>>, Problem> {
    Ok(Json(Page { data: QueueView::all(&app).await?, has_more: false }))
}
