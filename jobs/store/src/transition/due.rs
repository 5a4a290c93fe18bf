//! Due: the time of tasks has come, and they join their queues.

use std::time::Duration;

use jobs_core::{TaskId, Ticket};

use crate::{Store, StoreError, row::group_key};

impl Store {
    /// Moves at most `limit` tasks whose time has come to their queues, the earliest first.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn due(&self, limit: u32) -> Result<Vec<Ticket>, StoreError> {
        let rows = run!(
            self,
            sqlx::query!(
                r#"WITH picked AS (
                    SELECT id FROM tasks WHERE state IN ('scheduled', 'retrying') AND due_at <= now()
                        AND (deadline IS NULL OR deadline > now())
                    ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
                )
                UPDATE tasks t SET state = 'queued', queued_at = now(), seq = t.seq + 1,
                    history = t.history || moment(t.seq + 1, 'due', 'queued', t.attempt, t.epoch)
                FROM picked WHERE t.id = picked.id
                RETURNING t.id, project, queue, "group", priority, (extract(epoch FROM queued_at) * 1000)::bigint AS "ready_ms!""#,
                i64::from(limit),
            ),
            fetch_all
        )?;
        let ready = rows.into_iter().map(|row| {
            Ok(Ticket {
                task: TaskId(row.id),
                queue: row.queue,
                group: group_key(row.project, &row.group),
                priority: u8::try_from(row.priority).map_err(StoreError::broken)?,
                ready_ms: row.ready_ms,
            })
        });
        ready.collect()
    }

    /// How long until the next task is due or past its deadline; zero when one already is, `None` when there is none.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn next_timer(&self) -> Result<Option<Duration>, StoreError> {
        let seconds = run!(
            self,
            sqlx::query_scalar!(
                "SELECT extract(epoch FROM least(
                    (SELECT min(due_at) FROM tasks WHERE state IN ('scheduled', 'retrying')),
                    (SELECT min(deadline) FROM tasks WHERE deadline IS NOT NULL
                        AND state IN ('scheduled', 'blocked', 'queued', 'retrying'))
                ) - clock_timestamp())::float8"
            ),
            fetch_one
        )?;
        Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)))
    }
}
