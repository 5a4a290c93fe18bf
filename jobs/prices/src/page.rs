//! Offers of a shop's page: what it says of its product's price, where it says so, and whether it contradicts itself.
//!
//! Rules that somebody gave for the page come first and decide alone. Without them the page's own data is read:
//! JSON-LD, microdata, then OpenGraph. Prices that are equal are one, however they are written; different ones are a
//! contradiction, and no guess is made.

mod availability;
mod depth;
mod json_ld;
mod microdata;
mod open_graph;
mod rule;
mod state;

use rust_decimal::Decimal;
use scraper::Html;
use serde::Serialize;
use sha2::{Digest, Sha256};

pub use self::{
    availability::availability,
    rule::{Rule, RuleError, Rules},
};
use crate::{
    Currency,
    json::Json,
    text::{self, Hints, Kind},
};

/// So many candidates are kept of a page; a page with more is a list.
const MAX_CANDIDATES: usize = 200;

/// What decides among several offers of a page, and what counts.
#[derive(Debug, Clone, Default)]
pub struct Options<'a> {
    /// The offer of this article, where there are several.
    pub sku: Option<&'a str>,
    /// The offer of this address.
    pub url: Option<&'a str>,
    /// Zero is a price.
    pub zero_allowed: bool,
}

/// What a page says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// What came of it.
    pub outcome: Outcome,
    /// The offer; `None` unless the outcome is `ok`.
    pub offer: Option<Offer>,
    /// All prices that were found, the chosen one first.
    pub candidates: Vec<Offer>,
    /// The SHA-256 of the page, in hex.
    pub body_sha256: String,
}

/// What came of reading a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// There is one price.
    Ok,
    /// There are several that differ.
    Ambiguous,
    /// There is none.
    NoPrice,
    /// The price is zero, which is more often a mistake than a gift.
    RefusedZero,
    /// The page nests too deep to be read.
    Parse,
}

/// A price that a page names, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// What it costs now.
    pub price: Decimal,
    /// The currency, where the page says it without doubt.
    pub currency: Option<Currency>,
    /// How the price writes its currency, where it does.
    pub sign: Option<&'static str>,
    /// What it costs when it is not on sale.
    pub list_price: Option<Decimal>,
    /// Whether the price is exact, or the lowest of several.
    pub price_kind: Kind,
    /// The local name of schema.org: `InStock`.
    pub availability: Option<&'static str>,
    /// The article number of the shop.
    pub sku: Option<String>,
    /// The number of the bar code.
    pub gtin: Option<String>,
    /// What it is called.
    pub name: Option<String>,
    /// The address of a picture.
    pub image: Option<String>,
    /// The address of the offer.
    pub url: Option<String>,
    /// Where the price was found.
    pub evidence: Evidence,
}

/// Where a price was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// How.
    pub method: Method,
    /// Where: the path of a JSON value, a property, a selector.
    pub path: String,
    /// The price, as the page has it.
    pub raw: String,
}

/// How a price is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// By a CSS selector that was given for the page.
    Css,
    /// By a path that was given, into JSON inside of the page.
    JsonPath,
    /// By a pattern that was given.
    Regex,
    /// In JSON-LD.
    JsonLd,
    /// In microdata.
    Microdata,
    /// In the properties of OpenGraph.
    OpenGraph,
}

/// Reads a page that is text already.
#[must_use]
pub fn read(body: &str, rules: &Rules, options: &Options<'_>) -> Reading {
    let body_sha256 = hex::encode(Sha256::digest(body.as_bytes()));
    if depth::is_too_deep(body) {
        return Reading { outcome: Outcome::Parse, offer: None, candidates: Vec::new(), body_sha256 };
    }
    let page = Html::parse_document(body);
    let given = rule::offers(rules, &page, body);
    let found = if rules.is_empty() {
        let own = [json_ld::offers(&page), microdata::offers(&page), open_graph::offers(&page)];
        own.into_iter().flatten().take(MAX_CANDIDATES).collect()
    } else {
        given
    };
    let found = selected(found, options);
    let (outcome, offer, candidates) = decide(found, options.zero_allowed);
    Reading { outcome, offer, candidates, body_sha256 }
}

