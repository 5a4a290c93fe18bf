//! `longshore prices latest|history|compare|arbitrage|best|savings|gpus|providers`: what prices were found, as tables.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::connect::Connect;
use super::exit::Exit;
use super::failure::Failure;
use super::get::pretty;
use super::http::Http;
use super::screen::{Paint, Screen};
use super::table::{Cell, Table};
use super::text::{age, clean};

/// The commands below `prices` that ask a server.
#[derive(Debug, Subcommand)]
pub(crate) enum Prices {
    /// Show the last price of each offer
    Latest(Latest),
    /// Show an offer over time
    History(History),
    /// Compare the providers of a GPU
    Compare(Compare),
    /// Show what the cheapest provider of a GPU saves against each other
    Arbitrage(Arbitrage),
    /// Find the cheapest way to have GPUs
    Best(Best),
    /// Reckon what a move to the cheapest provider saves in a month
    Savings(Savings),
    /// List the providers and how they were asked last, show one, or try its definition
    Providers(Providers),
}

/// How every one of them answers, and whom it asks.
#[derive(Args, Debug)]
struct Common {
    /// Print JSON, as the server gave it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: Connect,
}

/// What is compared.
#[derive(Args, Debug)]
struct Class {
    /// The GPU, by any name of it
    gpu: String,

    /// The market
    #[arg(long, default_value = "on_demand")]
    market: String,

    /// Only offers of so many GPUs
    #[arg(long, value_name = "N")]
    gpu_count: Option<u32>,

    /// Only in this region; can be given again
    #[arg(long)]
    region: Vec<String>,

    /// Only of this tier; can be given again
    #[arg(long)]
    tier: Vec<String>,

    /// Only what is said to be available
    #[arg(long)]
    available: bool,

    /// Older prices do not count, in seconds [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    max_age: Option<u32>,
}

#[derive(Args, Debug)]
pub(crate) struct Latest {
    /// Only of this GPU, by any name of it
    #[arg(long)]
    gpu: Option<String>,

    /// Only of this provider, or of the shop at this host
    #[arg(long)]
    provider: Option<String>,

    /// Only of this source: `provider:ID`, or the address of a page
    #[arg(long)]
    source: Option<String>,

    /// Only of this market
    #[arg(long)]
    market: Option<String>,

    /// Only so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,

    #[command(flatten)]
    common: Common,
}

#[derive(Args, Debug)]
pub(crate) struct History {
    /// The offer: OFFER of `longshore prices latest`
    offer: String,

    /// Only changes
    #[arg(long)]
    changes: bool,

    /// Only so many
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,

    #[command(flatten)]
    common: Common,
}

#[derive(Args, Debug)]
pub(crate) struct Compare {
    #[command(flatten)]
    class: Class,

    #[command(flatten)]
    common: Common,
}

#[derive(Args, Debug)]
pub(crate) struct Arbitrage {
    #[command(flatten)]
    class: Class,

    /// At least so many per cent
    #[arg(long, default_value = "15", value_name = "PCT")]
    min_spread: String,

    #[command(flatten)]
    common: Common,
}

#[derive(Args, Debug)]
pub(crate) struct Best {
    /// The GPU, by any name of it [default: any that is good enough]
    gpu: Option<String>,

    /// So many GPUs
    #[arg(long, default_value_t = 1)]
    gpus: u32,

    /// At least so much memory of one GPU, in GB
    #[arg(long, value_name = "GB")]
    min_vram: Option<String>,

    /// Also what may be taken away at any time
    #[arg(long)]
    spot: bool,

    /// Older prices do not count, in seconds [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    max_age: Option<u32>,

    #[command(flatten)]
    common: Common,
}

#[derive(Args, Debug)]
pub(crate) struct Savings {
    #[command(flatten)]
    class: Class,

    /// What is paid for a GPU hour now, in USD
    #[arg(long, value_name = "USD", required_unless_present = "from", conflicts_with = "from")]
    paying: Option<String>,

    /// The provider that is paid now
    #[arg(long, value_name = "PROVIDER")]
    from: Option<String>,

    /// So many GPUs
    #[arg(long, default_value_t = 1)]
    gpus: u32,

    /// So many hours a day
    #[arg(long, default_value = "24", value_name = "HOURS")]
    hours_per_day: String,

    #[command(flatten)]
    common: Common,
}

#[derive(Args, Debug)]
pub(crate) struct Providers {
    /// Show this one, with its definition
    name: Option<String>,

