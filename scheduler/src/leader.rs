//! What the leading scheduler does, once a tick and whenever a timer ends.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use jobs_artifacts::Artifacts;
use jobs_core::{Defect, State, TaskId, Ticket};
use jobs_queue::{Queue, Taken};
use jobs_runtime::config::RetentionConfig;
use jobs_store::{Leadership, Pulse, Store, StoreError};
use jobs_webhooks::FanOut;
use tokio::sync::watch;
use tracing::warn;

use crate::{dispatch, fire, leftovers, reap, retain, settle, timer::Timer};

/// Postgres does not wait longer than this for Redis.
const PATIENCE: Duration = Duration::from_secs(1);

/// The leading scheduler.
pub(crate) struct Leader {
    pub(crate) store: Store,
    pub(crate) queue: Queue,
    pub(crate) artifacts: Artifacts,
    pub(crate) planner: Arc<fire::Planner>,
    pub(crate) retention: RetentionConfig,
    /// How long the log of webhooks is kept.
    pub(crate) deliveries_kept: Duration,
    pub(crate) fan_out: FanOut,
    pub(crate) lease: Duration,
    pub(crate) tick: Duration,
}

impl Leader {
    /// Leads until Postgres is not available; gives what was seen then.
    ///
    /// What looks after Redis, after timers and schedules, after tasks that wait for others and after old rows runs beside the pulse: nothing
    /// keeps lost workers waiting.
    pub(crate) async fn lead(&self, leadership: Leadership) -> StoreError {
        let (pulses, seen) = watch::channel(Pulse::default());
        let timer = Timer::new(self, seen.clone());
        let lost: Result<Infallible, StoreError> = tokio::select! {
            error = self.tick(leadership, pulses) => error,
            error = timer.run() => error,
            error = settle::run(self, seen.clone()) => error,
            error = fire::run(self, seen.clone()) => error,
            error = dispatch::run(self, seen.clone()) => error,
            error = self.fan_out.run(seen.clone()) => error,
            never = retain::run(self) => match never {},
            error = leftovers::run(self, seen) => error,
        };
        match lost {
            Err(error) => error,
            Ok(never) => match never {},
        }
    }

    async fn tick(&self, mut leadership: Leadership, pulses: watch::Sender<Pulse>) -> Result<Infallible, StoreError> {
        // Nobody is blamed for a silence that we could not have heard through.
        let connected = Instant::now();
        loop {
            let pulse = leadership.pulse(self.lease).await?;
            if pulse.silent_workers && connected.elapsed() >= self.lease {
                reap::end_silent_workers(self).await?;
                reap::take_back(self).await?;
            } else if pulse.orphans {
                // What a lost worker held was taken back when it was found to be lost.
                let orphans = reap::take_back(self).await?;
                if orphans > 0 {
                    self.store.count_defects(&[(Defect::Orphaned, orphans)]).await?;
                }
            }
            pulses.send_replace(pulse);
            // A lease that is about to end is not waited for until the next tick. One that lives is renewed long before.
            let next_lease = pulse.next_lease.map_or(self.tick, |left| left + Duration::from_millis(5));
            tokio::time::sleep(self.tick.min(next_lease)).await;
        }
    }

    /// Puts tasks in their queues. A failure is left to the dispatcher, which finds what is missing.
    pub(crate) async fn push(&self, ready: &[Ticket]) {
        match tokio::time::timeout(PATIENCE, self.queue.push(ready)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                warn!(error, tasks = ready.len(), "could not push; the dispatcher will");
            }
            Err(_) => warn!(tasks = ready.len(), "Redis is too slow to push to; the dispatcher will"),
        }
    }

    /// The same for tasks that were just made, which `made` names all; tells who wants to hear of new ones.
    pub(crate) async fn push_new(&self, ready: &[Ticket], made: &[TaskId]) {
        let told = async { tokio::join!(self.queue.push_new(ready), self.queue.announce_new(made)).0 };
        match tokio::time::timeout(PATIENCE, told).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                warn!(error, tasks = ready.len(), "could not push; the dispatcher will");
            }
            Err(_) => warn!(tasks = ready.len(), "Redis is too slow to push to; the dispatcher will"),
        }
    }

    /// Takes tasks that were canceled out of their queues, and tells who watches them or was told to stop.
    pub(crate) async fn withdraw(&self, stopped: &[(State, Ticket)]) {
        let told = async {
            for (_, ticket) in stopped.iter().filter(|(state, _)| *state == State::Canceled) {
                let taken = Taken { task: ticket.task, group: ticket.group.clone() };
                self.queue.withdraw(&ticket.queue, &[taken]).await?;
            }
            self.queue.announce(&stopped.iter().map(|(_, ticket)| ticket.task).collect::<Vec<_>>()).await
        };
        // An entry too many costs a look, and watchers look for themselves while Redis is away.
        let _ = tokio::time::timeout(PATIENCE, told).await;
    }

    /// Tells who watches these tasks.
    pub(crate) async fn announce(&self, tasks: &[TaskId]) {
        // Watchers look for themselves while Redis is away.
        let _ = tokio::time::timeout(PATIENCE, self.queue.announce(tasks)).await;
    }
}
