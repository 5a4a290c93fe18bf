//! `POST /webhooks/{id}/test`: an event that says nothing.

use axum::{Json, extract::State, http::StatusCode};
use jobs_webhooks::test_message;

use super::{DeliveryView, disabled, find};
use crate::{app::Shared, caller::Caller, path::WebhookPath, problem::Problem};

/// Send a test event.
///
/// An event `webhook.test`, whatever the webhook listens to, signed and tried as every other one. The answer is its delivery: read it
/// again at `/webhooks/{id}/deliveries/{delivery_id}` to see what came of it.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/test",
    operation_id = "testWebhook",
    tag = "webhooks",
    security(("key" = ["webhooks"])),
    params(("id" = String, Path, description = "The webhook, `whk_…`.")),
    responses((status = 202, description = "The delivery.", body = ref("#/components/schemas/Delivery"))),
    extensions(("x-problems" = json!(["webhook_not_found", "not_acceptable", "webhook_disabled"])))
)]
pub(crate) async fn test(
    State(app): State<Shared>,
    caller: Caller,
    WebhookPath(id): WebhookPath,
) -> Result<(StatusCode, Json<DeliveryView>), Problem> {
    find(&app, &caller, id).await?;
    let message = test_message(caller.project, id);
    let delivery = app.store.send_to(id, &message).await?.ok_or_else(disabled)?;
    let row = app.store.delivery(caller.project, id, delivery).await?;
    let row = row.ok_or_else(|| Problem::no_delivery(&delivery.to_string()))?;
    Ok((StatusCode::ACCEPTED, Json(DeliveryView::new(row))))
}
