//! What an operator says of a queue and of its groups: how many of their tasks run, how often one starts, how many may wait.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A step of priority is worth so long a wait, where a queue does not say otherwise.
pub const AGING_MS: u64 = 600_000;

/// The settings of a queue. What is left out does not limit anything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
// What a client sends is held to the schema; a row may be from a newer program that knows more.
#[schemars(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "concurrency": 20, "max_queued": 100_000, "group_defaults": { "concurrency": 2 } }))]
pub struct QueueSettings {
    /// Nothing is started while this is true; what runs goes on, what comes in waits.
    #[serde(default, skip_serializing_if = "is_false")]
    pub paused: bool,
    /// So many of its tasks run at once, on all workers together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = 1_000_000))]
    pub concurrency: Option<u32>,
    /// How often a task is started, on all workers together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Rate")]
    pub rate: Option<Rate>,
    /// When so many tasks wait, more are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = 100_000_000))]
    pub max_queued: Option<u32>,
    /// A task goes before one whose priority is a step higher if it has waited for so much longer; 600,000 when left out. It holds
    /// for tasks that become ready from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64", range(min = 0, max = 86_400_000))]
    pub aging_ms: Option<u64>,
    /// The limits of each group that has none of its own.
    #[serde(default, skip_serializing_if = "GroupSettings::is_empty")]
    pub group_defaults: GroupSettings,
}

/// The limits of one group of a queue. What is left out is as `group_defaults` of the queue say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
// What a client sends is held to the schema; a row may be from a newer program that knows more.
#[schemars(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "concurrency": 4, "rate": { "limit": 60, "per_ms": 60_000 }, "weight": 2 }))]
pub struct GroupSettings {
    /// Nothing of the group is started while this is true.
    #[serde(default, skip_serializing_if = "is_false")]
    pub paused: bool,
    /// So many of its tasks run at once, on all workers together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = 1_000_000))]
    pub concurrency: Option<u32>,
    /// How often a task is started, on all workers together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Rate")]
    pub rate: Option<Rate>,
    /// When so many tasks wait, more are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = 100_000_000))]
    pub max_queued: Option<u32>,
    /// A group of weight 2 gets twice the turns of one of weight 1, which is usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = 1_000))]
    pub weight: Option<u32>,
}

/// So many starts in a time, evenly spaced (generic cell rate algorithm, ITU-T I.371).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
// What a client sends is held to the schema; a row may be from a newer program that knows more.
#[schemars(deny_unknown_fields)]
pub struct Rate {
    /// How many.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub limit: u32,
    /// In how many milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub per_ms: u64,
    /// So many may start at once after a time without any; 1 when left out.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub burst: u32,
}

impl QueueSettings {
    /// Whether there is a limit on what is started, in the queue or in all its groups.
    #[must_use]
    pub fn limits_starts(&self) -> bool {
        self.paused || self.concurrency.is_some() || self.rate.is_some() || self.group_defaults.limits_starts()
    }
}

impl GroupSettings {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether there is a limit on what is started.
    #[must_use]
    pub fn limits_starts(&self) -> bool {
        self.paused || self.concurrency.is_some() || self.rate.is_some()
    }

    /// These settings, with those of `defaults` where they say nothing.
    #[must_use]
    pub fn over(&self, defaults: &Self) -> Self {
        Self {
            paused: self.paused || defaults.paused,
            concurrency: self.concurrency.or(defaults.concurrency),
            rate: self.rate.or(defaults.rate),
            max_queued: self.max_queued.or(defaults.max_queued),
            weight: self.weight.or(defaults.weight),
        }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

fn one() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_the_limits_of_all_groups_where_it_has_none_of_its_own() {
        let defaults = GroupSettings { concurrency: Some(5), weight: Some(2), ..GroupSettings::default() };
        let own = GroupSettings { concurrency: Some(1), max_queued: Some(9), ..GroupSettings::default() };
        let both = own.over(&defaults);
        assert_eq!((both.concurrency, both.weight, both.max_queued, both.rate), (Some(1), Some(2), Some(9), None));
        assert_eq!(GroupSettings::default().over(&defaults), defaults);
    }

    #[test]
    fn what_is_not_said_is_not_written() {
        assert_eq!(serde_json::to_string(&QueueSettings::default()).expect("JSON"), "{}");
        let rate: Rate = serde_json::from_str(r#"{"limit":5,"per_ms":1000}"#).expect("a rate");
        assert_eq!(rate.burst, 1);
    }
}
