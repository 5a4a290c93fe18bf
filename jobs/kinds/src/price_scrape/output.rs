//! What came of a scrape.

use jobs_core::port::price::Observed;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// So many prices are repeated in the output; all of them are in the history.
const SHOWN: usize = 100;

/// What came of a scrape.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// `ok`, `ambiguous` (several prices that differ), `no_price`, `refused_zero`, `unpriced` (offers without a price), `fetch` (no
    /// answer), `parse` (an answer that cannot be read), `blocked_by_robots`, `blocked_by_policy`, `suspicious` (not like the answers
    /// before). Only `ok` adds to the history.
    pub outcome: String,
    /// Why, in a sentence.
    pub detail: Option<String>,
    /// What was asked: `provider:<id>`, or the address of a page.
    pub source: String,
    /// How many prices were found, also where they are not believed.
    pub rows: usize,
    /// How many items were no offers, by the reason.
    pub skipped: std::collections::BTreeMap<String, usize>,
    /// The source says that nothing changed.
    pub unchanged: bool,
    /// So many requests were made.
    pub requests: u32,
    /// The first hundred prices; all that were found where they are ambiguous.
    pub prices: Vec<Price>,
}

/// A price that was found.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Price {
    /// The offer, for its history; none for a price that is not believed.
    pub offer: Option<String>,
    /// What it is called.
    pub name: Option<String>,
    /// The GPU, where it is one.
    pub gpu: Option<String>,
    /// Where it stands.
    pub region: Option<String>,
    /// What sort of price it is.
    pub market: String,
    /// What it costs: a decimal.
    pub amount: String,
    /// The currency.
    pub currency: Option<String>,
    /// What the amount buys.
    pub unit: String,
    /// Whether it can be had.
    pub available: Option<bool>,
    /// The method that found the price.
    pub method: Option<String>,
    /// The price, as it stood there.
    pub raw: Option<String>,
}

impl Price {
    pub(super) fn of(observed: &Observed) -> Self {
        let text = |name: &str| observed.evidence.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        Self {
            offer: Some(observed.key.clone()),
            name: observed.name.clone().or_else(|| observed.sku.clone()),
            gpu: observed.gpu.clone().or_else(|| observed.gpu_raw.clone()),
            region: observed.region.clone(),
            market: observed.market.clone(),
            amount: plain(observed.amount),
            currency: observed.currency.clone(),
            unit: observed.unit.to_owned(),
            available: observed.available,
            method: text("method"),
            raw: text("raw"),
        }
    }
}

/// The first of the prices that were observed.
pub(super) fn shown(offers: &[Observed]) -> Vec<Price> {
    offers.iter().take(SHOWN).map(Price::of).collect()
}

/// A decimal, as it is kept: nine digits behind the point at most.
pub(super) fn plain(amount: Decimal) -> String {
    amount.round_dp(9).to_string()
}
