//! What Redis is told, behind the back of answers and in the order in which it happened: a cancel never overtakes the push of its task.
//!
//! What it is not told the dispatcher of the scheduler finds.

use std::{mem::discriminant, sync::Arc};

use jobs_core::{GroupKey, State, Task, TaskId};
use jobs_queue::{Hub, Queue, QueueError, Taken, Ticket};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::admission::Places;

/// So many errands go together at most.
const BATCH: usize = 500;
/// So many errands wait; the dispatcher finds what does not fit.
const BACKLOG: usize = 20_000;

/// Something that Redis is to be told.
pub(crate) enum Errand {
    /// There is a new task, ready or not. Until that is told, it keeps its places.
    New(TaskId, Option<Ticket>, #[expect(dead_code, reason = "kept until it is dropped")] Option<Arc<Places>>),
    /// A task is ready again.
    Push(Ticket),
    /// A task of this queue is not ready any more.
    Withdraw(String, Taken),
    /// A task changed: whoever watches it hears.
    Announce(TaskId),
}

/// Takes errands.
#[derive(Clone)]
pub(crate) struct Courier {
    errands: mpsc::Sender<Errand>,
    /// Knows what answers are kept.
    hub: Hub,
}

/// Ends when every errand is done, once all couriers are gone.
pub(crate) type Finished = JoinHandle<()>;

impl Courier {
    /// Begins to take errands.
    pub(crate) fn start(queue: Queue, hub: Hub) -> (Self, Finished) {
        let (errands, receiver) = mpsc::channel(BACKLOG);
        (Self { errands, hub }, tokio::spawn(run(queue, receiver)))
    }

    /// Hands over an errand. When there are too many, it is dropped.
    pub(crate) fn send(&self, errand: Errand) {
        if let Errand::Announce(task) = errand {
            // What this process kept of it holds no more from now on: the same client may read it next.
            self.hub.note(task);
        }
        if self.errands.try_send(errand).is_err() {
            tracing::debug!("left an errand to the dispatcher: too many wait");
        }
    }

    /// Tells of a task that was canceled: it is not ready any more, and it changed.
    pub(crate) fn canceled(&self, task: TaskId, queue: &str, group: GroupKey, state: State) {
        if state == State::Canceled {
            self.send(Errand::Withdraw(queue.to_owned(), Taken { task, group }));
        }
        self.send(Errand::Announce(task));
    }

    /// Tells of a task that is ready again, and so changed.
    pub(crate) fn ready(&self, ticket: Ticket) {
        let task = ticket.task;
        self.send(Errand::Push(ticket));
        self.send(Errand::Announce(task));
    }

    /// Tells of a task that changed, or is gone.
    pub(crate) fn changed(&self, task: TaskId) {
        self.send(Errand::Announce(task));
    }
}

/// The place of a task in its queue, if it is ready.
pub(crate) fn ticket(task: &Task) -> Option<Ticket> {
    let ready = task.queued_at.filter(|_| task.state == State::Queued)?;
    Some(Ticket {
        task: task.id,
        queue: task.queue.clone(),
        group: task.group_key(),
        priority: task.priority,
        ready_ms: i64::try_from(ready.unix_timestamp_nanos() / 1_000_000).unwrap_or_default(),
    })
}

async fn run(queue: Queue, mut errands: mpsc::Receiver<Errand>) {
    let mut batch = Vec::new();
    while errands.recv_many(&mut batch, BATCH).await > 0 {
        let count = batch.len();
        if let Err(error) = deliver(&queue, std::mem::take(&mut batch)).await {
            tracing::warn!(error = &error as &dyn std::error::Error, count, "Redis was not told; the dispatcher will");
        }
    }
}

/// Neighbours of one sort go together. What watchers are told may wait for all of it: they look at the rows.
async fn deliver(queue: &Queue, batch: Vec<Errand>) -> Result<(), QueueError> {
    let (changes, errands): (Vec<_>, Vec<_>) =
        batch.into_iter().partition(|errand| matches!(errand, Errand::Announce(_)));
    for same in errands.chunk_by(|one, next| discriminant(one) == discriminant(next)) {
        match same {
            [Errand::New(..), ..] => tell_of_new(queue, same).await?,
            [Errand::Push(_), ..] => queue.push(&tickets(same)).await?,
            _ => withdraw(queue, same).await?,
        }
    }
    let changed: Vec<TaskId> = changes
        .into_iter()
        .filter_map(|errand| if let Errand::Announce(task) = errand { Some(task) } else { None })
        .collect();
    queue.announce(&changed).await
}

/// Who watches a task is not told that it is new: nobody but its submitter knows it, and that one reads it after it began to watch. Who
/// wants to hear of all tasks of a tag or a group is, by a word that costs next to nothing while nobody listens.
async fn tell_of_new(queue: &Queue, errands: &[Errand]) -> Result<(), QueueError> {
    let new = |errand: &Errand| if let Errand::New(task, ..) = errand { Some(*task) } else { None };
    let tasks: Vec<TaskId> = errands.iter().filter_map(new).collect();
    let tickets = tickets(errands);
    // Together: on one connection, in one packet.
    let (pushed, _) = tokio::join!(queue.push_new(&tickets), queue.announce_new(&tasks));
    pushed
}

fn tickets(errands: &[Errand]) -> Vec<Ticket> {
    let ticket = |errand: &Errand| match errand {
        Errand::New(_, ticket, _) => ticket.clone(),
        Errand::Push(ticket) => Some(ticket.clone()),
        Errand::Withdraw(..) | Errand::Announce(_) => None,
    };
    errands.iter().filter_map(ticket).collect()
}

async fn withdraw(queue: &Queue, errands: &[Errand]) -> Result<(), QueueError> {
    let mut queues: std::collections::BTreeMap<&str, Vec<Taken>> = std::collections::BTreeMap::new();
    for errand in errands {
        if let Errand::Withdraw(name, taken) = errand {
            queues.entry(name).or_default().push(taken.clone());
        }
    }
    for (name, taken) in queues {
        queue.withdraw(name, &taken).await?;
    }
    Ok(())
}
