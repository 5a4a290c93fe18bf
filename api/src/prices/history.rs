//! `GET /prices/history`: one offer over time.

use axum::{
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use jobs_core::TaskId;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    PriceView,
    csv::Format,
    quotes::{decimal, flag},
};
use crate::{
    app::Shared,
    caller::Caller,
    clock::Timestamp,
    problem::{Code, Problem},
    query::Query,
};

const LIMIT: i64 = 200;
const LIMIT_MAX: i64 = 10_000;
const PARAMETERS: &[&str] = &["offer", "since", "until", "changes", "limit", "format"];

/// One offer over time, the newest first.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PriceHistory")]
pub(crate) struct HistoryView {
    /// The offer, with its last good price.
    offer: PriceView,
    /// What it cost.
    data: Vec<PointView>,
    /// Whether there is more before: go on with `until` of the last one.
    has_more: bool,
    /// The lowest amount of this page.
    lowest: Option<String>,
    /// The highest amount of this page.
    highest: Option<String>,
}

/// A price at a time.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PricePoint")]
pub(crate) struct PointView {
    /// When it was asked for.
    at: Timestamp,
    /// What it was.
    amount: String,
    /// Whether it could be had.
    available: Option<bool>,
    /// The task that found it.
    task: String,
}

/// Read the history of an offer.
///
/// Every observation, or with `changes=true` only those that differ from the one before.
#[utoipa::path(
    get,
    path = "/prices/history",
    operation_id = "getPriceHistory",
    tag = "prices",
    security(("key" = ["tasks:read"])),
    params(
        ("offer" = String, Query, pattern = "^[0-9a-f]{32}$", description = "The offer: `offer` of a price."),
        ("since" = Option<String>, Query, description = "Only from this time on.", format = DateTime),
        ("until" = Option<String>, Query, description = "Only before this time.", format = DateTime),
        ("changes" = Option<bool>, Query, description = "Only changes."),
        ("limit" = Option<u32>, Query, description = "So many at most; 200 when left out.", minimum = 1, maximum = 10000),
        ("format" = Option<String>, Query, pattern = "^(json|csv)$", description = "`csv` for a table; what `Accept` says when left out."),
    ),
    responses((status = 200, description = "The history.", content(
        (ref("#/components/schemas/PriceHistory") = "application/json"), (String = "text/csv")))),
    extensions(("x-problems" = json!(["not_acceptable", "offer_not_found", "invalid"])))
)]
pub(crate) async fn history(
    State(app): State<Shared>,
    caller: Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut query = Query::read(query.as_deref(), PARAMETERS);
    let format = Format::of(&mut query, &headers)?;
    let key = query.one("offer");
    if key.is_none() {
        query.fault("offer", "must be given");
    }
    let span = (query.instant("since"), query.instant("until"));
    let changes = flag(&mut query, "changes").unwrap_or(false);
    let limit = query.number("limit", 1, LIMIT_MAX).unwrap_or(LIMIT);
    query.finish()?;
    let found = app.store.price_offer(caller.project, &key.unwrap_or_default()).await?;
    let Some(offer) = found else {
        return Err(Problem::new(Code::OfferNotFound, "the project has no offer with this key"));
    };
    let limit = u32::try_from(limit).unwrap_or_default();
    let mut points = app.store.price_points(caller.project, offer.id, span, changes, limit + 1).await?;
    let has_more = points.len() > limit as usize;
    points.truncate(limit as usize);
    let lowest = points.iter().map(|point| point.amount).min().map(decimal);
    let highest = points.iter().map(|point| point.amount).max().map(decimal);
    let data = points.into_iter().map(|point| PointView {
        at: Timestamp(point.observed_at),
        amount: decimal(point.amount),
        available: point.available,
        task: TaskId(point.task).to_string(),
    });
    let view = HistoryView { offer: PriceView::new(offer), data: data.collect(), has_more, lowest, highest };
    Ok(format.answer(&view, &view.data))
}
