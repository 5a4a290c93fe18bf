//! The dispatcher: keeps the queue in Redis true to the rows.
//!
//! Whoever makes a task ready also pushes it, so there is mostly nothing to do. This finds what was not pushed (a process died in
//! between, Redis was away), rebuilds everything when Redis lost its data, and drops what nobody forgot. While nothing is queued or
//! runs it does not talk to Redis at all.

use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    time::{Duration, Instant},
};

use jobs_core::{State, TaskId, Ticket};
use jobs_queue::QueueError;
use jobs_store::{Position, Pulse, StoreError};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::leader::Leader;

/// Rows are read and pushed in batches of so many.
const BATCH: u32 = 5_000;
/// A task that became ready this long ago should have been pushed by whoever made it so.
const PUSHED: Duration = Duration::from_secs(1);
/// A task that was taken from Redis this long ago should have been claimed in Postgres.
const CLAIMED: Duration = Duration::from_secs(10);
/// How often the held ones are compared with the rows.
const SWEEP: Duration = Duration::from_secs(60);

/// Where the dispatcher is in its rounds.
#[derive(Default)]
struct Dispatch {
    /// Every row up to here was looked at once after it became ready.
    new: Position,
    /// The slow round through everything that is queued.
    round: Position,
    swept: Option<Instant>,
    troubled: bool,
}

/// One of the two servers is away.
enum Away {
    Postgres(StoreError),
    Redis(QueueError),
}

impl From<StoreError> for Away {
    fn from(error: StoreError) -> Self {
        Self::Postgres(error)
    }
}

impl From<QueueError> for Away {
    fn from(error: QueueError) -> Self {
        Self::Redis(error)
    }
}

/// Looks with every pulse.
pub(crate) async fn run(leader: &Leader, mut pulses: watch::Receiver<Pulse>) -> Result<Infallible, StoreError> {
    let mut dispatch = Dispatch::default();
    loop {
        if pulses.changed().await.is_err() {
            // The pulse ended, and with it everything here.
            std::future::pending::<()>().await;
        }
        let pulse = *pulses.borrow_and_update();
        dispatch.tick(leader, pulse).await?;
    }
}

impl Dispatch {
    /// Looks once. Without Redis it waits for a later tick: workers go on by the rows meanwhile.
    async fn tick(&mut self, leader: &Leader, pulse: Pulse) -> Result<(), StoreError> {
        match self.look(leader, pulse).await {
            Ok(()) => {
                if std::mem::take(&mut self.troubled) {
                    info!("Redis is back");
                }
                Ok(())
            }
            Err(Away::Redis(error)) => {
                if !std::mem::replace(&mut self.troubled, true) {
                    warn!(error = &error as &dyn std::error::Error, "the queue cannot be looked after");
                }
                Ok(())
            }
            Err(Away::Postgres(error)) => Err(error),
        }
    }

    async fn look(&mut self, leader: &Leader, pulse: Pulse) -> Result<(), Away> {
        if pulse.queued {
            if leader.queue.is_whole().await? {
                self.find_missing(leader).await?;
            } else {
                self.rebuild(leader).await?;
            }
        }
        if (pulse.queued || pulse.running) && self.swept.is_none_or(|swept| swept.elapsed() >= SWEEP) {
            sweep(leader).await?;
            self.swept = Some(Instant::now());
        }
        Ok(())
    }

    /// Pushes everything that is queued.
    async fn rebuild(&mut self, leader: &Leader) -> Result<(), Away> {
        let began = Instant::now();
        let mut tasks = 0;
        let mut at = Position::default();
        loop {
            let (ready, next) = leader.store.queued(at, Duration::ZERO, BATCH).await?;
            if ready.is_empty() {
                break;
            }
            leader.queue.push(&ready).await?;
            tasks += ready.len();
            at = next;
        }
        leader.queue.mark_whole().await?;
        self.new = at;
        info!(tasks, took_ms = began.elapsed().as_millis(), "built the index of the queue anew");
        Ok(())
    }

    async fn find_missing(&mut self, leader: &Leader) -> Result<(), Away> {
        // What became ready since the last look.
        loop {
            let (ready, next) = leader.store.queued(self.new, PUSHED, BATCH).await?;
            push_missing(leader, &ready).await?;
            self.new = next;
            if ready.len() < BATCH as usize {
                break;
            }
        }
        // And a part of everything, in turns.
        let (ready, next) = leader.store.queued(self.round, PUSHED, BATCH).await?;
        self.round = if ready.len() < BATCH as usize { Position::default() } else { next };
        push_missing(leader, &ready).await
    }
}

async fn push_missing(leader: &Leader, ready: &[Ticket]) -> Result<(), Away> {
    let mut queues: HashMap<&str, Vec<Ticket>> = HashMap::new();
    for ticket in ready {
        queues.entry(&ticket.queue).or_default().push(ticket.clone());
    }
    for (queue, tickets) in queues {
        let missing = leader.queue.missing(queue, &tickets, CLAIMED).await?;
        if !missing.is_empty() {
            info!(queue, tasks = missing.len(), "pushed queued tasks that Redis did not have");
            leader.queue.push(&missing).await?;
        }
    }
    Ok(())
}

/// Compares what Redis says is held with the rows.
async fn sweep(leader: &Leader) -> Result<(), Away> {
    let workers = leader.store.workers().await?;
    let queues: BTreeSet<String> = workers.into_iter().flat_map(|worker| worker.queues.into_keys()).collect();
    for queue in queues {
        let held = leader.queue.stale(&queue, CLAIMED, BATCH as usize).await?;
        if held.is_empty() {
            continue;
        }
        let mut waiting = Vec::new();
        let mut places = BTreeSet::new();
        for (ticket, state) in leader.store.states(&held).await? {
            if state == State::Queued || state.is_held() {
                places.insert(ticket.task);
            }
            if state == State::Queued {
                waiting.push(ticket);
            }
        }
        leader.queue.push(&waiting).await?;
        let gone: Vec<TaskId> = held.into_iter().filter(|id| !places.contains(id)).collect();
        leader.queue.forget(&queue, &gone).await?;
    }
    Ok(())
}
