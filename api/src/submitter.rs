//! Submissions that arrive together are stored together: one statement for all that is there, never a wait for more.
//!
//! A full channel, or no room for another input, is the sign of overload: it is said before anything is accepted. After
//! their commit the courier pushes the tasks to the queue.

use std::sync::Arc;

use jobs_core::{NewTask, ProjectId};
use jobs_queue::Queue;
use jobs_store::{Store, StoreError, transition::Submitted};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::{
    admission::{Admission, Places},
    courier::{Courier, Errand, ticket},
    problem::{Code, Problem},
};

/// So many submissions share a statement at most.
const BATCH: usize = 500;
/// So many bytes of input share a statement at most, unless one submission alone has more.
const BATCH_BYTES: usize = 4 << 20;
/// So many statements are on their way at once: while one waits for its commit the next is filled and sent.
const AT_ONCE: usize = 2;
/// So many submissions wait for their turn; more is overload.
const BACKLOG: usize = 4_000;
/// So many bytes of input wait for their answer; more is overload.
const ROOM: u32 = 64 << 20;

/// Takes submissions.
pub(crate) struct Submitter {
    sender: mpsc::Sender<Pending>,
    /// The bytes of input that can still be taken.
    room: Arc<Semaphore>,
    admission: Admission,
}

/// What was submitted together: one task, or a batch.
struct Pending {
    tasks: Vec<NewTask>,
    /// The places of the tasks in queues whose length is bounded.
    places: Option<Arc<Places>>,
    answer: Answer,
}

/// Where the answer goes, with the room that the submission takes up until then.
struct Answer {
    sender: oneshot::Sender<Result<Vec<Submitted>, Problem>>,
    room: OwnedSemaphorePermit,
}

impl Submitter {
    /// Begins to take submissions.
    pub(crate) fn start(store: Store, queue: Queue, courier: Courier) -> Self {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let admission = Admission::new(store.clone(), queue);
        // It ends when the last statement is through.
        tokio::spawn(take(store, receiver, courier));
        Self { sender, room: Arc::new(Semaphore::new(ROOM as usize)), admission }
    }

    /// Accepts a task: it is committed when this returns.
    pub(crate) async fn submit(&self, task: NewTask) -> Result<Submitted, Problem> {
        let submitted = self.submit_all(vec![task]).await?;
        submitted.into_iter().next().ok_or_else(in_doubt)
    }

    /// Accepts tasks: all of them are committed when this returns, or none is. The answers come in their order.
    pub(crate) async fn submit_all(&self, tasks: Vec<NewTask>) -> Result<Vec<Submitted>, Problem> {
        let overloaded = || {
            Problem::new(Code::Overloaded, "more tasks come in than can be stored; nothing was accepted").retry_after(1)
        };
        // What is larger than all the room there is goes alone.
        let bytes: usize = tasks.iter().map(|task| task.input.get().len()).sum();
        let bytes = u32::try_from(bytes).unwrap_or(ROOM).clamp(1, ROOM);
        let room = Arc::clone(&self.room).try_acquire_many_owned(bytes).map_err(|_| overloaded())?;
        let places = self.admission.admit(&tasks).await?.map(Arc::new);
        let (sender, answered) = oneshot::channel();
        let pending = Pending { tasks, places, answer: Answer { sender, room } };
        self.sender.try_send(pending).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => overloaded(),
            mpsc::error::TrySendError::Closed(_) => {
                Problem::new(Code::Stopping, "the server is stopping; nothing was accepted").retry_after(1)
            }
        })?;
        // Dropped only when the statement panicked.
        answered.await.map_err(|_| in_doubt())?
    }
}

fn in_doubt() -> Problem {
    Problem::new(Code::Unavailable, "what was submitted may or may not have been accepted").retry_after(1)
}

