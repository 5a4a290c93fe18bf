//! Expire: tasks that did not start in time.

use jobs_core::TaskId;

use crate::{Store, StoreError};

impl Store {
    /// Ends at most `limit` tasks whose deadline passed before they could start.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn expire(&self, limit: u32) -> Result<Vec<TaskId>, StoreError> {
        let ids = run!(
            self,
            sqlx::query_scalar!(
                "WITH picked AS (
                    SELECT id FROM tasks
                    WHERE deadline IS NOT NULL AND state IN ('scheduled', 'blocked', 'queued', 'retrying')
                        AND deadline <= now()
                    LIMIT $1 FOR UPDATE SKIP LOCKED
                ), moved AS (
                    UPDATE tasks t SET state = 'expired', finished_at = now(), seq = seq + 1 FROM picked
                    WHERE t.id = picked.id RETURNING t.*
                ), told AS (
                    INSERT INTO task_events (task_id, seq, type, event, state, attempt, epoch)
                    SELECT id, seq, 'status', 'expire', state, attempt, epoch FROM moved
                )
                SELECT id FROM moved",
                i64::from(limit),
            ),
            fetch_all
        )?;
        Ok(ids.into_iter().map(TaskId).collect())
    }
}
