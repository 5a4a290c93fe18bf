//! `PUT /queues/{queue}`: the limits of a queue.

use axum::{Json, extract::State};
use jobs_core::QueueSettings;

use super::QueueView;
use crate::{
    app::{App, Shared},
    body::{JsonBody, checked},
    path::QueuePath,
    problem::Problem,
};

/// Set the limits of a queue.
///
/// Replaces what was said before; `{}` takes every limit away. It holds at once, for all workers together. What runs already goes on.
#[utoipa::path(
    put,
    path = "/queues/{queue}",
    operation_id = "setQueue",
    tag = "queues",
    security(("key" = ["operator"])),
    params(("queue" = String, Path, description = "The queue.")),
    request_body(content = ref("#/components/schemas/QueueSettings"), content_type = "application/json"),
    responses((status = 200, description = "The queue.", body = ref("#/components/schemas/Queue"))),
    extensions(("x-problems" = json!(["queue_not_found", "not_acceptable", "unsupported_media_type", "invalid"])))
)]
pub(crate) async fn put(
    State(app): State<Shared>,
    QueuePath(queue): QueuePath,
    JsonBody(body): JsonBody,
) -> Result<Json<QueueView>, Problem> {
    let settings: QueueSettings = checked(body)?;
    app.store.set_queue(&queue, &settings).await?;
    configure(&app, &queue).await?;
    Ok(Json(QueueView::of(&app, &queue).await?))
}

/// Tells Redis what the rows say of a queue. Should it fail, the scheduler does it when Redis is back.
pub(super) async fn configure(app: &App, queue: &str) -> Result<(), Problem> {
    let settings = app.store.queues().await?.into_iter().find(|known| known.name == queue);
    let settings = settings.map(|known| known.settings).unwrap_or_default();
    let groups = app.store.groups(queue).await?;
    if let Err(error) = app.queue.configure(queue, &settings, &groups).await {
        tracing::warn!(error = &error as &dyn std::error::Error, queue, "Redis hears of the limits later");
    }
    Ok(())
}
