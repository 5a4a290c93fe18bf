//! What a source said, before it is kept.

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use jobs_core::port::price::{KnownSource, Observed, PriceRun};
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

use super::output::{Output, Price, shown};

/// More than this is not kept: the columns have nine digits before the point and nine behind it.
const AMOUNT_MAX: Decimal = Decimal::from_parts(999_999_999, 0, 0, false, 0);

/// What a source said.
pub(super) struct Found {
    pub(super) outcome: &'static str,
    pub(super) detail: Option<String>,
    pub(super) at: Instant,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    pub(super) digest: Option<String>,
    pub(super) unchanged: bool,
    pub(super) requests: u32,
    pub(super) offers: Vec<Observed>,
    pub(super) skipped: BTreeMap<String, usize>,
    /// Prices that contradict each other.
    pub(super) candidates: Vec<Price>,
}

impl Found {
    /// An outcome without prices.
    pub(super) fn nothing(outcome: &'static str, detail: impl Into<String>, at: Instant) -> Self {
        Self {
            outcome,
            detail: Some(detail.into()),
            at,
            etag: None,
            last_modified: None,
            digest: None,
            unchanged: false,
            requests: 0,
            offers: Vec::new(),
            skipped: BTreeMap::new(),
            candidates: Vec::new(),
        }
    }

    /// What was known holds.
    pub(super) fn unchanged(mut self, known: &KnownSource) -> Self {
        self.outcome = "ok";
        self.detail = None;
        self.unchanged = true;
        if let Some(last) = &known.last {
            self.digest = Some(last.digest.clone());
            self.etag = self.etag.or_else(|| last.etag.clone());
            self.last_modified = self.last_modified.or_else(|| last.last_modified.clone());
        }
        self
    }

    /// As it is kept and answered. Of offers that nothing tells apart the cheapest is kept.
    pub(super) fn into_run(mut self, source: &str, known: &KnownSource) -> (PriceRun, Output) {
        let too_large = self.offers.iter().filter(|offer| offer.amount > AMOUNT_MAX).count();
        if too_large > 0 {
            *self.skipped.entry("price_range".to_owned()).or_default() += too_large;
        }
        let mut cheapest: HashMap<String, Observed> = HashMap::new();
        let found = std::mem::take(&mut self.offers);
        let mut order = Vec::new();
        for offer in found.into_iter().filter(|offer| offer.amount <= AMOUNT_MAX) {
            match cheapest.get_mut(&offer.key) {
                Some(other) if other.amount <= offer.amount => {}
                Some(other) => *other = offer,
                None => {
                    order.push(offer.key.clone());
                    cheapest.insert(offer.key.clone(), offer);
                }
            }
        }
        let offers: Vec<Observed> = order.iter().filter_map(|key| cheapest.remove(key)).collect();
        let rows = match (&known.last, self.unchanged) {
            (Some(last), true) => last.rows,
            _ => offers.len().max(self.candidates.len()),
        };
        let output = Output {
            outcome: self.outcome.to_owned(),
            detail: self.detail.clone(),
            source: source.to_owned(),
            rows,
            skipped: self.skipped.clone(),
            unchanged: self.unchanged,
            requests: self.requests,
            prices: if self.outcome == "ok" { shown(&offers) } else { self.candidates },
        };
        let run = PriceRun {
            source: source.to_owned(),
            outcome: self.outcome,
            detail: self.detail,
            at: self.at,
            etag: self.etag,
            last_modified: self.last_modified,
            digest: self.digest,
            unchanged: self.unchanged,
            rows,
            skipped: self.skipped.values().sum(),
            offers,
            output: serde_json::to_value(&output).unwrap_or_default(),
        };
        (run, output)
    }
}

/// The key of an offer: a digest of what tells it apart.
pub(super) fn key(parts: &[Option<&str>]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        match part {
            // Lengths tell apart what a separator would mix up.
            Some(text) => digest.update([&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()),
            None => digest.update([0xff]),
        }
    }
    hex::encode(&digest.finalize()[..16])
}

/// The digest of what was read, behind that of the rules it was read by.
pub(super) fn digest(rules: &str, bodies: &[String]) -> String {
    let mut digest = Sha256::new();
    bodies.iter().for_each(|body| digest.update([&(body.len() as u64).to_le_bytes()[..], body.as_bytes()].concat()));
    format!("{rules}:{}", hex::encode(&digest.finalize()[..16]))
}

/// The digest of rules.
pub(super) fn rules_digest(rules: &str) -> String {
    hex::encode(&Sha256::digest(rules.as_bytes())[..8])
}
