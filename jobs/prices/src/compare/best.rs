//! The best deal under constraints.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::quote::{Class, Quote};
use crate::gpu::spec;

/// What a deal must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Constraints {
    /// The GPU; any that is good enough where it is not named.
    pub gpu: Option<String>,
    /// The memory of one GPU, at least, in GB.
    pub min_vram_gb: Option<Decimal>,
    /// Dense FP16 of one GPU, at least, in TFLOPS.
    pub min_tflops: Option<Decimal>,
    /// How many GPUs are needed. Offers are taken whole, as many as it takes.
    pub gpu_count: u32,
    /// Only in these regions.
    pub regions: Vec<String>,
    /// Only of these tiers.
    pub tiers: Vec<String>,
    /// At least so reliable, from 0 to 1; what does not say is not.
    pub min_reliability: Option<Decimal>,
    /// Machines that may be taken away are good enough.
    pub spot: bool,
    /// Older offers do not count, in seconds.
    pub max_age_s: u64,
}

impl Default for Constraints {
    fn default() -> Self {
        let nothing = Vec::new;
        Self {
            gpu: None,
            min_vram_gb: None,
            min_tflops: None,
            gpu_count: 1,
            regions: nothing(),
            tiers: nothing(),
            min_reliability: None,
            spot: false,
            max_age_s: 3_600,
        }
    }
}

/// The best deal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Best<'a> {
    /// The offer.
    pub offer: &'a Quote,
    /// How many of it are needed.
    pub units: u32,
    /// How many GPUs that is.
    pub gpus: u32,
    /// What all of them cost for an hour, in USD.
    pub usd_per_hour: Decimal,
    /// Others that are exactly as good.
    pub ties: Vec<&'a Quote>,
    /// It may be taken away at any time; this is what a GPU hour costs where it may not.
    pub on_demand_price: Option<Decimal>,
}

/// Finds the best deal: the cheapest for the GPUs that are needed, then the most reliable, then by the provider's name.
#[must_use]
pub fn best<'a>(constraints: &Constraints, offers: &'a [Quote]) -> Option<Best<'a>> {
    let suits = |market: &str, quote: &Quote| {
        let class = Class {
            gpu: constraints.gpu.clone(),
            market: market.to_owned(),
            tiers: constraints.tiers.clone(),
            regions: constraints.regions.clone(),
            max_age_s: constraints.max_age_s,
            ..Class::default()
        };
        let known = spec(&quote.gpu);
        let has = |least: Option<Decimal>, figure: fn(&crate::gpu::Spec) -> Decimal| {
            least.is_none_or(|least| known.is_some_and(|spec| figure(spec) >= least))
        };
        class.has(quote)
            && quote.gpu_count > 0
            && has(constraints.min_vram_gb, |spec| spec.vram_gb)
            && has(constraints.min_tflops, |spec| spec.tflops)
            && constraints.min_reliability.is_none_or(|least| quote.reliability.is_some_and(|said| said >= least))
    };
    let cost = |quote: &Quote| {
        let units = constraints.gpu_count.max(1).div_ceil(quote.gpu_count);
        let gpus = units.checked_mul(quote.gpu_count)?;
        Some((quote.usd_per_gpu_hour.checked_mul(Decimal::from(gpus))?, units, gpus))
    };
    let suitable = offers.iter().filter(|quote| suits("on_demand", quote) || constraints.spot && suits("spot", quote));
    let mut deals: Vec<_> = suitable.filter_map(|quote| Some((cost(quote)?, quote))).collect();
    deals.sort_by(|((left_cost, ..), left), ((right_cost, ..), right)| {
        let by_price = left_cost.cmp(right_cost);
        by_price.then_with(|| right.reliability.cmp(&left.reliability)).then_with(|| left.provider.cmp(&right.provider))
    });
    let ((usd_per_hour, units, gpus), offer) = *deals.first()?;
    let is_tie = |((cost, ..), quote): &&((Decimal, u32, u32), &Quote)| {
        *cost == usd_per_hour && quote.reliability == offer.reliability
    };
    let ties = deals.iter().skip(1).take_while(is_tie).map(|(_, quote)| *quote).collect();
    let same = offers.iter().filter(|quote| quote.gpu == offer.gpu && suits("on_demand", quote));
    let on_demand_price = same.map(|quote| quote.usd_per_gpu_hour).min().filter(|_| offer.market == "spot");
    Some(Best { offer, units, gpus, usd_per_hour, ties, on_demand_price })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote(provider: &str, price: &str, gpu_count: u32, market: &str) -> Quote {
        Quote {
            provider: provider.into(),
            gpu: "H100-SXM".into(),
            gpu_count,
            usd_per_gpu_hour: price.parse().unwrap(),
            market: market.into(),
            available: Some(true),
            age_s: 60,
            tier: None,
            region: None,
            reliability: None,
            component: None,
        }
    }

    #[test]
    fn machines_are_taken_whole() {
        let offers = [quote("eight", "1.00", 8, "on_demand"), quote("one", "2.00", 1, "on_demand")];
        let found = |gpu_count| best(&Constraints { gpu_count, ..Constraints::default() }, &offers).unwrap();
        assert_eq!((found(1).offer.provider.as_str(), found(1).usd_per_hour), ("one", Decimal::TWO));
        let nine = found(9);
        assert_eq!((nine.offer.provider.as_str(), nine.units, nine.gpus), ("eight", 2, 16));
    }

    #[test]
    fn spot_is_taken_only_where_it_may_be_and_says_what_it_replaces() {
        let offers = [quote("a", "2", 1, "on_demand"), quote("b", "1", 1, "spot"), quote("c", "2", 1, "on_demand")];
        let steady = best(&Constraints::default(), &offers).unwrap();
        assert_eq!((steady.offer.provider.as_str(), steady.ties.len()), ("a", 1));
        let spot = best(&Constraints { spot: true, ..Constraints::default() }, &offers).unwrap();
        assert_eq!((spot.offer.provider.as_str(), spot.on_demand_price), ("b", Some(Decimal::TWO)));
        assert_eq!(best(&Constraints { gpu: Some("T4".into()), ..Constraints::default() }, &offers), None);
    }
}
