//! Taking back what dead workers held.

use jobs_store::StoreError;
use tracing::warn;

use crate::{leader::Leader, metrics};

/// At most so many tasks are taken back in one statement.
const BATCH: u32 = 1_000;

/// Ends the leases of workers that were silent for too long.
pub(crate) async fn end_silent_workers(leader: &Leader) -> Result<(), StoreError> {
    let workers = leader.store.end_silent_workers(leader.lease).await?;
    if workers > 0 {
        metrics::WORKERS_LOST.add(workers);
        warn!(workers, "workers were silent for longer than their lease");
    }
    Ok(())
}

/// Takes back everything that is held under a lease that has ended, and gives how much that was.
pub(crate) async fn take_back(leader: &Leader) -> Result<u64, StoreError> {
    let mut count = 0;
    loop {
        let reaped = leader.store.reap(BATCH).await?;
        if reaped.count() == 0 {
            return Ok(count);
        }
        count += reaped.count() as u64;
        metrics::TAKEN_BACK.add(reaped.count() as u64);
        warn!(ready = reaped.ready.len(), ended = reaped.ended.len(), "took back the tasks of workers that are gone");
        leader.push(&reaped.ready).await;
        let changed = reaped.ready.iter().map(|ready| ready.task).chain(reaped.ended.iter().map(|(task, _)| *task));
        leader.announce(&changed.collect::<Vec<_>>()).await;
    }
}
