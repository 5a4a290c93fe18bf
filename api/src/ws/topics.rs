//! Topics: tags and groups that somebody wants to hear of.
//!
//! Redis says the ids of tasks that change, nothing else. While anybody listens to a topic, the tags and groups of what changed
//! are read in one batch a beat, and whoever listens is told of the tasks that are new to them. While nobody does, nothing is
//! heard and nothing is read.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jobs_core::{ProjectId, TaskId};
use jobs_queue::Inbox;
use jobs_store::Label;
use tokio::sync::{Notify, mpsc};

use super::inbound::Wanted;
use crate::app::App;

/// What changes within this is looked up together.
const BEAT: Duration = Duration::from_millis(100);
/// So many tasks are looked up in one statement.
const BATCH: usize = 2_000;

/// A tag or a group of a project.
pub(super) type Topic = (ProjectId, Wanted);

/// Who listens to which topic.
#[derive(Default)]
pub(crate) struct Topics {
    listeners: Arc<Mutex<HashMap<Topic, Vec<Listener>>>>,
    somebody: Notify,
}

/// Somebody who listens.
struct Listener {
    number: u64,
    /// The subscription, as its socket calls it.
    subscription: Arc<str>,
    arrivals: mpsc::Sender<Arrival>,
    /// Told when arrivals were lost.
    inbox: Arc<Inbox>,
}

/// A task of a topic came or changed.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) subscription: Arc<str>,
    pub(super) task: TaskId,
}

/// Somebody listens for as long as this is kept.
pub(super) struct Listening {
    topic: Topic,
    number: u64,
    listeners: Arc<Mutex<HashMap<Topic, Vec<Listener>>>>,
}

type Listeners = HashMap<Topic, Vec<Listener>>;

impl Topics {
    /// Starts to listen to a tag or a group. `inbox` is told to look at everything whenever words may have been lost.
    pub(super) fn listen(
        &self,
        topic: Topic,
        subscription: Arc<str>,
        arrivals: mpsc::Sender<Arrival>,
        inbox: Arc<Inbox>,
    ) -> Listening {
        let mut listeners = lock(&self.listeners);
        let all = listeners.values().flatten();
        let number = all.map(|listener| listener.number).max().map_or(0, |number| number + 1);
        listeners.entry(topic.clone()).or_default().push(Listener { number, subscription, arrivals, inbox });
        self.somebody.notify_one();
        Listening { topic, number, listeners: Arc::clone(&self.listeners) }
    }

    /// Resolves what changes, for as long as it is polled.
    pub(crate) async fn resolve(&self, app: &App) -> Infallible {
        loop {
            while lock(&self.listeners).is_empty() {
                self.somebody.notified().await;
            }
            let everything = Inbox::new();
            app.hub.tell_everything(&everything);
            while !lock(&self.listeners).is_empty() {
                // Whoever stops listening is noticed by the next word, or soon.
                let Ok(news) = tokio::time::timeout(Duration::from_secs(5), everything.news()).await else { continue };
                if news.missed {
                    self.miss();
                }
                let tasks: Vec<TaskId> = news.tasks.into_iter().collect();
                for batch in tasks.chunks(BATCH) {
                    match app.store.labels(batch).await {
                        Ok(labels) => self.tell(labels),
                        // They look for themselves, also when Postgres is back.
                        Err(_) => self.miss(),
                    }
                }
                tokio::time::sleep(BEAT).await;
            }
        }
    }

    fn tell(&self, labels: Vec<Label>) {
        let listeners = lock(&self.listeners);
        for Label { task, project, group, tags } in labels {
            let topics = tags.into_iter().map(Wanted::Tag).chain([Wanted::Group(group)]);
            for listener in topics.filter_map(|topic| listeners.get(&(project, topic))).flatten() {
                let arrival = Arrival { subscription: Arc::clone(&listener.subscription), task };
                if listener.arrivals.try_send(arrival).is_err() {
                    listener.inbox.miss();
                }
            }
        }
    }

    fn miss(&self) {
        lock(&self.listeners).values().flatten().for_each(|listener| listener.inbox.miss());
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut listeners = lock(&self.listeners);
        if let Some(those) = listeners.get_mut(&self.topic) {
            those.retain(|listener| listener.number != self.number);
            if those.is_empty() {
                listeners.remove(&self.topic);
            }
        }
    }
}

fn lock(listeners: &Mutex<Listeners>) -> MutexGuard<'_, Listeners> {
    listeners.lock().unwrap_or_else(PoisonError::into_inner)
}
