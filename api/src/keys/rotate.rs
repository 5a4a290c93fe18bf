//! `POST /keys/{id}/rotate`: another key in the place of one.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{NewKeyView, check_reach, find};
use crate::{
    access::Mint,
    app::Shared,
    body::{JsonBody, checked},
    caller::Caller,
    path::KeyPath,
    problem::{Code, Problem},
};

/// How a key is rotated.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "grace_ms": 3_600_000 }))]
pub(crate) struct RotateKey {
    /// The old key goes on for so long, so that nobody who uses it stands before a closed door: a day when left out, a month at most.
    #[serde(default = "a_day_ms")]
    #[schemars(range(min = 0, max = 2_592_000_000_u64))]
    grace_ms: u64,
}

fn a_day_ms() -> u64 {
    86_400_000
}

/// Rotate an API key.
///
/// Makes a key with another secret that may do the same, and ends the old one after `grace_ms`. One that expires is followed by one that
/// lives as long as it was made to.
#[utoipa::path(
    post,
    path = "/keys/{id}/rotate",
    operation_id = "rotateKey",
    tag = "keys",
    security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The key, `key_…`.")),
    request_body(content = ref("#/components/schemas/RotateKey"), content_type = "application/json"),
    responses((status = 201, description = "The new key, with its secret.", body = ref("#/components/schemas/NewApiKey"))),
    extensions(("x-problems" = json!(["malformed", "key_not_found", "not_acceptable", "unsupported_media_type", "invalid", "key_ended"])))
)]
pub(crate) async fn rotate(
    State(app): State<Shared>,
    caller: Caller,
    KeyPath(id): KeyPath,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<NewKeyView>), Problem> {
    let RotateKey { grace_ms } = checked(body)?;
    let old = find(&app, &caller, id).await?;
    check_reach(&caller, old.scopes)?;
    let minted = Mint::new(app.access.secret()).make();
    let grace = Duration::from_millis(grace_ms);
    if !app.store.rotate_key(id, (minted.id, minted.hash), caller.key, grace).await? {
        return Err(Problem::new(
            Code::KeyEnded,
            "a key that has expired, was revoked or was rotated before is not rotated: make a new one",
        ));
    }
    let row = find(&app, &caller, minted.id).await?;
    Ok((StatusCode::CREATED, Json(NewKeyView::new(row, minted.text))))
}
