//! `POST /webhooks`: make an endpoint.

use axum::{Json, extract::State, http::StatusCode};
use jobs_core::{Fault, WebhookId, schema::find_nul};
use jobs_store::webhook::{Listening, NewEndpoint};
use jobs_webhooks::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{NewWebhookView, WebhookView, find, receiver::faults_of_patterns};
use crate::{
    app::Shared,
    body::{JsonBody, checked},
    caller::Caller,
    links::Links,
    problem::{Code, Problem},
};

/// A project has so many endpoints at most.
const MOST: u32 = 10_000;

/// An endpoint to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "url": "https://example.com/hooks/longshore", "events": ["task.succeeded", "task.failed"] }))]
pub(crate) struct CreateWebhook {
    /// Where it is told: an address of the Internet, `https` or `http`.
    #[schemars(length(min = 1, max = 2000), extend("format" = "uri"))]
    url: String,
    /// Of which events: types such as `task.succeeded`, or patterns such as `task.*` and `*`.
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 100)))]
    events: Vec<String>,
    /// What people say of it.
    #[serde(default)]
    #[schemars(length(max = 500))]
    description: String,
    /// Only of tasks of these kinds.
    #[serde(default)]
    #[schemars(length(max = 100), inner(length(min = 1, max = 100)))]
    kinds: Vec<String>,
    /// Only of tasks with one of these tags.
    #[serde(default)]
    #[schemars(length(max = 100), inner(length(min = 1, max = 100)))]
    tags: Vec<String>,
    /// Only of tasks of these groups.
    #[serde(default)]
    #[schemars(length(max = 100), inner(length(min = 1, max = 100)))]
    groups: Vec<String>,
    /// Whether it is told anything for now.
    #[serde(default = "yes")]
    enabled: bool,
    /// Whether requests carry a signature `v1a` of ed25519, too.
    #[serde(default)]
    ed25519: bool,
    /// A secret of your own: `whsec_` and the Base64 of 24 to 64 bytes. One is made when left out.
    #[serde(default)]
    #[schemars(with = "String", length(max = 100))]
    secret: Option<String>,
}

fn yes() -> bool {
    true
}

/// Make a webhook.
///
/// The answer has the secret that its requests are signed with, which is shown this once. It hears of what happens from now on, also to
/// tasks that have not ended.
#[utoipa::path(
    post,
    path = "/webhooks",
    operation_id = "createWebhook",
    tag = "webhooks",
    security(("key" = ["webhooks"])),
    request_body(content = ref("#/components/schemas/CreateWebhook"), content_type = "application/json"),
    responses((status = 201, description = "The webhook, with its secret.", body = ref("#/components/schemas/NewWebhook"))),
    extensions(("x-problems" = json!(["malformed", "not_acceptable", "unsupported_media_type", "invalid", "too_many_webhooks"])))
)]
pub(crate) async fn create(
    State(app): State<Shared>,
    caller: Caller,
    links: Links,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<NewWebhookView>), Problem> {
    let nul = find_nul(&body);
    let asked: CreateWebhook = checked(body)?;
    let mut faults: Vec<Fault> = nul.map(|at| Fault::new(at, "must not contain U+0000")).into_iter().collect();
    faults.extend(app.receivers.fault_of_url(&asked.url, "/url"));
    faults.extend(faults_of_patterns(&asked.events, "/events"));
    let secret = asked.secret.as_deref().map_or_else(|| Ok(Secret::random()), Secret::read);
    let secret = secret.map_err(|error| faults.push(Fault::new("/secret", error.to_string()))).ok();
    let (Some(secret), true) = (secret, faults.is_empty()) else { return Err(Problem::invalid(faults)) };
    let new = NewEndpoint {
        id: WebhookId::new(),
        project: caller.project,
        url: asked.url,
        description: asked.description,
        listening: Listening { events: asked.events, kinds: asked.kinds, tags: asked.tags, groups: asked.groups },
        enabled: asked.enabled,
        ed25519: asked.ed25519,
        sealed: secret.seal(app.receivers.under()),
    };
    if !app.store.create_endpoint(&new, MOST).await? {
        let detail = format!("the project has {MOST} webhooks: remove one first");
        return Err(Problem::new(Code::TooManyWebhooks, detail));
    }
    let row = find(&app, &caller, new.id).await?;
    let view = WebhookView::new(row, app.receivers.under(), &links);
    Ok((StatusCode::CREATED, Json(NewWebhookView::new(secret.text(), view))))
}
