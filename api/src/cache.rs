//! Tasks as they were answered, kept while they hold: who asks again costs Postgres nothing.
//!
//! An entry holds while its [`Mark`] does, which was taken before its row was read: `jobs_queue::Mark` says why that is enough, whatever
//! happens at the same time. It is also bounded by an age, because a process may die between a commit and the word of it.
//!
//! An entry belongs to a project: its key says so, and so does the read that makes it. A task that is not there is not kept.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use axum::http::HeaderValue;
use bytes::Bytes;
use jobs_core::{ProjectId, Task, TaskId};
use jobs_queue::{Hub, Mark};
use quick_cache::{Equivalent, Weighter, sync::Cache};
use tokio::time::Instant;

use crate::{etag, expect::Pace, links::Links, problem::Problem};

/// So old an entry of a task that has not ended may be.
const AGE: Duration = Duration::from_secs(1);
/// So old one of a task that has ended: nothing but a retry or its removal changes it.
const AGE_ENDED: Duration = Duration::from_secs(60);
/// What an entry takes beside its body, about.
const OVERHEAD: usize = 512;
/// Whoever waits for somebody else's read of the same task for so long reads for itself.
const PATIENCE: Duration = Duration::from_secs(1);

/// A task as it was answered.
#[derive(Debug)]
pub(crate) struct Rendered {
    /// The task, without what only the body needs.
    pub(crate) task: Stand,
    /// The strong entity tag of the body.
    pub(crate) tag: HeaderValue,
    /// The body: JSON.
    pub(crate) body: Bytes,
    /// Until when the body holds, however little changes: it has addresses that expire.
    pub(crate) good_until: Option<Instant>,
    read_at: Instant,
    mark: Option<Mark>,
}

/// What is known of a task beside its body.
#[derive(Debug, Clone)]
pub(crate) struct Stand {
    /// Which one it is.
    pub(crate) id: TaskId,
    /// Its version.
    pub(crate) version: i64,
    /// Its kind.
    pub(crate) kind: String,
    /// Whether it has ended.
    pub(crate) is_ended: bool,
    /// From which its expected end is told.
    pub(crate) pace: Pace,
}

/// Which answer it is: a project's task, with the addresses of the server as this client reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    project: ProjectId,
    task: TaskId,
    base: Box<str>,
}

#[derive(Debug)]
struct KeyRef<'a> {
    project: ProjectId,
    task: TaskId,
    base: &'a str,
}

/// The cache of one process.
pub(crate) struct TaskCache {
    hub: Hub,
    entries: Cache<Key, Arc<Rendered>, ByBytes>,
}

#[derive(Debug, Clone)]
struct ByBytes;

impl TaskCache {
    /// An empty one that takes about so much memory at most; of 0 it keeps nothing.
    pub(crate) fn new(hub: Hub, bytes: usize) -> Self {
        // A guess at how many there will be: it sizes tables and limits nothing.
        let count = (bytes / 4_096).max(16);
        Self { hub, entries: Cache::with_weighter(count, bytes as u64, ByBytes) }
    }

    /// What is kept of a task, if it holds. Costs no read.
    pub(crate) fn get(&self, project: ProjectId, task: TaskId, links: &Links) -> Option<Arc<Rendered>> {
        let entry = self.entries.get(&KeyRef { project, task, base: links.base() })?;
        self.holds(&entry).then_some(entry)
    }

    /// What is kept of a task, or what `read` gives. Those who ask for one task at the same time share a read.
    pub(crate) async fn get_or_read<F>(
        &self,
        project: ProjectId,
        task: TaskId,
        links: &Links,
        read: impl Fn() -> F,
    ) -> Result<Arc<Rendered>, Problem>
    where
        F: Future<Output = Result<Rendered, Problem>>,
    {
        let key = Key { project, task, base: links.base().into() };
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Before the read, or it would not know of a change that the read did not see.
            let Some(mark) = self.hub.mark(task) else { return read().await.map(Arc::new) };
            let place = self.entries.get_value_or_guard_async(&key);
            match tokio::time::timeout_at(deadline, place).await {
                Ok(Ok(entry)) if self.holds(&entry) => return Ok(entry),
                // Old: out of the way, unless somebody has replaced it by now.
                Ok(Ok(_)) => drop(self.entries.remove_if(&key, |entry| !self.holds(entry))),
                Ok(Err(guard)) => {
                    let entry = Arc::new(Rendered { mark: Some(mark), ..read().await? });
                    let _ = guard.insert(entry.clone());
                    return Ok(entry);
                }
                // The database takes its time. Everybody for himself, or they would wait for each other.
                Err(_) => return read().await.map(Arc::new),
            }
        }
    }

    /// Whether nothing was heard of a task since it was read, however long ago that is.
    pub(crate) fn is_current(&self, entry: &Rendered) -> bool {
        entry.mark.is_some_and(|mark| self.hub.holds(entry.task.id, mark))
    }

    fn holds(&self, entry: &Rendered) -> bool {
        let age = if entry.task.is_ended { AGE_ENDED } else { AGE };
        let now = Instant::now();
        self.is_current(entry) && now < entry.read_at + age && entry.good_until.is_none_or(|until| now < until)
    }
}

impl Rendered {
    /// An answer about `task` as it was read just now.
    pub(crate) fn new(task: Stand, body: Bytes, good_until: Option<Instant>, edition: Option<u64>) -> Self {
        // The same version in another edition of its addresses is another body.
        let word = match edition {
            Some(edition) => format!("{}.{edition}", task.version),
            None => task.version.to_string(),
        };
        let tag = HeaderValue::from_str(&etag::strong(&word)).unwrap_or_else(|_| HeaderValue::from_static("\"0\""));
        Self { task, tag, body, good_until, read_at: Instant::now(), mark: None }
    }
}

impl Stand {
    pub(crate) fn of(task: &Task) -> Self {
        Self {
            id: task.id,
            version: task.seq,
            kind: task.kind.clone(),
            is_ended: task.state.is_terminal(),
            pace: Pace::of(task),
        }
    }
}

impl Weighter<Key, Arc<Rendered>> for ByBytes {
    fn weight(&self, key: &Key, entry: &Arc<Rendered>) -> u64 {
        (entry.body.len() + key.base.len() + OVERHEAD) as u64
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        KeyRef { project: self.project, task: self.task, base: &self.base }.hash(state);
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.project, self.task, self.base).hash(state);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.task == key.task && self.project == key.project && *self.base == *key.base
    }
}
