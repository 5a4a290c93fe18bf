//! Who waits for which task: one subscription a process, however many wait.
//!
//! All changes come over one channel, as ids: to compare an id with those that are watched costs less than a subscription for each
//! task, and a watch that begins while the subscription holds misses nothing. New tasks come over a channel of their own, which is
//! listened to while somebody wants to hear of every task.

mod inbox;

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

pub use inbox::{Inbox, News};

use crate::{Mark, Queue, QueueError, fresh::Fresh};

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
    /// For those who keep what they read.
    fresh: Fresh,
    /// Who hears of every task.
    everything: Mutex<Vec<Weak<Inbox>>>,
    /// Told when the first one waits, and when somebody wants to hear of every task.
    somebody: Notify,
}

struct Watched {
    task: TaskId,
    changes: watch::Sender<u64>,
    inboxes: Mutex<Vec<Weak<Inbox>>>,
    hub: Weak<Shared>,
}

/// A wait for one task.
#[derive(Clone)]
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
        let inboxes = Mutex::default();
        let new = Arc::new(Watched { task, changes, inboxes, hub: Arc::downgrade(&self.shared) });
        watched.insert(task, Arc::downgrade(&new));
        self.shared.somebody.notify_one();
        Watch { changes: receiver, watched: new }
    }

    /// Drops the names of all tasks that come or change into `inbox`, for as long as it is kept. It says that words were missed now,
    /// and again when it hears for certain: what there was before has to be looked up.
    pub fn tell_everything(&self, inbox: &Arc<Inbox>) {
        lock(&self.shared.everything).push(Arc::downgrade(inbox));
        inbox.miss();
        self.shared.somebody.notify_one();
    }

    /// The tasks that are watched now.
    #[must_use]
    pub fn watched(&self) -> Vec<TaskId> {
        self.shared.lock().keys().copied().collect()
    }

    /// Wakes those who wait for this task, as a word from Redis does.
    pub fn wake(&self, task: TaskId) {
        self.shared.fresh.changed(task);
        let watched = self.shared.lock().get(&task).and_then(Weak::upgrade);
        if let Some(watched) = watched {
            watched.wake();
        }
    }

    /// The present of a task that is read next, to ask later whether what was read still holds; `None` while nobody listens: then nothing
    /// should be kept.
    #[must_use]
    pub fn mark(&self, task: TaskId) -> Option<Mark> {
        let mark = self.shared.fresh.mark(task);
        if mark.is_none() {
            self.shared.somebody.notify_one();
        }
        mark
    }

    /// Whether the task is as it was read behind `mark`, as far as anybody can know.
    #[must_use]
    pub fn holds(&self, task: TaskId, mark: Mark) -> bool {
        self.shared.fresh.holds(task, mark)
    }

    /// This process itself has seen that a task changed: what it kept does not hold, also before it hears so from Redis.
    pub fn note(&self, task: TaskId) {
        self.shared.fresh.changed(task);
    }
}

impl Watch {
    /// Completes when the task may have changed since the last call, or since it was [`Watch::seen`].
    pub async fn changed(&mut self) {
        // The sender lives in `watched`, which we hold.
        let _ = self.changes.changed().await;
    }

    /// How often the task may have changed. What is counted here does not complete [`Watch::changed`] any more: look at the task
    /// after this, and no change is missed.
    pub fn seen(&mut self) -> u64 {
        *self.changes.borrow_and_update()
    }

    /// Drops the name of the task into `inbox` whenever it may have changed, for as long as this watch, or another of the task, and
    /// the box are kept.
    pub fn tell(&self, inbox: &Arc<Inbox>) {
        let mut inboxes = lock(&self.watched.inboxes);
        inboxes.retain(|known| known.strong_count() > 0 && !std::ptr::eq(known.as_ptr(), Arc::as_ptr(inbox)));
        inboxes.push(Arc::downgrade(inbox));
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
        lock(&self.inboxes).iter().filter_map(Weak::upgrade).for_each(|inbox| inbox.put(self.task));
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
        lock(&self.watched)
    }

    fn is_idle(&self) -> bool {
        self.lock().is_empty() && !self.is_curious() && self.fresh.is_idle()
    }

    /// Whether somebody wants to hear of every task.
    fn is_curious(&self) -> bool {
        let mut everything = lock(&self.everything);
        everything.retain(|inbox| inbox.strong_count() > 0);
        !everything.is_empty()
    }

    fn curious(&self) -> Vec<Arc<Inbox>> {
        lock(&self.everything).iter().filter_map(Weak::upgrade).collect()
    }

    /// Wakes those who wait for the tasks of a message: ids of 16 bytes, one after the other.
    fn wake(&self, message: &[u8]) {
        let ids = message.chunks_exact(16).filter_map(|id| Uuid::from_slice(id).ok());
        // First: who is woken must not read what is old.
        ids.clone().for_each(|id| self.fresh.changed(TaskId(id)));
        let curious = self.curious();
        if !curious.is_empty() {
            let ids: Vec<TaskId> = ids.clone().map(TaskId).collect();
            curious.iter().for_each(|inbox| inbox.put_all(&ids));
        }
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
        self.curious().iter().for_each(|inbox| inbox.miss());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        let ended = subscribed(&queue, &hub, &mut is_away).await;
        if let Some(shared) = hub.upgrade() {
            shared.fresh.lost();
        }
        let Err(error) = ended else { continue };
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
        Some(hub) => {
            hub.fresh.connected();
            hub.wake_all();
        }
        None => return Ok(()),
    }
    let mut ask = tokio::time::interval_at(tokio::time::Instant::now() + ASK, ASK);
    let mut hears_new = false;
    loop {
        let Some(shared) = hub.upgrade() else { return Ok(()) };
        if shared.is_curious() && !hears_new {
            in_time(sink.subscribe(queue.new_channel())).await?;
            hears_new = true;
            shared.curious().iter().for_each(|inbox| inbox.miss());
        } else if hears_new && !shared.is_curious() {
            in_time(sink.unsubscribe(queue.new_channel())).await?;
            hears_new = false;
        }
        tokio::select! {
            message = messages.next() => {
                let message = message.ok_or_else(|| QueueError::io(ErrorKind::ConnectionReset))?;
                shared.wake(message.get_payload_bytes());
            }
            () = shared.somebody.notified() => {}
            _ = ask.tick() => {
                if shared.is_idle() {
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
