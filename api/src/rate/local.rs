//! The same count in the memory of this process, for when Redis is away.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jobs_core::Rate;
use jobs_queue::Counted;
use tokio::time::Instant;

/// When more buckets than this are known, those that are empty are forgotten; and all of them when that is not enough.
const CROWD: usize = 50_000;

/// Counts for this process alone.
#[derive(Debug, Default)]
pub(super) struct Local(Mutex<HashMap<String, Instant>>);

impl Local {
    /// Counts a request in all buckets, or in none if one is full (generic cell rate algorithm, ITU-T I.371).
    pub(super) fn count(&self, who: &str, buckets: &[(&str, Rate)]) -> Counted {
        let now = Instant::now();
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.len() > CROWD {
            spent.retain(|_, at| *at > now);
        }
        if spent.len() > CROWD {
            spent.clear();
        }
        let keys: Vec<String> = buckets.iter().map(|(name, _)| format!("{who}:{name}")).collect();
        let ats: Vec<Instant> = keys.iter().map(|key| spent.get(key).copied().unwrap_or(now).max(now)).collect();
        let passes = buckets.iter().zip(&ats).all(|((_, rate), at)| {
            let every = every(*rate);
            *at - now <= every * (rate.burst - 1)
        });
        let mut left = Vec::with_capacity(buckets.len());
        for (((_, rate), key), at) in buckets.iter().zip(keys).zip(ats) {
            let every = every(*rate);
            let at = if passes { at + every } else { at };
            if passes {
                spent.insert(key, at);
            }
            let room = (every * rate.burst).saturating_sub(at - now);
            let count = u32::try_from(room.as_nanos() / every.as_nanos().max(1)).unwrap_or(rate.burst);
            left.push((count, (every * (count + 1)).saturating_sub(room)));
        }
        Counted { passes, left }
    }
}

fn every(rate: Rate) -> Duration {
    Duration::from_millis(rate.per_ms) / rate.limit.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_pass_at_once_and_then_one_after_the_other() {
        let local = Local::default();
        let minute = Rate { limit: 5, per_ms: 60_000, burst: 5 };
        let hour = Rate { limit: 7, per_ms: 3_600_000, burst: 7 };
        let count = |who: &str| local.count(who, &[("minute", minute), ("hour", hour)]);
        for left in (0..5).rev() {
            let counted = count("a");
            assert!(counted.passes && counted.left[0].0 == left, "{counted:?}");
        }
        let refused = count("a");
        assert!(!refused.passes, "{refused:?}");
        assert_eq!(refused.left[0], (0, Duration::from_secs(12)));
        assert_eq!(refused.left[1].0, 2, "what is refused is counted nowhere");
        assert!(count("b").passes);

        for wait in [12, 12] {
            tokio::time::advance(Duration::from_secs(wait)).await;
            assert!(count("a").passes);
        }
        tokio::time::advance(Duration::from_secs(12)).await;
        let refused = count("a");
        assert!(!refused.passes && refused.left[0].0 == 1 && refused.left[1].0 == 0, "{refused:?}");
    }
}
