//! Amounts of memory and lengths of time, as people write them in configurations.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

/// An amount of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    /// So many times 2^30 bytes.
    #[must_use]
    pub const fn gibibytes(count: u64) -> Self {
        Self(count << 30)
    }

    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const UNITS: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];
        let text = String::deserialize(deserializer)?;
        let bytes = UNITS
            .iter()
            .find_map(|(unit, bytes)| text.strip_suffix(unit)?.trim_end().parse::<u64>().ok()?.checked_mul(*bytes));
        bytes.map(Self).ok_or_else(|| D::Error::custom("an amount of memory is a number and B, KiB, MiB or GiB"))
    }
}

/// Reads a length of time: a whole number and `ms`, `s`, `m` or `h`.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let text = String::deserialize(deserializer)?;
    let millis = UNITS
        .iter()
        .find_map(|(unit, millis)| text.strip_suffix(unit)?.trim_end().parse::<u64>().ok()?.checked_mul(*millis));
    millis.map(Duration::from_millis).ok_or_else(|| D::Error::custom("a length of time is a number and ms, s, m or h"))
}
