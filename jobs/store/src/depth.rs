//! How much waits and runs, by queue and kind.

use std::time::Duration;

use crate::{Store, StoreError};

/// Tasks of a kind in a queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// The queue.
    pub queue: String,
    /// The kind.
    pub kind: String,
    /// So many of them.
    pub tasks: u64,
    /// How long the oldest of them is where it is.
    pub oldest: Duration,
}

impl Store {
    /// What is queued, by queue and kind. Only the `limit` tasks that have waited longest are looked at: a backlog is not read through.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn waiting(&self, limit: u32) -> Result<Vec<Waiting>, StoreError> {
        let rows = run!(
            self,
            sqlx::query!(
                r#"SELECT queue, kind, count(*) AS "tasks!", extract(epoch FROM now() - min(queued_at))::float8 AS "oldest!"
                FROM (SELECT queue, kind, queued_at FROM tasks WHERE state = 'queued' ORDER BY queued_at, id LIMIT $1) AS oldest
                GROUP BY queue, kind ORDER BY count(*) DESC, queue, kind"#,
                i64::from(limit),
            ),
            fetch_all
        )?;
        let waiting = rows.into_iter().map(|row| Waiting {
            queue: row.queue,
            kind: row.kind,
            tasks: row.tasks.unsigned_abs(),
            oldest: Duration::try_from_secs_f64(row.oldest.max(0.0)).unwrap_or_default(),
        });
        Ok(waiting.collect())
    }

    /// What workers hold, by queue and kind.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn held_by_kind(&self) -> Result<Vec<Waiting>, StoreError> {
        let rows = run!(
            self,
            sqlx::query!(
                r#"SELECT queue, kind, count(*) AS "tasks!", extract(epoch FROM now() - min(started_at))::float8 AS "oldest!"
                FROM tasks WHERE state IN ('running', 'canceling')
                GROUP BY queue, kind ORDER BY count(*) DESC, queue, kind"#
            ),
            fetch_all
        )?;
        let held = rows.into_iter().map(|row| Waiting {
            queue: row.queue,
            kind: row.kind,
            tasks: row.tasks.unsigned_abs(),
            oldest: Duration::try_from_secs_f64(row.oldest.max(0.0)).unwrap_or_default(),
        });
        Ok(held.collect())
    }
}
