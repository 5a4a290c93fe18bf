//! The commands that our own processes give to Redis for a task, and nothing else: what the index alone can do.

use std::time::Instant;

use anyhow::ensure;
use jobs_core::{GroupKey, ProjectId, TaskId, Ticket};
use jobs_queue::Queue;

use super::REDIS;
use crate::{
    figure::{Figure, Unit, short},
    stage::Stage,
    usage,
};

const QUEUE: &str = "default";
/// As many tasks as our processes push or take at once when they are busy.
const BATCH: usize = 250;

pub(crate) async fn redis_commands(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let count = usize::try_from(stage.options.size(200_000, 20_000))?;
    stage.clear_redis().await?;
    let queue = Queue::open(&stage.redis_url(), "bench")?;
    let ticket = |number: usize| Ticket {
        task: TaskId::new(),
        queue: QUEUE.to_owned(),
        group: GroupKey::new(ProjectId::DEFAULT, "default"),
        priority: 0,
        ready_ms: i64::try_from(number).unwrap_or_default(),
    };
    let tickets: Vec<Ticket> = (0..count).map(ticket).collect();
    let before = usage::cpu(&stage.servers()?);
    let began = Instant::now();
    let mut done = 0;
    for batch in tickets.chunks(BATCH) {
        queue.push(batch).await?;
        let turn = queue.claim(QUEUE, BATCH).await?;
        queue.forget(QUEUE, &turn.taken).await?;
        done += turn.taken.len();
    }
    let elapsed = began.elapsed();
    let used = usage::between(&before, &usage::cpu(&stage.servers()?));
    ensure!(done == count, "of {count} tasks {done} were taken");
    let cpu = used.get("redis").copied().unwrap_or_default().as_secs_f64() * 1e6 / count as f64;
    let rate = Figure::new(REDIS, "redis.commands", count as f64 / elapsed.as_secs_f64(), Unit::PerSecond);
    Ok(vec![rate.with("batch", BATCH).with("redis_cpu_us", short(cpu))])
}
