//! `PATCH /webhooks/{id}`: change an endpoint.

use axum::{Json, extract::State};
use jobs_core::{Fault, schema::find_nul};
use jobs_store::webhook::EndpointChange;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{WebhookView, find, receiver::faults_of_patterns};
use crate::{
    app::Shared,
    body::{JsonBody, checked},
    caller::Caller,
    links::Links,
    path::WebhookPath,
    problem::Problem,
};

/// What is to be otherwise with an endpoint; what is left out stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "enabled": false }))]
pub(crate) struct UpdateWebhook {
    /// Where it is told.
    #[serde(default)]
    #[schemars(with = "String", length(min = 1, max = 2000), extend("format" = "uri"))]
    url: Option<String>,
    /// Of which events.
    #[serde(default)]
    #[schemars(with = "Vec<String>", length(min = 1, max = 50), inner(length(min = 1, max = 100)))]
    events: Option<Vec<String>>,
    /// What people say of it.
    #[serde(default)]
    #[schemars(with = "String", length(max = 500))]
    description: Option<String>,
    /// Only of tasks of these kinds; an empty list is all of them.
    #[serde(default)]
    #[schemars(with = "Vec<String>", length(max = 100), inner(length(min = 1, max = 100)))]
    kinds: Option<Vec<String>>,
    /// Only of tasks with one of these tags; an empty list is all of them.
    #[serde(default)]
    #[schemars(with = "Vec<String>", length(max = 100), inner(length(min = 1, max = 100)))]
    tags: Option<Vec<String>>,
    /// Only of tasks of these groups; an empty list is all of them.
    #[serde(default)]
    #[schemars(with = "Vec<String>", length(max = 100), inner(length(min = 1, max = 100)))]
    groups: Option<Vec<String>>,
    /// Whether it is told anything. What is pending when it is disabled is canceled.
    #[serde(default)]
    #[schemars(with = "bool")]
    enabled: Option<bool>,
    /// Whether requests carry a signature `v1a` of ed25519, too.
    #[serde(default)]
    #[schemars(with = "bool")]
    ed25519: Option<bool>,
}

/// Change a webhook.
///
/// What is left out stays as it is. One that was disabled begins anew when it is enabled.
#[utoipa::path(
    patch,
    path = "/webhooks/{id}",
    operation_id = "updateWebhook",
    tag = "webhooks",
    security(("key" = ["webhooks"])),
    params(("id" = String, Path, description = "The webhook, `whk_…`.")),
    request_body(content = ref("#/components/schemas/UpdateWebhook"), content_type = "application/json"),
    responses((status = 200, description = "The webhook as it is now.", body = ref("#/components/schemas/Webhook"))),
    extensions(("x-problems" = json!(["malformed", "webhook_not_found", "not_acceptable", "unsupported_media_type", "invalid"])))
)]
pub(crate) async fn update(
    State(app): State<Shared>,
    caller: Caller,
    WebhookPath(id): WebhookPath,
    links: Links,
    JsonBody(body): JsonBody,
) -> Result<Json<WebhookView>, Problem> {
    let nul = find_nul(&body);
    let asked: UpdateWebhook = checked(body)?;
    let mut faults: Vec<Fault> = nul.map(|at| Fault::new(at, "must not contain U+0000")).into_iter().collect();
    faults.extend(asked.url.as_deref().and_then(|url| app.receivers.fault_of_url(url, "/url")));
    faults.extend(faults_of_patterns(asked.events.as_deref().unwrap_or_default(), "/events"));
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let change = EndpointChange {
        url: asked.url,
        description: asked.description,
        events: asked.events,
        kinds: asked.kinds,
        tags: asked.tags,
        groups: asked.groups,
        enabled: asked.enabled,
        ed25519: asked.ed25519,
    };
    app.store.change_endpoint(caller.project, id, &change).await?;
    let row = find(&app, &caller, id).await?;
    Ok(Json(WebhookView::new(row, app.receivers.under(), &links)))
}
