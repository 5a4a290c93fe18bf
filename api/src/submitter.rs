//! Submissions that arrive together are stored together: one statement for all that is there, never a wait for more.
//!
//! A full channel, or no room for another input, is the sign of overload: it is said before anything is accepted. After
//! their commit the tasks are pushed to the queue, behind the back of the answer: what a push misses, the dispatcher of the
//! scheduler finds.

use std::sync::Arc;

use jobs_core::{NewTask, State, Task};
use jobs_queue::{Queue, Ticket};
use jobs_store::{Store, StoreError, transition::Submitted};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinHandle,
};

use crate::problem::{Code, Problem};

/// So many submissions share a statement at most.
const BATCH: usize = 500;
/// So many bytes of input share a statement at most, unless one submission alone has more.
const BATCH_BYTES: usize = 4 << 20;
/// So many statements are on their way at once: while one waits for its commit the next is filled and sent.
const AT_ONCE: usize = 4;
/// So many submissions wait for their turn; more is overload.
const BACKLOG: usize = 4_000;
/// So many bytes of input wait for their answer; more is overload.
const ROOM: u32 = 64 << 20;
/// So many pushes wait; the dispatcher finds what does not fit.
const PUSH_BACKLOG: usize = 20_000;

/// Takes submissions.
pub(crate) struct Submitter {
    sender: mpsc::Sender<Pending>,
    /// The bytes of input that can still be taken.
    room: Arc<Semaphore>,
}

struct Pending {
    task: NewTask,
    answer: Answer,
}

/// Where the answer goes, with the room that the submission takes up until then.
struct Answer {
    sender: oneshot::Sender<Result<Submitted, Problem>>,
    room: OwnedSemaphorePermit,
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
        (Self { sender, room: Arc::new(Semaphore::new(ROOM as usize)) }, finished)
    }

    /// Accepts a task: it is committed when this returns.
    pub(crate) async fn submit(&self, task: NewTask) -> Result<Submitted, Problem> {
        let overloaded = || {
            Problem::new(Code::Overloaded, "more tasks come in than can be stored; nothing was accepted").retry_after(1)
        };
        // One that is larger than all the room there is goes alone.
        let bytes = u32::try_from(task.input.get().len()).unwrap_or(ROOM).clamp(1, ROOM);
        let room = Arc::clone(&self.room).try_acquire_many_owned(bytes).map_err(|_| overloaded())?;
        let (sender, answered) = oneshot::channel();
        self.sender.try_send(Pending { task, answer: Answer { sender, room } }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => overloaded(),
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
    let mut ahead = None;
    loop {
        // First the turn, then the batch: what arrives while all are busy goes together.
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
        let Some(batch) = next_batch(&mut receiver, &mut ahead).await else { return };
        let (store, tickets) = (store.clone(), tickets.clone());
        tokio::spawn(async move {
            store_batch(&store, batch, &tickets).await;
            drop(turn);
        });
    }
}

/// All that is there and fits in one statement. The first that does not fit waits in `ahead`.
async fn next_batch(receiver: &mut mpsc::Receiver<Pending>, ahead: &mut Option<Pending>) -> Option<Vec<Pending>> {
    let first = match ahead.take() {
        Some(pending) => pending,
        None => receiver.recv().await?,
    };
    let mut bytes = first.answer.room.num_permits();
    let mut batch = vec![first];
    while batch.len() < BATCH
        && let Ok(next) = receiver.try_recv()
    {
        bytes += next.answer.room.num_permits();
        if bytes > BATCH_BYTES {
            *ahead = Some(next);
            break;
        }
        batch.push(next);
    }
    Some(batch)
}

async fn store_batch(store: &Store, mut batch: Vec<Pending>, tickets: &mpsc::Sender<Ticket>) {
    // Whoever has been told meanwhile that it took too long must not find that it was accepted after all.
    batch.retain(|pending| !pending.answer.sender.is_closed());
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
                    Err(error) => drop(answer.sender.send(Err(error.into()))),
                }
            }
        }
        Err(error) => {
            let problem = Problem::from(error);
            answers.into_iter().for_each(|answer| drop(answer.sender.send(Err(problem.clone()))));
        }
    }
}

fn key(task: &NewTask) -> Option<&str> {
    task.idempotency.as_ref().map(|idempotency| idempotency.key.as_str())
}

fn settle(submitted: Submitted, answer: Answer, tickets: &mpsc::Sender<Ticket>) {
    if let Submitted::Accepted(task) = &submitted
        && let Some(ticket) = ticket(task)
        && tickets.try_send(ticket).is_err()
    {
        tracing::debug!(task.id = %task.id, "left to the dispatcher: too many tasks wait to be pushed");
    }
    // The client may have gone away; the task is accepted all the same.
    let _ = answer.sender.send(Ok(submitted));
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

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use jobs_core::kind::CheckedInput;
    use serde_json::value::to_raw_value;

    use super::*;
    use crate::tasks::submission::CreateTask;

    /// A submitter with little room that nobody takes from.
    fn submitter(room: usize) -> (Submitter, mpsc::Receiver<Pending>) {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        (Submitter { sender, room: Arc::new(Semaphore::new(room)) }, receiver)
    }

    /// A task whose input has so many bytes.
    fn task(bytes: usize) -> NewTask {
        let json = to_raw_value(&"x".repeat(bytes - 2)).expect("JSON");
        let registry = jobs_kinds::registry();
        let kind = registry.get("echo").expect("a kind");
        CreateTask::plain(&**kind, CheckedInput { json, timeout: std::time::Duration::from_secs(1) }, "req_1", None)
    }

    #[tokio::test]
    async fn inputs_without_room_are_overload_until_others_are_answered() {
        let (submitter, mut receiver) = submitter(10);
        let mut first = Box::pin(submitter.submit(task(8)));
        assert!(first.as_mut().now_or_never().is_none());
        let refused = submitter.submit(task(8)).now_or_never().expect("an answer").expect_err("no room");
        assert_eq!(refused.code, Code::Overloaded);
        assert_eq!(refused.headers["retry-after"], "1");

        let pending = receiver.recv().await.expect("the first");
        assert!(pending.answer.sender.send(Ok(Submitted::KeyTaken)).is_ok());
        drop(pending.answer.room);
        assert!(matches!(first.await, Ok(Submitted::KeyTaken)));
        assert!(submitter.submit(task(8)).now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_batch_is_cut_before_its_inputs_are_too_large_but_has_one_at_least() {
        let (submitter, mut receiver) = submitter(ROOM as usize);
        for bytes in [BATCH_BYTES + 1, 9, BATCH_BYTES - 10, 2] {
            assert!(submitter.submit(task(bytes)).now_or_never().is_none());
        }
        let mut ahead = None;
        let mut sizes = Vec::new();
        for _ in 0..3 {
            let batch = next_batch(&mut receiver, &mut ahead).await.expect("a batch");
            sizes.push(batch.len());
        }
        assert_eq!(sizes, [1, 2, 1]);

        for _ in 0..BATCH + 1 {
            assert!(submitter.submit(task(2)).now_or_never().is_none());
        }
        assert_eq!(next_batch(&mut receiver, &mut ahead).await.map(|batch| batch.len()), Some(BATCH));
        drop(submitter);
        assert_eq!(next_batch(&mut receiver, &mut ahead).await.map(|batch| batch.len()), Some(1));
        assert!(next_batch(&mut receiver, &mut ahead).await.is_none());
    }
}
