//! `GET /prices/best`: the best deal under constraints.

use axum::{
    Json,
    extract::{RawQuery, State},
};
use jobs_prices::compare::{Constraints, best as find};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::Serialize;

use super::quotes::{decimal, decimal_of, flag, g_score, max_age, named, quotes};
use crate::{app::Shared, caller::Caller, problem::Problem, query::Query};

const PARAMETERS: &[&str] =
    &["gpu", "min_vram_gb", "min_tflops", "gpu_count", "tier", "region", "min_reliability", "spot", "max_age_s"];

/// The best deal, if there is one.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BestDeal")]
pub(crate) struct BestView {
    /// Whether any offer is good enough.
    found: bool,
    /// The deal.
    deal: Option<Deal>,
    /// Others that are exactly as good, by their providers.
    ties: Vec<String>,
    /// So many offers are in other currencies than USD, and not compared.
    held_out: usize,
}

/// A deal.
#[derive(Debug, Serialize, JsonSchema)]
struct Deal {
    /// The provider.
    provider: String,
    /// The GPU.
    gpu: String,
    /// The market.
    market: String,
    /// Where it stands.
    region: Option<String>,
    /// `secure`, `community`, …
    tier: Option<String>,
    /// What one GPU costs for an hour.
    usd_per_gpu_hour: String,
    /// How many offers are needed: they are taken whole.
    units: u32,
    /// How many GPUs that is.
    gpus: u32,
    /// What all of them cost for an hour.
    usd_per_hour: String,
    /// Performance for each USD of an hour.
    g_score: Option<String>,
    /// From 0 to 1.
    reliability: Option<String>,
    /// How long ago it was seen, in seconds.
    age_s: u64,
    /// It may be taken away at any time.
    interruptible: bool,
    /// What a GPU hour costs where it may not.
    on_demand_price: Option<String>,
}

/// Find the best deal.
///
/// The cheapest way to have so many GPUs, then the most reliable, then by the name of the provider.
#[utoipa::path(
    get,
    path = "/prices/best",
    operation_id = "findBestDeal",
    tag = "prices",
    security(("key" = ["tasks:read"])),
    params(
        ("gpu" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "The GPU, by any name of it; any that is good enough when left out."),
        ("min_vram_gb" = Option<f64>, Query, description = "At least so much memory of one GPU, in GB.", minimum = 0, maximum = 10000),
        ("min_tflops" = Option<f64>, Query, description = "At least so much dense FP16 of one GPU, in TFLOPS.", minimum = 0, maximum = 1000000),
        ("gpu_count" = Option<u32>, Query, description = "So many GPUs are needed; 1 when left out.", minimum = 1, maximum = 100000),
        ("tier" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Only of this tier; may be given again."),
        ("region" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Only in this region; may be given again."),
        ("min_reliability" = Option<f64>, Query, description = "At least so reliable.", minimum = 0, maximum = 1),
        ("spot" = Option<bool>, Query, description = "Also what may be taken away at any time."),
        ("max_age_s" = Option<u32>, Query, description = "Older prices do not count; 3600 when left out.", minimum = 1, maximum = 31622400),
    ),
    responses((status = 200, description = "The deal, or that there is none.", body = ref("#/components/schemas/BestDeal"))),
    extensions(("x-problems" = json!(["not_acceptable", "invalid"])))
)]
pub(crate) async fn best(
    State(app): State<Shared>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<BestView>, Problem> {
    let mut query = Query::read(query.as_deref(), PARAMETERS);
    let gpu = query.one("gpu");
    let known = gpu.as_deref().and_then(named);
    if gpu.is_some() && known.is_none() {
        query.fault("gpu", "no GPU that is known: see GET /gpus");
    }
    let all = |query: &Query, name: &str| query.all(name).map(str::to_owned).collect();
    let large = Decimal::from(1_000_000);
    let max_age_s = max_age(&mut query);
    let constraints = Constraints {
        gpu: known,
        min_vram_gb: decimal_of(&mut query, "min_vram_gb", Decimal::ZERO, Decimal::from(10_000)),
        min_tflops: decimal_of(&mut query, "min_tflops", Decimal::ZERO, large),
        gpu_count: query.number("gpu_count", 1, 100_000).and_then(|count| u32::try_from(count).ok()).unwrap_or(1),
        regions: all(&query, "region"),
        tiers: all(&query, "tier"),
        min_reliability: decimal_of(&mut query, "min_reliability", Decimal::ZERO, Decimal::ONE),
        spot: flag(&mut query, "spot").unwrap_or(false),
        max_age_s: max_age_s.unsigned_abs(),
    };
    query.finish()?;
    let (offers, held_out) = quotes(&app.store, caller.project, constraints.gpu.as_deref(), max_age_s).await?;
    let Some(best) = find(&constraints, &offers) else {
        return Ok(Json(BestView { found: false, deal: None, ties: Vec::new(), held_out }));
    };
    let offer = best.offer;
    let deal = Deal {
        provider: offer.provider.clone(),
        gpu: offer.gpu.clone(),
        market: offer.market.clone(),
        region: offer.region.clone(),
        tier: offer.tier.clone(),
        usd_per_gpu_hour: decimal(offer.usd_per_gpu_hour),
        units: best.units,
        gpus: best.gpus,
        usd_per_hour: decimal(best.usd_per_hour),
        g_score: g_score(&offer.gpu, offer.usd_per_gpu_hour, offer.reliability),
        reliability: offer.reliability.map(decimal),
        age_s: offer.age_s,
        interruptible: offer.market == "spot",
        on_demand_price: best.on_demand_price.map(decimal),
    };
    let ties = best.ties.iter().map(|quote| quote.provider.clone()).collect();
    Ok(Json(BestView { found: true, deal: Some(deal), ties, held_out }))
}
