//! `GET /prices/arbitrage`: what the cheapest provider saves against each other.

use axum::{
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use jobs_prices::compare::arbitrage as compare;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    csv::Format,
    quotes::{CLASS, class, decimal, decimal_of, quotes},
};
use crate::{app::Shared, caller::Caller, problem::Problem, query::Query};

/// Savings below this are not worth a move, in per cent.
const MIN_SPREAD_PCT: Decimal = Decimal::from_parts(15, 0, 0, false, 0);

/// The cheapest provider of a GPU, and what it saves.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Arbitrage")]
pub(crate) struct ArbitrageView {
    /// The GPU.
    gpu: String,
    /// The market.
    market: String,
    /// The cheapest provider whose price is believed.
    best: Option<String>,
    /// What it asks for a GPU hour, in USD.
    best_price: Option<String>,
    /// The median of the providers that are believed.
    median: Option<String>,
    /// What it saves against each that is dearer by enough, the dearest first.
    opportunities: Vec<OpportunityView>,
    /// The providers whose prices are not believed.
    flagged: Vec<String>,
    /// How many providers are believed.
    providers: usize,
    /// So many offers are in other currencies than USD, and not compared.
    held_out: usize,
}

/// What one provider saves against another.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Opportunity")]
pub(crate) struct OpportunityView {
    /// The cheaper one.
    buy_at: String,
    /// The dearer one.
    instead_of: String,
    /// What the cheaper one asks for a GPU hour, in USD.
    buy_price: String,
    /// What the dearer one asks.
    other_price: String,
    /// The difference.
    saving_per_gpu_hour: String,
    /// The difference, in per cent of the dearer price.
    saving_pct: String,
    /// The difference, in per cent of the cheaper price.
    markup_pct: String,
    /// What one GPU saves in a month of 730 hours.
    monthly_saving_per_gpu: String,
}

/// Find arbitrage.
///
/// What the cheapest provider of a GPU saves against each that is dearer by `min_spread_pct` of its own price. Prices below a fifth or
/// above five times of the median, and outside of what the GPU can cost, are flagged and not compared.
#[utoipa::path(
    get,
    path = "/prices/arbitrage",
    operation_id = "findArbitrage",
    tag = "prices",
    security(("key" = ["tasks:read"])),
    params(
        ("gpu" = String, Query, pattern = r"^[^\u0000]*$", description = "The GPU, by any name of it: `h100 sxm`."),
        ("market" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "The market; `on_demand` when left out."),
        ("gpu_count" = Option<u32>, Query, description = "Only offers of so many GPUs.", minimum = 1, maximum = 1000),
        ("tier" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Only of this tier; may be given again."),
        ("region" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Only in this region; may be given again."),
        ("available" = Option<bool>, Query, description = "Only what is said to be available, not also that of which nothing is said."),
        ("component" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Prices of this part of a machine, rather than of all of it."),
        ("max_age_s" = Option<u32>, Query, description = "Older prices do not count; 3600 when left out.", minimum = 1, maximum = 31622400),
        ("min_spread_pct" = Option<f64>, Query, description = "At least so many per cent; 15 when left out.", minimum = 0, maximum = 100),
        ("format" = Option<String>, Query, pattern = "^(json|csv)$", description = "`csv` for a table; what `Accept` says when left out."),
    ),
    responses((status = 200, description = "The arbitrage.", content(
        (ref("#/components/schemas/Arbitrage") = "application/json"), (String = "text/csv")))),
    extensions(("x-problems" = json!(["not_acceptable", "invalid"])))
)]
pub(crate) async fn arbitrage(
    State(app): State<Shared>,
    caller: Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut query = Query::read(query.as_deref(), &[CLASS, &["min_spread_pct", "format"]].concat());
    let format = Format::of(&mut query, &headers)?;
    let class = class(&mut query);
    let spread = decimal_of(&mut query, "min_spread_pct", Decimal::ZERO, Decimal::ONE_HUNDRED);
    query.finish()?;
    let max_age_s = i64::try_from(class.max_age_s).unwrap_or(i64::MAX);
    let (offers, held_out) = quotes(&app.store, caller.project, class.gpu.as_deref(), max_age_s).await?;
    let found = compare(&class, &offers, spread.unwrap_or(MIN_SPREAD_PCT));
    let opportunities = found.opportunities.into_iter().map(|found| OpportunityView {
        buy_at: found.buy_at,
        instead_of: found.instead_of,
        buy_price: decimal(found.buy_price),
        other_price: decimal(found.other_price),
        saving_per_gpu_hour: decimal(found.saving_per_gpu_hour),
        saving_pct: decimal(found.saving_pct),
        markup_pct: decimal(found.markup_pct),
        monthly_saving_per_gpu: decimal(found.monthly_saving_per_gpu),
    });
    let view = ArbitrageView {
        gpu: class.gpu.unwrap_or_default(),
        market: class.market,
        best: found.best,
        best_price: found.best_price.map(decimal),
        median: found.median.map(decimal),
        opportunities: opportunities.collect(),
        flagged: found.flagged,
        providers: found.providers,
        held_out,
    };
    Ok(format.answer(&view, &view.opportunities))
}
