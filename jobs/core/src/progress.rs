//! How far an attempt is, and what it says on the way.

use serde::{Deserialize, Serialize};

/// How far an attempt is. Every part may be left out; `percent` runs from 0 to 100.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// From 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<f32>,
    /// A stable word for what is being done, in snake case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// A sentence for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How many units are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<u64>,
    /// How many units there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// What is counted: `frames`, `steps`, `bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For whoever debugs the kind.
    Debug,
    /// What happens.
    Info,
    /// What the owner of the task should look at.
    Warn,
    /// What went wrong.
    Error,
}
