//! The offer in the properties of OpenGraph: there is one page, so there is one.

use scraper::Html;

use super::{Amount, Evidence, Method, Offer, availability, tidy};

const PRICES: [&str; 5] =
    ["product:sale_price:amount", "product:price:amount", "og:price:amount", "product:price", "og:price"];
const LIST_PRICES: [&str; 4] =
    ["product:original_price:amount", "product:price:amount", "og:price:standard_amount", "og:price:amount"];

/// The offer of a page.
pub(super) fn offers(page: &Html) -> Vec<Offer> {
    let metas = page.root_element().descendent_elements().filter(|element| element.value().name() == "meta");
    let properties: Vec<(&str, &str)> = metas
        .filter_map(|meta| {
            let name = meta.value().attr("property").or_else(|| meta.value().attr("name"))?;
            Some((name, meta.value().attr("content")?))
        })
        .collect();
    let get = |wanted: &str| {
        properties.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, content)| *content)
    };
    let first = |names: &[&str]| names.iter().find_map(|name| get(name));

    let currency = first(&["product:sale_price:currency", "product:price:currency", "og:price:currency"]);
    let amount = |name: &str| Amount::of_text(get(name)?, currency);
    let Some((name, price)) = PRICES.iter().find_map(|name| Some((*name, amount(name)?))) else { return Vec::new() };
    let raw = get(name).unwrap_or_default().to_owned();
    let evidence = Evidence { method: Method::OpenGraph, path: format!("meta[property=\"{name}\"]"), raw };
    let Some(mut offer) = Offer::of(price, evidence) else { return Vec::new() };
    let list = LIST_PRICES.iter().find_map(|name| amount(name)).map(|list| list.price);
    offer.list_price = list.filter(|list| *list > offer.price);
    offer.availability = first(&["product:availability", "og:availability"]).and_then(availability);
    offer.sku = first(&["product:retailer_item_id", "product:sku"]).and_then(tidy);
    offer.gtin = first(&["product:ean", "product:upc", "product:isbn", "product:gtin"]).and_then(tidy);
    offer.name = get("og:title").and_then(tidy);
    offer.image = get("og:image").and_then(tidy);
    offer.url = get("og:url").and_then(tidy);
    vec![offer]
}
