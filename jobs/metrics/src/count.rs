//! Numbers that are counted: one that only grows, one that goes up and down.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

/// Something that is counted for as long as it is kept.
#[derive(Debug)]
pub struct Raised<'a> {
    gauge: &'a Gauge,
    by: i64,
}

impl Counter {
    /// Zero.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts one more.
    pub fn one(&self) {
        self.add(1);
    }

    /// Counts so many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// How many there were.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Gauge {
    /// Zero.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicI64::new(0))
    }

    /// What it is now.
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// One more, until what this gives is dropped.
    #[must_use]
    pub fn raise(&self) -> Raised<'_> {
        self.raise_by(1)
    }

    /// So many more, until what this gives is dropped.
    #[must_use]
    pub fn raise_by(&self, by: usize) -> Raised<'_> {
        let by = i64::try_from(by).unwrap_or(i64::MAX);
        self.0.fetch_add(by, Relaxed);
        Raised { gauge: self, by }
    }

    /// What it is.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.gauge.0.fetch_sub(self.by, Relaxed);
    }
}
