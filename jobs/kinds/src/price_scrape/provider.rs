//! A provider, asked and read by its definition.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use jobs_core::{
    JobContext, Progress,
    port::{
        price::{KnownSource, Observed},
        web::{Ask, FetchError, Fetched, Place, Secret, WebEngine},
    },
};
use jobs_prices::{
    gpu::{self, Fit},
    path::{Document, Path},
    provider::{Answer, Auth, Definition, Offer, Paginate, Provider, Rate, ReadError, SkipReason, Suspicion},
};
use serde_json::{Value, json};
use url::Url;

use super::found::{Found, digest, key, rules_digest};

/// A provider that needs more requests than this is not one that is asked for its prices.
const REQUESTS_MAX: u32 = 300;

/// A scrape while it goes on.
struct Scrape<'a> {
    provider: &'a Provider,
    web: &'a dyn WebEngine,
    cx: &'a JobContext,
    bodies: Vec<String>,
    answer: Answer,
    requests: u32,
    first: Option<Instant>,
}

/// Why a scrape ended early.
enum Stop {
    Fetch(FetchError),
    Read(ReadError),
    NotModified(Fetched),
    TooMany,
}

impl From<FetchError> for Stop {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}

/// Asks a provider for its prices and reads them.
pub(super) async fn scrape(
    provider: &Provider,
    known: &KnownSource,
    web: &dyn WebEngine,
    cx: &JobContext,
) -> Result<Found, FetchError> {
    let definition = provider.definition();
    let rules_id = rules_digest(&serde_json::to_string(definition).unwrap_or_default());
    let last = known.last.as_ref().filter(|last| last.digest.starts_with(&rules_id));
    let mut scrape = Scrape {
        provider,
        web,
        cx,
        bodies: Vec::new(),
        answer: Answer { offers: Vec::new(), skipped: Vec::new() },
        requests: 0,
        first: None,
    };
    let mut asks = asks(definition);
    let is_single = asks.len() == 1 && definition.request.paginate.is_none();
    if let (true, Some(last), [ask]) = (is_single, last, asks.as_mut_slice()) {
        ask.etag.clone_from(&last.etag);
        ask.last_modified.clone_from(&last.last_modified);
    }
    let mut validators = (None, None);
    for ask in asks {
        match scrape.pages(ask).await {
            Ok(fetched) => validators = fetched,
            Err(Stop::Fetch(error)) => return Err(error),
            Err(Stop::NotModified(fetched)) => {
                let found = Found::nothing("ok", "", fetched.at);
                return Ok(Found { requests: scrape.requests, ..found }.unchanged(known));
            }
            Err(Stop::Read(error)) => {
                let at = scrape.first.unwrap_or_else(super::shop::now);
                return Ok(Found { requests: scrape.requests, ..Found::nothing("parse", error.to_string(), at) });
            }
            Err(Stop::TooMany) => {
                let at = scrape.first.unwrap_or_else(super::shop::now);
                let detail = format!("there are more than {REQUESTS_MAX} requests to make");
                return Ok(Found { requests: scrape.requests, ..Found::nothing("fetch", detail, at) });
            }
        }
    }
    Ok(scrape.into_found(known, last.map(|last| last.digest.as_str()), &rules_id, is_single.then_some(validators)))
}

type Validators = (Option<String>, Option<String>);

