//! What must be right before a definition is kept.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;

use super::{
    definition::{Auth, Definition, Paginate, Per, Rate, Unit},
    expr::{Expr, is_path},
};
use crate::{Currency, path::Path};

/// The fields that a definition may have.
const FIELDS: [&str; 9] = ["sku", "gpu", "vram_gb", "count", "region", "available", "reliability", "seller", "tier"];
/// Headers that would be a secret written down.
const SECRET_HEADERS: [&str; 5] = ["authorization", "cookie", "x-api-key", "api-key", "x-apitoken"];
/// Items nest so deep.
const MAX_ITEM_PATHS: usize = 6;

/// What is wrong with a definition, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{pointer}: {message}")]
pub struct Fault {
    /// The JSON pointer of the place.
    pub pointer: String,
    /// What is wrong there.
    pub message: String,
}

/// A definition that was found right, ready to read answers.
#[derive(Debug, Clone)]
pub struct Provider {
    pub(super) definition: Definition,
    pub(super) currency: CurrencySource,
    pub(super) error: Option<Path>,
    pub(super) items: Vec<Path>,
    pub(super) conditions: Vec<Expr>,
    pub(super) fields: BTreeMap<String, Expr>,
    pub(super) prices: Vec<Price>,
}

#[derive(Debug, Clone)]
pub(super) enum CurrencySource {
    Fixed(Currency),
    Found(Expr),
}

#[derive(Debug, Clone)]
pub(super) struct Price {
    pub(super) value: Expr,
    pub(super) scale: Decimal,
    pub(super) unit: Unit,
    pub(super) per: Per,
    pub(super) market: Expr,
    pub(super) tier: Option<Expr>,
    pub(super) component: Option<String>,
}

impl Definition {
    /// Checks all of a definition and makes it ready to run.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place.
    pub fn compile(&self) -> Result<Provider, Vec<Fault>> {
        let mut faults = Faults::default();
        self.check_request(&mut faults);
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        if self.id.is_empty() || self.id.len() > 64 || !self.id.chars().all(is_name) {
            faults.add("/id", "an id has 1 to 64 small letters, digits, hyphens and underscores");
        }
        if self.items.is_empty() || self.items.len() > MAX_ITEM_PATHS {
            faults.add("/items", format!("there are 1 to {MAX_ITEM_PATHS} paths to items"));
        }
        let currency = self.currency(&mut faults);
        let error = self.error.as_deref().and_then(|path| faults.path("/error", path));
        let items = self.items.iter().enumerate();
        let items: Vec<Path> = items.filter_map(|(at, path)| faults.path(&format!("/items/{at}"), path)).collect();
        let levels = self.items.len();
        let conditions = self.conditions.iter().enumerate();
        let conditions =
            conditions.filter_map(|(at, data)| faults.expr(&format!("/where/{at}"), data, levels)).collect();
        let fields = self.fields.iter().filter_map(|(name, data)| {
            if !FIELDS.contains(&name.as_str()) {
                faults.add(format!("/fields/{name}"), format!("no such field: there are {}", FIELDS.join(", ")));
            }
            Some((name.clone(), faults.expr(&format!("/fields/{name}"), data, levels)?))
        });
        let fields: BTreeMap<String, Expr> = fields.collect();
        if !self.fields.contains_key("gpu") {
            faults.add("/fields", "the field gpu is missing");
        }
        let prices = self.prices(&mut faults, levels);
        let (Some(currency), true) = (currency, faults.0.is_empty()) else { return Err(faults.0) };
        Ok(Provider { definition: self.clone(), currency, error, items, conditions, fields, prices })
    }

    fn currency(&self, faults: &mut Faults) -> Option<CurrencySource> {
        if is_path(&self.currency) {
            let found = faults.expr("/currency", &Value::String(self.currency.clone()), self.items.len());
            return found.map(CurrencySource::Found);
        }
        let fixed = Currency::of(&self.currency);
        if fixed.is_none() {
            faults.add("/currency", "no code of ISO 4217, and no path to one");
        }
        fixed.map(CurrencySource::Fixed)
    }

