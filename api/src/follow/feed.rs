//! A feed: what all who follow one task share.
//!
//! It knows how far the task was read and keeps the last events for whoever is a little behind. However many wake at once, the
//! first reads and the others take what it read. Who is far behind reads its own way through the history until it is there.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

use jobs_core::{Task, TaskId};
use jobs_queue::{Hub, Watch};
use jobs_store::{Artifact, Store, StoreError};

use super::Told;
use crate::{links::Links, view::TaskView};

/// So many events are read at once.
const BATCH: u32 = 100;
/// So many events are kept for those who are behind.
const KEPT: usize = 100;

/// The feeds of all tasks that anybody follows.
#[derive(Default)]
pub(crate) struct Feeds {
    feeds: Arc<Mutex<HashMap<TaskId, Weak<Feed>>>>,
}

/// The feed of one task.
pub(crate) struct Feed {
    watch: Watch,
    tail: tokio::sync::Mutex<Tail>,
    /// As in the tail, for whoever does not want to wait for it.
    last: AtomicI64,
    me: Weak<Feed>,
    feeds: Weak<Mutex<HashMap<TaskId, Weak<Feed>>>>,
}

/// How far a task was read.
struct Tail {
    /// How often the task may have changed when everything was read; nothing before the first time.
    heard: Option<u64>,
    /// The number before the first event that is kept.
    from: i64,
    kept: VecDeque<Told>,
    /// The number of the last event that was read.
    last: i64,
    end: Option<Arc<Ended>>,
}

/// A task as it ended.
pub(crate) struct Ended {
    task: Task,
    artifacts: Vec<Artifact>,
}

/// What comes next for somebody who follows.
pub(crate) struct Step {
    /// Events, in order.
    pub(crate) told: Vec<Told>,
    /// There may be more right now.
    pub(crate) more: bool,
    /// The task as it ended, once everything was told.
    pub(crate) end: Option<Arc<Ended>>,
}

impl Feeds {
    /// The feed of a task. Take it before looking at the task, to see whether the caller may read it: then no change is missed.
    pub(crate) fn follow(&self, hub: &Hub, task: TaskId) -> Arc<Feed> {
        let mut feeds = lock(&self.feeds);
        if let Some(known) = feeds.get(&task).and_then(Weak::upgrade) {
            return known;
        }
        let feed = Arc::new_cyclic(|me| Feed {
            watch: hub.watch(task),
            tail: tokio::sync::Mutex::new(Tail { heard: None, from: 0, kept: VecDeque::new(), last: 0, end: None }),
            last: AtomicI64::new(0),
            me: me.clone(),
            feeds: Arc::downgrade(&self.feeds),
        });
        feeds.insert(task, Arc::downgrade(&feed));
        feed
    }

    /// The number of the last event that was read of each task that anybody follows.
    pub(crate) fn positions(&self) -> Vec<(TaskId, i64)> {
        let feeds = lock(&self.feeds);
        let living = feeds.iter().filter_map(|(task, feed)| Some((*task, feed.upgrade()?)));
        let living: Vec<(TaskId, Arc<Feed>)> = living.collect();
        // Dropped outside of the lock: the last reference to one may be ours.
        drop(feeds);
        living.into_iter().map(|(task, feed)| (task, feed.last.load(Relaxed))).collect()
    }
}

impl Feed {
    /// A wait for changes of the task.
    pub(crate) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// What comes behind number `after`, for somebody who may read the task and has [`Watch::seen`] it change so often.
    pub(crate) async fn behind(&self, store: &Store, seen: u64, after: i64) -> Result<Step, StoreError> {
        let mut tail = self.tail.lock().await;
        if tail.heard.is_none() && tail.last == 0 {
            // The first of all decides where the feed begins. Further than the task is nobody.
            let seq = store.news(self.watch.task(), i64::MAX, 0).await?.seq;
            tail.last = after.min(seq);
            tail.from = tail.last;
        }
        if after < tail.from {
            drop(tail);
            return self.alone(store, after).await;
        }
        // First what was read already: to read more may cost what is kept.
        if after >= tail.last && tail.heard.is_none_or(|heard| heard < seen) {
            self.read(store, seen, &mut tail).await?;
        }
        let told = tail.kept.iter().filter(|told| told.seq > after).cloned().collect();
        let is_whole = tail.heard.is_some_and(|heard| heard >= seen);
        let step = Step { told, more: !is_whole, end: tail.end.clone().filter(|_| is_whole) };
        // Nobody else is there who could come for them.
        if self.me.strong_count() <= 1 {
            tail.kept = VecDeque::new();
            tail.from = tail.last;
        }
        Ok(step)
    }

    /// Reads on where the feed is.
    async fn read(&self, store: &Store, seen: u64, tail: &mut Tail) -> Result<(), StoreError> {
        let task = self.watch.task();
        let news = store.news(task, tail.last, BATCH).await?;
        let is_whole = news.events.len() < BATCH as usize;
        for row in news.events {
            tail.last = row.seq;
            tail.kept.push_back(Told::row(row));
        }
        while tail.kept.len() > KEPT {
            tail.from = tail.kept.pop_front().map_or(tail.from, |told| told.seq);
        }
        self.last.store(tail.last, Relaxed);
        tail.end = None;
        if is_whole && news.state.is_terminal() {
            let ended = store.find(task).await?;
            if ended.seq != news.seq {
                // It goes on: somebody wanted it again.
                return Ok(());
            }
            let artifacts = store.artifacts(ended.project, task).await?;
            tail.end = Some(Arc::new(Ended { task: ended, artifacts }));
        }
        if is_whole {
            tail.heard = Some(seen);
        }
        Ok(())
    }

    /// A part of the history, for one who is far behind.
    async fn alone(&self, store: &Store, after: i64) -> Result<Step, StoreError> {
        let news = store.news(self.watch.task(), after, BATCH).await?;
        Ok(Step { told: news.events.into_iter().map(Told::row).collect(), more: true, end: None })
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let Some(feeds) = self.feeds.upgrade() else { return };
        let mut feeds = lock(&feeds);
        // Somebody may have begun to follow it again since the last reference went.
        if feeds.get(&self.watch.task()).is_some_and(|known| known.strong_count() == 0) {
            feeds.remove(&self.watch.task());
        }
    }
}

impl Ended {
    /// The last word about the task: it has the number behind its last event's.
    pub(crate) fn told(&self, links: &Links) -> Told {
        let view = TaskView::new(self.task.clone(), self.artifacts.clone(), links);
        Told::new(self.task.seq + 1, "done", &view)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
