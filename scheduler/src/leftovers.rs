//! Files of tasks that are gone: they are removed, however long their store takes, and tried again until they are.

use std::{convert::Infallible, time::Duration};

use jobs_core::TaskId;
use jobs_store::{Pulse, StoreError};
use tokio::sync::watch;
use tracing::warn;

use crate::leader::Leader;

/// So many tasks are looked after before it is noted that their files are gone.
const BATCH: u32 = 100;
/// An artifact store that refused is asked again after this long.
const AGAIN: Duration = Duration::from_secs(30);

/// Removes files whenever there are some.
pub(crate) async fn run(leader: &Leader, mut pulses: watch::Receiver<Pulse>) -> Result<Infallible, StoreError> {
    loop {
        if pulses.wait_for(|pulse| pulse.leftovers).await.is_err() {
            // The pulse ended, and with it everything here.
            std::future::pending::<()>().await;
        }
        loop {
            let tasks = leader.store.leftovers(BATCH).await?;
            if tasks.is_empty() {
                break;
            }
            let gone = remove(leader, &tasks).await;
            leader.store.forget_leftovers(&gone).await?;
            if gone.len() < tasks.len() {
                tokio::time::sleep(AGAIN).await;
            }
        }
        // What was seen before the last look is no news.
        pulses.mark_unchanged();
        let _ = pulses.changed().await;
    }
}

/// Those of the tasks whose files are gone now.
async fn remove(leader: &Leader, tasks: &[TaskId]) -> Vec<TaskId> {
    let mut gone = Vec::with_capacity(tasks.len());
    for task in tasks {
        match leader.artifacts.remove_task(*task).await {
            Ok(()) => gone.push(*task),
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, task.id = %task, "files of a removed task are left for later");
            }
        }
    }
    gone
}
