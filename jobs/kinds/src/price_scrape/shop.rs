//! A page of a shop, asked and read.

use std::time::Instant;

use jobs_core::{
    JobContext,
    port::{
        price::{KnownSource, Observed},
        web::{Ask, FetchError, WebEngine},
    },
};
use jobs_prices::page::{self, Offer, Options, Outcome};
use serde_json::json;
use url::Url;

use super::{
    found::{Found, digest, key, rules_digest},
    input::Input,
    output::{Price, plain},
};

/// Reads the page of an input.
pub(super) async fn scrape(
    input: &Input,
    url: &str,
    known: &KnownSource,
    web: &dyn WebEngine,
    cx: &JobContext,
) -> Result<Found, FetchError> {
    let rules_id = rules_digest(&serde_json::to_string(input).unwrap_or_default());
    let last = known.last.as_ref().filter(|last| last.digest.starts_with(&rules_id));
    let ask = Ask {
        method: "GET".to_owned(),
        url: url.to_owned(),
        etag: last.and_then(|last| last.etag.clone()),
        last_modified: last.and_then(|last| last.last_modified.clone()),
        is_crawl: true,
        ..Ask::default()
    };
    let page = web.fetch(&ask, &cx.cancel).await?;
    let digest = digest(&rules_id, std::slice::from_ref(&page.text));
    let found = Found {
        etag: page.etag,
        last_modified: page.last_modified,
        requests: 1,
        ..Found::nothing("no_price", "the page has no price", page.at)
    };
    if last.is_some_and(|last| page.not_modified || last.digest == digest) {
        return Ok(found.unchanged(known));
    }
    let found = Found { digest: Some(digest), ..found };
    // It was checked when it was submitted.
    let rules = input.extract.as_ref().and_then(|extract| extract.rules().ok()).unwrap_or_default();
    let (sku, zero_allowed, address) = (input.sku.clone(), input.zero_allowed, page.url.clone());
    let read = move || {
        let options = Options { sku: sku.as_deref(), url: Some(&address), zero_allowed };
        page::read(&page.text, &rules, &options)
    };
    // Large pages take long, and a thread that reads one serves nobody else.
    let reading = match tokio::task::spawn_blocking(read).await {
        Ok(reading) => reading,
        Err(error) => return Ok(Found { outcome: "parse", detail: Some(error.to_string()), ..found }),
    };
    let observe = |offer: &Offer| observed(offer, input, url, &reading.body_sha256);
    let candidates = |found: Found| {
        let candidates = reading.candidates.iter().map(|offer| Price { offer: None, ..Price::of(&observe(offer)) });
        Found { candidates: candidates.collect(), ..found }
    };
    let said = |outcome, detail: &str, found: Found| Found { outcome, detail: Some(detail.to_owned()), ..found };
    Ok(match (reading.outcome, &reading.offer) {
        (Outcome::Ok, Some(offer)) => Found { outcome: "ok", detail: None, offers: vec![observe(offer)], ..found },
        (Outcome::Ambiguous, _) => {
            let detail = format!("the page names {} prices that differ", reading.candidates.len());
            candidates(said("ambiguous", &detail, found))
        }
        (Outcome::RefusedZero, _) => candidates(said("refused_zero", "the price is zero", found)),
        (Outcome::Parse, _) => said("parse", "the page nests too deep to be read", found),
        (Outcome::NoPrice | Outcome::Ok, _) => found,
    })
}

fn observed(offer: &Offer, input: &Input, url: &str, body_sha256: &str) -> Observed {
    let currency = offer.currency.map(|currency| currency.code().to_owned()).or_else(|| input.currency.clone());
    let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    // The article that was asked for, not the one that was found: shops rename theirs.
    let parts = [Some(url), input.sku.as_deref(), Some(&input.market), currency.as_deref()];
    let method = serde_json::to_value(offer.evidence.method).unwrap_or_default();
    Observed {
        key: key(&parts),
        provider: host,
        seller: None,
        sku: offer.sku.clone().or_else(|| input.sku.clone()),
        name: offer.name.clone(),
        url: Some(url.to_owned()),
        gpu_raw: None,
        gpu: None,
        vram_gb: None,
        gpu_count: None,
        region: None,
        market: input.market.clone(),
        tier: None,
        component: None,
        currency,
        unit: "item",
        amount: offer.price,
        list_price: offer.list_price,
        available: offer.availability.map(is_available),
        reliability: None,
        evidence: json!({
            "method": method,
            "path": offer.evidence.path,
            "raw": offer.evidence.raw,
            "amount": plain(offer.price),
            "price_kind": offer.price_kind,
            "body_sha256": body_sha256,
        }),
    }
}

/// Whether a word of schema.org says that something can be had.
fn is_available(word: &str) -> bool {
    !matches!(word, "OutOfStock" | "SoldOut" | "Discontinued")
}

/// Now, for outcomes without an answer.
pub(super) fn now() -> Instant {
    Instant::now()
}