    /// Read its sample by its definition
    #[arg(long, requires = "name")]
    dry_run: bool,

    #[command(flatten)]
    common: Common,
}

impl Class {
    fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = vec![("gpu", self.gpu.clone()), ("market", self.market.clone())];
        pairs.extend(self.gpu_count.map(|count| ("gpu_count", count.to_string())));
        pairs.extend(self.region.iter().map(|region| ("region", region.clone())));
        pairs.extend(self.tier.iter().map(|tier| ("tier", tier.clone())));
        pairs.extend(self.available.then(|| ("available", "true".to_owned())));
        pairs.extend(self.max_age.map(|age| ("max_age_s", age.to_string())));
        pairs
    }
}

impl Prices {
    pub(super) fn json(&self) -> bool {
        self.common().json
    }

    fn common(&self) -> &Common {
        match self {
            Self::Latest(Latest { common, .. })
            | Self::History(History { common, .. })
            | Self::Compare(Compare { common, .. })
            | Self::Arbitrage(Arbitrage { common, .. })
            | Self::Best(Best { common, .. })
            | Self::Savings(Savings { common, .. })
            | Self::Providers(Providers { common, .. }) => common,
        }
    }

    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let common = self.common();
        let http = Http::new(&common.connect, screen)?;
        let answer = self.ask(&http).await?;
        if common.json {
            screen.say(&pretty(&answer))?;
            return Ok(Exit::Ok);
        }
        match self {
            Self::Latest(_) => latest(screen, &answer),
            Self::History(_) => history(screen, &answer),
            Self::Compare(_) => compare(screen, &answer),
            Self::Arbitrage(_) => arbitrage(screen, &answer),
            Self::Best(_) => best(screen, &answer),
            Self::Savings(_) => savings(screen, &answer),
            Self::Providers(Providers { name: None, .. }) => providers(screen, &answer),
            Self::Providers(Providers { dry_run: true, .. }) => dry_run(screen, &answer),
            Self::Providers(_) => screen.say(&pretty(&answer)),
        }?;
        Ok(Exit::Ok)
    }

    async fn ask(&self, http: &Http) -> Result<Value, Failure> {
        let said = |name: &'static str, text: &Option<String>| text.clone().map(|text| (name, text));
        let (path, pairs) = match self {
            Self::Latest(latest) => {
                let mut pairs = vec![("limit", latest.limit.to_string())];
                pairs.extend(said("gpu", &latest.gpu));
                pairs.extend(said("provider", &latest.provider));
                pairs.extend(said("source", &latest.source));
                pairs.extend(said("market", &latest.market));
                ("latest", pairs)
            }
            Self::History(history) => {
                let mut pairs = vec![("offer", history.offer.clone()), ("limit", history.limit.to_string())];
                pairs.extend(history.changes.then(|| ("changes", "true".to_owned())));
                ("history", pairs)
            }
            Self::Compare(compare) => ("compare", compare.class.pairs()),
            Self::Arbitrage(arbitrage) => {
                let mut pairs = arbitrage.class.pairs();
                pairs.push(("min_spread_pct", arbitrage.min_spread.clone()));
                ("arbitrage", pairs)
            }
            Self::Best(best) => {
                let mut pairs = vec![("gpu_count", best.gpus.to_string())];
                pairs.extend(said("gpu", &best.gpu));
                pairs.extend(said("min_vram_gb", &best.min_vram));
                pairs.extend(best.spot.then(|| ("spot", "true".to_owned())));
                pairs.extend(best.max_age.map(|age| ("max_age_s", age.to_string())));
                ("best", pairs)
            }
            Self::Savings(savings) => {
                let mut pairs = savings.class.pairs();
                pairs.extend(said("paying", &savings.paying));
                pairs.extend(said("from", &savings.from));
                pairs.push(("gpus", savings.gpus.to_string()));
                pairs.push(("hours_per_day", savings.hours_per_day.clone()));
                ("savings", pairs)
            }
            Self::Providers(Providers { name: None, .. }) => return http.get(http.url(&["providers"])).await,
            Self::Providers(Providers { name: Some(name), dry_run: true, .. }) => {
                let url = http.url(&["providers", name, "dry-run"]);
                return http.post(url, Some(&serde_json::json!({})), reqwest::header::HeaderMap::new()).await;
            }
            Self::Providers(Providers { name: Some(name), .. }) => {
                return http.get(http.url(&["providers", name])).await;
            }
        };
        let mut url = http.url(&["prices", path]);
        url.query_pairs_mut().extend_pairs(pairs);
        http.get(url).await
    }
}

