//! What the queue knows of a task.

use crate::{GroupKey, TaskId};

/// A task that is ready to run: its name, and what decides its place in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The task.
    pub task: TaskId,
    /// The queue it waits in.
    pub queue: String,
    /// The group that shares its turn.
    pub group: GroupKey,
    /// From 0 to 9; 9 goes first within its group.
    pub priority: u8,
    /// Since when it is ready, in milliseconds of the Unix epoch, by the clock of the store.
    pub ready_ms: i64,
}
