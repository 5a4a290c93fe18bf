//! `DELETE /webhooks/{id}`: remove an endpoint.

use axum::{extract::State, http::StatusCode};

use crate::{app::Shared, caller::Caller, path::WebhookPath, problem::Problem};

/// Delete a webhook.
///
/// It is told nothing any more; what is pending is canceled. Its log goes with it.
#[utoipa::path(
    delete,
    path = "/webhooks/{id}",
    operation_id = "deleteWebhook",
    tag = "webhooks",
    security(("key" = ["webhooks"])),
    params(("id" = String, Path, description = "The webhook, `whk_…`.")),
    responses((status = 204, description = "The webhook is gone.")),
    extensions(("x-problems" = json!(["webhook_not_found", "not_acceptable"])))
)]
pub(crate) async fn delete(
    State(app): State<Shared>,
    caller: Caller,
    WebhookPath(id): WebhookPath,
) -> Result<StatusCode, Problem> {
    match app.store.remove_endpoint(caller.project, id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::no_webhook(&id.to_string())),
    }
}
