//! When the next attempt comes: exponential back-off with full jitter.

use std::time::Duration;

use rand::{Rng, RngExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long to wait between attempts. Retry `n` (from 1) waits at most `initial_ms * factor^(n-1)`, never more than `max_ms`;
/// with jitter the wait is drawn evenly from zero to that bound, which keeps tasks that failed together from coming
/// back together ("full jitter", Brooker, *Exponential Backoff And Jitter*, AWS Architecture Blog, 2015).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
// What a client sends is held to the schema; a row may be from a newer program that knows more.
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct RetryPolicy {
    /// The bound of the first wait, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub initial_ms: u32,
    /// By how much the bound grows with each retry.
    #[schemars(range(min = 1.0, max = 10.0))]
    pub factor: f64,
    /// The bound never grows beyond this, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub max_ms: u32,
    /// Draw the wait at random below its bound; without it the wait is the bound.
    pub jitter: bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { initial_ms: 1_000, factor: 2.0, max_ms: 300_000, jitter: true }
    }
}

impl RetryPolicy {
    /// The longest wait before retry `nth` (the first is 1).
    #[must_use]
    pub fn bound(&self, nth: u32) -> Duration {
        let power = nth.saturating_sub(1).min(1_000);
        let grown = f64::from(self.initial_ms) * self.factor.powi(power.cast_signed());
        // An overflow to infinity is a long wait as well: `min` makes it the longest one.
        Duration::from_secs_f64(grown.min(f64::from(self.max_ms)) / 1_000.0)
    }

    /// The wait before retry `nth`, drawn with `rng` where the policy has jitter.
    pub fn wait(&self, nth: u32, rng: &mut impl Rng) -> Duration {
        let bound = self.bound(nth);
        if self.jitter { bound.mul_f64(rng.random_range(0.0..=1.0)) } else { bound }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_its_maximum() {
        let policy = RetryPolicy { initial_ms: 100, factor: 2.0, max_ms: 1_000, jitter: false };
        let waits: Vec<_> = (1..=6).map(|nth| policy.bound(nth).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(policy.bound(u32::MAX).as_millis(), 1_000);
    }

    #[test]
    fn jitter_stays_below_the_bound_and_spreads() {
        let policy = RetryPolicy { initial_ms: 1_000, ..RetryPolicy::default() };
        let mut rng = rand::rng();
        let waits: Vec<_> = (0..1_000).map(|_| policy.wait(3, &mut rng)).collect();
        assert!(waits.iter().all(|wait| *wait <= policy.bound(3)));
        let mean = waits.iter().sum::<Duration>() / 1_000;
        assert!((1_700..2_300).contains(&mean.as_millis()), "{mean:?}");
    }
}
