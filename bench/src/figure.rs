//! A figure: what was measured of whom.

use std::fmt;

use serde::Serialize;

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Unit {
    /// Tasks, rows, requests or events a second.
    #[serde(rename = "1/s")]
    PerSecond,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Microseconds of CPU time for each task, on all cores together.
    #[serde(rename = "us/task")]
    CpuPerTask,
    /// Mebibytes.
    #[serde(rename = "MiB")]
    Mebibytes,
    /// Percent of one core.
    #[serde(rename = "% of a core")]
    PercentOfCore,
    /// A number between nothing and one.
    #[serde(rename = "")]
    Share,
}

/// One measured value.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    /// Whose it is.
    pub(crate) system: &'static str,
    /// What was measured, as `ratio` knows it.
    pub(crate) name: &'static str,
    /// How much.
    pub(crate) value: f64,
    /// Of what.
    pub(crate) unit: Unit,
    /// What else was seen, by name.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub(crate) details: serde_json::Map<String, serde_json::Value>,
}

impl Figure {
    /// A value with no details yet.
    pub(crate) fn new(system: &'static str, name: &'static str, value: f64, unit: Unit) -> Self {
        Self { system, name, value, unit, details: serde_json::Map::new() }
    }

    /// With one more detail.
    pub(crate) fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}

impl Unit {
    /// The name of the unit.
    fn name(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Milliseconds => "ms",
            Self::CpuPerTask => "us",
            Self::Mebibytes => "MiB",
            Self::PercentOfCore => "%",
            Self::Share => "",
        }
    }

    /// A value of this unit for people.
    pub(crate) fn show(self, value: f64) -> String {
        format!("{} {}", Rounded(value), self.name()).trim_end().to_owned()
    }
}

/// A number with about three digits that mean something.
pub(crate) struct Rounded(pub(crate) f64);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = match self.0.abs() {
            size if size >= 100.0 => 0,
            size if size >= 10.0 => 1,
            _ => 2,
        };
        write!(f, "{:.digits$}", self.0)
    }
}

/// Three decimals, for details in JSON.
pub(crate) fn short(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_with_the_digits_that_mean_something() {
        assert_eq!(Unit::PerSecond.show(12_345.6), "12346 /s");
        assert_eq!(Unit::Milliseconds.show(12.345), "12.3 ms");
        assert_eq!(Unit::Share.show(0.987_6), "0.99");
    }
}