/// The offers of the article or the address that was asked for; all of them, where none is.
fn selected(found: Vec<Offer>, options: &Options<'_>) -> Vec<Offer> {
    let is_wanted = |offer: &Offer| {
        let has_sku = options.sku.is_some_and(|sku| offer.sku.as_deref() == Some(sku));
        has_sku || options.url.is_some_and(|url| offer.url.as_deref().is_some_and(|found| same_address(found, url)))
    };
    let wanted: Vec<Offer> = found.iter().filter(|offer| is_wanted(offer)).cloned().collect();
    if wanted.is_empty() { found } else { wanted }
}

/// Whether an address of a page is the one that was asked for: it may be relative.
fn same_address(found: &str, wanted: &str) -> bool {
    let base = url::Url::parse(wanted);
    let joined = base.as_ref().ok().and_then(|base| base.join(found).ok());
    found == wanted || joined.is_some_and(|joined| base.is_ok_and(|base| joined == base && joined.query().is_some()))
}

/// One price, or none, or a contradiction.
fn decide(found: Vec<Offer>, zero_allowed: bool) -> (Outcome, Option<Offer>, Vec<Offer>) {
    let (good, zeros): (Vec<Offer>, Vec<Offer>) =
        found.into_iter().partition(|offer| offer.price > Decimal::ZERO || zero_allowed && offer.price.is_zero());
    let Some(first) = good.first() else {
        let outcome =
            if zeros.iter().any(|offer| offer.price.is_zero()) { Outcome::RefusedZero } else { Outcome::NoPrice };
        return (outcome, None, zeros);
    };
    let differs = |other: &Offer| {
        let is_other_price = other.price != first.price && Some(other.price) != first.list_price;
        let is_other_money = first.currency.zip(other.currency).is_some_and(|(one, other)| one != other);
        // The lowest price of an offer that has several contains them.
        let is_contained = first.price_kind == Kind::From && other.price > first.price;
        (is_other_price && !is_contained) || is_other_money
    };
    if good.iter().skip(1).any(differs) {
        return (Outcome::Ambiguous, None, good);
    }
    // What one notation leaves out another may have.
    let mut offer = first.clone();
    for other in good.iter().skip(1).filter(|other| other.price == first.price) {
        offer.complete(other);
    }
    (Outcome::Ok, Some(offer), good)
}

impl Offer {
    /// An offer of which only the price is known. A negative price is none.
    fn of(amount: Amount, evidence: Evidence) -> Option<Self> {
        if amount.price < Decimal::ZERO {
            return None;
        }
        Some(Self {
            price: amount.price,
            currency: amount.currency,
            sign: amount.sign,
            list_price: None,
            price_kind: amount.kind,
            availability: None,
            sku: None,
            gtin: None,
            name: None,
            image: None,
            url: None,
            evidence,
        })
    }

    fn complete(&mut self, other: &Self) {
        self.currency = self.currency.or(other.currency);
        self.list_price = self.list_price.or(other.list_price);
        self.availability = self.availability.or(other.availability);
        for (mine, theirs) in [
            (&mut self.sku, &other.sku),
            (&mut self.gtin, &other.gtin),
            (&mut self.name, &other.name),
            (&mut self.image, &other.image),
            (&mut self.url, &other.url),
        ] {
            if mine.is_none() {
                mine.clone_from(theirs);
            }
        }
    }
}

/// A price, read from a text or a number.
#[derive(Debug, Clone, Copy)]
struct Amount {
    price: Decimal,
    currency: Option<Currency>,
    sign: Option<&'static str>,
    kind: Kind,
}

impl Amount {
    /// The amount of a price text. One that can be read in two ways is none.
    fn of_text(text: &str, currency: Option<&str>) -> Option<Self> {
        let reading = text::read(text, Hints { currency, decimal: None });
        let price = reading.amount.filter(|_| !reading.ambiguous)?;
        let currency = currency.and_then(Currency::of).or(reading.currency);
        let kind = if reading.kind == Kind::Range { Kind::From } else { reading.kind };
        Some(Self { price, currency, sign: reading.sign, kind })
    }

    /// The amount of a JSON value: a number is what it says, a string is text.
    fn of_json(value: &Json, currency: Option<&str>) -> Option<Self> {
        match value {
            Json::Number(_) => {
                let price = value.to_decimal()?;
                Some(Self { price, currency: currency.and_then(Currency::of), sign: None, kind: Kind::Exact })
            }
            Json::String(text) => Self::of_text(text, currency),
            _ => None,
        }
    }
}

/// A text of a page, without the white space of its layout; `None` where nothing is left.
fn tidy(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    (!words.is_empty()).then(|| words.join(" ").chars().take(2_000).collect())
}
