//! `GET /keys/{id}`: the record of a key.

use axum::{Json, extract::State};

use super::{KeyView, find};
use crate::{app::Shared, caller::Caller, path::KeyPath, problem::Problem};

/// Read about an API key.
#[utoipa::path(
    get,
    path = "/keys/{id}",
    operation_id = "getKey",
    tag = "keys",
    security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The key, `key_…`.")),
    responses((status = 200, description = "The key.", body = ref("#/components/schemas/ApiKey"))),
    extensions(("x-problems" = json!(["key_not_found", "not_acceptable"])))
)]
pub(crate) async fn get(
    State(app): State<Shared>,
    caller: Caller,
    KeyPath(id): KeyPath,
) -> Result<Json<KeyView>, Problem> {
    Ok(Json(KeyView::new(find(&app, &caller, id).await?)))
}
