//! `PUT /queues/{queue}`: the limits of a queue.

use axum::{Json, extract::State};
use jobs_core::{Fault, QueueSettings, schema::Schema};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::QueueView;
use crate::{
    app::{App, Shared},
    body::JsonBody,
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
    let settings: QueueSettings = read(body)?;
    app.store.set_queue(&queue, &settings).await?;
    configure(&app, &queue).await?;
    Ok(Json(QueueView::of(&app, &queue).await?))
}

/// Settings that pass their schema, or everything that is wrong with them.
pub(super) fn read<T: DeserializeOwned + JsonSchema>(body: Value) -> Result<T, Problem> {
    let faults = Schema::of::<T>().check(&body);
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    serde_json::from_value(body).map_err(|error| Problem::invalid(vec![Fault::new("", error.to_string())]))
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
