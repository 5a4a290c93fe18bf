//! Rules that somebody gave for a page: where its price stands.

use regex::Regex;
use scraper::{Html, Selector};
use serde::Deserialize;

use super::{Amount, Evidence, MAX_CANDIDATES, Method, Offer, availability, state, tidy};
use crate::{
    json::Json,
    path::{Document, Path},
};

/// Where something stands on a page.
#[derive(Debug, Clone)]
pub enum Rule {
    /// The text of an element, or one of its attributes.
    Css {
        /// Which element.
        selector: Selector,
        /// The selector, as it was written.
        text: String,
        /// Which attribute, rather than the text.
        attribute: Option<String>,
    },
    /// A value of JSON: of the page, when it is JSON itself, otherwise of the data inside of it.
    JsonPath(Path),
    /// The first group of a pattern, or all that it matches, in the source of the page.
    Regex(Regex),
}

/// The rules of a page. Every rule of a field is tried in turn until one finds something.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The price. Without such a rule the others are not used.
    pub price: Vec<Rule>,
    /// The price without a sale.
    pub list_price: Vec<Rule>,
    /// The currency.
    pub currency: Vec<Rule>,
    /// Whether it can be bought.
    pub availability: Vec<Rule>,
    /// What it is called.
    pub name: Vec<Rule>,
    /// The article number.
    pub sku: Vec<Rule>,
}

/// Why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// It begins with nothing that is known.
    #[error("a rule begins with css:, jsonpath: or regex:")]
    Unknown,
    /// The selector does not compile.
    #[error("no CSS selector: {0}")]
    Css(String),
    /// The path does not compile.
    #[error(transparent)]
    Path(#[from] crate::path::PathError),
    /// The pattern does not compile.
    #[error("no pattern: {0}")]
    Regex(String),
}

impl std::str::FromStr for Rule {
    type Err = RuleError;

    /// `css:.price`, `css:.price@content` (an attribute), `jsonpath:$..price`, `regex:"price":([0-9.]+)`.
    fn from_str(text: &str) -> Result<Self, RuleError> {
        let (kind, rest) = text.split_once(':').ok_or(RuleError::Unknown)?;
        let rest = rest.trim();
        match kind {
            "css" => {
                let is_name = |name: &str| {
                    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
                };
                let (css, attribute) = match rest.rsplit_once('@') {
                    Some((css, name)) if is_name(name) => (css, Some(name.to_owned())),
                    _ => (rest, None),
                };
                let selector = Selector::parse(css).map_err(|err| RuleError::Css(err.to_string()))?;
                Ok(Self::Css { selector, text: css.to_owned(), attribute })
            }
            "jsonpath" => Ok(Self::JsonPath(rest.parse()?)),
            "regex" => {
                let pattern = regex::RegexBuilder::new(rest).size_limit(1 << 20).build();
                pattern.map(Self::Regex).map_err(|err| RuleError::Regex(err.to_string()))
            }
            _ => Err(RuleError::Unknown),
        }
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Rules {
    /// Whether there is no rule for the price.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.price.is_empty()
    }
}

/// A text that a rule found, and where.
struct Hit {
    text: String,
    /// A number of JSON, which is no text.
    number: Option<Json>,
    evidence: Evidence,
}

/// The offers that the rules find: each price that the first successful rule finds.
pub(super) fn offers(rules: &Rules, page: &Html, body: &str) -> Vec<Offer> {
    if rules.is_empty() {
        return Vec::new();
    }
    let documents = if needs_json(rules) { documents(page, body) } else { Vec::new() };
    let hits = |rules: &[Rule]| {
        let found = rules.iter().map(|rule| find(rule, page, body, &documents));
        found.into_iter().find(|hits| !hits.is_empty()).unwrap_or_default()
    };
    let first = |rules: &[Rule]| hits(rules).into_iter().find_map(|hit| tidy(&hit.text));
    let currency = first(&rules.currency);
    let amount = |hit: &Hit| match &hit.number {
        Some(number) => Amount::of_json(number, currency.as_deref()),
        None => Amount::of_text(&hit.text, currency.as_deref()),
    };
    let list = hits(&rules.list_price).iter().find_map(amount).map(|list| list.price);
    let prices = rules.price.iter().map(|rule| {
        let hits = find(rule, page, body, &documents).into_iter();
        hits.filter_map(|hit| Offer::of(amount(&hit)?, hit.evidence)).collect::<Vec<_>>()
    });
    let mut offers = prices.into_iter().find(|offers| !offers.is_empty()).unwrap_or_default();
    for offer in &mut offers {
        offer.list_price = list.filter(|list| *list > offer.price);
        offer.availability = first(&rules.availability).as_deref().and_then(availability);
        offer.name = first(&rules.name);
        offer.sku = first(&rules.sku);
    }
    offers
}

fn find(rule: &Rule, page: &Html, body: &str, documents: &[Document]) -> Vec<Hit> {
    let hit = |method, path: String, text: String| Hit {
        number: None,
        evidence: Evidence { method, path, raw: text.clone() },
        text,
    };
    match rule {
        Rule::Css { selector, text, attribute } => {
            let value = |element: scraper::ElementRef<'_>| match attribute {
                Some(attribute) => element.value().attr(attribute).map(str::to_owned),
                None => tidy(&element.text().take(200).collect::<String>()),
            };
            let found = page.select(selector).take(MAX_CANDIDATES).filter_map(value);
            found.map(|value| hit(Method::Css, text.clone(), value)).collect()
        }
        Rule::JsonPath(path) => {
            let found = documents.iter().flat_map(|document| path.query_located(document.root())).take(MAX_CANDIDATES);
            let to_hit = |(place, node): (crate::path::Location, crate::path::Node<'_>)| {
                let text = node.json.to_text()?;
                let number = matches!(node.json, Json::Number(_)).then(|| node.json.clone());
                Some(Hit { number, ..hit(Method::JsonPath, place.to_string(), text) })
            };
            found.filter_map(to_hit).collect()
        }
        Rule::Regex(pattern) => {
            let found = pattern.captures_iter(body).take(MAX_CANDIDATES);
            let matched =
                found.filter_map(|found| found.get(1).or_else(|| found.get(0)).map(|text| text.as_str().to_owned()));
            matched.map(|text| hit(Method::Regex, pattern.to_string(), text)).collect()
        }
    }
}

fn needs_json(rules: &Rules) -> bool {
    let all = [&rules.price, &rules.list_price, &rules.currency, &rules.availability, &rules.name, &rules.sku];
    all.into_iter().flatten().any(|rule| matches!(rule, Rule::JsonPath(_)))
}

/// The JSON that paths look into.
fn documents(page: &Html, body: &str) -> Vec<Document> {
    let is_json = body.trim_start().starts_with(['{', '[']);
    if let Some(json) = is_json.then(|| Json::parse_tolerant(body).ok()).flatten() {
        return vec![json.into()];
    }
    state::states(page).into_iter().map(Document::from).collect()
}
