//! `GET /webhooks/{id}/stats`: how it goes.

use axum::{Json, extract::State};
use jobs_store::webhook::DeliveryStats;
use schemars::JsonSchema;
use serde::Serialize;

use super::find;
use crate::{app::Shared, caller::Caller, path::WebhookPath, problem::Problem};

/// How the deliveries of a webhook went: those of the last day, the last 10,000 at most.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WebhookStats {
    /// So many there were.
    deliveries: u64,
    /// So many were received.
    succeeded: u64,
    /// So many were not, and are not tried again.
    failed: u64,
    /// So many requests that took.
    attempts: u64,
    /// How many of a hundred that ended were received; nothing when none did.
    success_percent: Option<f64>,
    /// Half of the requests took no longer.
    p50_ms: Option<u64>,
    /// 95 of a hundred took no longer.
    p95_ms: Option<u64>,
    /// So many are still to be received, however old; 10,000 are counted at most.
    pending: u64,
    /// How old the oldest of them is.
    oldest_pending_ms: Option<u64>,
}

/// Read how a webhook does.
#[utoipa::path(
    get,
    path = "/webhooks/{id}/stats",
    operation_id = "getWebhookStats",
    tag = "webhooks",
    security(("key" = ["webhooks"])),
    params(("id" = String, Path, description = "The webhook, `whk_…`.")),
    responses((status = 200, description = "How its deliveries went.", body = ref("#/components/schemas/WebhookStats"))),
    extensions(("x-problems" = json!(["webhook_not_found", "not_acceptable"])))
)]
pub(crate) async fn stats(
    State(app): State<Shared>,
    caller: Caller,
    WebhookPath(id): WebhookPath,
) -> Result<Json<WebhookStats>, Problem> {
    find(&app, &caller, id).await?;
    Ok(Json(app.store.delivery_stats(caller.project, id).await?.into()))
}

impl From<DeliveryStats> for WebhookStats {
    fn from(stats: DeliveryStats) -> Self {
        let ended = stats.succeeded + stats.failed;
        Self {
            deliveries: stats.deliveries,
            succeeded: stats.succeeded,
            failed: stats.failed,
            attempts: stats.attempts,
            success_percent: (ended > 0).then(|| (stats.succeeded as f64 / ended as f64 * 10_000.0).round() / 100.0),
            p50_ms: stats.took_ms.map(|(half, _)| half),
            p95_ms: stats.took_ms.map(|(_, most)| most),
            pending: stats.pending,
            oldest_pending_ms: stats.oldest_pending.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}
