//! Which limits hold for what.

use std::collections::BTreeMap;

use jobs_core::Rate;
use jobs_runtime::config::RateLimit;

/// A class of operations that share limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Submissions of tasks.
    Submit,
    /// What reads.
    Read,
    /// What changes something else.
    Act,
    /// Submissions of videos.
    Videos,
    /// Whatever comes without a key that opens something; counted by address.
    Strangers,
}

impl Class {
    /// As settings and keys call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Read => "read",
            Self::Act => "act",
            Self::Videos => "videos",
            Self::Strangers => "strangers",
        }
    }

    /// Of an operation, by its id and its method.
    pub(crate) fn of(operation: &str, method: &str) -> Self {
        match (operation, method) {
            ("createTask" | "createTasks", _) => Self::Submit,
            ("generateVideo", _) => Self::Videos,
            (_, "get" | "head") => Self::Read,
            _ => Self::Act,
        }
    }
}

/// The limits of the settings, by the name of their class.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policies(BTreeMap<String, Vec<Rate>>);

impl Policies {
    pub(crate) fn new(settings: &[RateLimit]) -> Self {
        let mut policies: BTreeMap<String, Vec<Rate>> = BTreeMap::new();
        for RateLimit { class, limit, per, burst } in settings {
            let per_ms = u64::try_from(per.as_millis()).unwrap_or(u64::MAX);
            policies.entry(class.clone()).or_default().push(Rate { limit: *limit, per_ms, burst: *burst });
        }
        Self(policies)
    }

    /// What holds for a class.
    pub(crate) fn of(&self, class: Class) -> &[Rate] {
        self.0.get(class.name()).map_or(&[], Vec::as_slice)
    }
}

/// What a limit is called in headers.
pub(super) fn name(rate: Rate) -> String {
    match rate.per_ms {
        1_000 => "second".to_owned(),
        60_000 => "minute".to_owned(),
        3_600_000 => "hour".to_owned(),
        86_400_000 => "day".to_owned(),
        ms => format!("{ms}ms"),
    }
}
