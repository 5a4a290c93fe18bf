//! An answer of a provider, read by its definition.

use rust_decimal::Decimal;
use serde::Serialize;

use super::{
    check::{CurrencySource, Price, Provider},
    definition::{Definition, Per},
    expr::Items,
};
use crate::{
    Currency,
    json::Json,
    path::{Document, Node, Path},
};

/// More items of one answer are not read.
const MAX_ITEMS: usize = 100_000;

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The prices, in the order of the answer.
    pub offers: Vec<Offer>,
    /// The items that are no offers, each with the reason.
    pub skipped: Vec<Skip>,
}

/// A price of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// The provider's id.
    pub provider: String,
    /// Whose machine it is, where the provider sells those of others.
    pub seller: Option<String>,
    /// What the provider calls it.
    pub sku: Option<String>,
    /// The GPU, as the provider calls it.
    pub gpu_raw: String,
    /// The memory of one GPU, in GB.
    pub vram_gb: Option<Decimal>,
    /// How many GPUs are sold together.
    pub gpu_count: u32,
    /// Where it stands.
    pub region: Option<String>,
    /// `on_demand`, `spot`, `reserved`, or one that is never compared by default.
    pub market: String,
    /// `secure`, `community`, …
    pub tier: Option<String>,
    /// What part of the machine is paid, where that is not all of it.
    pub component: Option<String>,
    /// The currency of the price.
    pub currency: Currency,
    /// What one GPU costs for an hour, with all digits that the division gives.
    pub price_per_gpu_hour: Decimal,
    /// Whether it can be had now; `None` when the provider does not say.
    pub available: Option<bool>,
    /// From 0 to 1, as the provider says.
    pub reliability: Option<Decimal>,
    /// Where the price was found.
    pub evidence: Evidence,
}

/// Where a price was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The normalised path to the item.
    pub path: String,
    /// The amount, as the answer has it, before scale and unit.
    pub raw: String,
}

/// An item that is no offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skip {
    /// Why.
    pub reason: SkipReason,
    /// What the provider calls it; its path, where it has no name.
    pub item: String,
}

/// Why an item is no offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum SkipReason {
    /// A condition of the definition does not hold.
    #[serde(rename = "where")]
    Where,
    /// A price is zero or less.
    #[serde(rename = "price<=0")]
    NotPositive,
    /// None of its prices is there.
    #[serde(rename = "no_price")]
    NoPrice,
    /// A price is no number.
    #[serde(rename = "price")]
    BadPrice,
    /// A price is one that the guard does not believe.
    #[serde(rename = "price_range")]
    OutOfRange,
    /// Its currency is unknown.
    #[serde(rename = "currency")]
    Currency,
    /// It does not say which GPU it is.
    #[serde(rename = "gpu")]
    Gpu,
    /// It does not say how many GPUs it has.
    #[serde(rename = "count")]
    Count,
    /// It does not say in which market it is.
    #[serde(rename = "market")]
    Market,
}

/// Why an answer cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The answer is no JSON.
    #[error(transparent)]
    Json(#[from] crate::json::JsonError),
    /// The answer says that it is a failure.
    #[error("the provider answered with an error: {0}")]
    Failed(String),
    /// The answer has more items than are read.
    #[error("more than {MAX_ITEMS} items")]
    TooMany,
}

/// Why a good answer is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Suspicion {
    /// It has fewer offers than any good answer.
    TooFew,
    /// It has many fewer offers than usual.
    Dropped,
}

impl Provider {
    /// The definition.
    #[must_use]
    pub const fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Reads the body of an answer.
    ///
    /// # Errors
    /// When it is no JSON, says that it failed, or has too many items.
    pub fn read(&self, body: &str) -> Result<Answer, ReadError> {
        self.read_document(&Document::parse(body)?)
    }

    /// Reads an answer that was parsed.
    ///
    /// # Errors
    /// When it says that it failed, or has too many items.
    pub fn read_document(&self, document: &Document) -> Result<Answer, ReadError> {
        let error = self.error.as_ref().and_then(|path| path.first(document.root()));
        if let Some(error) = error.filter(|error| error.json.is_truthy()) {
            let text = serde_json::to_string(error.json).unwrap_or_default();
            return Err(ReadError::Failed(text.chars().take(500).collect()));
        }
        let mut found = Vec::new();
        collect(&self.items, &mut vec![document.root()], "$", &mut found)?;
        let mut answer = Answer { offers: Vec::new(), skipped: Vec::new() };
        for (path, items) in &found {
            self.read_item(path, items, &mut answer);
        }
        Ok(answer)
    }

    /// Whether so many offers are believable, where `usual` is the median of earlier answers.
    #[must_use]
    pub fn suspicion(&self, offers: usize, usual: Option<usize>) -> Option<Suspicion> {
        let guard = self.definition.guard.as_ref();
        if offers < guard.map_or(1, |guard| guard.min_rows) {
            return Some(Suspicion::TooFew);
        }
        let kept_pct = 100 - usize::from(guard.map_or(50, |guard| guard.max_drop_pct).min(100));
        let has_dropped = usual.is_some_and(|usual| offers * 100 < usual * kept_pct);
        has_dropped.then_some(Suspicion::Dropped)
    }

