//! What this worker holds, by task and epoch.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jobs_core::TaskId;
use tokio_util::sync::CancellationToken;

/// The attempts this worker holds.
#[derive(Debug, Default)]
pub(crate) struct Held {
    attempts: Mutex<HashMap<(TaskId, i32), CancellationToken>>,
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, HashMap<(TaskId, i32), CancellationToken>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an attempt; gives what is cancelled when its task is to be stopped.
    pub(crate) fn add(&self, task: TaskId, epoch: i32) -> CancellationToken {
        let cancel = CancellationToken::new();
        self.lock().insert((task, epoch), cancel.clone());
        cancel
    }

    /// Somebody asked to stop a task.
    pub(crate) fn cancel(&self, task: TaskId, epoch: i32) {
        if let Some(cancel) = self.lock().get(&(task, epoch)) {
            cancel.cancel();
        }
    }

    /// The attempt is recorded, or nobody's any more.
    pub(crate) fn remove(&self, task: TaskId, epoch: i32) {
        self.lock().remove(&(task, epoch));
    }

    /// Whether it is one of them.
    pub(crate) fn knows(&self, task: TaskId, epoch: i32) -> bool {
        self.lock().contains_key(&(task, epoch))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }
}
