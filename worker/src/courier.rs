//! What Redis is told after Postgres knows it: best effort, in the background, never in anybody's way.

use std::collections::HashMap;

use jobs_core::TaskId;
use jobs_queue::{Queue, QueueError, Taken, Ticket};
use tokio::sync::mpsc;
use tracing::warn;

/// So many errands go together at most.
const TOGETHER: usize = 64;

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

    /// Hands over an errand. When there are too many, it is dropped: the dispatcher finds what was not pushed, the audit what was
    /// not forgotten, and watchers look for themselves.
    pub(crate) fn send(&self, errand: Errand) {
        if self.errands.try_send(errand).is_err() {
            warn!("Redis is behind: left an errand to the scheduler");
        }
    }
}

/// Errands that go together: what arrived while the ones before were on their way.
#[derive(Default)]
struct Round {
    forget: HashMap<String, Vec<Taken>>,
    push: Vec<Ticket>,
    announce: Vec<TaskId>,
}

impl Round {
    fn add(&mut self, errand: Errand) {
        match errand {
            Errand::Forget(queue, taken) => self.forget.entry(queue).or_default().extend(taken),
            Errand::Announce(tasks) => self.announce.extend(tasks),
            Errand::Push(tickets) => self.push.extend(tickets),
        }
    }

    /// What is given back was held: so it is forgotten first, and pushed then.
    async fn deliver(self, queue: &Queue) -> Result<(), QueueError> {
        for (name, taken) in &self.forget {
            queue.forget(name, taken).await?;
        }
        queue.push(&self.push).await?;
        queue.announce(&self.announce).await
    }
}

async fn run(queue: Queue, mut errands: mpsc::Receiver<Errand>) {
    let mut well = true;
    let mut batch = Vec::new();
    while errands.recv_many(&mut batch, TOGETHER).await > 0 {
        let mut round = Round::default();
        batch.drain(..).for_each(|errand| round.add(errand));
        let done = round.deliver(&queue).await;
        if let Err(error) = &done
            && well
        {
            warn!(error = error as &dyn std::error::Error, "Redis was not told; the scheduler will make up for it");
        }
        well = done.is_ok();
    }
}