fn latest(screen: &Screen, answer: &Value) -> Result<(), Failure> {
    let mut table = Table::with_head(["OFFER", "WHAT", "PROVIDER", "REGION", "MARKET", "PRICE", "SEEN"]);
    for price in rows(answer, "data") {
        let what = ["gpu", "gpu_raw", "name", "sku"].iter().map(|name| text(price, name)).find(|text| !text.is_empty());
        let count = price.get("gpu_count").and_then(Value::as_u64).filter(|count| *count > 1);
        let what = what.unwrap_or_default() + &count.map(|count| format!(" x{count}")).unwrap_or_default();
        let unit = text(price, "unit").replace("gpu_hour", "GPU h");
        let unit = if unit == "item" { String::new() } else { format!("/{unit}") };
        let amount = format!("{} {}{unit}", text(price, "amount"), text(price, "currency"));
        let is_gone = price.get("available") == Some(&Value::Bool(false));
        table.row([
            text(price, "offer").into(),
            what.into(),
            text(price, "provider").into(),
            text(price, "region").into(),
            text(price, "market").into(),
            Cell::painted(if is_gone { Paint::Dim } else { Paint::Plain }, amount),
            seconds(price, "age_s").into(),
        ]);
    }
    table.print(screen, "")
}

/// The points as a table with a bar each, the oldest first.
fn history(screen: &Screen, answer: &Value) -> Result<(), Failure> {
    const WIDTH: f64 = 40.0;
    let number = |text: String| text.parse::<f64>().unwrap_or_default();
    let (low, high) = (number(text(answer, "lowest")), number(text(answer, "highest")));
    let mut table = Table::with_head(["AT", "PRICE", ""]);
    for point in rows(answer, "data").iter().rev() {
        let amount = text(point, "amount");
        let share = if high > low { (number(amount.clone()) - low) / (high - low) } else { 0.5 };
        // Between 1 and 40 by its making.
        let bar = "█".repeat((1.0 + share * (WIDTH - 1.0)).round() as usize);
        table.row([text(point, "at").into(), amount.into(), Cell::painted(Paint::Dim, bar)]);
    }
    table.print(screen, "")
}

fn compare(screen: &Screen, answer: &Value) -> Result<(), Failure> {
    let mut table = Table::with_head(["PROVIDER", "USD/GPU h", "G-SCORE", "GPUS", "REGION", "TIER", "SEEN", ""]);
    for quote in rows(answer, "data") {
        let is_flagged = quote.get("flagged") == Some(&Value::Bool(true));
        table.row([
            text(quote, "provider").into(),
            text(quote, "usd_per_gpu_hour").into(),
            text(quote, "g_score").into(),
            quote.get("gpu_count").map(Value::to_string).unwrap_or_default().into(),
            text(quote, "region").into(),
            text(quote, "tier").into(),
            seconds(quote, "age_s").into(),
            Cell::painted(Paint::Yellow, if is_flagged { "not believed" } else { "" }),
        ]);
    }
    table.print(screen, "")?;
    foot(screen, answer)
}

fn arbitrage(screen: &Screen, answer: &Value) -> Result<(), Failure> {
    let best = text(answer, "best");
    if best.is_empty() {
        return screen.say("no live price of this GPU");
    }
    screen.say(&format!("cheapest: {best} at {} USD for a GPU hour", text(answer, "best_price")))?;
    let mut table = Table::with_head(["INSTEAD OF", "USD/GPU h", "SAVES", "SAVES/MONTH"]);
    for found in rows(answer, "opportunities") {
        table.row([
            text(found, "instead_of").into(),
            text(found, "other_price").into(),
            format!("{} %", text(found, "saving_pct")).into(),
            format!("{} USD", text(found, "monthly_saving_per_gpu")).into(),
        ]);
    }
    table.print(screen, "")?;
    foot(screen, answer)
}

