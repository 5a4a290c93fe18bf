//! `GET /queues/{queue}`: a queue as it stands.

use axum::{Json, extract::State};

use super::QueueView;
use crate::{app::Shared, path::QueuePath, problem::Problem};

/// Read a queue.
///
/// A queue needs no making: a name that nobody used yet is an empty queue.
#[utoipa::path(
    get,
    path = "/queues/{queue}",
    operation_id = "getQueue",
    tag = "queues",
    security(("key" = ["operator"])),
    params(("queue" = String, Path, description = "The queue.")),
    responses((status = 200, description = "The queue.", body = ref("#/components/schemas/Queue"))),
    extensions(("x-problems" = json!(["queue_not_found", "not_acceptable"])))
)]
pub(crate) async fn get(State(app): State<Shared>, QueuePath(queue): QueuePath) -> Result<Json<QueueView>, Problem> {
    Ok(Json(QueueView::of(&app, &queue).await?))
}
