//! Lose and poison: what a dead worker held is taken back.

use std::time::Duration;

use jobs_core::{State, TaskId, Ticket, task::POISON_LOSSES};

use crate::{Store, StoreError, row::millis};

/// What was taken back.
#[derive(Debug, Clone, Default)]
pub struct Reaped {
    /// The tasks that are ready again.
    pub ready: Vec<Ticket>,
    /// The tasks that ended: poisoned, or canceled meanwhile.
    pub ended: Vec<(TaskId, State)>,
}

impl Reaped {
    /// How many tasks were taken back.
    #[must_use]
    pub fn count(&self) -> usize {
        self.ready.len() + self.ended.len()
    }
}

impl Store {
    /// Ends the leases of workers that were silent for longer than `lease`, and gives their number.
    ///
    /// Nobody is blamed for the server's own absence: nothing happens before Postgres has been up for a lease. The caller
    /// must have been connected without a break for as long.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn end_silent_workers(&self, lease: Duration) -> Result<u64, StoreError> {
        let ended = run!(
            self,
            sqlx::query!(
                "UPDATE workers SET ended_at = now(), end_reason = 'lost'
                WHERE ended_at IS NULL AND beat_at < now() - $1::bigint * interval '1 millisecond'
                    AND pg_postmaster_start_time() < now() - $1::bigint * interval '1 millisecond'",
                millis(lease),
            ),
            execute
        )?;
        Ok(ended.rows_affected())
    }

    /// Takes back at most `limit` tasks that are held by workers whose lease has ended.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn reap(&self, limit: u32) -> Result<Reaped, StoreError> {
        let rows = run!(
            self,
            sqlx::query!(
                r#"WITH orphans AS (
                    -- The living are listed once and compared with the row as it is when it is locked. A join would be
                    -- looked at again with the row of before, and take a task from a worker that just claimed it.
                    SELECT t.id FROM tasks t
                    WHERE t.state IN ('running', 'canceling')
                        AND t.worker <> ALL (ARRAY(SELECT id FROM workers WHERE ended_at IS NULL))
                    LIMIT $1 FOR UPDATE OF t SKIP LOCKED
                ), moved AS (
                    UPDATE tasks t SET
                        state = CASE WHEN t.state = 'canceling' THEN 'canceled' WHEN t.lost + 1 >= $2 THEN 'failed'
                            ELSE 'queued' END,
                        finished_at = CASE WHEN t.state = 'canceling' OR t.lost + 1 >= $2 THEN now() END,
                        queued_at = CASE WHEN t.state = 'canceling' OR t.lost + 1 >= $2 THEN t.queued_at ELSE now() END,
                        error = CASE WHEN t.state = 'running' AND t.lost + 1 >= $2 THEN json_build_object(
                            'type', 'poison', 'code', 'poison', 'retryable', false, 'attempt', t.attempt, 'message',
                            'its worker died ' || (t.lost + 1) || ' times while it ran') ELSE t.error END,
                        lost = t.lost + 1, seq = t.seq + 1
                    FROM orphans WHERE t.id = orphans.id RETURNING t.*
                ), told AS (
                    INSERT INTO task_events (task_id, seq, type, event, state, attempt, epoch, worker, data)
                    SELECT id, seq, 'status', CASE WHEN lost >= $2 THEN 'poison' ELSE 'lose' END, state, attempt, epoch,
                        worker, CASE state WHEN 'failed' THEN json_build_object('error', error) END
                    FROM moved
                )
                SELECT id, state, queue, "group", priority, (extract(epoch FROM queued_at) * 1000)::bigint AS ready_ms
                FROM moved"#,
                i64::from(limit),
                POISON_LOSSES.cast_signed(),
            ),
            fetch_all
        )?;
        let mut reaped = Reaped::default();
        for row in rows {
            let state: State = row.state.parse().map_err(StoreError::broken)?;
            let task = TaskId(row.id);
            if state.is_terminal() {
                reaped.ended.push((task, state));
            } else {
                let priority = u8::try_from(row.priority).map_err(StoreError::broken)?;
                let ready_ms = row.ready_ms.unwrap_or_default();
                reaped.ready.push(Ticket { task, queue: row.queue, group: row.group, priority, ready_ms });
            }
        }
        Ok(reaped)
    }
}
