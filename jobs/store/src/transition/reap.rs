//! Lose and poison: what a dead worker held is taken back.

use std::time::Duration;

use jobs_core::{State, TaskId, Ticket, task::POISON_LOSSES};

use crate::{
    Store, StoreError,
    row::{group_key, millis},
};

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
                    SELECT t.id, t.state, t.lost, t.attempt FROM tasks t
                    WHERE t.state IN ('running', 'canceling')
                        AND t.worker <> ALL (ARRAY(SELECT id FROM workers WHERE ended_at IS NULL))
                    LIMIT $1 FOR UPDATE OF t SKIP LOCKED
                ), fates AS (
                    SELECT id, CASE WHEN lost + 1 >= $2 THEN 'poison' ELSE 'lose' END AS event,
                        CASE WHEN state = 'canceling' THEN 'canceled' WHEN lost + 1 >= $2 THEN 'failed' ELSE 'queued' END AS state,
                        CASE WHEN state = 'running' AND lost + 1 >= $2 THEN json_build_object(
                            'type', 'poison', 'code', 'poison', 'retryable', false, 'attempt', attempt, 'message',
                            'its worker died ' || (lost + 1) || ' times while it ran') END AS error
                    FROM orphans
                )
                UPDATE tasks t SET
                    state = fates.state,
                    finished_at = CASE WHEN fates.state <> 'queued' THEN now() END,
                    queued_at = CASE WHEN fates.state = 'queued' THEN now() ELSE t.queued_at END,
                    error = COALESCE(fates.error, t.error),
                    lost = t.lost + 1, seq = t.seq + 1,
                    history = t.history || moment(t.seq + 1, fates.event, fates.state, t.attempt, t.epoch, t.worker,
                        CASE WHEN fates.error IS NOT NULL THEN json_build_object('error', fates.error) END)
                FROM fates WHERE t.id = fates.id
                RETURNING t.id, t.state, project, queue, "group", priority, (extract(epoch FROM queued_at) * 1000)::bigint AS ready_ms"#,
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
                reaped.ready.push(Ticket {
                    task,
                    queue: row.queue,
                    group: group_key(row.project, &row.group),
                    priority,
                    ready_ms,
                });
            }
        }
        Ok(reaped)
    }
}
