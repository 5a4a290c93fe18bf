//! `GET /providers/{name}`: a provider with its definition.

use axum::{Json, extract::State};

use super::{ProviderView, find};
use crate::{app::Shared, caller::Caller, path::NamePath, problem::Problem};

/// Read a provider.
#[utoipa::path(
    get,
    path = "/providers/{name}",
    operation_id = "getProvider",
    tag = "prices",
    security(("key" = ["tasks:read"])),
    params(("name" = String, Path, description = "The provider.")),
    responses((status = 200, description = "The provider.", body = ref("#/components/schemas/Provider"))),
    extensions(("x-problems" = json!(["provider_not_found", "not_acceptable"])))
)]
pub(crate) async fn get(
    State(app): State<Shared>,
    caller: Caller,
    NamePath(name): NamePath,
) -> Result<Json<ProviderView>, Problem> {
    let known = find(&app, caller.project, &name).await?;
    let runs = app.store.last_price_runs(caller.project).await?;
    Ok(Json(ProviderView::of(&known, &runs)?))
}
