//! Whether each accepted task ran once and is recorded, by the rows.

use anyhow::ensure;
use sqlx::{FromRow, PgPool};

/// What the rows say of all tasks together.
#[derive(Debug, FromRow)]
struct Sums {
    tasks: i64,
    succeeded: i64,
    starts: i64,
    twice: i64,
    outputs: i64,
}

/// Fails unless exactly `accepted` tasks are there, each of them succeeded in its first and only attempt, and each
/// answered its own input.
pub(crate) async fn check(pool: &PgPool, accepted: u64) -> anyhow::Result<()> {
    let sql = "SELECT count(*) AS tasks, count(*) FILTER (WHERE state = 'succeeded') AS succeeded,
            coalesce(sum(epoch), 0)::bigint AS starts, count(*) FILTER (WHERE epoch > 1) AS twice,
            count(*) FILTER (WHERE output ->> 'text' = coalesce(input ->> 'text', '')) AS outputs
        FROM tasks";
    let sums: Sums = sqlx::query_as(sql).fetch_one(pool).await?;
    let accepted = accepted.cast_signed();
    ensure!(sums.tasks == accepted, "accepted {accepted} tasks, and {} are there", sums.tasks);
    ensure!(sums.succeeded == accepted, "of {accepted} tasks {} succeeded", sums.succeeded);
    ensure!(sums.twice == 0 && sums.starts == accepted, "{} of {accepted} tasks started twice", sums.twice);
    ensure!(sums.outputs == accepted, "of {accepted} tasks {} answered their input", sums.outputs);
    Ok(())
}
