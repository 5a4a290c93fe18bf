//! Offers in JSON-LD, by the vocabulary of schema.org.

use std::collections::HashMap;

use rust_decimal::Decimal;
use scraper::{ElementRef, Html};

use super::{Amount, Evidence, MAX_CANDIDATES, Method, Offer, availability, state, tidy};
use crate::{json::Json, text::Kind};

/// What else a page tells of: other products, and prices that are not of the product.
const ASIDE: [&str; 14] = [
    "isrelatedto",
    "issimilarto",
    "isaccessoryorsparepartfor",
    "isconsumablefor",
    "review",
    "reviews",
    "aggregaterating",
    "shippingdetails",
    "hasmerchantreturnpolicy",
    "potentialaction",
    "makesoffer",
    "hasoffercatalog",
    "addon",
    "breadcrumb",
];
/// References are followed so often: they may go round in circles.
const MAX_REFERENCES: usize = 4;

/// The offers of a page, in the order of the page.
pub(super) fn offers(page: &Html) -> Vec<Offer> {
    let mut found = Found::default();
    let scripts = state::scripts(page).filter(|script| is_json_ld(*script));
    let documents: Vec<Json> =
        scripts.filter_map(|script| state::json_of(&script.text().collect::<String>())).collect();
    for document in &documents {
        found.remember(document);
    }
    let found_ids = std::mem::take(&mut found.by_id);
    for (at, document) in documents.iter().enumerate() {
        found.walk(document, &format!("ld+json[{at}]$"), &found_ids, Place::Page);
    }
    // The members of a list are other pages' products, unless there is one and nothing else.
    if found.offers.is_empty() && found.listed_products == 1 { found.listed } else { found.offers }
}

fn is_json_ld(script: ElementRef<'_>) -> bool {
    let kind = script.value().attr("type").unwrap_or_default().to_ascii_lowercase();
    kind.split(';').next().unwrap_or_default().trim() == "application/ld+json"
}

type ById<'a> = HashMap<&'a str, &'a Json>;

#[derive(Default)]
struct Found<'a> {
    offers: Vec<Offer>,
    listed: Vec<Offer>,
    listed_products: usize,
    by_id: ById<'a>,
}

/// Where in a document a node stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Page,
    List,
}

impl<'a> Found<'a> {
    /// Remembers the nodes that others refer to.
    fn remember(&mut self, json: &'a Json) {
        match json {
            Json::Array(elements) => elements.iter().for_each(|element| self.remember(element)),
            Json::Object(members) => {
                let id = json.get("@id").and_then(Json::as_str).filter(|_| members.len() > 1);
                if let Some(id) = id {
                    self.by_id.entry(id).or_insert(json);
                }
                members.values().for_each(|value| self.remember(value));
            }
            _ => {}
        }
    }

    fn walk(&mut self, json: &Json, path: &str, ids: &ById<'_>, place: Place) {
        if self.offers.len() + self.listed.len() >= MAX_CANDIDATES {
            return;
        }
        match json {
            Json::Array(elements) => {
                for (at, element) in elements.iter().enumerate() {
                    self.walk(element, &format!("{path}[{at}]"), ids, place);
                }
            }
            Json::Object(members) => {
                if is_a(json, &["offer", "aggregateoffer", "offerforpurchase", "offerforlease"]) {
                    let offers = offers_of(json, path, ids, 0);
                    self.take(offers, place);
                    return;
                }
                if let Some(offers) = json.get_any_case("offers") {
                    let mut found = offers_of(offers, &format!("{path}.offers"), ids, 0);
                    found.iter_mut().for_each(|offer| describe(offer, json));
                    self.listed_products += usize::from(place == Place::List);
                    self.take(found, place);
                }
                for (name, value) in members {
                    let lower = name.to_ascii_lowercase();
                    if lower == "offers" || ASIDE.contains(&lower.as_str()) {
                        continue;
                    }
                    let inside = if lower == "itemlistelement" { Place::List } else { place };
                    let before = self.offers.len();
                    self.walk(value, &format!("{path}.{name}"), ids, inside);
                    // Variants have the name of their group where they have none.
                    if lower == "hasvariant" {
                        self.offers[before..].iter_mut().for_each(|offer| describe_group(offer, json));
                    }
                }
            }
            _ => {}
        }
    }

    fn take(&mut self, offers: Vec<Offer>, place: Place) {
        match place {
            Place::Page => self.offers.extend(offers),
            Place::List => self.listed.extend(offers),
        }
    }
}

/// The offers of a node that is one, an array of them, or a reference.
fn offers_of(json: &Json, path: &str, ids: &ById<'_>, references: usize) -> Vec<Offer> {
    match json {
        Json::Array(elements) => {
            let each = elements.iter().enumerate().take(MAX_CANDIDATES);
            each.flat_map(|(at, element)| offers_of(element, &format!("{path}[{at}]"), ids, references)).collect()
        }
        Json::Object(members) => {
            let target = json.get("@id").and_then(Json::as_str).and_then(|id| ids.get(id));
            if let Some(target) = target.filter(|_| members.len() == 1 && references < MAX_REFERENCES) {
                return offers_of(target, path, ids, references + 1);
            }
            let nested = json
                .get_any_case("offers")
                .map_or_else(Vec::new, |inner| offers_of(inner, &format!("{path}.offers"), ids, references));
            let Some(mut offer) = offer_of(json, path) else { return nested };
            if offer.availability.is_none() {
                offer.availability = nested
                    .first()
                    .map(|first| first.availability)
                    .filter(|first| nested.iter().all(|other| other.availability == *first))
                    .flatten();
            }
            std::iter::once(offer).chain(nested).collect()
        }
        _ => Vec::new(),
    }
}

