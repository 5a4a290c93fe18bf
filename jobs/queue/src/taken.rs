//! What a worker took from a queue.

use std::time::Duration;

use jobs_core::{GroupKey, TaskId};
use uuid::Uuid;

/// A task that was taken from its group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Taken {
    /// The task.
    pub task: TaskId,
    /// The group it was taken from.
    pub group: GroupKey,
}

/// What a claim brought.
#[derive(Debug, Clone, Default)]
pub struct Turn {
    /// What was taken.
    pub taken: Vec<Taken>,
    /// If nothing was: when something may be ready that only time keeps back.
    pub again: Option<Duration>,
}

impl Taken {
    /// Its entry among those that are held: the 16 bytes of the id, and the group.
    pub(crate) fn entry(&self) -> Vec<u8> {
        [self.task.0.as_bytes(), self.group.as_str().as_bytes()].concat()
    }

    /// What is no entry of ours is somebody else's: it is left alone.
    pub(crate) fn read(entry: &[u8]) -> Option<Self> {
        let (id, group) = entry.split_at_checked(16)?;
        Some(Self {
            task: TaskId(Uuid::from_slice(id).ok()?),
            group: GroupKey::read(String::from_utf8(group.to_vec()).ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_the_task_and_its_group() {
        for group in ["default", "", "größe"] {
            let taken = Taken { task: TaskId::new(), group: GroupKey::read(group.to_owned()) };
            assert_eq!(Taken::read(&taken.entry()), Some(taken));
        }
        assert_eq!(Taken::read(b"something else"), None);
        assert_eq!(Taken::read(&[0xff; 20]), None);
    }
}
