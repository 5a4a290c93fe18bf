//! `POST /queues/{queue}/pause` and `/resume`: whether anything is started.

use axum::{Json, extract::State};

use super::{QueueView, put::configure};
use crate::{
    app::{App, Shared},
    path::QueuePath,
    problem::Problem,
};

/// Pause a queue.
///
/// Nothing of it is started from now on; what runs goes on, what comes in waits. Asking again changes nothing.
#[utoipa::path(
    post,
    path = "/queues/{queue}/pause",
    operation_id = "pauseQueue",
    tag = "queues",
    security(("key" = ["operator"])),
    params(("queue" = String, Path, description = "The queue.")),
    responses((status = 200, description = "The queue.", body = ref("#/components/schemas/Queue"))),
    extensions(("x-problems" = json!(["queue_not_found", "not_acceptable"])))
)]
pub(crate) async fn pause(State(app): State<Shared>, QueuePath(queue): QueuePath) -> Result<Json<QueueView>, Problem> {
    set(&app, &queue, true).await
}

/// Let a queue go on.
#[utoipa::path(
    post,
    path = "/queues/{queue}/resume",
    operation_id = "resumeQueue",
    tag = "queues",
    security(("key" = ["operator"])),
    params(("queue" = String, Path, description = "The queue.")),
    responses((status = 200, description = "The queue.", body = ref("#/components/schemas/Queue"))),
    extensions(("x-problems" = json!(["queue_not_found", "not_acceptable"])))
)]
pub(crate) async fn resume(State(app): State<Shared>, QueuePath(queue): QueuePath) -> Result<Json<QueueView>, Problem> {
    set(&app, &queue, false).await
}

async fn set(app: &App, queue: &str, paused: bool) -> Result<Json<QueueView>, Problem> {
    app.store.pause_queue(queue, paused).await?;
    configure(app, queue).await?;
    Ok(Json(QueueView::of(app, queue).await?))
}
