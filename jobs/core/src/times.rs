//! How long things took, as a histogram: what is kept of thousands of durations, and what can be expected after them.

use std::time::Duration;

/// So many buckets: from 1 ms to about 40 days.
pub const BUCKETS: usize = 128;
/// Each bucket is so much wider than the one before. A quantile is off by half of that at most.
const GROWTH: f64 = 1.19;

/// A histogram of durations in buckets that grow evenly. Weights and not counts, so that what is old can fade.
#[derive(Debug, Clone, PartialEq)]
pub struct Times {
    weights: Vec<f32>,
}

/// What can be expected of a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Half of them end within this.
    pub p50: Duration,
    /// Nine of ten end within this.
    pub p90: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { weights: vec![0.0; BUCKETS] }
    }
}

impl Times {
    /// A histogram as it was stored. One of another length is another program's: what it has behind ours is left out.
    #[must_use]
    pub fn of(mut weights: Vec<f32>) -> Self {
        weights.resize(BUCKETS, 0.0);
        Self { weights }
    }

    /// As it is stored.
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Counts one duration.
    pub fn add(&mut self, took: Duration) {
        self.weights[bucket(took)] += 1.0;
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        self.weights.iter_mut().zip(&other.weights).for_each(|(mine, theirs)| *mine += theirs);
    }

    /// How much was counted.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.weights.iter().map(|weight| f64::from(*weight)).sum()
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total() <= 0.0
    }

    /// What a share of the durations, from 0 to 1, does not exceed; `None` when nothing was counted.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        self.left(Duration::ZERO, share)
    }

    /// p50 and p90.
    #[must_use]
    pub fn expected(&self) -> Option<Expected> {
        self.expected_left(Duration::ZERO)
    }

    /// p50 and p90 of what is left of a duration that has gone on for `elapsed`.
    #[must_use]
    pub fn expected_left(&self, elapsed: Duration) -> Option<Expected> {
        Some(Expected { p50: self.left(elapsed, 0.5)?, p90: self.left(elapsed, 0.9)? })
    }

    /// The mean in milliseconds, and the variance in square milliseconds; `None` when nothing was counted.
    #[must_use]
    pub fn moments(&self) -> Option<(f64, f64)> {
        let total = self.total();
        if total <= 0.0 {
            return None;
        }
        let sum = |power: i32| {
            let each = self.weights.iter().enumerate();
            each.map(|(at, weight)| f64::from(*weight) * middle_ms(at).powi(power)).sum::<f64>() / total
        };
        let mean = sum(1);
        Some((mean, (sum(2) - mean * mean).max(0.0)))
    }

    /// What is left of a duration that has gone on for `elapsed`: the time within which `share` of those that went on for as long have
    /// ended. One that is longer than all before is expected to take as long again as it is over them: nobody knows.
    fn left(&self, elapsed: Duration, share: f64) -> Option<Duration> {
        let total = self.total();
        if total <= 0.0 {
            return None;
        }
        let elapsed_ms = elapsed.as_secs_f64() * 1_000.0;
        // What was counted beyond the elapsed time; in the bucket that it lies in, evenly.
        let beyond = |at: usize| {
            let (from, to) = (edge_ms(at), edge_ms(at + 1));
            f64::from(self.weights[at]) * ((to - elapsed_ms.max(from)) / (to - from)).max(0.0)
        };
        let survivors: f64 = (0..BUCKETS).map(beyond).sum();
        if survivors < total / 1_000.0 {
            let longest = self.weights.iter().rposition(|weight| *weight > 0.0).map_or(0.0, |at| edge_ms(at + 1));
            return Some(millis((elapsed_ms - longest).max(elapsed_ms * 0.1) * share * 2.0));
        }
        let mut wanted = survivors * share;
        for at in 0..BUCKETS {
            let here = beyond(at);
            if here > 0.0 && here >= wanted {
                let from = edge_ms(at).max(elapsed_ms);
                return Some(millis(from + (edge_ms(at + 1) - from) * wanted / here - elapsed_ms));
            }
            wanted -= here;
        }
        Some(millis(edge_ms(BUCKETS) - elapsed_ms))
    }
}

fn bucket(took: Duration) -> usize {
    let ms = took.as_secs_f64() * 1_000.0;
    // The first bucket holds everything below a millisecond.
    let number = if ms < 1.0 { 0.0 } else { ms.ln() / GROWTH.ln() + 1.0 };
    (number as usize).min(BUCKETS - 1)
}

/// Where a bucket begins.
fn edge_ms(bucket: usize) -> f64 {
    if bucket == 0 { 0.0 } else { GROWTH.powi(i32::try_from(bucket - 1).unwrap_or(i32::MAX)) }
}

fn middle_ms(bucket: usize) -> f64 {
    f64::midpoint(edge_ms(bucket), edge_ms(bucket + 1))
}

fn millis(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms.max(0.0) / 1_000.0).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(each_ms: impl IntoIterator<Item = u64>) -> Times {
        let mut times = Times::default();
        each_ms.into_iter().for_each(|ms| times.add(Duration::from_millis(ms)));
        times
    }

    fn is_near(seen: Duration, wanted_ms: f64) -> bool {
        let seen = seen.as_secs_f64() * 1_000.0;
        (seen / wanted_ms).ln().abs() < GROWTH.ln()
    }

    #[test]
    fn quantiles_are_within_a_bucket_of_the_truth() {
        let times = times(1..=10_000);
        for share in [0.01, 0.1, 0.5, 0.9, 0.99] {
            let seen = times.quantile(share).unwrap();
            assert!(is_near(seen, share * 10_000.0), "{share}: {seen:?}");
        }
        let (mean, variance) = times.moments().unwrap();
        assert!((mean / 5_000.0 - 1.0).abs() < 0.05, "{mean}");
        assert!((variance.sqrt() / 2_887.0 - 1.0).abs() < 0.1, "{variance}");
    }

    #[test]
    fn every_duration_has_a_bucket() {
        for took in [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(1), Duration::MAX] {
            let mut times = Times::default();
            times.add(took);
            assert!(times.total() > 0.5 && times.quantile(0.5).is_some());
        }
        assert!(is_near(times([3_600_000]).quantile(0.5).unwrap(), 3_600_000.0));
        assert_eq!(Times::default().expected(), None);
    }

    #[test]
    fn what_is_left_shrinks_while_time_goes_on_and_never_is_nothing() {
        let times = times(std::iter::repeat_n(10_000, 100));
        let left = |ms| times.expected_left(Duration::from_millis(ms)).unwrap().p50;
        assert!(is_near(left(0), 10_000.0), "{:?}", left(0));
        assert!(left(5_000) < left(1_000) && left(5_000) > Duration::from_secs(3));
        assert!(left(60_000) > Duration::from_secs(1), "longer than any before: {:?}", left(60_000));
    }

    #[test]
    fn of_two_sorts_of_tasks_one_that_goes_on_is_of_the_longer_sort() {
        let times = times(std::iter::repeat_n(100, 90).chain(std::iter::repeat_n(60_000, 10)));
        assert!(times.expected().unwrap().p50 < Duration::from_millis(200));
        let left = times.expected_left(Duration::from_secs(1)).unwrap().p50;
        assert!(left > Duration::from_secs(50), "{left:?}");
    }

    #[test]
    fn a_stored_histogram_is_read_back_also_by_a_program_with_other_buckets() {
        let times = times([5, 500, 50_000]);
        assert_eq!(Times::of(times.weights().to_vec()), times);
        assert_eq!(Times::of(vec![1.0]).total(), 1.0);
    }
}
