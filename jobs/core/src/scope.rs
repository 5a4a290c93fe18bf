//! What a key may do.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Scope {
    /// Read the tasks of its project.
    #[serde(rename = "tasks:read")]
    TasksRead,
    /// Submit tasks to its project and act on them.
    #[serde(rename = "tasks:write")]
    TasksWrite,
    /// Read and change the schedules of its project.
    #[serde(rename = "schedules")]
    Schedules,
    /// Read and change the webhooks of its project.
    #[serde(rename = "webhooks")]
    Webhooks,
    /// Administer its project: its keys, the limits of its groups.
    #[serde(rename = "admin")]
    Admin,
    /// Operate the installation: projects, queues, workers.
    #[serde(rename = "operator")]
    Operator,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 6] =
        [Self::TasksRead, Self::TasksWrite, Self::Schedules, Self::Webhooks, Self::Admin, Self::Operator];

    /// Its spelling in the database and on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TasksRead => "tasks:read",
            Self::TasksWrite => "tasks:write",
            Self::Schedules => "schedules",
            Self::Webhooks => "webhooks",
            Self::Admin => "admin",
            Self::Operator => "operator",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No scope is called so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no scope; known are tasks:read, tasks:write, schedules, webhooks, admin, operator")]
pub struct UnknownScope(pub String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let known = Self::ALL.into_iter().find(|scope| scope.name() == text);
        known.ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// A set of scopes. None contains another: a key has what it was given.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// Every scope.
    #[must_use]
    pub fn all() -> Self {
        Scope::ALL.into_iter().collect()
    }

    /// Whether `scope` is among them.
    #[must_use]
    pub fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Those that are not in `others`.
    #[must_use]
    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Scope::name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_survives_its_spelling() {
        for scope in Scope::ALL {
            assert_eq!(scope.name().parse(), Ok(scope));
            assert_eq!(serde_json::to_value(scope).expect("JSON"), scope.name());
        }
        assert!("tasks".parse::<Scope>().is_err());
    }

    #[test]
    fn a_set_has_what_was_put_in() {
        let some: Scopes = [Scope::Admin, Scope::TasksRead].into_iter().collect();
        assert!(some.has(Scope::Admin) && !some.has(Scope::Operator));
        assert_eq!(some.iter().collect::<Vec<_>>(), [Scope::TasksRead, Scope::Admin]);
        assert_eq!(Scopes::all().without(some).iter().count(), 4);
        assert!(some.without(Scopes::all()).is_empty());
    }
}
