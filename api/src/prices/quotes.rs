//! Offers of a project as they are compared, and the parameters that choose among them.

use jobs_core::ProjectId;
use jobs_prices::{
    compare::{Class, Quote},
    gpu,
};
use jobs_store::{OfferFilter, OfferRow, Store};
use rust_decimal::Decimal;

use crate::{problem::Problem, query::Query};

/// So many offers are compared at most.
const MOST: u32 = 50_000;
/// Prices that are older than this are not compared, unless somebody says otherwise.
pub(super) const MAX_AGE_S: i64 = 3_600;
const MAX_AGE_MOST_S: i64 = 366 * 86_400;
/// The parameters of [`class`].
pub(super) const CLASS: &[&str] =
    &["gpu", "market", "gpu_count", "tier", "region", "available", "component", "max_age_s"];

/// The live offers of a project in USD, and how many were held out because they are in other currencies.
pub(super) async fn quotes(
    store: &Store,
    project: ProjectId,
    gpu: Option<&str>,
    max_age_s: i64,
) -> Result<(Vec<Quote>, usize), Problem> {
    let filter = OfferFilter {
        gpu: gpu.map(str::to_owned),
        unit: Some("gpu_hour".to_owned()),
        max_age_s: Some(max_age_s),
        ..OfferFilter::default()
    };
    let rows = store.price_offers(project, &filter, None, MOST).await?;
    let known = rows.iter().filter(|row| row.gpu.is_some());
    let quotes: Vec<Quote> = known.clone().filter_map(quote).collect();
    let held_out = known.count() - quotes.len();
    Ok((quotes, held_out))
}

/// An offer as it is compared; none for one that is not in USD.
fn quote(row: &OfferRow) -> Option<Quote> {
    Some(Quote {
        provider: row.provider.clone(),
        gpu: row.gpu.clone()?,
        gpu_count: u32::try_from(row.gpu_count?).ok()?,
        usd_per_gpu_hour: (row.currency.as_deref() == Some("USD")).then_some(row.amount)?,
        market: row.market.clone(),
        available: row.available,
        age_s: row.age_s.unsigned_abs(),
        tier: row.tier.clone(),
        region: row.region.clone(),
        reliability: row.reliability,
        component: row.component.clone(),
    })
}

/// The class that a query asks for.
pub(super) fn class(query: &mut Query) -> Class {
    let all = |query: &Query, name: &str| query.all(name).map(str::to_owned).collect();
    Class {
        gpu: known_gpu(query),
        market: query.one("market").unwrap_or_else(|| "on_demand".to_owned()),
        gpu_count: query.number("gpu_count", 1, 1_000).and_then(|count| u32::try_from(count).ok()),
        tiers: all(query, "tier"),
        regions: all(query, "region"),
        available_only: flag(query, "available").unwrap_or(false),
        component: query.one("component"),
        max_age_s: max_age(query).unsigned_abs(),
    }
}

/// The GPU of a query, by any name that it goes by; one has to be given.
pub(super) fn known_gpu(query: &mut Query) -> Option<String> {
    let Some(text) = query.one("gpu") else {
        query.fault("gpu", "must be given: see GET /gpus");
        return None;
    };
    let found = named(&text);
    if found.is_none() {
        query.fault("gpu", "no GPU that is known: see GET /gpus");
    }
    found
}

/// The GPU that a text names.
pub(super) fn named(text: &str) -> Option<String> {
    gpu::spec(text).map(|spec| spec.gpu).or_else(|| gpu::name(text, None).gpu).map(str::to_owned)
}

pub(super) fn max_age(query: &mut Query) -> i64 {
    query.number("max_age_s", 1, MAX_AGE_MOST_S).unwrap_or(MAX_AGE_S)
}

/// A parameter that is `true` or `false`.
pub(super) fn flag(query: &mut Query, name: &str) -> Option<bool> {
    match query.one(name).as_deref() {
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => {
            query.fault(name, "must be true or false");
            None
        }
        None => None,
    }
}

/// A decimal from `least` to `most`.
pub(super) fn decimal_of(query: &mut Query, name: &str, least: Decimal, most: Decimal) -> Option<Decimal> {
    let text = query.one(name)?;
    // JSON's way to write numbers has exponents, also some that are below every digit that counts here.
    let with_exponent = || text.parse::<f64>().ok().and_then(Decimal::from_f64_retain);
    let number = text.parse().ok().or_else(with_exponent).filter(|number| (least..=most).contains(number));
    if number.is_none() {
        query.fault(name, format!("must be a number from {least} to {most}"));
    }
    number
}

/// A decimal as the wire has it.
pub(super) fn decimal(figure: Decimal) -> String {
    figure.normalize().to_string()
}

/// The G-Score of an offer in USD.
pub(super) fn g_score(gpu: &str, usd_per_gpu_hour: Decimal, reliability: Option<Decimal>) -> Option<String> {
    let score = gpu::spec(gpu)?.g_score(usd_per_gpu_hour, reliability)?;
    Some(decimal(score.round_dp(2)))
}
