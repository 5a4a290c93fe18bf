//! One case in, one answer out, each a line of JSON: so that anybody can hold a suite of their own against the readers.
//!
//! A case is a JSON object. Its answer repeats the `id` of the case, where it has one. A case that cannot be read is
//! answered with `error`.

use std::str::FromStr;

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    compare::{Class, Quote, arbitrage},
    gpu,
    json::Json,
    page::{self, Options, Rule, Rules},
    path::{Document, Path},
    provider::{Definition, Offer},
    robots::Robots,
    text::{self, Hints},
};

/// What the forms take and give, for people.
pub const FORMS: &str = r#"Each line of standard input is a case, a JSON object; each line of standard output is its
answer, in the same order. `id` is repeated. What cannot be read is answered with `error`.
A field with a question mark may be absent. Amounts are decimals in strings.

price-text  {"text", "currency_hint"?, "decimal_separator"?}
            {"amount", "currency", "sign", "currencies", "kind", "per", "others", "ambiguous",
             "text", "refused"}
            currency is a code of ISO 4217 where there is no doubt; sign is how the text writes it
            ("$", "kr"); kind is exact, from, up_to, range or free.
page        {"html", "sku"?, "url"?, "zero_allowed"?, "needs"?, "rules"?}
            {"outcome", "price", "currency", "list_price", "availability", "sku", "gtin", "name",
             "image", "url", "price_kind", "evidence", "candidates", "body_sha256"}
            outcome is ok, ambiguous, no_price, refused_zero or parse. rules is an object of price,
            list_price, currency, availability, name and sku, each a rule or an array of rules:
            "css:.price", "css:meta@content", "jsonpath:$.price", "regex:price=([0-9.]+)". needs is
            one more rule for the price.
provider    {"definition", "response"}: the response is JSON, or a string of it
            {"offers", "skipped": [[reason, sku], ...]}, or {"faults": [{"pointer", "message"}]}
robots      {"robots" or "robots_latin1", "user_agent", "url"}
            {"allowed", "rule", "crawl_delay_s", "sitemaps"}
gpu-name    {"raw", "vram_gb"?}
            {"gpu", "assumed", "fit"}
jsonpath    {"selector", "document"}
            {"result", "result_paths"}, or {"invalid_selector": true, "error"}
arbitrage   {"observations": [{"provider", "gpu", "gpu_count", "usd_per_gpu_hour", "market",
             "available"?, "age_s"?, "tier"?, "region"?, "component"?}], "gpu"?, "market"?,
             "gpu_count"?, "available_only"?, "tiers"?, "regions"?, "component"?, "max_age_s"?,
             "min_spread_pct"?}; the options may stand in an object options
            {"best", "best_price", "median", "opportunities", "flagged", "providers"}"#;

/// What is evaluated. [`FORMS`] says what each takes and gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A price as people write it.
    PriceText,
    /// A page of a shop.
    Page,
    /// The answer of a provider, by its definition.
    Provider,
    /// Whether an address may be fetched.
    Robots,
    /// The name of a GPU.
    GpuName,
    /// A path in a document.
    JsonPath,
    /// Offers of one GPU, compared.
    Arbitrage,
}

impl Form {
    /// All of them, by the names that a command line has.
    pub const ALL: [(&'static str, Self); 7] = [
        ("price-text", Self::PriceText),
        ("page", Self::Page),
        ("provider", Self::Provider),
        ("robots", Self::Robots),
        ("gpu-name", Self::GpuName),
        ("jsonpath", Self::JsonPath),
        ("arbitrage", Self::Arbitrage),
    ];

    /// Answers a case. The answer has no line breaks.
    #[must_use]
    pub fn answer(self, line: &str) -> String {
        let case = match Json::parse(line) {
            Ok(case) => case,
            Err(err) => return json!({ "error": err.to_string() }).to_string(),
        };
        let answer = match self {
            Self::PriceText => price_text(&case),
            Self::Page => page(&case),
            Self::Provider => provider(&case),
            Self::Robots => robots(&case),
            Self::GpuName => gpu_name(&case),
            Self::JsonPath => json_path(&case),
            Self::Arbitrage => spread(&case),
        };
        let mut answer = answer.unwrap_or_else(|err| json!({ "error": err }));
        if let (Some(id), Value::Object(members)) = (case.get("id"), &mut answer) {
            members.insert("id".to_owned(), id.to_value());
        }
        answer.to_string()
    }
}

impl FromStr for Form {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, form)| *form);
        found.ok_or_else(|| format!("no such form: there are {}", Self::ALL.map(|(name, _)| name).join(", ")))
    }
}

