//! `GET /providers`: all providers, and how they were asked last.

use axum::{Json, extract::State};
use jobs_prices::provider::shipped;

use super::ProviderSummary;
use crate::{app::Shared, caller::Caller, problem::Problem, view::Page};

/// List providers.
///
/// Those of the project, and those that come with the program.
#[utoipa::path(
    get,
    path = "/providers",
    operation_id = "listProviders",
    tag = "prices",
    security(("key" = ["tasks:read"])),
    responses((status = 200, description = "The providers, by name.", body = ref("#/components/schemas/ProviderPage"))),
    extensions(("x-problems" = json!(["not_acceptable"])))
)]
pub(crate) async fn list(State(app): State<Shared>, caller: Caller) -> Result<Json<Page<ProviderSummary>>, Problem> {
    let own = app.store.price_providers(caller.project, None).await?;
    let runs = app.store.last_price_runs(caller.project).await?;
    let shipped = shipped().iter().filter(|shipped| own.iter().all(|row| row.id != shipped.id));
    let mut data: Vec<(&str, ProviderSummary)> =
        shipped.map(|shipped| (shipped.id, ProviderSummary::of_shipped(shipped, &runs))).collect();
    data.extend(own.iter().map(|row| (row.id.as_str(), ProviderSummary::of_row(row, &runs))));
    data.sort_by_key(|(id, _)| *id);
    Ok(Json(Page { data: data.into_iter().map(|(_, summary)| summary).collect(), has_more: false }))
}
