//! The quotes of a class: the cheapest believable offer of each provider.

use std::{collections::BTreeMap, sync::LazyLock};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// An observed offer, as it is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// Who asks it.
    pub provider: String,
    /// The GPU, by the name of the table.
    pub gpu: String,
    /// How many GPUs are sold together.
    pub gpu_count: u32,
    /// What one of them costs for an hour, in USD.
    pub usd_per_gpu_hour: Decimal,
    /// `on_demand`, `spot`, `reserved`, …
    pub market: String,
    /// Whether it can be had; `None` when the provider does not say.
    #[serde(default)]
    pub available: Option<bool>,
    /// How long ago it was fetched, in seconds.
    #[serde(default)]
    pub age_s: u64,
    /// `secure`, `community`, …
    #[serde(default)]
    pub tier: Option<String>,
    /// Where it stands.
    #[serde(default)]
    pub region: Option<String>,
    /// From 0 to 1.
    #[serde(default)]
    pub reliability: Option<Decimal>,
    /// What part of the machine is paid; only whole ones are compared by default.
    #[serde(default)]
    pub component: Option<String>,
}

/// Which offers are compared with each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Class {
    /// The GPU; every GPU where it is not named.
    pub gpu: Option<String>,
    /// The market.
    pub market: String,
    /// Only offers of so many GPUs.
    pub gpu_count: Option<u32>,
    /// Only offers of these tiers.
    pub tiers: Vec<String>,
    /// Only offers in these regions.
    pub regions: Vec<String>,
    /// Only offers that are said to be available, not also those of which nothing is said.
    pub available_only: bool,
    /// Only offers for this part of the machine, rather than for all of it.
    pub component: Option<String>,
    /// Older offers do not count, in seconds.
    pub max_age_s: u64,
}

impl Default for Class {
    fn default() -> Self {
        Self {
            gpu: None,
            market: "on_demand".to_owned(),
            gpu_count: None,
            tiers: Vec::new(),
            regions: Vec::new(),
            available_only: false,
            component: None,
            max_age_s: 3_600,
        }
    }
}

impl Class {
    /// Whether an offer is of this class, and alive.
    #[must_use]
    pub fn has(&self, quote: &Quote) -> bool {
        let is_one_of = |wanted: &[String], said: &Option<String>| {
            wanted.is_empty() || said.as_ref().is_some_and(|said| wanted.contains(said))
        };
        let is_available =
            if self.available_only { quote.available == Some(true) } else { quote.available != Some(false) };
        self.gpu.as_ref().is_none_or(|gpu| *gpu == quote.gpu)
            && self.market == quote.market
            && self.component == quote.component
            && self.gpu_count.is_none_or(|count| count == quote.gpu_count)
            && is_one_of(&self.tiers, &quote.tier)
            && is_one_of(&self.regions, &quote.region)
            && is_available
            && quote.age_s <= self.max_age_s
            && quote.usd_per_gpu_hour > Decimal::ZERO
    }
}

/// The cheapest offer of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProviderQuote<'a> {
    /// The provider.
    pub provider: &'a str,
    /// What one GPU costs for an hour, in USD.
    pub price: Decimal,
    /// The offer.
    #[serde(skip)]
    pub quote: &'a Quote,
}

/// The quotes of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Market<'a> {
    /// Those that are believed, the cheapest first, then by name.
    pub quotes: Vec<ProviderQuote<'a>>,
    /// Those that are not believed.
    pub flagged: Vec<ProviderQuote<'a>>,
    /// The median of those that are believed.
    pub median: Option<Decimal>,
}

/// The quotes of a class among offers. With three or more, one below a fifth or above five times of their median is not
/// believed; and none that is outside of what its GPU can cost.
#[must_use]
pub fn market<'a>(class: &Class, offers: &'a [Quote]) -> Market<'a> {
    let mut cheapest: BTreeMap<&str, &Quote> = BTreeMap::new();
    for quote in offers.iter().filter(|quote| class.has(quote)) {
        let known = cheapest.entry(&quote.provider).or_insert(quote);
        if quote.usd_per_gpu_hour < known.usd_per_gpu_hour {
            *known = quote;
        }
    }
    let mut quotes: Vec<ProviderQuote<'a>> = cheapest
        .into_iter()
        .map(|(provider, quote)| ProviderQuote { provider, price: quote.usd_per_gpu_hour.normalize(), quote })
        .collect();
    quotes.sort_by(|left, right| left.price.cmp(&right.price).then_with(|| left.provider.cmp(right.provider)));

    let middle = median(&quotes).filter(|_| quotes.len() >= 3);
    let is_plausible = |quote: &ProviderQuote<'_>| {
        let near = middle.is_none_or(|middle| {
            let five = Decimal::from(5);
            quote.price.saturating_mul(five) >= middle && quote.price <= middle.saturating_mul(five)
        });
        near && band(&quote.quote.gpu).is_none_or(|(least, most)| (least..=most).contains(&quote.price))
    };
    let (quotes, flagged): (Vec<_>, Vec<_>) = quotes.into_iter().partition(is_plausible);
    let median = median(&quotes);
    Market { quotes, flagged, median }
}

/// The median of quotes that are in order.
fn median(quotes: &[ProviderQuote<'_>]) -> Option<Decimal> {
    let half = quotes.len() / 2;
    let upper = quotes.get(half)?.price;
    if quotes.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = quotes.get(half.checked_sub(1)?)?.price;
    Some((lower.checked_add(upper)? / Decimal::TWO).normalize())
}

fn band(gpu: &str) -> Option<(Decimal, Decimal)> {
    BANDS.get(gpu).copied()
}

static BANDS: LazyLock<BTreeMap<&'static str, (Decimal, Decimal)>> = LazyLock::new(|| {
    let row = |line: &'static str| {
        let mut columns = line.split('\t');
        Some((columns.next()?, (columns.next()?.parse().ok()?, columns.next()?.parse().ok()?)))
    };
    include_str!("../../data/bands.tsv").lines().filter(|line| !line.starts_with('#')).filter_map(row).collect()
});
