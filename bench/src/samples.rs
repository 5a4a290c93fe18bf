//! Samples of how long something took.

use std::time::Duration;

use crate::figure::{Figure, Unit, short};

/// Times in milliseconds, sorted when they are first asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Adds a time.
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1_000.0);
    }

    /// Adds all of another set.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value below which a share of the samples lie, by the nearest rank; not a number without samples.
    pub(crate) fn quantile(&mut self, share: f64) -> f64 {
        if self.0.is_empty() {
            return f64::NAN;
        }
        self.0.sort_unstable_by(f64::total_cmp);
        let rank = (self.0.len() as f64 * share).ceil() as usize;
        self.0[rank.clamp(1, self.0.len()) - 1]
    }

    /// Two figures, of the median and of the 99th percentile, in milliseconds.
    pub(crate) fn figures(&mut self, system: &'static str, p50: &'static str, p99: &'static str) -> Vec<Figure> {
        let count = self.len();
        let of = |name, value: f64| Figure::new(system, name, value, Unit::Milliseconds).with("samples", count);
        let longest = short(self.quantile(1.0));
        vec![of(p50, self.quantile(0.5)), of(p99, self.quantile(0.99)).with("max_ms", longest)]
    }
}

impl FromIterator<f64> for Samples {
    /// From milliseconds.
    fn from_iter<T: IntoIterator<Item = f64>>(times: T) -> Self {
        Self(times.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_nearest_rank() {
        let mut samples: Samples = (1..=100).rev().map(f64::from).collect();
        assert_eq!((samples.quantile(0.5), samples.quantile(0.99), samples.quantile(1.0)), (50.0, 99.0, 100.0));
        assert!(Samples::default().quantile(0.5).is_nan());
    }
}