/// One offer: its own price, or that of its specification.
fn offer_of(json: &Json, path: &str) -> Option<Offer> {
    let currency = text_of(json, "priceCurrency");
    let specifications = match json.get_any_case("priceSpecification") {
        Some(Json::Array(all)) => all.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let specified = |wanted: Specified| specifications.iter().copied().filter(move |json| specified(json) == wanted);
    // A specification of schema.org, a MonetaryAmount, or a value of JSON-LD.
    let of_specification = |json: &Json| {
        let currency =
            text_of(json, "priceCurrency").or_else(|| text_of(json, "currency")).or_else(|| currency.clone());
        let value = ["price", "minPrice", "value", "@value"].iter().find_map(|name| json.get_any_case(name))?;
        Some((Amount::of_json(value, currency.as_deref())?, value.to_text().unwrap_or_default()))
    };
    let own = |name: &str| {
        let value = json.get_any_case(name)?;
        // Some nest the specification where the price belongs.
        if let Json::Object(_) = value {
            return of_specification(value);
        }
        Some((Amount::of_json(value, currency.as_deref())?, value.to_text().unwrap_or_default()))
    };
    let low = || {
        let (amount, raw) = own("lowPrice")?;
        let is_only = own("highPrice").is_some_and(|(high, _)| high.price == amount.price);
        let kind = if is_only { amount.kind } else { Kind::From };
        Some((Amount { kind, ..amount }, raw))
    };
    let sale = || specified(Specified::Price).find_map(of_specification);
    let (field, (amount, raw)) = own("price")
        .map(|found| ("price", found))
        .or_else(|| low().map(|found| ("lowPrice", found)))
        .or_else(|| sale().map(|found| ("priceSpecification.price", found)))?;
    let evidence = Evidence { method: Method::JsonLd, path: format!("{path}.{field}"), raw };
    let mut offer = Offer::of(amount, evidence)?;
    let list: Option<Decimal> = specified(Specified::List).find_map(of_specification).map(|(list, _)| list.price);
    offer.list_price = list.filter(|list| *list > offer.price);
    offer.availability = text_of(json, "availability").as_deref().and_then(availability);
    describe(&mut offer, json);
    if let Some(item) = json.get_any_case("itemOffered") {
        describe(&mut offer, item);
    }
    Some(offer)
}

/// What a specification is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Specified {
    Price,
    List,
    Other,
}

fn specified(json: &Json) -> Specified {
    let kind = text_of(json, "priceType").map(|kind| local(&kind)).unwrap_or_default();
    let is_list =
        ["listprice", "strikethroughprice", "srp", "msrp", "regularprice", "suggestedretailprice", "invoiceprice"];
    if is_list.contains(&kind.as_str()) {
        return Specified::List;
    }
    let is_unit = is_a(json, &["unitpricespecification"]) && json.get_any_case("referenceQuantity").is_some();
    let is_charge = is_a(json, &["deliverychargespecification", "paymentchargespecification"]);
    if is_unit || is_charge { Specified::Other } else { Specified::Price }
}

/// Adds what a node says of the thing itself.
fn describe(offer: &mut Offer, json: &Json) {
    let text = |name: &str| text_of(json, name).and_then(|text| tidy(&text));
    let isbn = || text("productID").and_then(|id| id.strip_prefix("isbn:").map(str::to_owned));
    let gtin =
        || ["gtin13", "gtin", "gtin14", "gtin12", "gtin8", "isbn"].iter().find_map(|name| text(name)).or_else(isbn);
    offer.sku = offer.sku.take().or_else(|| text("sku"));
    offer.gtin = offer.gtin.take().or_else(gtin);
    offer.url = offer.url.take().or_else(|| text("url"));
    describe_group(offer, json);
}

/// Adds what a node says of all its variants.
fn describe_group(offer: &mut Offer, json: &Json) {
    offer.name = offer.name.take().or_else(|| text_of(json, "name").and_then(|name| tidy(&name)));
    offer.image = offer.image.take().or_else(|| json.get_any_case("image").and_then(address));
}

/// The address of a picture: a text, the first of several, or an object that has one.
fn address(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => tidy(text),
        Json::Array(elements) => elements.iter().find_map(address),
        Json::Object(_) => json.get_any_case("url").or_else(|| json.get_any_case("contentUrl")).and_then(address),
        _ => None,
    }
}

fn text_of(json: &Json, name: &str) -> Option<String> {
    match json.get_any_case(name)? {
        Json::Array(elements) => elements.iter().find_map(Json::to_text),
        value => value.to_text(),
    }
}

/// Whether a node has one of these types, in small letters.
fn is_a(json: &Json, kinds: &[&str]) -> bool {
    let is_one = |value: &Json| value.as_str().is_some_and(|kind| kinds.contains(&local(kind).as_str()));
    match json.get_any_case("@type") {
        Some(Json::Array(all)) => all.iter().any(is_one),
        Some(one) => is_one(one),
        None => false,
    }
}

/// The local name of a type, whether it is written short, with a prefix, or as an address.
fn local(name: &str) -> String {
    name.trim().rsplit(['/', '#', ':']).next().unwrap_or_default().to_ascii_lowercase()
}
