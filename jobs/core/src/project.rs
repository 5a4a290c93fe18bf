//! Projects: the tenants of an installation. Nothing of one is visible in another.

use std::fmt;

/// A project, by the number that rows carry. Clients know it by its [`ProjectUid`](crate::ProjectUid).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProjectId(pub i32);

impl ProjectId {
    /// The project that is always there. It owns what was made before there were projects.
    pub const DEFAULT: Self = Self(1);

    /// A name that a client of this project chose, told apart from the same name of another project.
    ///
    /// Names of the default project stay as they are: what programs from before projects wrote goes on to mean the same, and such
    /// programs may run beside this one. Others have the number of their project in front and a space between, which no name holds.
    #[must_use]
    pub fn qualify(self, name: &str) -> String {
        match self {
            Self::DEFAULT => name.to_owned(),
            Self(number) => format!("{number} {name}"),
        }
    }
}

/// A group as the index and the settings of queues call it: groups of two projects never meet, whatever they are called.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKey(String);

impl GroupKey {
    /// The group `name` of a project.
    #[must_use]
    pub fn new(project: ProjectId, name: &str) -> Self {
        Self(project.qualify(name))
    }

    /// A group as it stands in the index or in a row of settings.
    #[must_use]
    pub fn read(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As it is written there.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_two_projects_never_meet_and_those_of_the_first_are_as_they_were() {
        assert_eq!(GroupKey::new(ProjectId::DEFAULT, "alice").as_str(), "alice");
        assert_eq!(GroupKey::new(ProjectId(2), "alice").as_str(), "2 alice");
        assert_ne!(GroupKey::new(ProjectId(1), "2alice"), GroupKey::new(ProjectId(2), "alice"));
        assert_ne!(GroupKey::new(ProjectId(2), "x"), GroupKey::new(ProjectId(22), "x"));
    }
}
