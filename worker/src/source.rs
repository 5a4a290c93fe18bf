//! Where a lane's tasks come from: ids from Redis in fair order, the tasks themselves from Postgres, which decides.
//!
//! While Redis is away the lane goes on with what Postgres says is waiting.

use std::{collections::HashSet, sync::Arc, time::Duration};

use jobs_core::{Event, GroupKey, State, TaskId};
use jobs_queue::{Queue, Source, Taken, Turn, Wake};
use jobs_store::{
    Store,
    transition::{Claim, Finish},
};
use tokio::{sync::Mutex, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    control::Control,
    courier::{Courier, Errand},
    held::Held,
    life::{Life, Lives, is_passing},
    quarantine::Quarantine,
    recorder::{End, Recorder},
};

/// Without Redis nobody wakes a worker, so it looks this often.
const LOOK: Duration = Duration::from_millis(250);

/// A task that this worker holds.
pub(crate) struct Claimed {
    /// The life that holds it.
    pub(crate) life: Arc<Life>,
    /// The task.
    pub(crate) claim: Claim,
    /// Cancelled when it is to be stopped.
    pub(crate) cancel: CancellationToken,
}

/// The tasks of one queue.
pub(crate) struct QueueSource {
    name: Arc<str>,
    store: Store,
    queue: Queue,
    wake: Mutex<Wake>,
    /// When Redis was last asked in vain.
    away: Mutex<Option<Instant>>,
    lives: Lives,
    held: Arc<Held>,
    courier: Courier,
    recorder: Recorder,
    quarantine: Arc<Quarantine>,
}

impl QueueSource {
    pub(crate) fn new(name: Arc<str>, control: &Control, quarantine: Arc<Quarantine>) -> Self {
        Self {
            wake: Mutex::new(Wake::new(&control.queue, &name)),
            away: Mutex::new(None),
            name,
            store: control.store.clone(),
            queue: control.queue.clone(),
            lives: control.lives.clone(),
            held: control.held.clone(),
            courier: control.courier.clone(),
            recorder: control.recorder.clone(),
            quarantine,
        }
    }

