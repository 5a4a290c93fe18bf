//! What the index says, read in pages, to be compared with the rows; and its counts, set right.

use std::time::Duration;

use jobs_core::{GroupKey, integrity::Place};

use crate::{Queue, QueueError, Taken, queue::BATCH, script};

/// Redis counts so many entries in some milliseconds, and keeps everybody waiting meanwhile.
const COUNTED: usize = 10_000;
/// So many groups at most are looked at for one page.
const GROUPS: usize = 50;

/// A walk through all entries of a queue. Entries that are there from its begin to its end are seen; others may be.
#[derive(Debug, Default)]
pub struct Walk {
    stage: Stage,
    cursor: u64,
    /// Groups that were found and are still to be looked at, with a cursor in each.
    groups: Vec<(GroupKey, u64)>,
}

/// Where a walk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Held,
    Ring,
    Parked,
    Later,
    Over,
}

/// What a recount found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recount {
    /// So many groups had a wrong number of running tasks.
    pub groups: u64,
    /// The number of ready tasks was wrong.
    pub depth: bool,
}

impl Walk {
    /// Whether everything was seen.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over && self.groups.is_empty()
    }
}

impl Stage {
    /// The command and the key that list what this stage is about.
    fn list(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Held => Some(("ZSCAN", "held")),
            Self::Ring => Some(("ZSCAN", "ring")),
            Self::Parked => Some(("SSCAN", "parked")),
            Self::Later => Some(("ZSCAN", "later")),
            Self::Over => None,
        }
    }

    fn next(self) -> Self {
        match self {
            Self::Held => Self::Ring,
            Self::Ring => Self::Parked,
            Self::Parked => Self::Later,
            Self::Later | Self::Over => Self::Over,
        }
    }
}

impl Queue {
    /// The next page of a walk: some hundred entries, or none and more behind them.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn walk(&self, queue: &str, walk: &mut Walk) -> Result<Vec<Taken>, QueueError> {
        if !walk.groups.is_empty() {
            return self.walk_groups(queue, walk).await;
        }
        let Some((command, key)) = walk.stage.list() else { return Ok(Vec::new()) };
        let (next, members) = self.scan(command, &format!("{}:{key}", self.base(queue)), walk.cursor).await?;
        let stage = walk.stage;
        walk.cursor = next;
        if next == 0 {
            walk.stage = stage.next();
        }
        if stage == Stage::Held {
            return Ok(members.iter().filter_map(|entry| Taken::read(entry)).collect());
        }
        let groups = members.into_iter().filter_map(|group| String::from_utf8(group).ok().map(GroupKey::read));
        walk.groups = groups.map(|group| (group, 0)).collect();
        Ok(Vec::new())
    }

    async fn walk_groups(&self, queue: &str, walk: &mut Walk) -> Result<Vec<Taken>, QueueError> {
        let mut page = Vec::new();
        for _ in 0..GROUPS {
            let Some((group, cursor)) = walk.groups.last_mut().filter(|_| page.len() < BATCH) else { break };
            let key = format!("{}:ready:{group}", self.base(queue));
            let (next, ids) = self.scan("ZSCAN", &key, *cursor).await?;
            page.extend(ids.into_iter().filter_map(|id| Taken::read(&[&id, group.as_str().as_bytes()].concat())));
            *cursor = next;
            if next == 0 {
                walk.groups.pop();
            }
        }
        Ok(page)
    }

    /// One page of a set's members, and the cursor behind it; 0 when there is no more.
    async fn scan(&self, command: &str, key: &str, cursor: u64) -> Result<(u64, Vec<Vec<u8>>), QueueError> {
        let mut scan = redis::cmd(command);
        scan.arg(key).arg(cursor).arg("COUNT").arg(BATCH);
        let (next, members): (u64, Vec<Vec<u8>>) = scan.query_async(&mut self.connection()).await?;
        // A sorted set gives each member's score behind it.
        let every = if command == "ZSCAN" { 2 } else { 1 };
        Ok((next, members.into_iter().step_by(every).collect()))
    }

    /// What the index says of tasks of a queue, in their order.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn places(&self, queue: &str, tasks: &[Taken]) -> Result<Vec<Place>, QueueError> {
        let mut places = Vec::with_capacity(tasks.len());
        for batch in tasks.chunks(BATCH) {
            let mut script = self.script(&script::PLACES, queue);
            for Taken { task, group } in batch {
                script.arg(task.0.as_bytes()).arg(group.as_str());
            }
            let said: Vec<i64> = script.invoke_async(&mut self.connection()).await?;
            places.extend(said.chunks_exact(3).map(|said| Place {
                ready: said[0] == 1,
                reachable: said[1] == 1,
                held: u64::try_from(said[2]).ok().map(Duration::from_millis),
            }));
        }
        Ok(places)
    }

    /// Compares what a queue counts with what it holds, at one moment; sets it right if `repair` says so. A queue that holds
    /// more than some thousand running tasks, or as many groups, is not counted.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn recount(&self, queue: &str, repair: bool) -> Result<Recount, QueueError> {
        let mut script = self.script(&script::RECOUNT, queue);
        let (groups, depth): (u64, u64) =
            script.arg(COUNTED).arg(u8::from(repair)).invoke_async(&mut self.connection()).await?;
        Ok(Recount { groups, depth: depth > 0 })
    }
}
