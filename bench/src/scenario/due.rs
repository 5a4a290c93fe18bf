//! A hundred thousand tasks due in one second: how late they are, and how soon all have run.

use std::time::{Duration, SystemTime};

use anyhow::ensure;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    figure::{Figure, Unit},
    load::{Gate, Shape, Until, submit},
    samples::Samples,
    stage::Stage,
    subject::{Subject as _, drained},
    system::{LONGSHORE, System},
};

pub(super) async fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let count = stage.options.size(100_000, 5_000);
    let mut system = System::start_with_worker(stage).await?;
    // All must be there before the first is due.
    let lead = Duration::from_secs(stage.options.size(25, 6));
    let second = OffsetDateTime::from(SystemTime::now() + lead);
    let due = move |number: u64| second + Duration::from_millis(number % 1_000);
    let target = system.target().with_extra(move |number| {
        due(number).format(&Rfc3339).map(|at| format!(r#","run_at":"{at}""#)).unwrap_or_default()
    });
    submit(&target, Shape::BATCH, 0, Until::Count(count), &Gate::open()).await?;
    let left = second - OffsetDateTime::from(SystemTime::now());
    ensure!(left.is_positive(), "to submit {count} tasks took longer than {lead:?}");
    tokio::time::sleep(left.unsigned_abs() + Duration::from_secs(1)).await;
    // Nothing waits before it is due: all of it has to be.
    while scheduled(&system).await? > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drained(&mut system, count, Duration::from_secs(120)).await?;

    let mut figures = late(&system, "queued_at").await?.figures(LONGSHORE, "due.queued.p50", "due.queued.p99");
    figures.extend(late(&system, "started_at").await?.figures(LONGSHORE, "due.started.p50", "due.started.p99"));
    let sql = "SELECT extract(epoch FROM max(finished_at) - min(due_at))::float8 FROM tasks";
    let seconds: f64 = sqlx::query_scalar(sql).fetch_one(&system.pool).await?;
    figures.push(Figure::new(LONGSHORE, "due.rate", count as f64 / seconds, Unit::PerSecond).with("tasks", count));
    system.check(count).await?;
    system.stop().await?;
    Ok(figures)
}

async fn scheduled(system: &System<'_>) -> anyhow::Result<i64> {
    let sql = "SELECT count(*) FROM tasks WHERE state IN ('scheduled', 'retrying')";
    Ok(sqlx::query_scalar(sql).fetch_one(&system.pool).await?)
}

async fn late(system: &System<'_>, column: &str) -> anyhow::Result<Samples> {
    let sql = format!("SELECT (extract(epoch FROM {column} - due_at) * 1000)::float8 FROM tasks");
    let late: Vec<f64> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&system.pool).await?;
    ensure!(late.iter().all(|late| *late >= 0.0), "a task was early");
    Ok(late.into_iter().collect())
}
