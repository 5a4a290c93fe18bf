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
    /// Of these, handed to a slot and not ended.
    handed: AtomicUsize,
    /// A moving mean of how long tasks run, in microseconds; long at first, so that nothing is taken ahead unless it is known to be short.
    mean_us: AtomicU64,
    freed: Notify,
}

impl Load {
    /// A lane that runs `slots` tasks at once.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        let load = Self {
            slots,
            taken: AtomicUsize::new(0),
            handed: AtomicUsize::new(0),
            mean_us: AtomicU64::new(0),
            freed: Notify::new(),
        };
        load.expect_long();
        load
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
        let ahead = (self.slots as u64).saturating_mul(micros(PREFETCH_WAIT)) / mean_us;
        let ahead = usize::try_from(ahead).unwrap_or(PREFETCH_MAX).min(PREFETCH_MAX);
        (self.slots + ahead).saturating_sub(self.taken())
    }

    /// Whether a slot is free for one that was taken.
    pub(crate) fn is_free(&self) -> bool {
        self.handed.load(Relaxed) < self.slots
    }

    /// Takes tasks for long ones from now on, until ends say otherwise, so that nothing is taken ahead.
    pub(crate) fn expect_long(&self) {
        // With many slots one of them is free soon even if tasks take a second.
        let slots = u32::try_from(self.slots).unwrap_or(u32::MAX);
        let long = PREFETCH_WAIT.saturating_mul(slots.saturating_add(1)).max(Duration::from_secs(1));
        self.mean_us.fetch_max(micros(long), Relaxed);
    }

    /// Completes when a task ended or was given back since the last call.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    /// Tasks were taken.
    pub fn take(&self, count: usize) {
        self.taken.fetch_add(count, Relaxed);
    }

    /// Tasks that were taken are handed to free slots.
    pub(crate) fn hand(&self, count: usize) {
        self.handed.fetch_add(count, Relaxed);
    }

    /// Tasks that were handed over did not reach a slot; they are still taken.
    pub(crate) fn unhand(&self, count: usize) {
        self.handed.fetch_sub(count, Relaxed);
    }

    /// A task that was handed over ended after this long.
    pub fn end(&self, ran: Duration) {
        let ran_us = micros(ran);
        let mean_us = self.mean_us.load(Relaxed);
        // Two ends at once may lose one of two samples of a mean: no harm.
        self.mean_us.store(mean_us - mean_us / 8 + ran_us / 8, Relaxed);
        self.unhand(1);
        self.give_back(1);
    }

    /// Tasks were given back unstarted.
    pub fn give_back(&self, count: usize) {
        self.taken.fetch_sub(count, Relaxed);
        self.freed.notify_one();
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
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
            load.hand(1);
            load.end(Duration::from_micros(200));
        }
        assert!(load.room() > 100, "{}", load.room());

        for _ in 0..100 {
            load.take(1);
            load.hand(1);
            load.end(Duration::from_secs(60));
        }
        assert_eq!(load.room(), 0);
    }

    #[test]
    fn however_many_slots_there_are_nothing_is_taken_ahead_of_tasks_that_are_expected_to_be_long() {
        for slots in [1, 49, 50, 51, 1_000] {
            let load = Load::new(slots);
            assert_eq!(load.room(), slots);
            for _ in 0..200 {
                load.take(1);
                load.hand(1);
                load.end(Duration::from_micros(200));
            }
            assert!(load.room() > slots);
            load.expect_long();
            assert_eq!(load.room(), slots);
        }
    }

    #[test]
    fn a_slot_is_free_while_fewer_are_handed_over_than_there_are_slots() {
        let load = Load::new(2);
        load.take(3);
        load.hand(2);
        assert!(!load.is_free());
        load.end(Duration::from_millis(1));
        assert!(load.is_free());
        assert_eq!(load.taken(), 2);
    }
}
