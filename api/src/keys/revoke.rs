//! `POST /keys/{id}/revoke`: end a key.

use axum::{Json, extract::State};
use jobs_store::Ended;

use super::{KeyView, check_reach, find};
use crate::{
    app::Shared,
    caller::Caller,
    path::KeyPath,
    problem::{Code, Problem},
};

/// Revoke an API key.
///
/// It opens nothing any more, after five seconds on any server. Its record stays; asking again changes nothing. The last key with the scope
/// `operator` cannot be revoked.
#[utoipa::path(
    post,
    path = "/keys/{id}/revoke",
    operation_id = "revokeKey",
    tag = "keys",
    security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The key, `key_…`.")),
    responses((status = 200, description = "The key.", body = ref("#/components/schemas/ApiKey"))),
    extensions(("x-problems" = json!(["key_not_found", "not_acceptable", "last_operator_key"])))
)]
pub(crate) async fn revoke(
    State(app): State<Shared>,
    caller: Caller,
    KeyPath(id): KeyPath,
) -> Result<Json<KeyView>, Problem> {
    let row = find(&app, &caller, id).await?;
    check_reach(&caller, row.scopes)?;
    match app.store.revoke_key(id).await? {
        Ended::Yes(row) => Ok(Json(KeyView::new(*row))),
        Ended::Unknown => Err(Problem::no_key(&id.to_string())),
        Ended::LastOperator => {
            let detail = "it is the last key with the scope operator: make another one first";
            Err(Problem::new(Code::LastOperatorKey, detail))
        }
    }
}
