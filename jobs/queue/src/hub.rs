//! Who waits for which task: one subscription connection a process, however many wait.

use std::{
    collections::HashMap,
    io::ErrorKind,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use futures::StreamExt;
use jobs_core::TaskId;
use redis::aio::PubSubSink;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{Queue, QueueError};

/// While Redis is away every watcher looks this often by itself.
const AWAY: Duration = Duration::from_secs(1);
/// A connection on which Redis is silent for this long after an order is lost.
const ANSWER: Duration = Duration::from_secs(5);

/// Wakes those who wait for tasks to change.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

struct Shared {
    watched: Mutex<HashMap<TaskId, Weak<Watched>>>,
    orders: mpsc::UnboundedSender<Order>,
}

struct Watched {
    task: TaskId,
    changes: watch::Sender<u64>,
    hub: Weak<Shared>,
}

enum Order {
    Subscribe(TaskId),
    Unsubscribe(TaskId),
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
        let (orders, receiver) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared { watched: Mutex::default(), orders });
        tokio::spawn(listen(queue.clone(), Arc::downgrade(&shared), receiver, stop));
        Self { shared }
    }

    /// Waits for changes of `task` from now on. Make it before reading the task: then no change is missed.
    #[must_use]
    pub fn watch(&self, task: TaskId) -> Watch {
        let mut watched = self.shared.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = watched.get(&task).and_then(Weak::upgrade) {
            return Watch { changes: known.changes.subscribe(), watched: known };
        }
        let (changes, receiver) = watch::channel(0);
        let new = Arc::new(Watched { task, changes, hub: Arc::downgrade(&self.shared) });
        watched.insert(task, Arc::downgrade(&new));
        // The listener may have stopped: then the process is stopping, too.
        let _ = self.shared.orders.send(Order::Subscribe(task));
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

impl Drop for Watched {
    fn drop(&mut self) {
        let Some(hub) = self.hub.upgrade() else { return };
        let mut watched = hub.watched.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody may have begun to watch it again since the last reference went.
        if watched.get(&self.task).is_some_and(|known| known.strong_count() == 0) {
            watched.remove(&self.task);
            let _ = hub.orders.send(Order::Unsubscribe(self.task));
        }
    }
}

impl Shared {
    fn wake(&self, task: TaskId) {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner).get(&task).and_then(Weak::upgrade);
        if let Some(watched) = watched {
            watched.changes.send_modify(|count| *count += 1);
        }
    }

    fn is_watched(&self, task: TaskId) -> bool {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&task)
    }

    fn tasks(&self) -> Vec<TaskId> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }
}

/// Keeps a subscription alive, whatever happens to Redis.
async fn listen(queue: Queue, hub: Weak<Shared>, mut orders: mpsc::UnboundedReceiver<Order>, stop: CancellationToken) {
    loop {
        // Without anybody who waits there is nothing to connect for.
        let first = tokio::select! {
            first = orders.recv() => first,
            () = stop.cancelled() => return,
        };
        if first.is_none() {
            return;
        }
        let mut told = false;
        loop {
            let Err(error) = subscribed(&queue, &hub, &mut orders, &stop).await else { return };
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(error = &error as &dyn std::error::Error, "watching tasks without Redis");
            }
            tokio::select! { () = tokio::time::sleep(AWAY) => {}, () = stop.cancelled() => return }
            let Some(hub) = hub.upgrade() else { return };
            let tasks = all(&hub, &mut orders);
            if tasks.is_empty() {
                break;
            }
            tasks.into_iter().for_each(|task| hub.wake(task));
        }
    }
}

/// Every task that is watched now, in place of the orders until now: an order is sent with the lock held under which the map
/// was changed, so the map says all they say. Without this they would pile up while Redis is away.
fn all(hub: &Shared, orders: &mut mpsc::UnboundedReceiver<Order>) -> Vec<TaskId> {
    while orders.try_recv().is_ok() {}
    hub.tasks()
}

/// Bounds the wait for what Redis says to an order.
async fn answered(order: impl Future<Output = redis::RedisResult<()>>) -> Result<(), QueueError> {
    let answer = tokio::time::timeout(ANSWER, order).await;
    Ok(answer.map_err(|_| QueueError::io(ErrorKind::TimedOut))??)
}

/// One life of the connection; ends in order only when the process stops.
async fn subscribed(
    queue: &Queue,
    hub: &Weak<Shared>,
    orders: &mut mpsc::UnboundedReceiver<Order>,
    stop: &CancellationToken,
) -> Result<(), QueueError> {
    let connect = tokio::time::timeout(AWAY, queue.client.get_async_pubsub());
    let connected = connect.await.map_err(|_| QueueError::io(ErrorKind::TimedOut))??;
    let (mut sink, messages) = connected.split();
    let mut messages = std::pin::pin!(messages);
    {
        let Some(hub) = hub.upgrade() else { return Ok(()) };
        for task in all(&hub, orders) {
            answered(sink.subscribe(queue.channel(task))).await?;
            hub.wake(task);
        }
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            order = orders.recv() => {
                let Some(order) = order else { return Ok(()) };
                obey(queue, hub, &mut sink, order).await?;
            }
            message = messages.next() => {
                let Some(hub) = hub.upgrade() else { return Ok(()) };
                let message = message.ok_or_else(|| QueueError::io(ErrorKind::ConnectionReset))?;
                let id = message.get_channel_name().rsplit(':').next().and_then(|id| uuid::Uuid::try_parse(id).ok());
                if let Some(id) = id {
                    hub.wake(TaskId(id));
                }
            }
        }
    }
}

async fn obey(queue: &Queue, hub: &Weak<Shared>, sink: &mut PubSubSink, order: Order) -> Result<(), QueueError> {
    match order {
        Order::Subscribe(task) => {
            answered(sink.subscribe(queue.channel(task))).await?;
            // What changed before the subscription held was not heard.
            if let Some(hub) = hub.upgrade() {
                hub.wake(task);
            }
        }
        Order::Unsubscribe(task) => {
            let still = hub.upgrade().is_some_and(|hub| hub.is_watched(task));
            if !still {
                answered(sink.unsubscribe(queue.channel(task))).await?;
            }
        }
    }
    Ok(())
}
