//! How often somebody may ask: policies for classes of operations, counted for all API processes together in Redis.
//!
//! While Redis is away each process counts for itself, so that several together let through a multiple of it. Operations without a
//! policy cost nothing here.

mod address;
mod local;
mod policy;

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use jobs_core::Rate;
use jobs_queue::{Counted, Queue};
use tokio::time::{Instant, timeout};

pub(crate) use address::{Proxies, network};
use local::Local;
pub(crate) use policy::{Class, Policies};

use crate::problem::{Code, Problem};

/// A Redis that does not answer within this is away: who asks must not wait for being counted.
const PATIENCE: Duration = Duration::from_millis(250);
/// And is asked again after this.
const AWAY: Duration = Duration::from_secs(1);

/// Counts requests.
pub(crate) struct Limiter {
    queue: Queue,
    local: Local,
    away_until: Mutex<Option<Instant>>,
}

/// Who is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    /// Whoever has a key.
    Key(String),
    /// Whoever asks from an address: a network, for IPv6.
    Address(IpAddr),
}

/// What is left of a caller's limits, for its headers.
#[derive(Debug, Clone)]
pub(crate) struct Left {
    policies: Vec<(Rate, u32, Duration)>,
}

impl Limiter {
    pub(crate) fn new(queue: Queue) -> Self {
        Self { queue, local: Local::default(), away_until: Mutex::default() }
    }

    /// Counts a request of `who` under `rates`, or refuses it. Without any there is nothing to count.
    pub(crate) async fn take(&self, who: &Who, class: Class, rates: &[Rate]) -> Result<Option<Left>, Problem> {
        if rates.is_empty() {
            return Ok(None);
        }
        let names: Vec<String> = rates.iter().map(|rate| format!("{}:{}", class.name(), policy::name(*rate))).collect();
        let buckets: Vec<(&str, Rate)> = names.iter().map(String::as_str).zip(rates.iter().copied()).collect();
        let counted = self.count(&who.to_string(), &buckets).await;
        let left =
            Left { policies: rates.iter().zip(counted.left).map(|(rate, (left, more))| (*rate, left, more)).collect() };
        if counted.passes { Ok(Some(left)) } else { Err(left.refusal(class)) }
    }

    async fn count(&self, who: &str, buckets: &[(&str, Rate)]) -> Counted {
        let away_until = *self.away_until.lock().unwrap_or_else(PoisonError::into_inner);
        if away_until.is_none_or(|until| Instant::now() >= until) {
            if let Ok(Ok(counted)) = timeout(PATIENCE, self.queue.count(who, buckets)).await {
                return counted;
            }
            tracing::warn!("limits are counted without Redis, by each process for itself");
            *self.away_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + AWAY);
        }
        self.local.count(who, buckets)
    }
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

impl Left {
    /// As draft-ietf-httpapi-ratelimit-headers-10 has it.
    pub(crate) fn headers(&self) -> HeaderMap {
        let list = |item: &dyn Fn(&(Rate, u32, Duration)) -> String| {
            self.policies.iter().map(item).collect::<Vec<_>>().join(", ")
        };
        let policy = list(&|(rate, ..)| {
            format!("\"{}\";q={};w={}", policy::name(*rate), rate.limit, rate.per_ms.div_ceil(1_000))
        });
        let left = list(&|(rate, left, more)| format!("\"{}\";r={left};t={}", policy::name(*rate), seconds(*more)));
        let pairs = [("ratelimit-policy", policy), ("ratelimit", left)];
        let header = |(name, value): (&'static str, String)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
        };
        pairs.into_iter().filter_map(header).collect()
    }

    fn refusal(&self, class: Class) -> Problem {
        let full = self.policies.iter().filter(|(_, left, _)| *left == 0).max_by_key(|(.., more)| *more);
        let (rate, wait) = full.map_or((None, Duration::from_secs(1)), |(rate, _, more)| (Some(*rate), *more));
        let limit =
            rate.map_or_else(String::new, |rate| format!(": {} in {} s", rate.limit, rate.per_ms.div_ceil(1_000)));
        let detail = format!("there were too many requests of class {}{limit}", class.name());
        let mut problem = Problem::new(Code::RateLimited, detail).retry_after(seconds(wait).max(1));
        problem.headers.extend(self.headers());
        problem
    }
}

fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