    async fn take(&self, want: usize, stop: &CancellationToken) -> Vec<Claimed> {
        let mut lives = self.lives.clone();
        loop {
            let life = tokio::select! {
                life = lives.wait_for(Option::is_some) => life.ok().and_then(|life| life.clone()),
                () = stop.cancelled() => None,
            };
            let Some(life) = life else { return Vec::new() };
            let Some(turn) = self.turn(want).await else {
                let claimed = self.claim_waiting(&life, want).await;
                if !claimed.is_empty() {
                    return claimed;
                }
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => continue,
                    () = stop.cancelled() => return Vec::new(),
                }
            };
            if !turn.taken.is_empty() {
                let claimed = self.claim(&life, &turn.taken, stop).await;
                if !claimed.is_empty() {
                    return claimed;
                }
                // Nobody's any more; there may be others behind them.
                continue;
            }
            tokio::select! {
                () = self.ready(turn.again) => {}
                () = stop.cancelled() => return Vec::new(),
            }
        }
    }

    /// What Redis gives; `None` while it is away. It is not asked again at once: each question takes its time to fail.
    async fn turn(&self, want: usize) -> Option<Turn> {
        let mut away = self.away.lock().await;
        if away.is_some_and(|asked| asked.elapsed() < LOOK) {
            return None;
        }
        match self.queue.claim(&self.name, want).await {
            Ok(turn) => {
                if away.take().is_some() {
                    info!(queue = &*self.name, "Redis is back");
                    self.queue.warn_of_eviction();
                }
                Some(turn)
            }
            Err(error) => {
                if away.replace(Instant::now()).is_none() {
                    let error = &error as &dyn std::error::Error;
                    warn!(error, queue = &*self.name, "going on without Redis");
                }
                None
            }
        }
    }

    /// Claims what waits by the rows; nothing while Postgres is away, too. What was claimed by a statement whose answer was lost
    /// is found by the audit of what this worker holds.
    async fn claim_waiting(&self, life: &Arc<Life>, want: usize) -> Vec<Claimed> {
        if self.quarantine.is_free()
            && let Ok(Some(suspect)) = self.store.waiting_suspect(&self.name).await
        {
            self.quarantine.take(suspect);
        }
        let claims = self.store.claim_waiting(life.id, &self.name, want).await.unwrap_or_default();
        self.hold(life, claims)
    }

    /// Completes when something may be ready.
    async fn ready(&self, again: Option<Duration>) {
        if self.wake.lock().await.wait(again).await.is_err() {
            // The next claim says why.
            tokio::time::sleep(LOOK / 5).await;
        }
    }

    /// Claims ids, however long Postgres takes to answer; gives what is ours, and lets the queue forget the rest.
    async fn claim(&self, life: &Arc<Life>, taken: &[Taken], stop: &CancellationToken) -> Vec<Claimed> {
        let ids: Vec<TaskId> = taken.iter().map(|taken| taken.task).collect();
        let mut wait = Duration::from_millis(50);
        let mut doubtful = false;
        let claims = loop {
            match self.store.claim(life.id, &ids).await {
                Ok(claims) => break claims,
                Err(error) if is_passing(&error) => {
                    if !doubtful {
                        warn!(
                            error = &error as &dyn std::error::Error,
                            queue = &*self.name,
                            "a claim waits for Postgres"
                        );
                    }
                    doubtful = true;
                }
                Err(error) => {
                    error!(error = &error as &dyn std::error::Error, queue = &*self.name, "a claim failed");
                    tokio::time::sleep(wait).await;
                    return Vec::new();
                }
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = life.over.cancelled() => return Vec::new(),
                // The ids stay held in Redis, and the dispatcher finds them there.
                () = stop.cancelled() => return Vec::new(),
            }
            wait = (wait * 2).min(Duration::from_secs(1));
        };
        let ours: HashSet<TaskId> = claims.iter().map(|claim| claim.task).collect();
        if doubtful {
            self.give_back_unknown(life, taken, &ours).await;
        }
        if ours.is_empty() && !self.store.lives(life.id).await.unwrap_or(true) {
            self.put_back(&ids).await;
            // The heart hears of it with its next beat.
            tokio::select! { () = life.over.cancelled() => {}, () = stop.cancelled() => {} }
            return Vec::new();
        }
        let others: Vec<Taken> = taken.iter().filter(|taken| !ours.contains(&taken.task)).cloned().collect();
        let others = self.quarantine(others).await;
        if !others.is_empty() {
            self.forget(others).await;
        }
        self.hold(life, claims)
    }

    /// Tells that tasks are ours now.
    fn hold(&self, life: &Arc<Life>, claims: Vec<Claim>) -> Vec<Claimed> {
        if !claims.is_empty() {
            self.courier.send(Errand::Announce(claims.iter().map(|claim| claim.task).collect()));
        }
        let hold = |claim: Claim| {
            let cancel = self.held.add(claim.task, claim.epoch);
            Claimed { life: life.clone(), claim, cancel }
        };
        claims.into_iter().map(hold).collect()
    }

    /// What was taken and is not ours is not held by us. What another worker runs meanwhile it holds itself, under the same entry.
    async fn forget(&self, mut taken: Vec<Taken>) {
        let ids: Vec<TaskId> = taken.iter().map(|taken| taken.task).collect();
        // After a failure the entries stay; the dispatcher looks after those that are old.
        let Ok(states) = self.store.states(&ids).await else { return };
        let running: HashSet<TaskId> =
            states.into_iter().filter(|(_, state)| state.is_held()).map(|(ticket, _)| ticket.task).collect();
        taken.retain(|taken| !running.contains(&taken.task));
        if !taken.is_empty() {
            self.courier.send(Errand::Forget(self.name.to_string(), taken));
        }
    }

    /// Puts those that have to run alone into quarantine, as far as there is room; gives the rest. A task that found no room is forgotten
    /// with them: the dispatcher misses it, and pushes it again.
    async fn quarantine(&self, mut unclaimed: Vec<Taken>) -> Vec<Taken> {
        if !unclaimed.is_empty() && self.quarantine.is_free() {
            let ids: Vec<TaskId> = unclaimed.iter().map(|taken| taken.task).collect();
            // After a failure, too, the dispatcher pushes them again.
            let suspects = self.store.suspects(&ids).await.unwrap_or_default();
            unclaimed.retain(|taken| !(suspects.contains(&taken.task) && self.quarantine.take(taken.task)));
        }
        unclaimed
    }

    /// A worker that was taken for dead claims nothing: what it took from Redis is for others.
    async fn put_back(&self, ids: &[TaskId]) {
        // After a failure the dispatcher finds them.
        let states = self.store.states(ids).await.unwrap_or_default();
        let waiting = states.into_iter().filter(|(_, state)| *state == State::Queued);
        self.courier.send(Errand::Push(waiting.map(|(ticket, _)| ticket).collect()));
    }

    /// A claim whose answer was lost may have succeeded: what the rows say we hold, and we do not know, is given back.
    async fn give_back_unknown(&self, life: &Arc<Life>, taken: &[Taken], ours: &HashSet<TaskId>) {
        let held = loop {
            match self.store.held(life.id).await {
                Ok(held) => break held,
                Err(_) => {
                    tokio::select! { () = tokio::time::sleep(LOOK) => {}, () = life.over.cancelled() => return }
                }
            }
        };
        for (task, epoch) in held {
            let asked = taken.iter().find(|taken| taken.task == task && !ours.contains(&task));
            if let Some(taken) = asked {
                self.release(life, task, epoch, taken.group.clone()).await;
            }
        }
    }

    async fn release(&self, life: &Life, task: TaskId, epoch: i32, group: GroupKey) {
        let finish = Finish { task, epoch, event: Event::Release, output: None, error: None, wait: Duration::ZERO };
        let end = End { worker: life.id, queue: self.name.clone(), group, finish, counted: None };
        // The recorder outlives every source.
        let _ = self.recorder.send(end).await;
    }
}

impl Source for QueueSource {
    type Item = Claimed;

    async fn next(&self, want: usize, stop: &CancellationToken) -> Vec<Claimed> {
        self.take(want, stop).await
    }

    async fn give_back(&self, unstarted: Vec<Claimed>) {
        for Claimed { life, claim, .. } in unstarted {
            self.release(&life, claim.task, claim.epoch, claim.group).await;
        }
    }
}
