//! What is forgotten in time.

use std::time::Duration;

use crate::{Store, StoreError, row::millis};

impl Store {
    /// Forgets at most `limit` idempotency keys that are older than `age`, and gives their number.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn forget_keys(&self, age: Duration, limit: u32) -> Result<u64, StoreError> {
        let gone = run!(
            self,
            sqlx::query!(
                "DELETE FROM idempotency_keys WHERE key IN (SELECT key FROM idempotency_keys
                    WHERE created_at < now() - $1::bigint * interval '1 millisecond' LIMIT $2)",
                millis(age),
                i64::from(limit)
            ),
            execute
        )?;
        Ok(gone.rows_affected())
    }

    /// Forgets workers that ended longer than `age` ago and hold nothing, and gives their number.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn forget_workers(&self, age: Duration) -> Result<u64, StoreError> {
        let gone = run!(
            self,
            sqlx::query!(
                "DELETE FROM workers w WHERE ended_at < now() - $1::bigint * interval '1 millisecond'
                    AND NOT EXISTS (SELECT FROM tasks WHERE worker = w.id AND state IN ('running', 'canceling'))",
                millis(age)
            ),
            execute
        )?;
        Ok(gone.rows_affected())
    }
}
