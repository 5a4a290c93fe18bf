//! Writes down how attempts ended: those that end together in one statement, again and again until it is written.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jobs_core::{Event, GroupKey, TaskError, WorkerId, task::ErrorType};
use jobs_queue::Taken;
use jobs_store::{
    Store, StoreError,
    transition::{Finish, Finished, Recorded},
};
use tokio::sync::mpsc;
use tracing::{error, warn};

use crate::{
    courier::{Courier, Errand},
    held::Held,
    life::is_passing,
    metrics::{FENCED, RECORDING},
    tally::{Counted, Tally},
    unfenced,
};

/// At most so many ends in one statement.
const BATCH: usize = 500;
/// So many statements at once: the next batch gathers while the ones before it are written.
const WRITERS: usize = 1;

/// An attempt that ended.
#[derive(Debug)]
pub(crate) struct End {
    /// The life that held it.
    pub(crate) worker: WorkerId,
    /// Its queue.
    pub(crate) queue: Arc<str>,
    /// Its group.
    pub(crate) group: GroupKey,
    /// How it ended.
    pub(crate) finish: Finish,
    /// Where its end is counted; nowhere if it never ran.
    pub(crate) counted: Option<Counted>,
}

/// What is known of an end beside how it was: the queue and the group of its task, and where it is counted.
type Origin = (Arc<str>, GroupKey, Option<Counted>);

/// Takes ends. Waits when Postgres is away and too many are waiting already, so that no more work is begun than can be recorded.
pub(crate) type Recorder = mpsc::Sender<End>;

/// Starts to record; the handle ends when all senders are gone and everything is written.
pub(crate) fn start(
    store: Store,
    held: Arc<Held>,
    courier: Courier,
    tally: Arc<Tally>,
) -> (Recorder, tokio::task::JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel(2 * BATCH);
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let handle = tokio::spawn(async move {
        let writers = (0..WRITERS).map(|_| {
            tokio::spawn(write(store.clone(), held.clone(), courier.clone(), tally.clone(), receiver.clone()))
        });
        for writer in writers.collect::<Vec<_>>() {
            if let Err(error) = writer.await {
                error!(error = &error as &dyn std::error::Error, "a recorder broke");
            }
        }
    });
    (sender, handle)
}

async fn write(
    store: Store,
    held: Arc<Held>,
    courier: Courier,
    tally: Arc<Tally>,
    ends: Arc<tokio::sync::Mutex<mpsc::Receiver<End>>>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        // What is there, without waiting for more.
        if ends.lock().await.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        let mut lives: HashMap<WorkerId, Vec<(Origin, Finish)>> = HashMap::with_capacity(1);
        for mut end in batch.drain(..) {
            (end.worker, end.finish.epoch) =
                unfenced::signed(&store, end.worker, end.finish.task, end.finish.epoch).await;
            lives.entry(end.worker).or_default().push(((end.queue, end.group, end.counted), end.finish));
        }
        for (worker, ends) in lives {
            record(&store, &held, &courier, &tally, worker, ends).await;
        }
    }
}

async fn record(
    store: &Store,
    held: &Held,
    courier: &Courier,
    tally: &Tally,
    worker: WorkerId,
    ends: Vec<(Origin, Finish)>,
) {
    let _recording = RECORDING.raise_by(ends.len());
    let (origins, finishes): (Vec<_>, Vec<_>) = ends.into_iter().unzip();
    let finished = match finish(store, worker, &finishes).await {
        Ok(finished) => finished,
        // One of them is at fault: it must not cost the others their results.
        Err(_) => one_by_one(store, worker, &finishes).await,
    };
    let mut gone: HashMap<Arc<str>, Vec<_>> = HashMap::new();
    for ((queue, group, counted), (finish, recorded)) in
        origins.into_iter().zip(finishes.iter().zip(&finished.recorded))
    {
        held.remove(finish.task, finish.epoch);
        if let (Some(counted), Recorded::Yes(state)) = (counted, recorded) {
            tally.ended(counted, *state);
        }
        gone.entry(queue).or_default().push(Taken { task: finish.task, group });
    }
    for (finish, recorded) in finishes.iter().zip(&finished.recorded) {
        if *recorded == Recorded::Fenced {
            FENCED.one();
            warn!(task.id = %finish.task, epoch = finish.epoch, event = finish.event.name(), "fenced: the attempt was not ours any more");
        }
    }
    for (queue, tasks) in gone {
        courier.send(Errand::Forget(queue.to_string(), tasks));
    }
    if !finished.ready.is_empty() {
        courier.send(Errand::Push(finished.ready));
    }
    courier.send(Errand::Announce(finishes.iter().map(|finish| finish.task).collect()));
}

/// Writes until it is written, or cannot be.
async fn finish(store: &Store, worker: WorkerId, finishes: &[Finish]) -> Result<Finished, StoreError> {
    let mut wait = Duration::from_millis(50);
    loop {
        match store.finish(worker, finishes).await {
            Ok(finished) => return Ok(finished),
            Err(error) if is_passing(&error) => {
                warn!(error = &error as &dyn std::error::Error, ends = finishes.len(), "results wait for Postgres");
            }
            Err(error) => {
                error!(error = &error as &dyn std::error::Error, ends = finishes.len(), "results cannot be recorded");
                return Err(error);
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(1));
    }
}

/// Records each by itself. A result that cannot be stored is a failure of its task, which its owner is told.
async fn one_by_one(store: &Store, worker: WorkerId, finishes: &[Finish]) -> Finished {
    let mut all = Finished::default();
    for each in finishes {
        let done = match finish(store, worker, std::slice::from_ref(each)).await {
            Ok(done) => Ok(done),
            Err(error) => {
                let refused = TaskError {
                    error_type: ErrorType::Error,
                    code: "result_not_storable".into(),
                    message: "the result of the attempt could not be stored".into(),
                    retryable: false,
                    // The history row has the attempt's number, too.
                    attempt: each.error.as_ref().map_or(0, |error| error.attempt),
                    details: None,
                };
                let failed = Finish { event: Event::Fail, output: None, error: Some(refused), ..each.clone() };
                finish(store, worker, &[failed]).await.map_err(|_| error)
            }
        };
        match done {
            Ok(mut done) => {
                all.recorded.append(&mut done.recorded);
                all.ready.append(&mut done.ready);
            }
            // The audit of what this worker holds gives the task back.
            Err(_) => all.recorded.push(Recorded::Fenced),
        }
    }
    all
}
