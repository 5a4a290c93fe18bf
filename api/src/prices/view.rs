//! Prices as clients see them.

use jobs_core::TaskId;
use jobs_store::OfferRow;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::quotes::{decimal, g_score};
use crate::clock::Timestamp;

/// An offer with its last good price. Amounts are decimals in strings: they are money.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Price")]
pub(crate) struct PriceView {
    /// The offer, for its history.
    pub(super) offer: String,
    /// Always `price`.
    #[schemars(extend("const" = "price"))]
    object: &'static str,
    /// Who asks it: the id of a provider, or the host of a shop.
    provider: String,
    /// What was asked: `provider:<id>`, or the address of a page.
    source: String,
    /// Whose it is, where the provider sells what others have.
    seller: Option<String>,
    /// What the provider calls it.
    sku: Option<String>,
    /// What people call it.
    name: Option<String>,
    /// Where people see it.
    url: Option<String>,
    /// The GPU, by the name of the table: see `GET /gpus`. None for what the table does not know, and for parts of GPUs.
    gpu: Option<String>,
    /// The GPU, as the provider calls it.
    gpu_raw: Option<String>,
    /// The memory of one GPU, in GB.
    vram_gb: Option<String>,
    /// How many GPUs are sold together.
    gpu_count: Option<i32>,
    /// Where it stands.
    region: Option<String>,
    /// `on_demand`, `spot`, `reserved`, `retail`, …
    market: String,
    /// `secure`, `community`, …
    tier: Option<String>,
    /// What part of the machine is paid, where that is not all of it: `gpu_only`.
    component: Option<String>,
    /// ISO 4217; none where nobody said it.
    currency: Option<String>,
    /// What the amount buys: `gpu_hour`, `item`.
    unit: String,
    /// What it costs.
    pub(super) amount: String,
    /// What it costs when it is not on sale.
    list_price: Option<String>,
    /// Whether it can be had; none when nobody says.
    available: Option<bool>,
    /// From 0 to 1, as the provider says.
    reliability: Option<String>,
    /// Performance for each USD of an hour, an H100-SXM at 1 USD being 100; for GPUs that are known.
    g_score: Option<String>,
    /// How the price was found: method, path, the text as it stood there.
    evidence: Value,
    /// The task that found it.
    task: String,
    /// When it was seen first.
    first_seen_at: Timestamp,
    /// When it was seen last. A run that fails, or that is not believed, does not renew it.
    observed_at: Timestamp,
    /// When its price, or whether it can be had, was another last.
    changed_at: Timestamp,
    /// How long ago it was seen last, in seconds.
    age_s: i64,
}

/// One page of offers.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PricePage {
    /// The offers, in the order in which they were first seen.
    pub(super) data: Vec<PriceView>,
    /// Whether there are more behind them.
    pub(super) has_more: bool,
    /// `after` of the next page, if there is one.
    pub(super) next_after: Option<String>,
}

impl PriceView {
    pub(super) fn new(row: OfferRow) -> Self {
        let score = row.gpu.as_deref().filter(|_| row.currency.as_deref() == Some("USD") && row.unit == "gpu_hour");
        let score = score.and_then(|gpu| g_score(gpu, row.amount, row.reliability));
        let text = |figure: Option<Decimal>| figure.map(decimal);
        Self {
            offer: row.key,
            object: "price",
            provider: row.provider,
            source: row.source,
            seller: row.seller,
            sku: row.sku,
            name: row.name,
            url: row.url,
            gpu: row.gpu,
            gpu_raw: row.gpu_raw,
            vram_gb: text(row.vram_gb),
            gpu_count: row.gpu_count,
            region: row.region,
            market: row.market,
            tier: row.tier,
            component: row.component,
            currency: row.currency,
            unit: row.unit,
            amount: decimal(row.amount),
            list_price: text(row.list_price),
            available: row.available,
            reliability: text(row.reliability),
            g_score: score,
            evidence: row.evidence,
            task: TaskId(row.task).to_string(),
            first_seen_at: Timestamp(row.first_seen_at),
            observed_at: Timestamp(row.observed_at),
            changed_at: Timestamp(row.changed_at),
            age_s: row.age_s.max(0),
        }
    }
}
