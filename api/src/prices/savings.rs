//! `GET /prices/savings`: what a move to the cheapest provider saves in a month.

use axum::{
    Json,
    extract::{RawQuery, State},
};
use jobs_prices::compare::{HOURS_PER_MONTH, market, monthly_hours, monthly_saving};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::Serialize;

use super::quotes::{CLASS, class, decimal, decimal_of, quotes};
use crate::{app::Shared, caller::Caller, problem::Problem, query::Query};

/// What a move saves.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Savings")]
pub(crate) struct SavingsView {
    /// The GPU.
    gpu: String,
    /// How many of them.
    gpus: u32,
    /// How many hours a month.
    hours: String,
    /// What is paid for a GPU hour now, in USD.
    paying: Option<String>,
    /// The cheapest provider whose price is believed.
    best: Option<String>,
    /// What it asks for a GPU hour.
    best_price: Option<String>,
    /// What all of it costs in a month now.
    monthly_now: Option<String>,
    /// What all of it costs in a month there.
    monthly_best: Option<String>,
    /// The difference. Less than nothing, where what is paid now is less.
    monthly_saving: Option<String>,
    /// The difference, in per cent of what is paid now.
    saving_pct: Option<String>,
}

/// Reckon what a move saves in a month.
///
/// Against a price (`paying`) or against a provider (`from`). Disks and traffic are not in it.
#[utoipa::path(
    get,
    path = "/prices/savings",
    operation_id = "reckonSavings",
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
        ("paying" = Option<f64>, Query, description = "What is paid for a GPU hour now, in USD.", minimum = 0, maximum = 1000000),
        ("from" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "The provider that is paid now, rather than a price."),
        ("gpus" = Option<u32>, Query, description = "So many GPUs; 1 when left out.", minimum = 1, maximum = 100000),
        ("hours_per_day" = Option<f64>, Query, description = "So many hours a day; 24, a month of 730 hours, when left out.", minimum = 0, maximum = 24),
    ),
    responses((status = 200, description = "The savings.", body = ref("#/components/schemas/Savings"))),
    extensions(("x-problems" = json!(["not_acceptable", "invalid"])))
)]
pub(crate) async fn savings(
    State(app): State<Shared>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<SavingsView>, Problem> {
    let mut query = Query::read(query.as_deref(), &[CLASS, &["paying", "from", "gpus", "hours_per_day"]].concat());
    let class = class(&mut query);
    let said = decimal_of(&mut query, "paying", Decimal::ZERO, Decimal::from(1_000_000));
    let from = query.one("from");
    if said.is_some() == from.is_some() {
        query.fault("paying", "either paying or from has to be given");
    }
    let gpus = query.number("gpus", 1, 100_000).and_then(|gpus| u32::try_from(gpus).ok()).unwrap_or(1);
    let a_day = decimal_of(&mut query, "hours_per_day", Decimal::ZERO, Decimal::from(24));
    query.finish()?;
    let hours = a_day.and_then(monthly_hours).unwrap_or_else(|| Decimal::from(HOURS_PER_MONTH));
    let max_age_s = i64::try_from(class.max_age_s).unwrap_or(i64::MAX);
    let (offers, _) = quotes(&app.store, caller.project, class.gpu.as_deref(), max_age_s).await?;
    let market = market(&class, &offers);
    let best = market.quotes.first();
    let price_of = |name: &str| market.quotes.iter().find(|quote| quote.provider == name).map(|quote| quote.price);
    let paying = said.or_else(|| price_of(from.as_deref()?));
    let monthly = |price: Decimal| monthly_saving(Decimal::ZERO, price, gpus, hours);
    let money = |amount: Option<Decimal>| amount.map(|amount| decimal(amount.round_dp(2)));
    let pair = paying.zip(best.map(|best| best.price));
    let pct = |(paying, best): (Decimal, Decimal)| {
        ((paying - best).checked_mul(Decimal::ONE_HUNDRED)?).checked_div(paying).map(|pct| decimal(pct.round_dp(4)))
    };
    Ok(Json(SavingsView {
        gpu: class.gpu.clone().unwrap_or_default(),
        gpus,
        hours: decimal(hours.round_dp(4)),
        paying: paying.map(decimal),
        best: best.map(|best| best.provider.to_owned()),
        best_price: best.map(|best| decimal(best.price)),
        monthly_now: money(paying.and_then(monthly)),
        monthly_best: money(best.and_then(|best| monthly(best.price))),
        monthly_saving: money(pair.and_then(|(paying, best)| monthly_saving(best, paying, gpus, hours))),
        saving_pct: pair.and_then(pct),
    }))
}
