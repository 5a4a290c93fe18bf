//! How often somebody may ask, counted for all processes together.

use std::{sync::LazyLock, time::Duration};

use jobs_core::Rate;
use redis::Script;

use crate::{Queue, QueueError};

// Counting makes no room: where there is none, each process counts for itself.
static RATE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/rate.lua")));

/// What counting a request gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Whether it was counted; else one of the buckets is full, and nothing was.
    pub passes: bool,
    /// Of each bucket how many more may come now, and when there is one more.
    pub left: Vec<(u32, Duration)>,
}

impl Queue {
    /// Counts a request of `who` in buckets, each with its name and its rate, if there is room in all of them.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn count(&self, who: &str, buckets: &[(&str, Rate)]) -> Result<Counted, QueueError> {
        let mut script = RATE.prepare_invoke();
        for (name, rate) in buckets {
            script.key(self.bucket(who, name)).arg(rate.limit).arg(rate.per_ms).arg(rate.burst);
        }
        let numbers: Vec<u64> = script.invoke_async(&mut self.connection()).await?;
        let (passes, left) = numbers.split_first().map_or((0, &[][..]), |(passes, left)| (*passes, left));
        let left = left.chunks_exact(2).map(|pair| {
            let count = u32::try_from(pair[0]).unwrap_or(u32::MAX);
            (count, Duration::from_millis(pair[1]))
        });
        Ok(Counted { passes: passes == 1, left: left.collect() })
    }
}
