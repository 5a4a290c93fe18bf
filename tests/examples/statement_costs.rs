//! The costs of the statements of a task's life: processor time of Postgres and bytes of its log, for each task.
//!
//! `statement_costs [--tasks N] [--ended N] [--sql 'STATEMENT; …']` starts a durable Postgres of its own, takes tasks through submit, claim and
//! finish in batches of 1, 50 and 500, and prints a line for each. `--ended` fills the table with tasks that have ended first, `--sql` runs
//! before the tasks: to compare a change of the schema or of a setting.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use jobs_core::{Event, NewTask, TaskId, WorkerId};
use jobs_runtime::{PrivateServers, servers::ServerOptions};
use jobs_store::{
    Store, StoreConfig,
    transition::{Claim, Finish},
};
use serde_json::value::RawValue;
use sqlx::{AssertSqlSafe, Executor as _, PgPool};

struct Arguments {
    tasks: usize,
    ended: u32,
    sql: Option<String>,
}

impl Arguments {
    fn read() -> anyhow::Result<Self> {
        let mut arguments = Self { tasks: 20_000, ended: 0, sql: None };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let value = words.next().with_context(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--tasks" => arguments.tasks = value.parse()?,
                "--ended" => arguments.ended = value.parse()?,
                "--sql" => arguments.sql = Some(value),
                _ => bail!("usage: statement_costs [--tasks N] [--ended N] [--sql STATEMENTS]"),
            }
        }
        Ok(arguments)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::read()?;
    let folder = tempfile::tempdir()?;
    let mut options = ServerOptions::new(folder.path());
    options.redis = false;
    let servers = PrivateServers::start(&options)?;
    let url = servers.database_url();
    jobs_store::migrate(&url).await?;
    let meter = Meter {
        postmaster: servers.postgres_pid().context("Postgres does not run")?,
        pool: PgPool::connect(&url).await?,
    };
    if let Some(sql) = arguments.sql {
        meter.pool.execute(AssertSqlSafe(sql)).await?;
    }
    if arguments.ended > 0 {
        fill(&meter.pool, arguments.ended).await?;
    }

    // One connection: each statement is planned as often as it is in a process that runs for long, and no more.
    let store = Store::new(&StoreConfig { pool_size: 1, ..StoreConfig::new(&url) })?;
    let worker = WorkerId::new();
    store.register(worker, "costs", 1, &BTreeMap::new(), "0").await?;
    measure(&meter, &store, worker, 50, 1_000).await?;
    println!(
        "{:>6} {:>8} {:>8} {:>14} {:>14} {:>14}",
        "batch", "", "tasks", "µs CPU/task", "WAL bytes/task", "ms/statement"
    );
    for batch in [1, 50, 500] {
        // Single ones are slow: each is a commit that the disk confirms.
        let tasks = if batch == 1 { arguments.tasks / 10 } else { arguments.tasks };
        for (name, cost) in measure(&meter, &store, worker, batch, tasks).await? {
            let (statements, count) = (f64::from(u32::try_from(tasks / batch)?), f64::from(u32::try_from(tasks)?));
            println!(
                "{batch:>6} {name:>8} {tasks:>8} {:>14.1} {:>14.0} {:>14.2}",
                cost.cpu.as_secs_f64() * 1e6 / count,
                cost.wal_bytes / count,
                cost.wall.as_secs_f64() * 1e3 / statements,
            );
        }
    }
    println!("{}", meter.sizes().await?);
    Ok(())
}

/// What a phase took.
struct Cost {
    cpu: Duration,
    wal_bytes: f64,
    wall: Duration,
}

/// Reads what Postgres has used so far.
struct Meter {
    postmaster: u32,
    pool: PgPool,
}

impl Meter {
    async fn read(&self) -> anyhow::Result<(Duration, f64, Instant)> {
        let wal =
            sqlx::query_scalar("SELECT (pg_current_wal_insert_lsn() - '0/0')::float8").fetch_one(&self.pool).await?;
        Ok((self.cpu()?, wal, Instant::now()))
    }

    async fn since(&self, (cpu, wal, began): (Duration, f64, Instant)) -> anyhow::Result<Cost> {
        let (cpu_now, wal_now, now) = self.read().await?;
        Ok(Cost { cpu: cpu_now.saturating_sub(cpu), wal_bytes: wal_now - wal, wall: now - began })
    }