    fn prices(&self, faults: &mut Faults, levels: usize) -> Vec<Price> {
        if self.prices.is_empty() {
            faults.add("/prices", "there is no price");
        }
        let mut prices = Vec::new();
        for (at, rule) in self.prices.iter().enumerate() {
            let value = faults.expr(&format!("/prices/{at}/value"), &rule.value, levels);
            let market = faults.expr(&format!("/prices/{at}/market"), &rule.market, levels);
            let tier = rule.tier.as_ref().map(|tier| faults.expr(&format!("/prices/{at}/tier"), tier, levels));
            let scale = rule.scale.unwrap_or(Decimal::ONE);
            if scale <= Decimal::ZERO {
                faults.add(format!("/prices/{at}/scale"), "a scale is above zero");
            }
            if rule.per == Per::Instance && !self.fields.contains_key("count") {
                faults.add(format!("/prices/{at}/per"), "the price of an instance needs the field count");
            }
            let (Some(value), Some(market)) = (value, market) else { continue };
            let component = rule.component.clone();
            prices.push(Price {
                value,
                scale,
                unit: rule.unit,
                per: rule.per,
                market,
                tier: tier.flatten(),
                component,
            });
        }
        prices
    }

    fn check_request(&self, faults: &mut Faults) {
        let request = &self.request;
        let url = match &request.url {
            Some(url) if request.command.is_empty() => Some(url::Url::parse(url)),
            None if !request.command.is_empty() => None,
            _ => {
                faults.add("/request", "a request has a url or a command");
                None
            }
        };
        match url {
            Some(Err(err)) => faults.add("/request/url", err.to_string()),
            Some(Ok(url)) if !matches!(url.scheme(), "http" | "https") => {
                faults.add("/request/url", "an address is http or https");
            }
            Some(Ok(url)) if url.password().is_some() || !url.username().is_empty() => {
                faults.add("/request/url", "an address has no name and password: use auth");
            }
            Some(Ok(_)) | None => {}
        }
        if !matches!(request.method.as_str(), "GET" | "POST") {
            faults.add("/request/method", "a method is GET or POST");
        }
        for name in request.headers.keys().filter(|name| SECRET_HEADERS.contains(&name.to_ascii_lowercase().as_str())) {
            faults.add(format!("/request/headers/{name}"), "a definition names its secret: use auth");
        }
        let secrets: Vec<(String, &String)> = match &request.auth {
            None => Vec::new(),
            Some(Auth::Bearer(secret)) => vec![("/request/auth/bearer".to_owned(), secret)],
            Some(Auth::Header(all)) => {
                all.iter().map(|(name, secret)| (format!("/request/auth/header/{name}"), secret)).collect()
            }
            Some(Auth::Query(all)) => {
                all.iter().map(|(name, secret)| (format!("/request/auth/query/{name}"), secret)).collect()
            }
        };
        for (pointer, secret) in secrets {
            let name = secret.strip_prefix("secret:").unwrap_or_default();
            let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            if name.is_empty() || !name.chars().all(is_name) {
                // The value is not repeated: it may be the secret itself.
                faults.add(pointer, "a secret is named, not written: secret:NAME");
            }
        }
        if request.timeout_s.is_some_and(|seconds| !(1..=300).contains(&seconds)) {
            faults.add("/request/timeout_s", "a time limit is 1 to 300 seconds");
        }
        if request.rate.as_deref().is_some_and(|rate| Rate::parse(rate).is_none()) {
            faults.add("/request/rate", "a rate begins with a number per unit: 10/min");
        }
        match &request.paginate {
            Some(Paginate::Next { next: path }) => drop(faults.path("/request/paginate/next", path)),
            Some(Paginate::Cursor { cursor: path, .. }) => drop(faults.path("/request/paginate/cursor", path)),
            Some(Paginate::Page { until_empty: false, max: None, .. }) => {
                faults.add("/request/paginate", "pages end: until_empty or max");
            }
            Some(Paginate::Page { .. } | Paginate::Skip { .. }) | None => {}
        }
    }
}

#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.0.push(Fault { pointer: pointer.into(), message: message.into() });
    }

    fn path(&mut self, pointer: &str, text: &str) -> Option<Path> {
        text.parse().map_err(|err: crate::path::PathError| self.add(pointer, err.to_string())).ok()
    }

    fn expr(&mut self, pointer: &str, data: &Value, levels: usize) -> Option<Expr> {
        let expr =
            Expr::compile(data).map_err(|(inner, message)| self.add(format!("{pointer}{inner}"), message)).ok()?;
        // Above the outermost item is the whole answer.
        if expr.reach() > levels {
            self.add(pointer, "it starts above the whole answer");
        }
        Some(expr)
    }
}
