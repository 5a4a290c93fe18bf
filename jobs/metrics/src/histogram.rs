//! How long things take, counted in buckets.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// No histogram has more buckets.
const MOST: usize = 16;

/// How often something took how long.
#[derive(Debug)]
pub struct Histogram {
    /// The upper bounds of the buckets in seconds; what is above the last is in one of its own.
    bounds: &'static [f64],
    /// How often something fell into each bucket, and into none of those below it.
    counts: [AtomicU64; MOST],
    sum_us: AtomicU64,
}

impl Histogram {
    /// For answers: from a millisecond to a minute.
    pub const ANSWERS: &'static [f64] =
        &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
    /// For work: from ten milliseconds to a day.
    pub const WORK: &'static [f64] =
        &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];

    /// An empty one with these bounds, which rise.
    ///
    /// # Panics
    /// With more bounds than there is room for.
    #[must_use]
    pub const fn new(bounds: &'static [f64]) -> Self {
        assert!(bounds.len() < MOST);
        Self { bounds, counts: [const { AtomicU64::new(0) }; MOST], sum_us: AtomicU64::new(0) }
    }

    /// Counts something that took so long.
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = self.bounds.iter().take_while(|bound| seconds > **bound).count();
        self.counts[bucket].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// How often something took at most as long as each bound, in their order, and how often there was something at all.
    #[must_use]
    pub fn cumulative(&self) -> (Vec<(f64, u64)>, u64) {
        let mut sum = 0;
        let mut below = Vec::with_capacity(self.bounds.len());
        for (bound, count) in self.bounds.iter().zip(&self.counts) {
            sum += count.load(Relaxed);
            below.push((*bound, sum));
        }
        (below, sum + self.counts[self.bounds.len()].load(Relaxed))
    }

    /// How long all of it took together, in seconds.
    #[must_use]
    pub fn sum(&self) -> f64 {
        Duration::from_micros(self.sum_us.load(Relaxed)).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_in_its_bucket_and_in_those_above() {
        let histogram = Histogram::new(&[0.01, 1.0]);
        for millis in [10, 11, 1_000, 5_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        assert_eq!(histogram.cumulative(), (vec![(0.01, 1), (1.0, 3)], 4));
        assert!((histogram.sum() - 6.021).abs() < 1e-9);
    }
}
