//! A limit of requests as it is written in the settings: `videos=5/1m`.

use std::time::Duration;

use super::{parse_duration, value::Value};

/// The classes of operations that can be limited.
const CLASSES: [&str; 5] = ["submit", "read", "act", "videos", "strangers"];

/// So many requests of a class in a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// The class of operations.
    pub class: String,
    /// So many.
    pub limit: u32,
    /// In this time.
    pub per: Duration,
    /// So many at once, after a time without any.
    pub burst: u32,
}

/// Reads limits such as `videos=5/1m, videos=50/1h, submit=100/1s+500`: how many in which time, and how many at once if not as many. A class
/// may have several; a request must pass all of them.
///
/// # Errors
/// When a class is not known, or a number or a time cannot be read.
pub fn parse_rate_limits(text: &str) -> Result<Vec<RateLimit>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| read(part).map_err(|problem| format!("{part}: {problem}"))).collect()
}

fn read(part: &str) -> Result<RateLimit, String> {
    let shape = || "is not of the form videos=5/1m or submit=100/1s+500".to_owned();
    let (class, rest) = part.split_once('=').ok_or_else(shape)?;
    let (limit, rest) = rest.split_once('/').ok_or_else(shape)?;
    let (per, burst) = rest.split_once('+').map_or((rest, None), |(per, burst)| (per, Some(burst)));
    let class = class.trim();
    if !CLASSES.contains(&class) {
        return Err(format!("`{class}` is no class; known are {}", CLASSES.join(", ")));
    }
    let limit = u32::read(limit.trim())?;
    let burst = burst.map_or(Ok(limit), |burst| u32::read(burst.trim()))?;
    Ok(RateLimit { class: class.to_owned(), limit, per: parse_duration(per.trim())?, burst })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_with_their_bursts() {
        let limit = |class: &str, limit, seconds, burst| RateLimit {
            class: class.into(),
            limit,
            per: Duration::from_secs(seconds),
            burst,
        };
        let read = parse_rate_limits("videos=5/1m, videos=50/1h,submit=100/1s+500");
        assert_eq!(
            read,
            Ok(vec![limit("videos", 5, 60, 5), limit("videos", 50, 3_600, 50), limit("submit", 100, 1, 500)])
        );
        assert_eq!(parse_rate_limits(""), Ok(Vec::new()));
        for wrong in ["videos", "videos=5", "videos=0/1m", "videos=5/0s", "films=5/1m", "videos=5/1m+0", "videos=x/1m"]
        {
            assert!(parse_rate_limits(wrong).is_err(), "{wrong}");
        }
    }
}
