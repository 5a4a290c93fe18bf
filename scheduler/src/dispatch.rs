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
use jobs_queue::{QueueError, Taken};
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
    /// The settings of queues that Redis was told, and the version of each.
    settings: Option<i64>,
    versions: HashMap<String, i64>,
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
                    leader.queue.warn_of_eviction();
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
        if self.settings != Some(pulse.settings) {
            self.configure(leader).await?;
            self.settings = Some(pulse.settings);
        }
        if pulse.queued || pulse.running {
            if !leader.queue.is_whole().await? {
                self.rebuild(leader).await?;
            } else if pulse.queued {
                self.find_missing(leader).await?;
            }
            if self.swept.is_none_or(|swept| swept.elapsed() >= SWEEP) {
                sweep(leader).await?;
                self.swept = Some(Instant::now());
            }
        }
        Ok(())
    }

    /// Tells Redis of settings that have changed.
    async fn configure(&mut self, leader: &Leader) -> Result<(), Away> {
        for queue in leader.store.queues().await? {
            if self.versions.get(&queue.name) != Some(&queue.version) {
                let groups = leader.store.groups(&queue.name).await?;
                leader.queue.configure(&queue.name, &queue.settings, &groups).await?;
                self.versions.insert(queue.name, queue.version);
            }
        }
        Ok(())
    }

    /// Says everything anew: the limits, what runs, what is queued. Again, should Redis lose it meanwhile.
    async fn rebuild(&mut self, leader: &Leader) -> Result<(), Away> {
        let began = Instant::now();
        let rebuild = leader.queue.begin_rebuild().await?;
        self.versions.clear();
        self.configure(leader).await?;
        let running = hold_running(leader).await?;
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
        // What ended while this said that it runs was forgotten before.
        for (queue, found) in compare(leader, Duration::ZERO).await? {
            leader.queue.forget(&queue, &found.gone).await?;
        }
        if leader.queue.end_rebuild(rebuild).await? {
            self.new = at;
            info!(tasks, running, took_ms = began.elapsed().as_millis(), "built the index of the queue anew");
        }
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

/// Says what workers hold.
async fn hold_running(leader: &Leader) -> Result<usize, Away> {
    let (mut after, mut count) = (None, 0);
    loop {
        let running = leader.store.running(after, BATCH).await?;
        let Some(last) = running.last() else { return Ok(count) };
        (after, count) = (Some(last.task), count + running.len());
        let mut queues: HashMap<String, Vec<Taken>> = HashMap::new();
        for Ticket { task, queue, group, .. } in running {
            queues.entry(queue).or_default().push(Taken { task, group });
        }
        for (queue, taken) in queues {
            leader.queue.hold(&queue, &taken).await?;
        }
    }
}

/// Entries that say a task is held while the rows say something else.
#[derive(Default)]
struct Stale {
    /// Tasks that wait: whoever took them never claimed them.
    waiting: Vec<Ticket>,
    /// Entries of tasks that have no place in the queue.
    gone: Vec<Taken>,
}

/// Puts back what was taken and never claimed, and forgets what nobody forgot.
async fn sweep(leader: &Leader) -> Result<(), Away> {
    for (queue, found) in compare(leader, CLAIMED).await? {
        leader.queue.push(&found.waiting).await?;
        leader.queue.forget(&queue, &found.gone).await?;
    }
    Ok(())
}

/// Compares what Redis says is held for longer than `age` with the rows, queue by queue.
async fn compare(leader: &Leader, age: Duration) -> Result<Vec<(String, Stale)>, Away> {
    let workers = leader.store.workers().await?;
    let queues: BTreeSet<String> = workers.into_iter().flat_map(|worker| worker.queues.into_keys()).collect();
    let mut all = Vec::with_capacity(queues.len());
    for queue in queues {
        let held = leader.queue.stale(&queue, age, BATCH as usize).await?;
        if held.is_empty() {
            continue;
        }
        let mut found = Stale::default();
        let mut places = BTreeSet::new();
        let ids: Vec<TaskId> = held.iter().map(|taken| taken.task).collect();
        for (ticket, state) in leader.store.states(&ids).await? {
            if state == State::Queued || state.is_held() {
                places.insert(ticket.task);
            }
            if state == State::Queued {
                found.waiting.push(ticket);
            }
        }
        found.gone = held.into_iter().filter(|taken| !places.contains(&taken.task)).collect();
        all.push((queue, found));
    }
    Ok(all)
}
