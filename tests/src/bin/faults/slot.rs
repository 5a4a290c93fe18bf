//! A slot: the place of one worker, whoever fills it now.

use std::time::{Duration, Instant};

use e2e::System;
use uuid::Uuid;

/// A worker is taken for dead after this long.
pub(crate) const LEASE: Duration = Duration::from_secs(3);
/// A zombie that nobody inherits from wakes up after this long.
const PAUSE_MAX: Duration = Duration::from_secs(20);
/// Tasks that run for at least this long are still running when a zombie wakes up.
const LONG_MS: i32 = 1_000;
/// The queues of a worker.
const QUEUES: &str = "default=8";

/// The place of a worker.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Where its process is among those of the system.
    process: usize,
    pause: Option<Pause>,
}

/// What a paused worker held.
#[derive(Debug)]
struct Pause {
    began: Instant,
    worker: Uuid,
    tasks: Vec<Uuid>,
}

impl Slot {
    /// Starts a worker.
    pub(crate) fn start(system: &mut System) -> Self {
        Self { process: system.spawn_worker(QUEUES, &[]), pause: None }
    }

    /// Whether its worker is paused.
    pub(crate) fn is_paused(&self) -> bool {
        self.pause.is_some()
    }

    /// The process id of its worker.
    pub(crate) fn pid(&self, system: &System) -> u32 {
        system.workers[self.process].pid()
    }

    /// Whether its worker runs.
    pub(crate) fn is_alive(&self, system: &mut System) -> bool {
        system.workers[self.process].is_alive()
    }

    /// Kills its worker and starts another one.
    pub(crate) fn replace(&mut self, system: &mut System) {
        system.workers[self.process].kill9();
        *self = Self::start(system);
    }

    /// Pauses its worker if that runs a long task; gives how many of them.
    pub(crate) async fn pause(&mut self, system: &System) -> Option<usize> {
        if self.held(system).await?.1.is_empty() {
            return None;
        }
        system.workers[self.process].sigstop();
        // Only now it cannot end them any more.
        match self.held(system).await {
            Some((worker, tasks)) if !tasks.is_empty() => {
                let held = tasks.len();
                self.pause = Some(Pause { began: Instant::now(), worker, tasks });
                Some(held)
            }
            _ => {
                system.workers[self.process].sigcont();
                None
            }
        }
    }

    /// Wakes its worker up if its lease is long over and somebody else runs what it held; gives how long it was paused.
    pub(crate) async fn wake(&mut self, system: &System) -> Option<Duration> {
        let pause = self.pause.as_ref()?;
        let paused = pause.began.elapsed();
        if paused < PAUSE_MAX && (paused < LEASE || !pause.is_inherited(system).await) {
            return None;
        }
        system.workers[self.process].sigcont();
        self.pause = None;
        Some(paused)
    }

    /// The life of its worker and the long tasks that it runs; nothing while Postgres is away.
    async fn held(&self, system: &System) -> Option<(Uuid, Vec<Uuid>)> {
        let sql = "SELECT w.id, ARRAY(SELECT t.id FROM tasks t WHERE t.worker = w.id AND t.state = 'running'
                AND (t.input ->> 'sleep_ms')::int >= $2)
            FROM workers w WHERE w.pid = $1 AND w.ended_at IS NULL";
        let row = sqlx::query_as(sql).bind(self.pid(system).cast_signed()).bind(LONG_MS);
        row.fetch_optional(&system.database.pool).await.ok()?
    }
}

impl Pause {
    /// Whether another worker runs one of the tasks.
    async fn is_inherited(&self, system: &System) -> bool {
        let sql = "SELECT EXISTS (SELECT FROM tasks WHERE id = ANY($1) AND state = 'running' AND worker <> $2)";
        let row = sqlx::query_scalar(sql).bind(&self.tasks).bind(self.worker);
        row.fetch_one(&system.database.pool).await.unwrap_or(false)
    }
}
