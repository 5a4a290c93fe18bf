//! The audit of what a worker holds: rows that say it holds an attempt it knows nothing of are given back.
//!
//! It should find nothing. It is there for answers that were lost on their way and for mistakes of ours: without it, such a task
//! would run for ever under a lease that lives.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use jobs_core::{Event, TaskId, WorkerId};
use jobs_store::{Store, transition::Finish};
use tracing::error;

use crate::held::Held;

/// What was found at the last look.
pub(crate) struct Audit {
    every: Duration,
    looked: Option<Instant>,
    unknown: HashSet<(TaskId, i32)>,
}

impl Audit {
    /// An audit every so often. A claim must be known here long before its second look.
    pub(crate) fn new(every: Duration) -> Self {
        Self { every, looked: None, unknown: HashSet::new() }
    }

    /// Looks if it is time to; what was unknown at the last look and still is, is given back.
    pub(crate) async fn look(&mut self, store: &Store, worker: WorkerId, held: &Held) {
        if self.looked.is_some_and(|looked| looked.elapsed() < self.every) {
            return;
        }
        self.looked = Some(Instant::now());
        // An outage is for the beat to notice.
        let Ok(rows) = store.held(worker).await else { return };
        let unknown: HashSet<_> = rows.into_iter().filter(|(task, epoch)| !held.knows(*task, *epoch)).collect();
        let lost: Vec<Finish> =
            unknown.intersection(&self.unknown).map(|(task, epoch)| release(*task, *epoch)).collect();
        if !lost.is_empty() {
            error!(tasks = lost.len(), "gave back tasks that this worker held without knowing it");
            // What fails now is found again. The dispatcher pushes what is queued by this.
            let _ = store.finish(worker, &lost).await;
        }
        self.unknown = unknown;
    }
}

fn release(task: TaskId, epoch: i32) -> Finish {
    Finish { task, epoch, event: Event::Release, output: None, error: None, wait: Duration::ZERO }
}
