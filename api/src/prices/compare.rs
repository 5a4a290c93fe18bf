//! `GET /prices/compare`: providers of one GPU next to each other.

use axum::{
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use jobs_prices::compare::{ProviderQuote, market};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    csv::Format,
    quotes::{CLASS, class, decimal, g_score, quotes},
};
use crate::{app::Shared, caller::Caller, problem::Problem, query::Query};

/// Providers of one GPU next to each other.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PriceComparison")]
pub(crate) struct CompareView {
    /// The GPU.
    gpu: String,
    /// The market.
    market: String,
    /// The cheapest offer of each provider, the cheapest first; those that are not believed at the end.
    data: Vec<QuoteView>,
    /// The median of those that are believed, in USD for a GPU hour.
    median: Option<String>,
    /// So many offers are in other currencies than USD, and not compared.
    held_out: usize,
}

/// The cheapest offer of a provider.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ProviderQuote")]
pub(crate) struct QuoteView {
    /// The provider.
    provider: String,
    /// What one GPU costs for an hour.
    usd_per_gpu_hour: String,
    /// Performance for each USD of an hour.
    g_score: Option<String>,
    /// The same from 0 to 100, the best of this answer being 100.
    g_score_pct: Option<String>,
    /// How many GPUs are sold together.
    gpu_count: u32,
    /// Where it stands.
    region: Option<String>,
    /// `secure`, `community`, …
    tier: Option<String>,
    /// Whether it can be had; none when the provider does not say.
    available: Option<bool>,
    /// From 0 to 1.
    reliability: Option<String>,
    /// How long ago it was seen, in seconds.
    age_s: u64,
    /// It is too good, or too bad, to be believed, and is not compared with the others.
    flagged: bool,
}

/// Compare providers.
///
/// The cheapest offer of each provider for one GPU in one market, whole machines only unless `component` says otherwise.
#[utoipa::path(
    get,
    path = "/prices/compare",
    operation_id = "comparePrices",
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
        ("format" = Option<String>, Query, pattern = "^(json|csv)$", description = "`csv` for a table; what `Accept` says when left out."),
    ),
    responses((status = 200, description = "The comparison.", content(
        (ref("#/components/schemas/PriceComparison") = "application/json"), (String = "text/csv")))),
    extensions(("x-problems" = json!(["not_acceptable", "invalid"])))
)]
pub(crate) async fn compare(
    State(app): State<Shared>,
    caller: Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut query = Query::read(query.as_deref(), &[CLASS, &["format"]].concat());
    let format = Format::of(&mut query, &headers)?;
    let class = class(&mut query);
    query.finish()?;
    let max_age_s = i64::try_from(class.max_age_s).unwrap_or(i64::MAX);
    let (offers, held_out) = quotes(&app.store, caller.project, class.gpu.as_deref(), max_age_s).await?;
    let market = market(&class, &offers);
    let best = market.quotes.iter().filter_map(|quote| score(quote)).max();
    let view = |quote: &ProviderQuote<'_>, flagged: bool| QuoteView {
        provider: quote.provider.to_owned(),
        usd_per_gpu_hour: decimal(quote.price),
        g_score: g_score(&quote.quote.gpu, quote.price, quote.quote.reliability),
        g_score_pct: score(quote)
            .zip(best)
            .and_then(|(score, best)| (score * Decimal::ONE_HUNDRED).checked_div(best))
            .filter(|_| !flagged)
            .map(|pct| decimal(pct.round_dp(1))),
        gpu_count: quote.quote.gpu_count,
        region: quote.quote.region.clone(),
        tier: quote.quote.tier.clone(),
        available: quote.quote.available,
        reliability: quote.quote.reliability.map(decimal),
        age_s: quote.quote.age_s,
        flagged,
    };
    let believed = market.quotes.iter().map(|quote| view(quote, false));
    let data = believed.chain(market.flagged.iter().map(|quote| view(quote, true))).collect();
    let median = market.median.map(decimal);
    let view = CompareView { gpu: class.gpu.unwrap_or_default(), market: class.market, data, median, held_out };
    Ok(format.answer(&view, &view.data))
}

fn score(quote: &ProviderQuote<'_>) -> Option<Decimal> {
    g_score(&quote.quote.gpu, quote.price, quote.quote.reliability)?.parse().ok()
}
