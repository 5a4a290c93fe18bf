//! Waiting for a state, with a bound.

use std::time::{Duration, Instant};

/// How often a state is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Looks until there is something, and gives it.
///
/// # Panics
/// When there is nothing after `bound`; `what` says what was missing.
pub async fn eventually<T>(what: &str, bound: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(began.elapsed() < bound, "{what}: not within {bound:?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// The end of something that must end by itself.
///
/// # Panics
/// When it has not ended after `bound`.
pub async fn soon<T>(what: &str, bound: Duration, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(bound, work).await {
        Ok(done) => done,
        Err(_) => panic!("{what}: not within {bound:?}"),
    }
}

/// The value below which a share of the samples lie, by the nearest rank.
///
/// # Panics
/// When there are no samples.
#[must_use]
pub fn quantile(samples: &mut [Duration], share: f64) -> Duration {
    samples.sort_unstable();
    let rank = (samples.len() as f64 * share).ceil() as usize;
    samples[rank.clamp(1, samples.len()) - 1]
}
