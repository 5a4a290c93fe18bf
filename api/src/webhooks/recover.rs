//! `POST /webhooks/{id}/recover`: send again what was not received.

use axum::{Json, extract::State, http::StatusCode};
use jobs_core::{
    DeliveryId, Fault, TaskId,
    instant::{NO_INSTANT, read_instant},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{disabled, find};
use crate::{
    app::Shared,
    body::{JsonBody, checked},
    caller::Caller,
    clock::now,
    cursor,
    path::WebhookPath,
    problem::Problem,
};

/// So many deliveries are looked at in one statement.
const PAGE: u32 = 1_000;
/// And so often in one request.
const PAGES: u32 = 20;

/// What is to be sent again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "since": "2026-01-31T12:00:00Z" }))]
pub(crate) struct Recover {
    /// What was made since then.
    #[schemars(extend("format" = "date-time"))]
    since: String,
    /// And before then; now when left out.
    #[serde(default)]
    #[schemars(with = "String", extend("format" = "date-time"))]
    until: Option<String>,
    /// Where to go on: `next_cursor` of the answer before.
    #[serde(default)]
    #[schemars(with = "String", regex(pattern = "^c1[0-9a-f]{32}$"))]
    cursor: Option<String>,
}

/// What is sent again.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Recovered {
    /// So many deliveries are pending again.
    recovered: u64,
    /// There are more to look at: send this as `cursor`.
    next_cursor: Option<String>,
}

/// Send again what was not received.
///
/// Every delivery of a time range that failed or was canceled is pending again, as if it were new. A long range takes several requests: go on
/// with `next_cursor` until there is none.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/recover",
    operation_id = "recoverWebhook",
    tag = "webhooks",
    security(("key" = ["webhooks"])),
    params(("id" = String, Path, description = "The webhook, `whk_…`.")),
    request_body(content = ref("#/components/schemas/Recover"), content_type = "application/json"),
    responses((status = 202, description = "So many are pending again.", body = ref("#/components/schemas/Recovered"))),
    extensions(("x-problems" = json!(["malformed", "webhook_not_found", "not_acceptable", "unsupported_media_type", "invalid", "webhook_disabled"])))
)]
pub(crate) async fn recover(
    State(app): State<Shared>,
    caller: Caller,
    WebhookPath(id): WebhookPath,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<Recovered>), Problem> {
    let asked: Recover = checked(body)?;
    let mut faults = Vec::new();
    let mut instant = |text: &str, pointer: &str| {
        let at = read_instant(text);
        if at.is_none() {
            faults.push(Fault::new(pointer, NO_INSTANT));
        }
        at
    };
    let since = instant(&asked.since, "/since");
    let until = asked.until.as_deref().map_or_else(|| Some(now()), |text| instant(text, "/until"));
    let (Some(since), Some(until)) = (since, until) else { return Err(Problem::invalid(faults)) };
    if find(&app, &caller, id).await?.disabled.is_some() {
        return Err(disabled());
    }
    let mut after = asked.cursor.as_deref().and_then(cursor::read).map(|id| DeliveryId(id.0));
    let mut recovered = 0;
    for _ in 0..PAGES {
        let (count, next) = app.store.recover(caller.project, id, (since, until), after, PAGE).await?;
        recovered += count;
        after = next;
        if after.is_none() {
            break;
        }
    }
    let next_cursor = after.map(|id| cursor::write(TaskId(id.0)));
    Ok((StatusCode::ACCEPTED, Json(Recovered { recovered, next_cursor })))
}
