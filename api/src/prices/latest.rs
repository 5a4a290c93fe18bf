//! `GET /prices/latest`: the last good price of each offer.

use axum::{
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use jobs_store::OfferFilter;

use super::{
    PricePage, PriceView,
    csv::Format,
    quotes::{flag, named},
};
use crate::{app::Shared, caller::Caller, problem::Problem, query::Query};

const LIMIT: i64 = 100;
const LIMIT_MAX: i64 = 1_000;
const PARAMETERS: &[&str] =
    &["gpu", "provider", "source", "market", "region", "available", "max_age_s", "limit", "after", "format"];

/// List the last prices.
///
/// A price stays until a good run finds another one: a run that fails, finds nothing or is not believed changes nothing here. `observed_at`
/// says when it was seen last.
#[utoipa::path(
    get,
    path = "/prices/latest",
    operation_id = "listPrices",
    tag = "prices",
    security(("key" = ["tasks:read"])),
    params(
        ("gpu" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Only offers of this GPU, by any name of it."),
        ("provider" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Only of this provider, or of the shop at this host."),
        ("source" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Only of this source: `provider:<id>`, or the address of a page."),
        ("market" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Only of this market."),
        ("region" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Only in this region."),
        ("available" = Option<bool>, Query, description = "Only those that are said to be available, or not to be."),
        ("max_age_s" = Option<u32>, Query, description = "Only those that were seen since so many seconds.", minimum = 1, maximum = 31622400),
        ("limit" = Option<u32>, Query, description = "So many at most; 100 when left out.", minimum = 1, maximum = 1000),
        ("after" = Option<String>, Query, pattern = "^[0-9a-f]{32}$", description = "`next_after` of the page before."),
        ("format" = Option<String>, Query, pattern = "^(json|csv)$", description = "`csv` for a table; what `Accept` says when left out."),
    ),
    responses((status = 200, description = "A page of offers.", content(
        (ref("#/components/schemas/PricePage") = "application/json"), (String = "text/csv")))),
    extensions(("x-problems" = json!(["not_acceptable", "invalid"])))
)]
pub(crate) async fn latest(
    State(app): State<Shared>,
    caller: Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut query = Query::read(query.as_deref(), PARAMETERS);
    let format = Format::of(&mut query, &headers)?;
    let gpu = query.one("gpu").map(|text| named(&text).unwrap_or(text));
    let filter = OfferFilter {
        gpu,
        provider: query.one("provider"),
        source: query.one("source"),
        market: query.one("market"),
        region: query.one("region"),
        available: flag(&mut query, "available"),
        unit: None,
        max_age_s: query.number("max_age_s", 1, 31_622_400),
    };
    let limit = query.number("limit", 1, LIMIT_MAX).unwrap_or(LIMIT);
    let after = match query.one("after") {
        None => None,
        Some(key) => {
            let found = app.store.price_offer(caller.project, &key).await?;
            if found.is_none() {
                query.fault("after", "no offer of a page before");
            }
            found.map(|row| row.id)
        }
    };
    query.finish()?;
    let limit = u32::try_from(limit).unwrap_or_default();
    let mut rows = app.store.price_offers(caller.project, &filter, after, limit + 1).await?;
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next_after = rows.last().filter(|_| has_more).map(|row| row.key.clone());
    let page = PricePage { data: rows.into_iter().map(PriceView::new).collect(), has_more, next_after };
    Ok(format.answer(&page, &page.data))
}
