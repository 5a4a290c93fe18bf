//! What to scrape: a provider by its definition, or one page.

use jobs_core::Fault;
use jobs_prices::{
    Currency,
    page::{Rule, Rules},
    provider::Definition,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What to scrape: `provider`, or `url`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// A provider by its name, or a definition of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderInput>,
    /// The address of a page with a price.
    #[schemars(length(max = 4_000))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where the price stands on the page. Without it the data that the page has for machines is read: JSON-LD, microdata, OpenGraph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extract: Option<Extract>,
    /// The article whose price is meant, where the page has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// The currency, where the page does not say it: a code of ISO 4217.
    #[schemars(regex(pattern = "^[A-Z]{3}$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// What sort of price it is.
    #[schemars(length(min = 1, max = 100))]
    #[serde(default = "retail", skip_serializing_if = "is_retail")]
    pub market: String,
    /// Zero is a price.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub zero_allowed: bool,
}

/// A provider by its name, or a definition of one.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ProviderInput {
    /// One of the project's definitions, or one that comes with the program.
    Name(#[schemars(regex(pattern = "^[a-z0-9_-]{1,64}$"))] String),
    /// A definition: see `docs/prices.md`.
    Definition(serde_json::Map<String, Value>),
}

/// Where things stand on a page, each a rule or several that are tried in turn: `css:.price`, `css:meta@content`,
/// `jsonpath:$.price`, `regex:price=([0-9.]+)`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Extract {
    /// The price.
    pub price: Places,
    /// The price without a sale.
    pub list_price: Places,
    /// The currency.
    pub currency: Places,
    /// Whether it can be bought.
    pub availability: Places,
    /// What it is called.
    pub name: Places,
    /// The article number.
    pub sku: Places,
}

/// A rule, or several that are tried in turn.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Places {
    /// One.
    One(#[schemars(length(max = 2_000))] String),
    /// Several.
    Several(#[schemars(length(max = 20))] Vec<String>),
}

impl Default for Places {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Places {
    fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Several(texts) => texts,
        }
    }
}

impl Input {
    /// Everything that is wrong and that the schema cannot say.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        match (&self.provider, &self.url) {
            (None, None) => faults.push(Fault::new("", "needs a provider or a url")),
            (Some(_), Some(_)) => faults.push(Fault::new("/url", "either a provider or a url")),
            (Some(_), None) if self.extract.is_some() => {
                faults.push(Fault::new("/extract", "a provider is read by its definition"));
            }
            _ => {}
        }
        if let Some(ProviderInput::Definition(definition)) = &self.provider {
            faults.extend(definition_faults(definition));
        }
        if let Some(url) = &self.url {
            match url::Url::parse(url) {
                Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {}
                Ok(_) => faults.push(Fault::new("/url", "an address is http or https")),
                Err(error) => faults.push(Fault::new("/url", error.to_string())),
            }
        }
        if self.currency.as_deref().is_some_and(|code| Currency::of(code).is_none()) {
            faults.push(Fault::new("/currency", "no code of ISO 4217"));
        }
        if let Some(Err(wrong)) = self.extract.as_ref().map(Extract::rules) {
            faults.extend(wrong);
        }
        faults
    }
}

impl Extract {
    /// The rules, ready to read pages.
    pub(super) fn rules(&self) -> Result<Rules, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut read = |name: &str, places: &Places| {
            let is_several = matches!(places, Places::Several(_));
            let rule = |(at, text): (usize, &String)| match text.parse::<Rule>() {
                Ok(rule) => Some(rule),
                Err(error) => {
                    let place = if is_several { format!("/extract/{name}/{at}") } else { format!("/extract/{name}") };
                    faults.push(Fault::new(place, error.to_string()));
                    None
                }
            };
            places.texts().iter().enumerate().filter_map(rule).collect::<Vec<_>>()
        };
        let rules = Rules {
            price: read("price", &self.price),
            list_price: read("list_price", &self.list_price),
            currency: read("currency", &self.currency),
            availability: read("availability", &self.availability),
            name: read("name", &self.name),
            sku: read("sku", &self.sku),
        };
        if rules.price.is_empty() && faults.is_empty() {
            faults.push(Fault::new("/extract/price", "the other rules belong to one for the price"));
        }
        if faults.is_empty() { Ok(rules) } else { Err(faults) }
    }
}

fn definition_faults(definition: &serde_json::Map<String, Value>) -> Vec<Fault> {
    let whole = |detail: String| vec![Fault::new("/provider", detail)];
    match serde_json::from_value::<Definition>(Value::Object(definition.clone())) {
        Err(error) => whole(error.to_string()),
        Ok(definition) => {
            let faults = definition.compile().err().unwrap_or_default().into_iter();
            faults.map(|fault| Fault::new(format!("/provider{}", fault.pointer), fault.message)).collect()
        }
    }
}

fn retail() -> String {
    "retail".to_owned()
}

fn is_retail(market: &str) -> bool {
    market == "retail"
}
