//! What the leading scheduler does, once a tick and whenever a timer ends.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use jobs_core::{TaskId, Ticket};
use jobs_queue::Queue;
use jobs_store::{Leadership, Store, StoreError};
use tracing::warn;

use crate::{dispatch::Dispatch, reap, retain::Retain, timer::Timer};

/// The leading scheduler.
pub(crate) struct Leader {
    pub(crate) store: Store,
    pub(crate) queue: Queue,
    pub(crate) lease: Duration,
    tick: Duration,
}

impl Leader {
    pub(crate) fn new(store: Store, queue: Queue, lease: Duration, tick: Duration) -> Self {
        Self { store, queue, lease, tick }
    }

    /// Leads until Postgres is not available; gives what was seen then.
    pub(crate) async fn lead(&self, leadership: Leadership) -> StoreError {
        // Both end only with an error, and the leadership with them.
        let timer = Timer::new(self);
        let lost: Result<Infallible, StoreError> = tokio::select! {
            error = self.tick(leadership) => error,
            error = timer.run() => error,
        };
        match lost {
            Err(error) => error,
            Ok(never) => match never {},
        }
    }

    async fn tick(&self, mut leadership: Leadership) -> Result<Infallible, StoreError> {
        // Nobody is blamed for a silence that we could not have heard through.
        let connected = Instant::now();
        let mut dispatch = Dispatch::default();
        let mut retain = Retain::default();
        loop {
            let pulse = leadership.pulse(self.lease).await?;
            if pulse.silent_workers && connected.elapsed() >= self.lease {
                reap::end_silent_workers(self).await?;
                reap::take_back(self).await?;
            } else if pulse.orphans {
                reap::take_back(self).await?;
            }
            dispatch.tick(self, pulse).await?;
            retain.tick(self).await?;
            // A lease that is about to end is not waited for until the next tick. One that lives is renewed long before.
            let next_lease = pulse.next_lease.map_or(self.tick, |left| left + Duration::from_millis(5));
            tokio::time::sleep(self.tick.min(next_lease)).await;
        }
    }

    /// Puts tasks in their queues. A failure is left to the dispatcher, which finds what is missing.
    pub(crate) async fn push(&self, ready: &[Ticket]) -> bool {
        let pushed = self.queue.push(ready).await;
        if let Err(error) = &pushed {
            warn!(
                error = error as &dyn std::error::Error,
                tasks = ready.len(),
                "could not push; trying again with the next tick"
            );
        }
        pushed.is_ok()
    }

    /// Tells who watches these tasks.
    pub(crate) async fn announce(&self, tasks: &[TaskId]) {
        // Watchers look for themselves while Redis is away.
        let _ = self.queue.announce(tasks).await;
    }
}
