//! The dispatcher: keeps the queue in Redis true to the rows.
//!
//! Whoever makes a task ready also pushes it, so there is mostly nothing to do. This finds what was not pushed (a process died in
//! between, Redis was away), rebuilds everything when Redis lost its data, and lets the audit look for whatever else is wrong. While
//! nothing is queued or runs it does not talk to Redis at all.

use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    time::{Duration, Instant},
};

use jobs_core::{State, TaskId, Ticket, integrity::CLAIM_LIMIT};
use jobs_queue::Taken;
use jobs_store::{Position, Pulse, StoreError};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::{
    audit::{Audit, Away},
    leader::Leader,
    metrics::{PUSHED_LATE, REBUILDS},
};

/// Rows are read and pushed in batches of so many.
const BATCH: u32 = 5_000;
/// A task that became ready this long ago should have been pushed by whoever made it so.
const PUSHED: Duration = Duration::from_secs(1);
/// One that is missing after so long was pushed and lost again, or nobody noticed that it could not be pushed.
const LATE: Duration = Duration::from_secs(3);
/// How long the audit rests between two rounds.
const REST: Duration = Duration::from_secs(3);

/// Where the dispatcher is in its rounds.
struct Dispatch {
    /// Every row up to here was looked at once after it became ready.
    new: Position,
    /// The slow round through everything that is queued.
    round: Position,
    audit: Audit,
    /// When the last round of the audit ended; none while one is under way.
    audited: Option<Instant>,
    /// The settings of queues that Redis was told, and the version of each.
    settings: Option<i64>,
    versions: HashMap<String, i64>,
    troubled: bool,
}

/// Looks with every pulse.
pub(crate) async fn run(leader: &Leader, mut pulses: watch::Receiver<Pulse>) -> Result<Infallible, StoreError> {
    let mut dispatch = Dispatch {
        new: Position::default(),
        round: Position::default(),
        audit: Audit::new(leader.store.clone(), leader.queue.clone(), true),
        audited: Some(Instant::now()),
        settings: None,
        versions: HashMap::new(),
        troubled: false,
    };
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
        if pulse.queued || pulse.running || pulse.blocked {
            if !leader.queue.is_whole().await? {
                return self.rebuild(leader).await;
            }
            if pulse.queued {
                self.find_missing(leader).await?;
            }
            self.audit(leader).await?;
        }
        Ok(())
    }

    /// Some pages of the audit, while a round of it is under way.
    async fn audit(&mut self, leader: &Leader) -> Result<(), Away> {
        self.audit.judge().await?;
        if self.audited.is_some_and(|ended| ended.elapsed() >= REST) {
            self.audit.begin().await?;
            self.audited = None;
        }
        if self.audited.is_none() {
            self.audit.pages().await?;
            if self.audit.is_over() {
                self.audited = Some(Instant::now());
                leader.store.note_round(&self.audit.end()).await?;
            }
        }
        let found = self.audit.take_found();
        if !found.is_empty() {
            leader.store.count_defects(&found).await?;
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
        forget_gone(leader).await?;
        if leader.queue.end_rebuild(rebuild).await? {
            self.new = at;
            REBUILDS.one();
            info!(tasks, running, took_ms = began.elapsed().as_millis(), "built the index of the queue anew");
        }
        Ok(())
    }

    async fn find_missing(&mut self, leader: &Leader) -> Result<(), Away> {
        // What became ready since the last look.
        loop {
            let (ready, next) = leader.store.queued(self.new, PUSHED, BATCH).await?;
            for (queue, missing) in missing(leader, &ready).await? {
                PUSHED_LATE.add(missing.len() as u64);
                info!(queue, tasks = missing.len(), "pushed queued tasks that Redis did not have");
                leader.queue.push(&missing).await?;
            }
            self.new = next;
            if ready.len() < BATCH as usize {
                break;
            }
        }
        // And a part of everything, in turns.
        let (ready, next) = leader.store.queued(self.round, LATE, BATCH).await?;
        self.round = if ready.len() < BATCH as usize { Position::default() } else { next };
        for (queue, missing) in missing(leader, &ready).await? {
            self.audit.put_back(&queue, &missing).await?;
        }
        Ok(())
    }
}

/// Those of the tasks that Redis does not have, by queue.
async fn missing(leader: &Leader, ready: &[Ticket]) -> Result<HashMap<String, Vec<Ticket>>, Away> {
    let mut queues: HashMap<String, Vec<Ticket>> = HashMap::new();
    for ticket in ready {
        queues.entry(ticket.queue.clone()).or_default().push(ticket.clone());
    }
    for (queue, tickets) in &mut queues {
        let missing = leader.queue.missing(queue, tickets, CLAIM_LIMIT).await?;
        *tickets = still_queued(leader, missing).await?;
    }
    queues.retain(|_, missing| !missing.is_empty());
    Ok(queues)
}

/// Those of the tasks that still wait. A short one may have run between the look at the rows and the look at Redis: an entry for it would
/// cost its group a turn.
async fn still_queued(leader: &Leader, mut tickets: Vec<Ticket>) -> Result<Vec<Ticket>, Away> {
    if tickets.is_empty() {
        return Ok(tickets);
    }
    let ids: Vec<TaskId> = tickets.iter().map(|ticket| ticket.task).collect();
    let states = leader.store.states(&ids).await?.into_iter();
    let queued: BTreeSet<TaskId> =
        states.filter(|(_, state)| *state == State::Queued).map(|(ticket, _)| ticket.task).collect();
    tickets.retain(|ticket| queued.contains(&ticket.task));
    Ok(tickets)
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

/// Forgets what Redis says is held and the rows say is not, queue by queue.
async fn forget_gone(leader: &Leader) -> Result<(), Away> {
    let workers = leader.store.workers().await?;
    let queues: BTreeSet<String> = workers.into_iter().flat_map(|worker| worker.queues.into_keys()).collect();
    for queue in queues {
        let held = leader.queue.stale(&queue, Duration::ZERO, BATCH as usize).await?;
        let ids: Vec<TaskId> = held.iter().map(|taken| taken.task).collect();
        let states = leader.store.states(&ids).await?.into_iter();
        let places: BTreeSet<TaskId> = states
            .filter(|(_, state)| *state == State::Queued || state.is_held())
            .map(|(ticket, _)| ticket.task)
            .collect();
        let gone: Vec<Taken> = held.into_iter().filter(|taken| !places.contains(&taken.task)).collect();
        leader.queue.forget(&queue, &gone).await?;
    }
    Ok(())
}
