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
                )
                UPDATE tasks t SET state = 'expired', finished_at = now(), seq = t.seq + 1,
                    history = t.history || moment(t.seq + 1, 'expire', 'expired', t.attempt, t.epoch)
                FROM picked WHERE t.id = picked.id RETURNING t.id",
                i64::from(limit),
            ),
            fetch_all
        )?;
        Ok(ids.into_iter().map(TaskId).collect())
    }
}
