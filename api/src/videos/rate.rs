//! How many videos an address may ask for: a sliding window, in the memory of this process.
//!
//! Several API processes each count for themselves, so together they let through a multiple of it.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use crate::problem::{Code, Problem};

/// So many a window.
const QUOTA: usize = 5;
/// The window.
const WINDOW: Duration = Duration::from_secs(60);
/// When more addresses than this are known, those that have been quiet for a window are forgotten.
const CROWD: usize = 10_000;

/// Counts what each address asked for.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    asked: Mutex<HashMap<IpAddr, VecDeque<Instant>>>,
}

/// What an address has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    requests: usize,
    /// Until there is one more.
    until_more: Duration,
}

impl RateLimit {
    /// Counts a request of `address`, or refuses it.
    pub(crate) fn take(&self, address: IpAddr) -> Result<Left, Problem> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if asked.len() > CROWD {
            asked.retain(|_, times| times.back().is_some_and(|last| now.duration_since(*last) < WINDOW));
        }
        let times = asked.entry(network(address)).or_default();
        while times.front().is_some_and(|first| now.duration_since(*first) >= WINDOW) {
            times.pop_front();
        }
        let is_allowed = times.len() < QUOTA;
        if is_allowed {
            times.push_back(now);
        }
        let until_more =
            times.front().map_or(Duration::ZERO, |first| WINDOW.saturating_sub(now.duration_since(*first)));
        let left = Left { requests: QUOTA - times.len(), until_more };
        if is_allowed {
            return Ok(left);
        }
        let detail = format!("an address may ask for {QUOTA} videos in {} seconds", WINDOW.as_secs());
        let mut problem = Problem::new(Code::RateLimited, detail).retry_after(left.seconds());
        problem.headers.extend(left.headers());
        Err(problem)
    }
}

impl Left {
    fn seconds(self) -> u64 {
        self.until_more.as_secs() + u64::from(self.until_more.subsec_nanos() > 0)
    }

    /// As draft-ietf-httpapi-ratelimit-headers-10 has it.
    pub(crate) fn headers(self) -> HeaderMap {
        let policy = format!("\"minute\";q={QUOTA};w={}", WINDOW.as_secs());
        let left = format!("\"minute\";r={};t={}", self.requests, self.seconds());
        let pairs = [("ratelimit-policy", policy), ("ratelimit", left)];
        let header = |(name, value): (&'static str, String)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
        };
        pairs.into_iter().filter_map(header).collect()
    }
}

/// Who has one address of IPv6 has all of its network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn five_a_minute_pass_and_the_sixth_says_when() {
        let rate = RateLimit::default();
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        for left in (0..5).rev() {
            tokio::time::advance(Duration::from_secs(2)).await;
            assert_eq!(rate.take(address).unwrap().requests, left);
        }
        let refused = rate.take(address).unwrap_err();
        assert_eq!(refused.headers["retry-after"], "52");
        assert_eq!(refused.headers["ratelimit"], "\"minute\";r=0;t=52");
        assert_eq!(refused.headers["ratelimit-policy"], "\"minute\";q=5;w=60");
        assert!(rate.take("192.0.2.2".parse().unwrap()).is_ok());

        tokio::time::advance(Duration::from_secs(52)).await;
        assert!(rate.take(address).is_ok());
        assert!(rate.take(address).is_err());
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        assert_eq!(network("2001:db8:1:2:3::1".parse().unwrap()), network("2001:db8:1:2:4::2".parse().unwrap()));
        assert_ne!(network("2001:db8:1:2::1".parse().unwrap()), network("2001:db8:1:3::1".parse().unwrap()));
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), "192.0.2.1".parse::<IpAddr>().unwrap());
    }
}
