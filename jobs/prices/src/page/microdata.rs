//! Offers in microdata: `itemscope`, `itemprop`, and the vocabulary of schema.org.

use scraper::{ElementRef, Html, Node};

use super::{Amount, Evidence, MAX_CANDIDATES, Method, Offer, availability, tidy};
use crate::text::Kind;

/// So many nodes below a property are looked at for its text, and so many properties of a page are read.
const MAX_TEXT_NODES: usize = 200;
const MAX_PROPERTIES: usize = 5_000;
/// Items whose prices are not of the product.
const ASIDE_TYPES: [&str; 6] = [
    "offershippingdetails",
    "monetaryamount",
    "deliverychargespecification",
    "paymentchargespecification",
    "review",
    "rating",
];
const ASIDE_PROPERTIES: [&str; 4] = ["isrelatedto", "issimilarto", "isaccessoryorsparepartfor", "isconsumablefor"];

/// An item, or the page around all items.
#[derive(Debug, Default)]
struct Scope {
    kind: String,
    parent: Option<usize>,
    is_aside: bool,
    properties: Vec<Property>,
}

#[derive(Debug)]
struct Property {
    name: String,
    value: String,
    /// The value is written for machines, not for readers.
    is_exact: bool,
}

/// The offers of a page, in its order.
pub(super) fn offers(page: &Html) -> Vec<Offer> {
    let scopes = scopes(page);
    let offers = (0..scopes.len()).filter(|at| !scopes[*at].is_aside).flat_map(|at| offers_of(&scopes, at));
    offers.take(MAX_CANDIDATES).collect()
}

/// All items with their properties, in one walk through the page.
fn scopes(page: &Html) -> Vec<Scope> {
    let mut scopes = vec![Scope::default()];
    let mut open: Vec<(ego_tree::NodeId, usize)> = Vec::new();
    let mut count = 0;
    for edge in page.tree.root().traverse() {
        let (node, is_open) = match edge {
            ego_tree::iter::Edge::Open(node) => (node, true),
            ego_tree::iter::Edge::Close(node) => (node, false),
        };
        let Some(element) = ElementRef::wrap(node) else { continue };
        if !is_open {
            if open.last().is_some_and(|(id, _)| *id == node.id()) {
                open.pop();
            }
            continue;
        }
        let attr = |name: &str| element.value().attr(name);
        let around = open.last().map_or(0, |(_, scope)| *scope);
        let names = attr("itemprop").unwrap_or_default().to_ascii_lowercase();
        if attr("itemscope").is_some() {
            let kind =
                attr("itemtype").unwrap_or_default().rsplit(['/', '#']).next().unwrap_or_default().to_ascii_lowercase();
            let is_aside = scopes[around].is_aside
                || ASIDE_TYPES.contains(&kind.as_str())
                || ASIDE_PROPERTIES.contains(&names.as_str());
            scopes.push(Scope { kind, parent: Some(around), is_aside, properties: Vec::new() });
            open.push((node.id(), scopes.len() - 1));
        } else if !names.is_empty() && count < MAX_PROPERTIES {
            count += 1;
            let (value, is_exact) = value(element);
            let properties = names.split_ascii_whitespace().map(|name| Property {
                name: name.to_owned(),
                value: value.clone(),
                is_exact,
            });
            scopes[around].properties.extend(properties);
        }
    }
    scopes
}

/// The offers of an item: those of its exact prices, otherwise of those that are written for readers.
fn offers_of(scopes: &[Scope], at: usize) -> Vec<Offer> {
    let scope = &scopes[at];
    let currency = property(scopes, at, "pricecurrency");
    let all = |name: &'static str| scope.properties.iter().filter(move |property| property.name == name);
    let named = |name: &'static str| {
        let has_exact = all(name).any(|property| property.is_exact);
        all(name).filter(move |property| property.is_exact || !has_exact).map(move |property| (name, property))
    };
    let prices: Vec<_> = named("price").collect();
    let prices = if prices.is_empty() { named("lowprice").collect() } else { prices };
    let mut offers: Vec<Offer> = Vec::new();
    for (name, property_of_price) in prices {
        let Some(mut amount) = Amount::of_text(&property_of_price.value, currency) else { continue };
        if name == "lowprice" {
            amount.kind = Kind::From;
        }
        if offers.iter().any(|offer| offer.price == amount.price) {
            continue;
        }
        let item = if scope.kind.is_empty() { "page" } else { scope.kind.as_str() };
        let path = format!("{item}[itemprop=\"{name}\"]");
        let evidence = Evidence { method: Method::Microdata, path, raw: property_of_price.value.clone() };
        let Some(mut offer) = Offer::of(amount, evidence) else { continue };
        let text = |name: &str| property(scopes, at, name).and_then(tidy);
        offer.availability = property(scopes, at, "availability").and_then(availability);
        offer.sku = text("sku");
        offer.gtin = ["gtin13", "gtin", "gtin14", "gtin12", "gtin8"].iter().find_map(|name| text(name));
        offer.name = text("name");
        offer.image = text("image");
        offer.url = text("url");
        offers.push(offer);
    }
    offers
}

/// A property of an item, or of the items around it.
fn property<'a>(scopes: &'a [Scope], at: usize, name: &str) -> Option<&'a str> {
    let mut at = Some(at);
    // An offer is in a product; what is further out is of the page.
    for _ in 0..3 {
        let scope = scopes.get(at?)?;
        if let Some(found) =
            scope.properties.iter().find(|property| property.name == name && !property.value.is_empty())
        {
            return Some(&found.value);
        }
        at = scope.parent;
    }
    None
}

/// The value of a property, and whether it is written for machines.
fn value(element: ElementRef<'_>) -> (String, bool) {
    let attr = |name: &str| element.value().attr(name).map(|value| value.trim().to_owned());
    let by_tag = match element.value().name() {
        "a" | "area" | "link" => attr("href"),
        "img" | "audio" | "embed" | "iframe" | "source" | "track" | "video" => attr("src"),
        "object" => attr("data"),
        "data" | "meter" => attr("value"),
        "time" => attr("datetime"),
        _ => None,
    };
    if let Some(value) = attr("content").or(by_tag) {
        return (value, true);
    }
    let texts = element.descendants().take(MAX_TEXT_NODES).filter_map(|node| match node.value() {
        Node::Text(text) => Some(&**text),
        _ => None,
    });
    (tidy(&texts.collect::<String>()).unwrap_or_default(), false)
}
