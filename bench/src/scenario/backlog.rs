//! Claims with a million tasks queued, next to claims with nothing else queued: the look into Redis and the claim of the
//! row, as a worker does it.

use std::{collections::BTreeMap, time::Instant};

use anyhow::ensure;
use jobs_core::{GroupKey, ProjectId, RetryPolicy, TaskId, Ticket, WorkerId};
use jobs_queue::Queue;
use jobs_store::{Store, StoreConfig};
use sqlx::types::Uuid;

use crate::{
    figure::{Figure, Unit, short},
    samples::Samples,
    stage::Stage,
    system::LONGSHORE,
};

const QUEUE: &str = "default";
/// So many tasks are claimed at once, in the second row.
const MANY: u64 = 100;
/// Tasks are made and pushed in portions.
const PORTION: u64 = 50_000;

/// The servers as a worker sees them.
struct Claimer {
    store: Store,
    queue: Queue,
}

pub(super) async fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let backlog = stage.options.size(1_000_000, 100_000);
    let rounds = stage.options.size(400, 100);
    stage.clear_redis().await?;
    let (database, url) = stage.new_database().await?;
    jobs_store::migrate(&url).await?;
    let claimer =
        Claimer { store: Store::new(&StoreConfig::new(&url))?, queue: Queue::open(&stage.redis_url(), "bench")? };
    let pool = stage.pool(&url)?;
    let life = claimer.live().await?;

    // Alone: each claim finds what was put there for it.
    let needed = rounds * (1 + MANY);
    fill(&pool, 0, needed).await?;
    let (mut one, mut many, mut next) = (Samples::default(), Samples::default(), 0);
    for _ in 0..rounds {
        for (count, times) in [(1, &mut one), (MANY, &mut many)] {
            claimer.queue.push(&tickets(next, count)).await?;
            next += count;
            times.add(claimer.claim(life, count).await?);
        }
    }
    let mut figures = vec![claim("backlog.one.empty", one), claim("backlog.many.empty", many)];

    let before = used_memory(stage).await?;
    let began = Instant::now();
    let mut filled = needed;
    while filled < needed + backlog {
        let portion = PORTION.min(needed + backlog - filled);
        fill(&pool, filled, portion).await?;
        claimer.queue.push(&tickets(filled, portion)).await?;
        filled += portion;
    }
    let fill_s = short(began.elapsed().as_secs_f64());
    let bytes = (used_memory(stage).await? - before) as f64 / backlog as f64;
    // What a database does by itself some time after such a load, so that it does not do it while it is measured.
    for sql in ["VACUUM ANALYZE tasks", "CHECKPOINT"] {
        sqlx::raw_sql(sql).execute(&pool).await?;
    }
    // Its lease may have ended meanwhile.
    let life = claimer.live().await?;
    let (mut one, mut many) = (Samples::default(), Samples::default());
    for _ in 0..rounds {
        one.add(claimer.claim(life, 1).await?);
        many.add(claimer.claim(life, MANY).await?);
    }
    figures.push(claim("backlog.one.full", one).with("queued", backlog).with("fill_s", fill_s));
    figures.push(claim("backlog.many.full", many).with("redis_bytes_per_task", bytes.round()));
    pool.close().await;
    stage.drop_database(&database).await?;
    Ok(figures)
}

impl Claimer {
    /// Begins a life of a worker.
    async fn live(&self) -> anyhow::Result<WorkerId> {
        let life = WorkerId::new();
        let queues = BTreeMap::from([(QUEUE.to_owned(), 1)]);
        self.store.register(life, "bench", std::process::id(), &queues, env!("CARGO_PKG_VERSION")).await?;
        Ok(life)
    }

    /// Claims so many tasks, which must be there; gives how long it took.
    async fn claim(&self, life: WorkerId, count: u64) -> anyhow::Result<std::time::Duration> {
        let began = Instant::now();
        let turn = self.queue.claim(QUEUE, usize::try_from(count)?).await?;
        let ids: Vec<TaskId> = turn.taken.iter().map(|taken| taken.task).collect();
        let claims = self.store.claim(life, &ids).await?;
        let took = began.elapsed();
        ensure!(claims.len() as u64 == count, "claimed {} of {count} tasks", claims.len());
        self.queue.forget(QUEUE, &turn.taken).await?;
        Ok(took)
    }
}

fn claim(name: &'static str, mut times: Samples) -> Figure {
    let p99 = short(times.quantile(0.99));
    Figure::new(LONGSHORE, name, times.quantile(0.5), Unit::Milliseconds).with("p99_ms", p99)
}

/// The first millisecond of the made-up ids.
const BASE_MS: u64 = 1_700_000_000_000;

/// The id of the task with this number: of version 7, so that they sort as they were made.
fn id(number: u64) -> TaskId {
    let high = u128::from(BASE_MS + number) << 16 | 0x7000;
    TaskId(Uuid::from_u128(high << 64 | 0x8000_u128 << 48 | u128::from(number)))
}

fn tickets(first: u64, count: u64) -> Vec<Ticket> {
    let ticket = |number: u64| Ticket {
        task: id(number),
        queue: QUEUE.to_owned(),
        group: GroupKey::new(ProjectId::DEFAULT, "default"),
        priority: 0,
        ready_ms: (BASE_MS + number).cast_signed(),
    };
    (first..first + count).map(ticket).collect()
}

/// Writes queued tasks as rows, faster than any client could submit them.
async fn fill(pool: &sqlx::PgPool, first: u64, count: u64) -> anyhow::Result<()> {
    let sql = r#"INSERT INTO tasks (id, kind, queue, "group", priority, state, input, max_attempts, retry, timeout_ms, queued_at)
        SELECT (lpad(to_hex($3 + number), 12, '0') || '70008000' || lpad(to_hex(number), 12, '0'))::uuid,
            'echo', $4, 'default', 0, 'queued', '{"text":""}', 3, $5::json, 60000, now()
        FROM generate_series($1::bigint, $2::bigint) AS number"#;
    let retry = serde_json::to_string(&RetryPolicy::default())?;
    let last = first + count - 1;
    sqlx::query(sql)
        .bind(first.cast_signed())
        .bind(last.cast_signed())
        .bind(BASE_MS.cast_signed())
        .bind(QUEUE)
        .bind(retry)
        .execute(pool)
        .await?;
    Ok(())
}

async fn used_memory(stage: &Stage) -> anyhow::Result<u64> {
    let mut redis = stage.redis(0).await?;
    let info: String = redis::cmd("INFO").arg("memory").query_async(&mut redis).await?;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")?.trim().parse().ok());
    used.ok_or_else(|| anyhow::anyhow!("Redis does not say how much memory it uses"))
}