async fn take(store: Store, mut receiver: mpsc::Receiver<Pending>, courier: Courier) {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut ahead = None;
    loop {
        // First the turn, then the batch: what arrives while all are busy goes together.
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
        let Some(batch) = next_batch(&mut receiver, &mut ahead).await else { return };
        let (store, courier) = (store.clone(), courier.clone());
        tokio::spawn(async move {
            store_batch(&store, batch, &courier).await;
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
    let mut count = first.tasks.len();
    let mut batch = vec![first];
    while count < BATCH
        && let Ok(next) = receiver.try_recv()
    {
        bytes += next.answer.room.num_permits();
        count += next.tasks.len();
        if bytes > BATCH_BYTES || count > BATCH {
            *ahead = Some(next);
            break;
        }
        batch.push(next);
    }
    Some(batch)
}

async fn store_batch(store: &Store, mut batch: Vec<Pending>, courier: &Courier) {
    // Whoever has been told meanwhile that it took too long must not find that it was accepted after all.
    batch.retain(|pending| !pending.answer.sender.is_closed());
    if batch.is_empty() {
        return;
    }
    // Two statements that lock the same keys in the same order cannot wait for each other in a circle.
    batch.sort_by(|a, b| key(a).cmp(&key(b)));
    let mut tasks = Vec::with_capacity(batch.iter().map(|pending| pending.tasks.len()).sum());
    let mut askers = Vec::with_capacity(batch.len());
    for pending in batch {
        askers.push((pending.tasks.len(), pending.places, pending.answer));
        tasks.extend(pending.tasks);
    }
    match store.submit(&tasks).await {
        Ok(submitted) => {
            let mut submitted = submitted.into_iter();
            for (count, places, answer) in askers {
                settle(submitted.by_ref().take(count).collect(), places, answer, courier);
            }
        }
        // One that cannot be stored must not take its neighbours with it. A database that is away is away for all.
        Err(StoreError::Broken(_)) if askers.len() > 1 => {
            let mut rest = &tasks[..];
            for (count, places, answer) in askers {
                let (own, others) = rest.split_at(count.min(rest.len()));
                rest = others;
                match store.submit(own).await {
                    Ok(submitted) => settle(submitted, places, answer, courier),
                    Err(error) => drop(answer.sender.send(Err(error.into()))),
                }
            }
        }
        Err(error) => {
            let problem = Problem::from(error);
            askers.into_iter().for_each(|(_, _, answer)| drop(answer.sender.send(Err(problem.clone()))));
        }
    }
}

fn key(pending: &Pending) -> Option<(ProjectId, &str)> {
    let first = pending.tasks.first()?;
    first.idempotency.as_ref().map(|idempotency| (first.project, idempotency.key.as_str()))
}

fn settle(submitted: Vec<Submitted>, places: Option<Arc<Places>>, answer: Answer, courier: &Courier) {
    for submitted in &submitted {
        if let Submitted::Accepted(task) = submitted {
            courier.send(Errand::New(task.id, ticket(task), places.clone()));
        }
    }
    // The client may have gone away; the task is accepted all the same.
    let _ = answer.sender.send(Ok(submitted));
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
        let store = Store::new(&jobs_store::StoreConfig::new("postgres://localhost:1/none")).expect("a URL");
        let queue = Queue::open("redis://localhost:1", "test").expect("a URL");
        let admission = Admission::new(store, queue);
        admission.know(Vec::new());
        (Submitter { sender, room: Arc::new(Semaphore::new(room)), admission }, receiver)
    }

    /// A task whose input has so many bytes.
    fn task(bytes: usize) -> NewTask {
        let json = to_raw_value(&"x".repeat(bytes - 2)).expect("JSON");
        let registry = jobs_kinds::registry();
        let kind = registry.get("echo").expect("a kind");
        CreateTask::plain(
            &registry,
            &**kind,
            CheckedInput { json, timeout: std::time::Duration::from_secs(1) },
            ProjectId::DEFAULT,
            "req_1",
            None,
        )
    }

    #[tokio::test(start_paused = true)]
    async fn inputs_without_room_are_overload_until_others_are_answered() {
        let (submitter, mut receiver) = submitter(10);
        let mut first = Box::pin(submitter.submit(task(8)));
        assert!(first.as_mut().now_or_never().is_none());
        let refused = submitter.submit(task(8)).now_or_never().expect("an answer").expect_err("no room");
        assert_eq!(refused.code, Code::Overloaded);
        assert_eq!(refused.headers["retry-after"], "1");

        let pending = receiver.recv().await.expect("the first");
        assert!(pending.answer.sender.send(Ok(vec![Submitted::KeyTaken])).is_ok());
        drop(pending.answer.room);
        assert!(matches!(first.await, Ok(Submitted::KeyTaken)));
        assert!(submitter.submit(task(8)).now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
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
