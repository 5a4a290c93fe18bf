//! Where a task stands in its queue: what is before it, and what its group waits for.

use std::time::Duration;

use jobs_core::{GroupKey, TaskId};

use crate::{Queue, QueueError, script};

/// Redis looks at so many groups at once; more are taken to be like these.
const GROUPS: usize = 500;

/// What keeps a group from its turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turns {
    /// Nothing: it takes them.
    Taken,
    /// As much of it runs as may, or it is paused.
    Full,
    /// Its rate.
    Rated,
    /// It has nothing ready.
    None,
}

/// Where a task stands in its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// So many tasks of its own group are before it; `None` when it is not ready.
    pub in_group: Option<u64>,
    /// So many tasks of other groups have their turn before it, if nothing else comes.
    pub others: u64,
    /// For how long a worker has had it; `None` when none has.
    pub held: Option<Duration>,
    /// So many tasks of its group are ready.
    pub group_ready: u64,
    /// So many tasks of its group are taken.
    pub group_running: u64,
    /// So many tasks of its queue are ready.
    pub ready: u64,
    /// So many tasks of its queue are taken.
    pub running: u64,
    /// So many groups share the turns.
    pub groups: u64,
    /// What keeps its group from its turns.
    pub turns: Turns,
    /// When the rate of the queue lets the next one start; `None` without a rate.
    pub queue_rate: Option<Duration>,
    /// When the rate of the group does.
    pub group_rate: Option<Duration>,
}

impl Queue {
    /// Where a task of `group` stands in a queue.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn position(&self, queue: &str, group: &GroupKey, task: TaskId) -> Result<Position, QueueError> {
        let mut script = self.script(&script::EXPLAIN, queue);
        script.arg(task.0.as_bytes()).arg(group.as_str()).arg(GROUPS);
        let said: [i64; 11] = script.invoke_async(&mut self.connection()).await?;
        let [rank, held, group_ready, group_running, ready, running, groups, turns, queue_rate, group_rate, others] =
            said;
        // A count that went wrong is set right by the audit; until then it says nothing.
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        let wait = |ms: i64| u64::try_from(ms).ok().map(Duration::from_millis);
        Ok(Position {
            in_group: u64::try_from(rank).ok(),
            others: count(others),
            held: wait(held),
            group_ready: count(group_ready),
            group_running: count(group_running),
            ready: count(ready),
            running: count(running),
            groups: count(groups),
            turns: match turns {
                1 => Turns::Taken,
                2 => Turns::Full,
                3 => Turns::Rated,
                _ => Turns::None,
            },
            queue_rate: wait(queue_rate),
            group_rate: wait(group_rate),
        })
    }
}
