//! Who waits for which task: one subscription a process, however many wait.
//!
//! All changes come over one channel, as ids: to compare an id with those that are watched costs less than a subscription for each
//! task, and a watch that begins while the subscription holds misses nothing.

use std::{
    collections::HashMap,
    io::ErrorKind,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures::StreamExt;
use jobs_core::TaskId;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Queue, QueueError};

/// While Redis is away every watcher looks this often by itself.
const AWAY: Duration = Duration::from_secs(1);
/// A connection on which Redis is silent for this long after it was asked something is lost.
const ANSWER: Duration = Duration::from_secs(2);
/// So often Redis is asked whether it is still there, and whether anybody still watches.
const ASK: Duration = Duration::from_secs(5);

/// Wakes those who wait for tasks to change.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    watched: Mutex<HashMap<TaskId, Weak<Watched>>>,
    somebody: Notify,
}

struct Watched {
    task: TaskId,
    changes: watch::Sender<u64>,
    hub: Weak<Shared>,
}

/// A wait for one task.
pub struct Watch {
    watched: Arc<Watched>,
    changes: watch::Receiver<u64>,
}

impl Hub {
    /// Starts to listen, until `stop` is cancelled.
    #[must_use]
    pub fn start(queue: &Queue, stop: CancellationToken) -> Self {
        let shared = Arc::<Shared>::default();
        let listening = listen(queue.clone(), Arc::downgrade(&shared));
        tokio::spawn(async move { stop.run_until_cancelled(listening).await });
        Self { shared }
    }

    /// Waits for changes of `task` from now on. Make it before reading the task: then no change is missed.
    #[must_use]
    pub fn watch(&self, task: TaskId) -> Watch {
        let mut watched = self.shared.lock();
        if let Some(known) = watched.get(&task).and_then(Weak::upgrade) {
            return Watch { changes: known.changes.subscribe(), watched: known };
        }
        let (changes, receiver) = watch::channel(0);
        let new = Arc::new(Watched { task, changes, hub: Arc::downgrade(&self.shared) });
        watched.insert(task, Arc::downgrade(&new));
        self.shared.somebody.notify_one();
        Watch { changes: receiver, watched: new }
    }
}

impl Watch {
    /// Completes when the task may have changed since the last call.
    pub async fn changed(&mut self) {
        // The sender lives in `watched`, which we hold.
        let _ = self.changes.changed().await;
    }

    /// The task that is watched.
    #[must_use]
    pub fn task(&self) -> TaskId {
        self.watched.task
    }
}

impl Watched {
    fn wake(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let Some(hub) = self.hub.upgrade() else { return };
        let mut watched = hub.lock();
        // Somebody may have begun to watch it again since the last reference went.
        if watched.get(&self.task).is_some_and(|known| known.strong_count() == 0) {
            watched.remove(&self.task);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<TaskId, Weak<Watched>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_idle(&self) -> bool {
        self.lock().is_empty()
    }

    /// Wakes those who wait for the tasks of a message: ids of 16 bytes, one after the other.
    fn wake(&self, message: &[u8]) {
        let ids = message.chunks_exact(16).filter_map(|id| Uuid::from_slice(id).ok());
        // Woken outside of the lock: the last reference to one may be ours.
        let woken: Vec<_> = {
            let watched = self.lock();
            ids.filter_map(|id| watched.get(&TaskId(id)).and_then(Weak::upgrade)).collect()
        };
        woken.iter().for_each(|watched| watched.wake());
    }

    fn wake_all(&self) {
        let all: Vec<_> = self.lock().values().filter_map(Weak::upgrade).collect();
        all.iter().for_each(|watched| watched.wake());
    }
}

/// Keeps a subscription while anybody watches, whatever happens to Redis.
async fn listen(queue: Queue, hub: Weak<Shared>) {
    let mut is_away = false;
    while let Some(shared) = hub.upgrade() {
        // Without anybody who waits there is nothing to connect for.
        while shared.is_idle() {
            shared.somebody.notified().await;
        }
        drop(shared);
        let Err(error) = subscribed(&queue, &hub, &mut is_away).await else { continue };
        if !std::mem::replace(&mut is_away, true) {
            tracing::warn!(error = &error as &dyn std::error::Error, "watching tasks without Redis");
        }
        tokio::time::sleep(AWAY).await;
        if let Some(shared) = hub.upgrade() {
            shared.wake_all();
        }
    }
}

/// One life of the connection; ends in order when nobody watches any more.
async fn subscribed(queue: &Queue, hub: &Weak<Shared>, is_away: &mut bool) -> Result<(), QueueError> {
    let connect = async {
        let mut connection = queue.client.get_async_pubsub().await?;
        connection.subscribe(queue.channel()).await?;
        Ok(connection)
    };
    let (mut sink, mut messages) = in_time(connect).await?.split();
    *is_away = false;
    // What changed before the subscription held was not heard.
    match hub.upgrade() {
        Some(hub) => hub.wake_all(),
        None => return Ok(()),
    }
    let mut ask = tokio::time::interval_at(tokio::time::Instant::now() + ASK, ASK);
    loop {
        tokio::select! {
            message = messages.next() => {
                let message = message.ok_or_else(|| QueueError::io(ErrorKind::ConnectionReset))?;
                let Some(hub) = hub.upgrade() else { return Ok(()) };
                hub.wake(message.get_payload_bytes());
            }
            _ = ask.tick() => {
                if hub.upgrade().is_none_or(|hub| hub.is_idle()) {
                    return Ok(());
                }
                // A connection that died in silence looks like one on which nothing happens.
                let _: redis::Value = in_time(sink.ping()).await?;
            }
        }
    }
}

/// Bounds the wait for what Redis says.
async fn in_time<T>(answer: impl Future<Output = redis::RedisResult<T>>) -> Result<T, QueueError> {
    let answer = tokio::time::timeout(ANSWER, answer).await;
    Ok(answer.map_err(|_| QueueError::io(ErrorKind::TimedOut))??)
}
