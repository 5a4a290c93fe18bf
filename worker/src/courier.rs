//! What Redis is told after Postgres knows it: best effort, in the background, never in anybody's way.

use jobs_core::TaskId;
use jobs_queue::{Queue, QueueError, Taken, Ticket};
use tokio::sync::mpsc;
use tracing::warn;

/// Something to tell.
#[derive(Debug)]
pub(crate) enum Errand {
    /// These tasks of one queue are not held any more.
    Forget(String, Vec<Taken>),
    /// These tasks changed.
    Announce(Vec<TaskId>),
    /// These tasks are ready again.
    Push(Vec<Ticket>),
}

/// Takes errands.
#[derive(Debug, Clone)]
pub(crate) struct Courier {
    errands: mpsc::Sender<Errand>,
}

impl Courier {
    /// Starts a courier; the handle ends when all senders are gone and all errands are run.
    pub(crate) fn start(queue: Queue) -> (Self, tokio::task::JoinHandle<()>) {
        let (errands, receiver) = mpsc::channel(4_096);
        (Self { errands }, tokio::spawn(run(queue, receiver)))
    }

    /// Hands over an errand. When there are too many, it is dropped: the dispatcher finds what was not pushed, the sweep what was
    /// not forgotten, and watchers look for themselves.
    pub(crate) fn send(&self, errand: Errand) {
        if self.errands.try_send(errand).is_err() {
            warn!("Redis is behind: left an errand to the scheduler");
        }
    }
}

async fn run(queue: Queue, mut errands: mpsc::Receiver<Errand>) {
    let mut well = true;
    while let Some(errand) = errands.recv().await {
        let done = deliver(&queue, &errand).await;
        if let Err(error) = &done
            && well
        {
            warn!(error = error as &dyn std::error::Error, "Redis was not told; the scheduler will make up for it");
        }
        well = done.is_ok();
    }
}

async fn deliver(queue: &Queue, errand: &Errand) -> Result<(), QueueError> {
    match errand {
        Errand::Forget(name, tasks) => queue.forget(name, tasks).await,
        Errand::Announce(tasks) => queue.announce(tasks).await,
        Errand::Push(tickets) => queue.push(tickets).await,
    }
}
