//! A box of names: which of many tasks may have changed since somebody looked last. However slowly it is emptied, it holds each
//! name once, and no more names than it may.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jobs_core::TaskId;
use tokio::sync::Notify;

/// A box that overflows is emptied, and says so: its owner has to look at everything.
const MOST: usize = 50_000;

/// Names that wait to be looked at. Its owner keeps it; a hub drops names into it for as long as it is kept.
#[derive(Debug, Default)]
pub struct Inbox {
    news: Mutex<News>,
    told: Notify,
}

/// What is new.
#[derive(Debug, Default)]
pub struct News {
    /// Tasks that may have changed.
    pub tasks: HashSet<TaskId>,
    /// Words may have been missed: any task may have changed, and new ones may have come.
    pub missed: bool,
}

impl Inbox {
    /// An empty box.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Drops a name in.
    pub fn put(&self, task: TaskId) {
        self.put_all(&[task]);
    }

    /// Drops names in.
    pub fn put_all(&self, tasks: &[TaskId]) {
        let mut news = self.lock();
        news.tasks.extend(tasks);
        if news.tasks.len() > MOST {
            *news = News { tasks: HashSet::new(), missed: true };
        }
        drop(news);
        self.told.notify_one();
    }

    /// Says that words may have been missed.
    pub fn miss(&self) {
        self.lock().missed = true;
        self.told.notify_one();
    }

    /// Takes out what is there, as soon as there is anything. Nothing is lost when it is dropped half way.
    pub async fn news(&self) -> News {
        loop {
            let news = std::mem::take(&mut *self.lock());
            if news.missed || !news.tasks.is_empty() {
                return news;
            }
            self.told.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_name_lies_in_a_box_once_and_a_box_that_overflows_says_so() {
        let inbox = Inbox::default();
        let task = TaskId::new();
        inbox.put_all(&[task, task]);
        inbox.put(task);
        let news = inbox.news().now_or_never().expect("news");
        assert_eq!((news.tasks.len(), news.missed), (1, false));
        assert!(inbox.news().now_or_never().is_none());

        inbox.put_all(&(0..=MOST).map(|_| TaskId::new()).collect::<Vec<_>>());
        let news = inbox.news().now_or_never().expect("news");
        assert_eq!((news.tasks.len(), news.missed), (0, true));
    }
}
