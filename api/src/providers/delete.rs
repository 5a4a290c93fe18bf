//! `DELETE /providers/{name}`: remove the project's definition of a provider.

use axum::{extract::State, http::StatusCode};

use super::no_provider;
use crate::{app::Shared, caller::Caller, path::NamePath, problem::Problem};

/// Remove a definition.
///
/// What it found stays. Where a definition of this name comes with the program, that one is used again.
#[utoipa::path(
    delete,
    path = "/providers/{name}",
    operation_id = "deleteProvider",
    tag = "prices",
    security(("key" = ["tasks:write"])),
    params(("name" = String, Path, description = "The provider.")),
    responses((status = 204, description = "It is removed.")),
    extensions(("x-problems" = json!(["provider_not_found", "not_acceptable"])))
)]
pub(crate) async fn delete(
    State(app): State<Shared>,
    caller: Caller,
    NamePath(name): NamePath,
) -> Result<StatusCode, Problem> {
    match app.store.remove_price_provider(caller.project, &name).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_provider(&name)),
    }
}
