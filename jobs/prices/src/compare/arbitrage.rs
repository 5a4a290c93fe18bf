//! Arbitrage: what the cheapest provider saves against each other.

use rust_decimal::Decimal;
use serde::Serialize;

use super::{
    quote::{Class, Quote, market},
    saving::{HOURS_PER_MONTH, monthly_saving},
};

/// The cheapest provider of a class, and what it saves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Arbitrage {
    /// The cheapest provider whose price is believed.
    pub best: Option<String>,
    /// What it asks for a GPU hour, in USD.
    pub best_price: Option<Decimal>,
    /// The median of the providers that are believed.
    pub median: Option<Decimal>,
    /// What it saves against each that is dearer by enough, the dearest first.
    pub opportunities: Vec<Opportunity>,
    /// The providers whose prices are not believed.
    pub flagged: Vec<String>,
    /// How many providers are believed.
    pub providers: usize,
}

/// What one provider saves against another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Opportunity {
    /// The cheaper one.
    pub buy_at: String,
    /// The dearer one.
    pub instead_of: String,
    /// What the cheaper one asks for a GPU hour, in USD.
    pub buy_price: Decimal,
    /// What the dearer one asks.
    pub other_price: Decimal,
    /// The difference.
    pub saving_per_gpu_hour: Decimal,
    /// The difference, in per cent of the dearer price.
    pub saving_pct: Decimal,
    /// The difference, in per cent of the cheaper price.
    pub markup_pct: Decimal,
    /// What one GPU saves in a month of 730 hours.
    pub monthly_saving_per_gpu: Decimal,
}

/// Finds what the cheapest provider of a class saves, by at least `min_spread_pct` of the dearer price.
#[must_use]
pub fn arbitrage(class: &Class, offers: &[Quote], min_spread_pct: Decimal) -> Arbitrage {
    let market = market(class, offers);
    let best = market.quotes.first();
    let others = market.quotes.iter().skip(1).rev();
    let mut opportunities: Vec<Opportunity> = best.map_or_else(Vec::new, |best| {
        let against =
            others.filter_map(|other| Opportunity::between((best.provider, best.price), (other.provider, other.price)));
        against.filter(|found| found.saving_pct >= min_spread_pct).collect()
    });
    // The dearest first; those of one price by name.
    opportunities.sort_by(|left, right| {
        right.other_price.cmp(&left.other_price).then_with(|| left.instead_of.cmp(&right.instead_of))
    });
    Arbitrage {
        best: best.map(|best| best.provider.to_owned()),
        best_price: best.map(|best| best.price),
        median: market.median,
        opportunities,
        flagged: market.flagged.iter().map(|quote| quote.provider.to_owned()).collect(),
        providers: market.quotes.len(),
    }
}

impl Opportunity {
    /// What the cheaper of two saves; `None` where that is nothing.
    fn between((buy_at, low): (&str, Decimal), (instead_of, high): (&str, Decimal)) -> Option<Self> {
        let saving = high.checked_sub(low).filter(|saving| *saving > Decimal::ZERO)?;
        let pct_of =
            |base: Decimal| Some(saving.checked_mul(Decimal::ONE_HUNDRED)?.checked_div(base)?.round_dp(4).normalize());
        let monthly = monthly_saving(low, high, 1, Decimal::from(HOURS_PER_MONTH))?;
        Some(Self {
            buy_at: buy_at.to_owned(),
            instead_of: instead_of.to_owned(),
            buy_price: low,
            other_price: high,
            saving_per_gpu_hour: saving.normalize(),
            saving_pct: pct_of(high)?,
            markup_pct: pct_of(low)?,
            monthly_saving_per_gpu: monthly.round_dp(2).normalize(),
        })
    }
}