type Answer = Result<Value, String>;

fn price_text(case: &Json) -> Answer {
    let decimal = optional(case, "decimal_separator").and_then(|text| text.chars().next());
    let hints = Hints { currency: optional(case, "currency_hint"), decimal };
    to_value(text::read(required(case, "text")?, hints))
}

fn page(case: &Json) -> Answer {
    let rule = |text: &Json| -> Result<Rule, String> {
        let text = text.as_str().ok_or("a rule is a string")?;
        // "css .price" is how people say "css:.price".
        let text = text
            .split_once(' ')
            .filter(|(kind, _)| ["css", "jsonpath", "regex"].contains(kind))
            .map_or_else(|| text.to_owned(), |(kind, rest)| format!("{kind}:{rest}"));
        text.parse().map_err(|err: page::RuleError| err.to_string())
    };
    let rules_of = |name: &str| -> Result<Vec<Rule>, String> {
        match case.get("rules").and_then(|rules| rules.get(name)) {
            None | Some(Json::Null) => Ok(Vec::new()),
            Some(Json::Array(all)) => all.iter().map(rule).collect(),
            Some(one) => Ok(vec![rule(one)?]),
        }
    };
    let mut rules = Rules {
        price: rules_of("price")?,
        list_price: rules_of("list_price")?,
        currency: rules_of("currency")?,
        availability: rules_of("availability")?,
        name: rules_of("name")?,
        sku: rules_of("sku")?,
    };
    if let Some(needs) = case.get("needs").filter(|needs| needs.as_str().is_some()) {
        rules.price.push(rule(needs)?);
    }
    let zero_allowed = case.get("zero_allowed").is_some_and(Json::is_truthy);
    let options = Options { sku: optional(case, "sku"), url: optional(case, "url"), zero_allowed };
    let reading = page::read(required(case, "html")?, &rules, &options);
    let mut answer = to_value(&reading.offer)?;
    if !answer.is_object() {
        answer = json!({ "price": null, "currency": null, "availability": null });
    }
    if let Value::Object(members) = &mut answer {
        members.insert("outcome".to_owned(), to_value(reading.outcome)?);
        members.insert("candidates".to_owned(), to_value(&reading.candidates)?);
        members.insert("body_sha256".to_owned(), Value::String(reading.body_sha256));
    }
    Ok(answer)
}

fn provider(case: &Json) -> Answer {
    let definition = case.get("definition").ok_or("the case has no definition")?.to_value();
    let definition = Definition::deserialize(definition).map_err(|err| format!("definition: {err}"))?;
    let provider = match definition.compile() {
        Ok(provider) => provider,
        Err(faults) => return Ok(json!({ "faults": to_value(faults)? })),
    };
    let response = match case.get("response").ok_or("the case has no response")? {
        Json::String(body) => Document::parse(body).map_err(|err| format!("response: {err}"))?,
        json => Document::from(json.clone()),
    };
    let answer = provider.read_document(&response).map_err(|err| err.to_string())?;
    let offers: Value = answer.offers.iter().map(offer).collect();
    let skipped: Value = answer.skipped.iter().map(|skip| json!([skip.reason, skip.item])).collect();
    Ok(json!({ "offers": offers, "skipped": skipped }))
}

/// An offer, as it is written in samples and answers.
#[must_use]
pub fn offer(offer: &Offer) -> Value {
    let number = |figure: Option<Decimal>| figure.and_then(|figure| figure.to_string().parse::<f64>().ok());
    let mut members = Map::new();
    let mut add = |name: &str, value: Value| members.insert(name.to_owned(), value);
    add("provider", json!(offer.provider));
    add("seller", json!(offer.seller));
    add("sku", json!(offer.sku));
    add("gpu_raw", json!(offer.gpu_raw));
    add("vram_gb", json!(number(offer.vram_gb)));
    add("gpu_count", json!(offer.gpu_count));
    add("region", json!(offer.region));
    add("market", json!(offer.market));
    add("tier", json!(offer.tier));
    if let Some(component) = &offer.component {
        add("component", json!(component));
    }
    add("currency", json!(offer.currency));
    add("price_per_gpu_hour", json!(offer.price_per_gpu_hour.round_dp(6).normalize().to_string()));
    add("available", json!(offer.available));
    add("reliability", json!(number(offer.reliability)));
    Value::Object(members)
}

