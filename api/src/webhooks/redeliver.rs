//! `POST /webhooks/{id}/deliveries/{delivery_id}/redeliver`: send it again.

use axum::{Json, extract::State, http::StatusCode};

use super::{DeliveryView, disabled, find};
use crate::{app::Shared, caller::Caller, path::DeliveryPath, problem::Problem};

/// Send a delivery again.
///
/// Under the same `webhook-id` and with the same body, however it ended, and tried as if it were new. One that is pending is tried at once.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/deliveries/{delivery_id}/redeliver",
    operation_id = "redeliverWebhook",
    tag = "webhooks",
    security(("key" = ["webhooks"])),
    params(
        ("id" = String, Path, description = "The webhook, `whk_…`."),
        ("delivery_id" = String, Path, description = "The delivery, `dlv_…`."),
    ),
    responses((status = 202, description = "The delivery, which is pending again.", body = ref("#/components/schemas/Delivery"))),
    extensions(("x-problems" = json!(["webhook_not_found", "delivery_not_found", "not_acceptable", "webhook_disabled"])))
)]
pub(crate) async fn redeliver(
    State(app): State<Shared>,
    caller: Caller,
    DeliveryPath { webhook, delivery }: DeliveryPath,
) -> Result<(StatusCode, Json<DeliveryView>), Problem> {
    if find(&app, &caller, webhook).await?.disabled.is_some() {
        return Err(disabled());
    }
    app.store.redeliver(caller.project, webhook, delivery).await?;
    let row = app.store.delivery(caller.project, webhook, delivery).await?;
    let row = row.ok_or_else(|| Problem::no_delivery(&delivery.to_string()))?;
    Ok((StatusCode::ACCEPTED, Json(DeliveryView::new(row))))
}
