//! `GET /webhooks/{id}`: the record of an endpoint.

use axum::{Json, extract::State};

use super::{WebhookView, find};
use crate::{app::Shared, caller::Caller, links::Links, path::WebhookPath, problem::Problem};

/// Read about a webhook.
#[utoipa::path(
    get,
    path = "/webhooks/{id}",
    operation_id = "getWebhook",
    tag = "webhooks",
    security(("key" = ["webhooks"])),
    params(("id" = String, Path, description = "The webhook, `whk_…`.")),
    responses((status = 200, description = "The webhook.", body = ref("#/components/schemas/Webhook"))),
    extensions(("x-problems" = json!(["webhook_not_found", "not_acceptable"])))
)]
pub(crate) async fn get(
    State(app): State<Shared>,
    caller: Caller,
    WebhookPath(id): WebhookPath,
    links: Links,
) -> Result<Json<WebhookView>, Problem> {
    let row = find(&app, &caller, id).await?;
    Ok(Json(WebhookView::new(row, app.receivers.under(), &links)))
}