impl Scrape<'_> {
    /// Makes a request and those that its answers ask for.
    async fn pages(&mut self, mut ask: Ask) -> Result<Validators, Stop> {
        let (mut number, mut skipped) = (1_u32, 0_u32);
        loop {
            if self.requests >= REQUESTS_MAX {
                return Err(Stop::TooMany);
            }
            self.requests += 1;
            let fetched = self.web.fetch(&ask, &self.cx.cancel).await?;
            self.first.get_or_insert(fetched.at);
            if fetched.not_modified {
                return Err(Stop::NotModified(fetched));
            }
            let (provider, text) = (self.provider.clone(), fetched.text.clone());
            let read = tokio::task::spawn_blocking(move || {
                let document = Document::parse(&text).map_err(ReadError::from)?;
                Ok::<_, ReadError>((provider.read_document(&document)?, next(&provider, &document)))
            });
            let read = read.await.map_err(|error| Stop::Read(ReadError::Failed(error.to_string())))?;
            let (answer, cursor) = read.map_err(Stop::Read)?;
            let items = answer.offers.len() + answer.skipped.len();
            self.answer.offers.extend(answer.offers);
            self.answer.skipped.extend(answer.skipped);
            self.bodies.push(fetched.text);
            self.cx.progress(Progress {
                phase: Some("fetch".to_owned()),
                message: Some(format!("{} prices so far", self.answer.offers.len())),
                current: Some(self.requests.into()),
                unit: Some("requests".to_owned()),
                ..Progress::default()
            });
            let address = match &self.provider.definition().request.paginate {
                None => None,
                Some(Paginate::Next { .. }) => {
                    cursor.and_then(|next| Url::parse(&fetched.url).ok()?.join(&next).ok()).map(String::from)
                }
                Some(Paginate::Cursor { param, .. }) => cursor.and_then(|cursor| with(&ask.url, param, &cursor)),
                Some(Paginate::Page { page, until_empty, max }) => {
                    let goes_on = max.is_none_or(|max| number < max) && !(*until_empty && items == 0);
                    number += 1;
                    goes_on.then(|| with(&ask.url, page, &number.to_string())).flatten()
                }
                Some(Paginate::Skip { skip, size }) => {
                    skipped += size;
                    (items > 0).then(|| with(&ask.url, skip, &skipped.to_string())).flatten()
                }
            };
            match address {
                Some(address) if address != ask.url => ask.url = address,
                _ => return Ok((fetched.etag, fetched.last_modified)),
            }
        }
    }

    fn into_found(
        self,
        known: &KnownSource,
        last: Option<&str>,
        rules_id: &str,
        validators: Option<Validators>,
    ) -> Found {
        let at = self.first.unwrap_or_else(super::shop::now);
        let digest = digest(rules_id, &self.bodies);
        let (etag, last_modified) = validators.unwrap_or_default();
        let mut skipped: BTreeMap<String, usize> = BTreeMap::new();
        for skip in &self.answer.skipped {
            let reason = serde_json::to_value(skip.reason).unwrap_or_default();
            *skipped.entry(reason.as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        let found = Found {
            detail: None,
            etag,
            last_modified,
            digest: Some(digest.clone()),
            requests: self.requests,
            skipped,
            ..Found::nothing("ok", "", at)
        };
        if last == Some(digest.as_str()) {
            return found.unchanged(known);
        }
        let offers: Vec<Observed> = self.answer.offers.iter().map(|offer| observed(offer, self.provider)).collect();
        let said = |outcome, detail: String| Found { outcome, detail: Some(detail), ..Found::nothing("", "", at) };
        let reasons = |reason: SkipReason| self.answer.skipped.iter().any(|skip| skip.reason == reason);
        let refusal = match (self.provider.suspicion(offers.len(), known.usual), offers.is_empty()) {
            (None, _) => None,
            (Some(_), true) if reasons(SkipReason::NotPositive) => {
                Some(said("refused_zero", "all prices are zero or less".to_owned()))
            }
            (Some(_), true) if reasons(SkipReason::NoPrice) => {
                Some(said("unpriced", "there are offers, and none has a price".to_owned()))
            }
            (Some(Suspicion::TooFew), _) => {
                Some(said("suspicious", format!("{} prices are fewer than a good answer has", offers.len())))
            }
            (Some(Suspicion::Dropped), _) => {
                let usual = known.usual.unwrap_or_default();
                Some(said("suspicious", format!("{} prices, and {usual} are usual", offers.len())))
            }
        };
        match refusal {
            None => Found { offers, ..found },
            Some(Found { outcome, detail, .. }) => {
                let candidates = super::output::shown(&offers).into_iter();
                let candidates = candidates.map(|price| super::output::Price { offer: None, ..price }).collect();
                Found { outcome, detail, candidates, ..found }
            }
        }
    }
}

/// Where the answer says that it goes on.
fn next(provider: &Provider, document: &Document) -> Option<String> {
    let path = match &provider.definition().request.paginate {
        Some(Paginate::Next { next: path } | Paginate::Cursor { cursor: path, .. }) => path,
        _ => return None,
    };
    let path: Path = path.parse().ok()?;
    path.first(document.root())?.json.to_text().filter(|text| !text.is_empty())
}

/// The first requests of a definition: one for each combination of its parameters.
fn asks(definition: &Definition) -> Vec<Ask> {
    let request = &definition.request;
    let mut choices: Vec<Vec<(&str, String)>> = vec![Vec::new()];
    for (name, values) in &request.fanout {
        let values = values.as_array().map_or(std::slice::from_ref(values), Vec::as_slice);
        let texts = values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        let texts: Vec<String> = texts.collect();
        let mut more = Vec::new();
        for choice in &choices {
            more.extend(texts.iter().map(|text| [choice.as_slice(), &[(name.as_str(), text.clone())]].concat()));
        }
        // One more than may be made, so that it is noticed.
        more.truncate(REQUESTS_MAX as usize + 1);
        choices = more;
    }
    let pause = request.rate.as_deref().and_then(Rate::parse);
    let pause = pause.map(|rate| Duration::from_secs(rate.seconds.into()) / rate.requests);
    let template = Ask {
        method: request.method.clone(),
        url: request.url.clone().unwrap_or_default(),
        headers: request.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        secrets: request.auth.as_ref().map(secrets).unwrap_or_default(),
        timeout: request.timeout_s.map(|seconds| Duration::from_secs(seconds.into())),
        pause,
        ..Ask::default()
    };
    let ask = |choice: Vec<(&str, String)>| {
        let mut ask = template.clone();
        let mut body = request.json.clone();
        for (name, value) in &choice {
            let place = format!("{{{name}}}");
            let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
            let in_url = ask.url.contains(&place);
            let in_body = body.as_mut().is_some_and(|body| fill(body, &place, value));
            if in_url {
                ask.url = ask.url.replace(&place, &encoded);
            } else if !in_body {
                ask.url = with(&ask.url, name, value).unwrap_or_default();
            }
        }
        if let Some(body) = body {
            ask.body = body.to_string();
            ask.headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        ask
    };
    choices.into_iter().map(ask).collect()
}

/// Puts a value at its place in all strings; whether there was one.
fn fill(json: &mut Value, place: &str, value: &str) -> bool {
    match json {
        Value::String(text) if text.contains(place) => {
            *text = text.replace(place, value);
            true
        }
        Value::Array(all) => all.iter_mut().fold(false, |any, json| fill(json, place, value) | any),
        Value::Object(all) => all.values_mut().fold(false, |any, json| fill(json, place, value) | any),
        _ => false,
    }
}

fn secrets(auth: &Auth) -> Vec<Secret> {
    let secret = |text: &str, place| Secret { name: text.trim_start_matches("secret:").to_owned(), place };
    match auth {
        Auth::Bearer(text) => vec![secret(text, Place::Bearer)],
        Auth::Header(all) => all.iter().map(|(name, text)| secret(text, Place::Header(name.clone()))).collect(),
        Auth::Query(all) => all.iter().map(|(name, text)| secret(text, Place::Query(name.clone()))).collect(),
    }
}

/// An address with this parameter instead of others of its name.
fn with(url: &str, name: &str, value: &str) -> Option<String> {
    let mut url = Url::parse(url).ok()?;
    let others: Vec<(String, String)> = url.query_pairs().into_owned().filter(|(other, _)| other != name).collect();
    url.query_pairs_mut().clear().extend_pairs(others).append_pair(name, value);
    Some(url.into())
}

fn observed(offer: &Offer, provider: &Provider) -> Observed {
    let named = gpu::name(&offer.gpu_raw, offer.vram_gb);
    // Parts of GPUs have no class of their own, and are never compared with whole ones.
    let gpu = named.gpu.filter(|_| matches!(named.fit, Fit::Whole | Fit::Unknown));
    let count = offer.gpu_count.to_string();
    let currency = offer.currency.code().to_owned();
    let parts = [
        Some(offer.provider.as_str()),
        offer.seller.as_deref(),
        offer.sku.as_deref(),
        Some(&offer.gpu_raw),
        Some(&count),
        offer.region.as_deref(),
        Some(&offer.market),
        offer.tier.as_deref(),
        offer.component.as_deref(),
        Some(&currency),
    ];
    Observed {
        key: key(&parts),
        provider: offer.provider.clone(),
        seller: offer.seller.clone(),
        sku: offer.sku.clone(),
        name: None,
        url: None,
        gpu_raw: Some(offer.gpu_raw.clone()),
        gpu: gpu.map(str::to_owned),
        vram_gb: offer.vram_gb,
        gpu_count: Some(offer.gpu_count),
        region: offer.region.clone(),
        market: offer.market.clone(),
        tier: offer.tier.clone(),
        component: offer.component.clone(),
        currency: Some(currency),
        unit: "gpu_hour",
        amount: offer.price_per_gpu_hour,
        list_price: None,
        available: offer.available,
        reliability: offer.reliability,
        evidence: json!({
            "method": "json_path",
            "path": offer.evidence.path,
            "raw": offer.evidence.raw,
            "assumed_variant": named.assumed,
            "price_kind": provider.definition().price_kind,
            "verified_at": provider.definition().verified_at,
        }),
    }
}
