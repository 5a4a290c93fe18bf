//! The drill: a system under load while its faults happen, from its start to the verdict.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use e2e::{Servers, System};
use tokio::task::JoinHandle;

use crate::{
    load::{self, Accepted},
    options::Options,
    plan::{Fault, Planned, plan},
    slot::{LEASE, Slot},
    verdict::Verdict,
};

/// States are looked at this often.
const LOOK: Duration = Duration::from_millis(20);
/// A worker that is to be paused has this long to begin with a long task.
const TO_BEGIN: Duration = Duration::from_secs(10);
/// The verdict takes less than this.
const TO_JUDGE: Duration = Duration::from_secs(10);

/// A system under load.
pub(crate) struct Drill {
    system: System,
    servers: Arc<Servers>,
    slots: Vec<Slot>,
    load: JoinHandle<Accepted>,
    plan: Vec<Planned>,
    tasks: u64,
    /// When the program began, and when the first task was submitted.
    began: Instant,
    loaded: Instant,
    /// When an end is not waited for any longer.
    patience: Instant,
    /// How many tasks had ended at the last look.
    ended: i64,
}

impl Drill {
    /// Starts servers, programs and the client.
    pub(crate) async fn start(options: &Options, seed: u64, dir: &Path, began: Instant) -> Self {
        let servers = Servers::private();
        let mut builder = System::builder()
            .on(&servers)
            .dir(dir)
            .env("LONGSHORE_WORKER_LEASE", &format!("{}s", LEASE.as_secs()))
            .env("LONGSHORE_WORKER_HEARTBEAT", "500ms")
            .env("LONGSHORE_SCHEDULER_TICK", "500ms");
        if options.unfenced {
            builder = builder.env("LONGSHORE_TEST_UNFENCED", "1");
        }
        let mut system = builder.start().await;
        let slots = (0..options.workers).map(|_| Slot::start(&mut system)).collect();
        let load = load::submit(system.client.clone(), seed, options.tasks, options.spread());
        Self {
            slots,
            load: tokio::spawn(load),
            plan: plan(options, seed),
            tasks: options.tasks,
            began,
            loaded: Instant::now(),
            patience: began + options.limit().saturating_sub(TO_JUDGE),
            ended: 0,
            system,
            servers,
        }
    }

    /// Lets the faults of the plan happen, waits for the end of all tasks, and judges.
    pub(crate) async fn run(mut self) -> Verdict {
        for (at, fault) in std::mem::take(&mut self.plan) {
            while self.loaded.elapsed() < at {
                self.look().await;
            }
            self.strike(fault).await;
        }
        let total = i64::try_from(self.tasks).unwrap_or(i64::MAX);
        while (self.ended < total || self.slots.iter().any(Slot::is_paused)) && Instant::now() < self.patience {
            self.look().await;
        }
        let accepted = if self.load.is_finished() { self.load.await.ok() } else { None };
        let mut died = self.slots.iter().filter(|slot| !slot.is_alive(&mut self.system)).count();
        let servers = [&mut self.system.api, &mut self.system.scheduler];
        died += servers.into_iter().flatten().filter_map(|process| (!process.is_alive()).then_some(())).count();
        Verdict::of(&self.system, self.tasks, accepted, died, self.began).await
    }

    /// Waits a moment; wakes the paused workers whose time has come.
    async fn look(&mut self) {
        tokio::time::sleep(LOOK).await;
        for nth in 0..self.slots.len() {
            if let Some(paused) = self.slots[nth].wake(&self.system).await {
                self.say(&format!("worker {nth} goes on after {:.1} s", paused.as_secs_f32())).await;
            }
        }
        self.count().await;
    }

    async fn strike(&mut self, fault: Fault) {
        let began = Instant::now();
        match fault {
            Fault::KillWorker(slot) => {
                let slot = self.awake(slot).await;
                let before = self.slots[slot].pid(&self.system);
                self.slots[slot].replace(&mut self.system);
                let after = self.slots[slot].pid(&self.system);
                self.say(&format!("worker {slot} was killed, {after} follows {before}")).await;
            }
            Fault::PauseWorker(slot) => self.pause(slot).await,
            Fault::KillRedis => {
                tokio::task::block_in_place(|| self.servers.kill_redis());
                self.say(&format!("Redis was killed and is back, empty, after {:.1?}", began.elapsed())).await;
            }
            Fault::Flush => {
                let flushed = redis::cmd("FLUSHALL").exec_async(&mut self.system.redis().await).await;
                self.say(if flushed.is_ok() { "Redis lost its data" } else { "FLUSHALL FAILED" }).await;
            }
            Fault::StopPostgres => {
                let restarted = tokio::task::block_in_place(|| self.servers.own().restart_postgres(true));
                restarted.unwrap_or_else(|error| panic!("restart Postgres: {error}"));
                self.say(&format!("Postgres was stopped at once and is back after {:.1?}", began.elapsed())).await;
            }
        }
    }

    /// Pauses a worker that runs a long task: the one in this slot, or the next one that has one.
    async fn pause(&mut self, slot: usize) {
        let asked = Instant::now();
        let mut slot = self.awake(slot).await;
        while asked.elapsed() < TO_BEGIN {
            if let Some(held) = self.slots[slot].pause(&self.system).await {
                self.say(&format!("worker {slot} is paused with {held} long tasks")).await;
                return;
            }
            self.look().await;
            slot = self.awake(slot + 1).await;
        }
        self.say(&format!("worker {slot} WAS NOT PAUSED: nobody ran a long task")).await;
    }

    /// This slot, or the next one whose worker is not paused. One worker always goes on.
    async fn awake(&mut self, slot: usize) -> usize {
        while self.slots.iter().filter(|slot| !slot.is_paused()).count() < 2 {
            self.look().await;
        }
        let all = self.slots.len();
        (slot..slot + all).map(|slot| slot % all).find(|slot| !self.slots[*slot].is_paused()).unwrap_or(0)
    }

    /// Looks how many tasks have ended; while Postgres is away, nobody knows.
    async fn count(&mut self) {
        let sql = "SELECT count(*) FROM tasks WHERE finished_at IS NOT NULL";
        if let Ok(ended) = sqlx::query_scalar(sql).fetch_one(&self.system.database.pool).await {
            self.ended = ended;
        }
    }

    async fn say(&mut self, what: &str) {
        self.count().await;
        println!("{:6.1} s  {what:<58} {:>6} ended", self.loaded.elapsed().as_secs_f32(), self.ended);
    }
}
