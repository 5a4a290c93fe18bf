//! Submissions that arrive together are stored together: one statement for all that is there, never a wait for more.
//!
//! A full channel is the sign of overload: it is said before anything is accepted. After their commit the tasks are pushed
//! to the queue, behind the back of the answer: what a push misses, the dispatcher of the scheduler finds.

use std::sync::Arc;

use jobs_core::{NewTask, State, Task};
use jobs_queue::{Queue, Ticket};
use jobs_store::{Store, StoreError, transition::Submitted};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::JoinHandle,
};

use crate::problem::{Code, Problem};

/// So many submissions share a statement at most.
const BATCH: usize = 500;
/// So many statements are on their way at once: while one waits for its commit the next is filled and sent.
const AT_ONCE: usize = 4;
/// So many submissions wait for their turn; more is overload.
const BACKLOG: usize = 4_000;
/// So many pushes wait; the dispatcher finds what does not fit.
const PUSH_BACKLOG: usize = 20_000;

/// Takes submissions.
pub(crate) struct Submitter {
    sender: mpsc::Sender<Pending>,
}

struct Pending {
    task: NewTask,
    answer: oneshot::Sender<Result<Submitted, Problem>>,
}

/// Ends when all that was submitted is stored and pushed, once the [`Submitter`] is gone.
pub(crate) type Finished = JoinHandle<()>;

impl Submitter {
    /// Begins to take submissions.
    pub(crate) fn start(store: Store, queue: Queue) -> (Self, Finished) {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let (tickets, ready) = mpsc::channel(PUSH_BACKLOG);
        tokio::spawn(take(store, receiver, tickets));
        // It ends when the last statement is through.
        let finished = tokio::spawn(push(queue, ready));
        (Self { sender }, finished)
    }

    /// Accepts a task: it is committed when this returns.
    pub(crate) async fn submit(&self, task: NewTask) -> Result<Submitted, Problem> {
        let (answer, answered) = oneshot::channel();
        self.sender.try_send(Pending { task, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                Problem::new(Code::Overloaded, "more tasks come in than can be stored; nothing was accepted")
                    .retry_after(1)
            }
            mpsc::error::TrySendError::Closed(_) => {
                Problem::new(Code::Stopping, "the server is stopping; nothing was accepted").retry_after(1)
            }
        })?;
        // Dropped only when the statement panicked.
        let lost = |_| Problem::new(Code::Unavailable, "the task may or may not have been accepted").retry_after(1);
        answered.await.map_err(lost)?
    }
}

async fn take(store: Store, mut receiver: mpsc::Receiver<Pending>, tickets: mpsc::Sender<Ticket>) {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        // First the turn, then the batch: what arrives while all are busy goes together.
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
        let mut batch = Vec::with_capacity(16);
        if receiver.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        let (store, tickets) = (store.clone(), tickets.clone());
        tokio::spawn(async move {
            store_batch(&store, batch, &tickets).await;
            drop(turn);
        });
    }
}

async fn store_batch(store: &Store, mut batch: Vec<Pending>, tickets: &mpsc::Sender<Ticket>) {
    // Whoever has been told meanwhile that it took too long must not find that it was accepted after all.
    batch.retain(|pending| !pending.answer.is_closed());
    if batch.is_empty() {
        return;
    }
    // Two statements that lock the same keys in the same order cannot wait for each other in a circle.
    batch.sort_by(|a, b| key(&a.task).cmp(&key(&b.task)));
    let (tasks, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|pending| (pending.task, pending.answer)).unzip();
    match store.submit(&tasks).await {
        Ok(submitted) => {
            for (submitted, answer) in submitted.into_iter().zip(answers) {
                settle(submitted, answer, tickets);
            }
        }
        // One that cannot be stored must not take its neighbours with it. A database that is away is away for all.
        Err(StoreError::Broken(_)) if tasks.len() > 1 => {
            for (task, answer) in tasks.into_iter().zip(answers) {
                match store.submit(std::slice::from_ref(&task)).await {
                    Ok(mut submitted) if !submitted.is_empty() => settle(submitted.remove(0), answer, tickets),
                    Ok(_) => drop(answer),
                    Err(error) => drop(answer.send(Err(error.into()))),
                }
            }
        }
        Err(error) => {
            let problem = Problem::from(error);
            answers.into_iter().for_each(|answer| drop(answer.send(Err(problem.clone()))));
        }
    }
}

fn key(task: &NewTask) -> Option<&str> {
    task.idempotency.as_ref().map(|idempotency| idempotency.key.as_str())
}

fn settle(submitted: Submitted, answer: oneshot::Sender<Result<Submitted, Problem>>, tickets: &mpsc::Sender<Ticket>) {
    if let Submitted::Accepted(task) = &submitted
        && let Some(ticket) = ticket(task)
        && tickets.try_send(ticket).is_err()
    {
        tracing::debug!(task.id = %task.id, "left to the dispatcher: too many tasks wait to be pushed");
    }
    // The client may have gone away; the task is accepted all the same.
    let _ = answer.send(Ok(submitted));
}

fn ticket(task: &Task) -> Option<Ticket> {
    let ready = task.queued_at.filter(|_| task.state == State::Queued)?;
    Some(Ticket {
        task: task.id,
        queue: task.queue.clone(),
        group: task.group.clone(),
        priority: task.priority,
        ready_ms: i64::try_from(ready.unix_timestamp_nanos() / 1_000_000).unwrap_or_default(),
    })
}

/// Nobody is told of a new task: nobody but its submitter knows it, and that one reads it after it began to watch.
async fn push(queue: Queue, mut ready: mpsc::Receiver<Ticket>) {
    let mut batch = Vec::new();
    while ready.recv_many(&mut batch, BATCH).await > 0 {
        if let Err(error) = queue.push(&batch).await {
            let count = batch.len();
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                count,
                "left to the dispatcher: tasks could not be pushed"
            );
        }
        batch.clear();
    }
}