    /// The time of all its processes, and of those that have ended.
    fn cpu(&self) -> anyhow::Result<Duration> {
        let mut ticks = 0;
        for entry in fs::read_dir("/proc")? {
            let Ok(stat) = fs::read_to_string(entry?.path().join("stat")) else { continue };
            // What follows the name, which may hold anything: state, parent, …, utime, stime, cutime, cstime.
            let Some((id, rest)) =
                stat.split_once(" (").zip(stat.rsplit_once(") ")).map(|((id, _), (_, rest))| (id, rest))
            else {
                continue;
            };
            let fields: Vec<&str> = rest.split(' ').collect();
            let is_postmaster = id.parse() == Ok(self.postmaster);
            if is_postmaster || fields[1].parse() == Ok(self.postmaster) {
                let last = if is_postmaster { 15 } else { 13 };
                ticks += fields[11..last].iter().map(|field| field.parse::<u64>().unwrap_or(0)).sum::<u64>();
            }
        }
        // Linux counts these in hundredths of a second, whatever its clock does.
        Ok(Duration::from_millis(ticks * 10))
    }

    async fn sizes(&self) -> anyhow::Result<String> {
        let sql = "SELECT string_agg(format('%s: %s live, %s dead, %s of %s updates HOT, %s heap, %s indexes', relname, n_live_tup,
                n_dead_tup, n_tup_hot_upd, n_tup_upd, pg_size_pretty(pg_table_size(relid)), pg_size_pretty(pg_indexes_size(relid))),
                E'\\n' ORDER BY relname)
            FROM pg_stat_user_tables WHERE relname IN ('tasks', 'task_events')";
        Ok(sqlx::query_scalar(sql).fetch_one(&self.pool).await?)
    }
}

async fn fill(pool: &PgPool, ended: u32) -> anyhow::Result<()> {
    let sql = format!(
        r#"INSERT INTO tasks (id, kind, queue, "group", priority, state, input, max_attempts, retry, timeout_ms, queued_at, started_at,
            finished_at, worker, attempt, epoch, seq)
        SELECT gen_random_uuid(), 'echo', 'default', 'default', 0, 'succeeded', '{{"message": "what was asked for"}}', 3, '{{}}', 60000,
            now(), now(), now(), gen_random_uuid(), 1, 1, 3 FROM generate_series(1, {ended})"#
    );
    pool.execute(AssertSqlSafe(sql)).await?;
    pool.execute("ANALYZE tasks; CHECKPOINT").await?;
    Ok(())
}

/// Takes tasks through their life, a statement of one sort after the other.
async fn measure(
    meter: &Meter,
    store: &Store,
    worker: WorkerId,
    batch: usize,
    tasks: usize,
) -> anyhow::Result<[(&'static str, Cost); 3]> {
    let new: Vec<NewTask> = (0..tasks).map(|_| task()).collect();
    let began = meter.read().await?;
    for new in new.chunks(batch) {
        store.submit(new).await?;
    }
    let submit = meter.since(began).await?;

    let ids: Vec<TaskId> = new.iter().map(|task| task.id).collect();
    let mut claims = Vec::with_capacity(tasks);
    let began = meter.read().await?;
    for ids in ids.chunks(batch) {
        claims.extend(store.claim(worker, ids).await?);
    }
    let claim = meter.since(began).await?;

    let ends = claims.iter().map(end).collect::<Result<Vec<Finish>, _>>()?;
    let began = meter.read().await?;
    for ends in ends.chunks(batch) {
        store.finish(worker, ends).await?;
    }
    Ok([("submit", submit), ("claim", claim), ("finish", meter.since(began).await?)])
}

fn task() -> NewTask {
    NewTask {
        request_id: Some("req_0197a1b2c3d47e5f8091a2b3c4d5e6f7".into()),
        ..NewTask::plain(
            "echo",
            RawValue::from_string(r#"{"message": "what was asked for"}"#.into()).unwrap_or_default(),
        )
    }
}

fn end(claim: &Claim) -> Result<Finish, serde_json::Error> {
    let output = Some(RawValue::from_string(r#"{"message": "what was given"}"#.into())?);
    Ok(Finish {
        task: claim.task,
        epoch: claim.epoch,
        event: Event::Succeed,
        output,
        error: None,
        wait: Duration::ZERO,
    })
}