fn robots(case: &Json) -> Answer {
    let file: Vec<u8> = match (optional(case, "robots"), optional(case, "robots_latin1")) {
        (Some(text), _) => text.into(),
        (None, Some(latin1)) => latin1.chars().filter_map(|c| u8::try_from(u32::from(c)).ok()).collect(),
        (None, None) => Vec::new(),
    };
    let (agent, robots) = (required(case, "user_agent")?, Robots::parse(&file));
    let verdict = robots.verdict(agent, required(case, "url")?);
    let delay = robots.crawl_delay(agent).map(|delay| delay.as_secs_f64());
    Ok(json!({ "allowed": verdict.allowed, "rule": verdict.rule, "crawl_delay_s": delay, "sitemaps": robots.sitemaps }))
}

fn gpu_name(case: &Json) -> Answer {
    to_value(gpu::name(required(case, "raw")?, case.get("vram_gb").and_then(Json::to_decimal)))
}

fn json_path(case: &Json) -> Answer {
    let path: Path = match required(case, "selector")?.parse() {
        Ok(path) => path,
        Err(err) => return Ok(json!({ "invalid_selector": true, "error": crate::path::PathError::to_string(&err) })),
    };
    let document = Document::from(case.get("document").cloned().unwrap_or(Json::Null));
    let found = path.query_located(document.root());
    let values: Vec<Value> = found.iter().map(|(_, node)| node.json.to_value()).collect();
    let places: Vec<String> = found.iter().map(|(place, _)| place.to_string()).collect();
    Ok(json!({ "result": values, "result_paths": places }))
}

fn spread(case: &Json) -> Answer {
    let offers = case.get("observations").ok_or("the case has no observations")?.to_value();
    let offers = Vec::<Quote>::deserialize(offers).map_err(|err| format!("observations: {err}"))?;
    let mut options = Map::new();
    for source in [Some(case), case.get("options")].into_iter().flatten() {
        let Json::Object(members) = source else { continue };
        let known = members.iter().filter(|(name, _)| !["id", "observations", "options"].contains(&name.as_str()));
        options.extend(known.map(|(name, value)| (name.clone(), value.to_value())));
    }
    let min_spread_pct = match options.remove("min_spread_pct") {
        None => Decimal::from(15),
        Some(value) => Json::from(&value).to_decimal().ok_or("min_spread_pct is no number")?,
    };
    let class = Class::deserialize(Value::Object(options)).map_err(|err| err.to_string())?;
    to_value(arbitrage(&class, &offers, min_spread_pct))
}

fn required<'a>(case: &'a Json, name: &str) -> Result<&'a str, String> {
    case.get(name).and_then(Json::as_str).ok_or_else(|| format!("the case has no {name}"))
}

fn optional<'a>(case: &'a Json, name: &str) -> Option<&'a str> {
    case.get(name).and_then(Json::as_str)
}

fn to_value(answer: impl serde::Serialize) -> Answer {
    serde_json::to_value(answer).map_err(|err| err.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_that_cannot_be_read_is_answered_as_well() {
        for (_, form) in Form::ALL {
            for line in ["", "{", "{}", "[]", "null"] {
                let answer: Value = serde_json::from_str(&form.answer(line)).unwrap();
                assert!(answer.is_object(), "{form:?} {line}: {answer}");
            }
        }
    }

    #[test]
    fn an_answer_repeats_the_id() {
        let answer: Value = serde_json::from_str(&Form::PriceText.answer(r#"{"id": 7, "text": "5 €"}"#)).unwrap();
        assert_eq!((&answer["id"], &answer["amount"], &answer["currency"]), (&json!(7), &json!("5"), &json!("EUR")));
    }
}