fn best(screen: &Screen, answer: &Value) -> Result<(), Failure> {
    let Some(deal) = answer.get("deal").filter(|deal| deal.is_object()) else {
        return screen.say("no live offer is good enough");
    };
    let units = deal.get("units").and_then(Value::as_u64).unwrap_or(1);
    let gpus = deal.get("gpus").and_then(Value::as_u64).unwrap_or(1);
    let place = [text(deal, "region"), text(deal, "tier"), text(deal, "market")];
    let place: Vec<&str> = place.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
    screen.say(&format!("{}: {} x{gpus} ({})", text(deal, "provider"), text(deal, "gpu"), place.join(", ")))?;
    let of = if units > 1 { format!(", {units} offers") } else { String::new() };
    let (each, all) = (text(deal, "usd_per_gpu_hour"), text(deal, "usd_per_hour"));
    screen.say(&format!("{all} USD an hour, {each} for each GPU{of}"))?;
    if deal.get("interruptible") == Some(&Value::Bool(true)) {
        let steady = text(deal, "on_demand_price");
        let steady = if steady.is_empty() { String::new() } else { format!("; on demand a GPU costs {steady}") };
        screen.say(&format!("it may be taken away at any time{steady}"))?;
    }
    Ok(())
}

fn savings(screen: &Screen, answer: &Value) -> Result<(), Failure> {
    if text(answer, "monthly_saving").is_empty() {
        return screen.say("no live price to compare with");
    }
    let mut table = Table::default();
    for (what, name) in [("now", "monthly_now"), ("there", "monthly_best"), ("saves", "monthly_saving")] {
        table.row([what.into(), format!("{} USD a month", text(answer, name)).into()]);
    }
    table.print(screen, "")?;
    screen.say(&format!(
        "with {} at {} USD for a GPU hour: {} %",
        text(answer, "best"),
        text(answer, "best_price"),
        text(answer, "saving_pct")
    ))
}

fn providers(screen: &Screen, answer: &Value) -> Result<(), Failure> {
    let mut table = Table::with_head(["PROVIDER", "FROM", "VERIFIED", "SECRETS", "LAST RUN", "PRICES", "LAST GOOD"]);
    for provider in rows(answer, "data") {
        let run = provider.get("last_run").unwrap_or(&Value::Null);
        let outcome = text(run, "outcome");
        let bad = run.get("bad_runs").and_then(Value::as_u64).unwrap_or_default();
        let outcome = match (outcome.as_str(), bad) {
            ("" | "ok", _) => Cell::from(outcome),
            (_, bad) => Cell::painted(Paint::Yellow, format!("{outcome}, {bad} in a row")),
        };
        let is_shipped = provider.get("shipped") == Some(&Value::Bool(true));
        let secrets: Vec<&str> =
            provider.get("secrets").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        table.row([
            text(provider, "id").into(),
            if is_shipped { "longshore" } else { "project" }.into(),
            text(provider, "verified_at").into(),
            clean(&secrets.join(" ")).into(),
            outcome,
            run.get("rows").map(Value::to_string).unwrap_or_default().into(),
            text(run, "good_at").into(),
        ]);
    }
    table.print(screen, "")
}

fn dry_run(screen: &Screen, answer: &Value) -> Result<(), Failure> {
    let mut table = Table::with_head(["SKU", "GPU", "COUNT", "REGION", "MARKET", "PRICE/GPU h"]);
    for offer in rows(answer, "offers") {
        table.row([
            text(offer, "sku").into(),
            text(offer, "gpu_raw").into(),
            offer.get("gpu_count").map(Value::to_string).unwrap_or_default().into(),
            text(offer, "region").into(),
            text(offer, "market").into(),
            format!("{} {}", text(offer, "price_per_gpu_hour"), text(offer, "currency")).into(),
        ]);
    }
    table.print(screen, "")?;
    let reasons = answer.get("reasons").and_then(Value::as_object).into_iter().flatten();
    let reasons: Vec<String> = reasons.map(|(reason, count)| format!("{count} {}", clean(reason))).collect();
    if !reasons.is_empty() {
        screen.say(&format!("skipped: {}", reasons.join(", ")))?;
    }
    Ok(())
}

/// What was left out of a comparison.
fn foot(screen: &Screen, answer: &Value) -> Result<(), Failure> {
    let flagged: Vec<&str> =
        answer.get("flagged").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if !flagged.is_empty() {
        screen.say(&format!("not believed: {}", clean(&flagged.join(", "))))?;
    }
    match answer.get("held_out").and_then(Value::as_u64) {
        Some(held_out) if held_out > 0 => screen.say(&format!("{held_out} offers in other currencies are held out")),
        _ => Ok(()),
    }
}

fn rows<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).map(clean).unwrap_or_default()
}

fn seconds(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_u64).map(|seconds| age(seconds * 1_000)).unwrap_or_default()
}