    fn read_item(&self, path: &str, items: &Items<'_>, answer: &mut Answer) {
        let field = |name: &str| self.fields.get(name).map_or(Json::Null, |expr| expr.eval(items));
        let text = |name: &str| field(name).to_text().filter(|text| !text.is_empty());
        let sku = text("sku");
        let item = sku.clone().unwrap_or_else(|| path.to_owned());
        let mut skip = |reason| answer.skipped.push(Skip { reason, item: item.clone() });

        if !self.conditions.iter().all(|condition| condition.eval(items).is_truthy()) {
            return skip(SkipReason::Where);
        }
        let Some(gpu_raw) = text("gpu") else { return skip(SkipReason::Gpu) };
        let currency = match &self.currency {
            CurrencySource::Fixed(currency) => Some(*currency),
            CurrencySource::Found(expr) => expr.eval(items).as_str().and_then(Currency::of),
        };
        let Some(currency) = currency else { return skip(SkipReason::Currency) };
        let count = match self.fields.get("count") {
            None => Some(1),
            Some(expr) => {
                expr.eval(items).to_decimal().filter(Decimal::is_integer).and_then(|count| count.try_into().ok())
            }
        };
        let Some(gpu_count) = count.filter(|count: &u32| *count > 0) else { return skip(SkipReason::Count) };

        let template = Offer {
            provider: self.definition.id.clone(),
            seller: text("seller"),
            sku,
            gpu_raw,
            vram_gb: field("vram_gb").to_decimal(),
            gpu_count,
            region: text("region"),
            market: String::new(),
            tier: text("tier"),
            component: None,
            currency,
            price_per_gpu_hour: Decimal::ZERO,
            available: match field("available") {
                Json::Null => None,
                value => Some(value.is_truthy()),
            },
            reliability: field("reliability").to_decimal(),
            evidence: Evidence { path: path.to_owned(), raw: String::new() },
        };
        let mut has_price = false;
        for price in &self.prices {
            match self.offer(price, items, &template) {
                Ok(None) => continue,
                Ok(Some(offer)) => answer.offers.push(offer),
                Err(reason) => answer.skipped.push(Skip { reason, item: item.clone() }),
            }
            has_price = true;
        }
        if !has_price {
            answer.skipped.push(Skip { reason: SkipReason::NoPrice, item });
        }
    }

    /// The offer at one of an item's prices; `None` where the item has no such price.
    fn offer(&self, price: &Price, items: &Items<'_>, template: &Offer) -> Result<Option<Offer>, SkipReason> {
        let value = price.value.eval(items);
        if value == Json::Null {
            return Ok(None);
        }
        let amount = value.to_decimal().ok_or(SkipReason::BadPrice)?;
        if amount <= Decimal::ZERO {
            return Err(SkipReason::NotPositive);
        }
        let gpus = if price.per == Per::Instance { Decimal::from(template.gpu_count) } else { Decimal::ONE };
        let hourly = amount.checked_mul(price.scale).and_then(|amount| price.unit.per_hour(amount));
        let each = hourly.and_then(|hourly| hourly.checked_div(gpus)).ok_or(SkipReason::BadPrice)?;
        let range = self.definition.guard.as_ref().and_then(|guard| guard.price_range);
        if range.is_some_and(|[least, most]| each < least || each > most) {
            return Err(SkipReason::OutOfRange);
        }
        let market =
            price.market.eval(items).to_text().filter(|market| !market.is_empty()).ok_or(SkipReason::Market)?;
        let tier = price.tier.as_ref().and_then(|tier| tier.eval(items).to_text()).or_else(|| template.tier.clone());
        let raw = value.to_text().unwrap_or_default();
        let evidence = Evidence { path: template.evidence.path.clone(), raw };
        let component = price.component.clone();
        let price_per_gpu_hour = each.normalize();
        Ok(Some(Offer { market, tier, component, price_per_gpu_hour, evidence, ..template.clone() }))
    }
}

/// Finds the innermost items, each with those around it.
fn collect<'a>(
    paths: &[Path],
    around: &mut Vec<Node<'a>>,
    place: &str,
    found: &mut Vec<(String, Vec<Node<'a>>)>,
) -> Result<(), ReadError> {
    let Some((path, inner)) = paths.split_first() else {
        if found.len() >= MAX_ITEMS {
            return Err(ReadError::TooMany);
        }
        found.push((place.to_owned(), around.clone()));
        return Ok(());
    };
    let Some(innermost) = around.last().copied() else { return Ok(()) };
    for (location, node) in path.query_located(innermost) {
        around.push(node);
        collect(inner, around, &format!("{place}{}", &location.to_string()[1..]), found)?;
        around.pop();
    }
    Ok(())
}
