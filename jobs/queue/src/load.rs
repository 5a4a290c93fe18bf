//! How busy a lane is: how many tasks it may take now without keeping them from a freer worker.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use tokio::sync::Notify;

/// Taken ahead at most, however short the tasks are.
const PREFETCH_MAX: usize = 256;
/// A task that is taken ahead waits no longer than about this for its turn.
const PREFETCH_WAIT: Duration = Duration::from_millis(20);

/// The load of one lane. Every method may be called from anywhere.
#[derive(Debug)]
pub struct Load {
    slots: usize,
    /// Taken and not ended.
    taken: AtomicUsize,
    /// A moving mean of how long tasks run, in microseconds; long at first, so that nothing is taken ahead unless it is known to be short.
    mean_us: AtomicU64,
    freed: Notify,
}

impl Load {
    /// A lane that runs `slots` tasks at once.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self { slots, taken: AtomicUsize::new(0), mean_us: AtomicU64::new(1_000_000), freed: Notify::new() }
    }

    /// How many tasks run at once.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// How many tasks were taken and have not ended.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.load(Relaxed)
    }

    /// How many more to take now: the free slots, and some ahead if tasks are so short that the way to fetch them counts.
    #[must_use]
    pub fn room(&self) -> usize {
        let mean_us = self.mean_us.load(Relaxed).max(1);
        let ahead = self.slots as u64 * u64::try_from(PREFETCH_WAIT.as_micros()).unwrap_or(u64::MAX) / mean_us;
        let ahead = usize::try_from(ahead).unwrap_or(PREFETCH_MAX).min(PREFETCH_MAX);
        (self.slots + ahead).saturating_sub(self.taken())
    }

    /// Completes when a task ended since the last call.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    /// Tasks were taken.
    pub fn take(&self, count: usize) {
        self.taken.fetch_add(count, Relaxed);
    }

    /// A task ended after this long.
    pub fn end(&self, ran: Duration) {
        let ran_us = u64::try_from(ran.as_micros()).unwrap_or(u64::MAX);
        let mean_us = self.mean_us.load(Relaxed);
        // Two ends at once may lose one of two samples of a mean: no harm.
        self.mean_us.store(mean_us - mean_us / 8 + ran_us / 8, Relaxed);
        self.give_back(1);
    }

    /// Tasks were given back unstarted.
    pub fn give_back(&self, count: usize) {
        self.taken.fetch_sub(count, Relaxed);
        self.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_tasks_are_not_taken_ahead_and_short_ones_are() {
        let load = Load::new(4);
        assert_eq!(load.room(), 4);
        load.take(4);
        assert_eq!(load.room(), 0);

        for _ in 0..100 {
            load.take(1);
            load.end(Duration::from_micros(200));
        }
        assert!(load.room() > 100, "{}", load.room());

        for _ in 0..100 {
            load.take(1);
            load.end(Duration::from_secs(60));
        }
        assert_eq!(load.room(), 0);
    }
}
