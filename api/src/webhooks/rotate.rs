//! `POST /webhooks/{id}/rotate`: another secret in the place of an endpoint's.

use std::time::Duration;

use axum::{Json, extract::State};
use jobs_core::Fault;
use jobs_webhooks::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{NewWebhookView, WebhookView, find};
use crate::{
    app::Shared,
    body::{JsonBody, checked},
    caller::Caller,
    links::Links,
    path::WebhookPath,
    problem::Problem,
};

/// How to rotate a secret.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "overlap_ms": 86_400_000 }))]
pub(crate) struct RotateWebhook {
    /// The old secret goes on signing for so long, beside the new one: a day when left out, a month at most.
    #[serde(default = "a_day_ms")]
    #[schemars(range(min = 0, max = 2_592_000_000_u64))]
    overlap_ms: u64,
    /// A secret of your own. One is made when left out.
    #[serde(default)]
    #[schemars(with = "String", length(max = 100))]
    secret: Option<String>,
}

fn a_day_ms() -> u64 {
    86_400_000
}

/// Rotate the secret of a webhook.
///
/// Until `overlap_ms` is over every request carries a signature of each: receivers take over the new secret when they can. A secret
/// that was still signing from an earlier rotation ends at once.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/rotate",
    operation_id = "rotateWebhook",
    tag = "webhooks",
    security(("key" = ["webhooks"])),
    params(("id" = String, Path, description = "The webhook, `whk_…`.")),
    request_body(content = ref("#/components/schemas/RotateWebhook"), content_type = "application/json"),
    responses((status = 200, description = "The webhook, with its new secret.", body = ref("#/components/schemas/NewWebhook"))),
    extensions(("x-problems" = json!(["malformed", "webhook_not_found", "not_acceptable", "unsupported_media_type", "invalid"])))
)]
pub(crate) async fn rotate(
    State(app): State<Shared>,
    caller: Caller,
    WebhookPath(id): WebhookPath,
    links: Links,
    JsonBody(body): JsonBody,
) -> Result<Json<NewWebhookView>, Problem> {
    let asked: RotateWebhook = checked(body)?;
    let secret = asked.secret.as_deref().map_or_else(|| Ok(Secret::random()), Secret::read);
    let secret = secret.map_err(|error| Problem::invalid(vec![Fault::new("/secret", error.to_string())]))?;
    let sealed = secret.seal(app.receivers.under());
    app.store.rotate_endpoint(caller.project, id, &sealed, Duration::from_millis(asked.overlap_ms)).await?;
    let row = find(&app, &caller, id).await?;
    let view = WebhookView::new(row, app.receivers.under(), &links);
    Ok(Json(NewWebhookView::new(secret.text(), view)))
}
