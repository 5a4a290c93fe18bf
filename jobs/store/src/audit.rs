//! What the queue must hold, read from the rows: to rebuild a lost index and to find what it misses.

use std::time::Duration;

use jobs_core::{State, TaskId, Ticket, task::SUSPECT_LOSSES};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    row::{group_key, millis},
};

/// A place in the order of queued tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    ready_us: i64,
    task: Uuid,
}

impl Store {
    /// The next `limit` queued tasks after a place, in the order in which they became ready, that have waited for at
    /// least `age`; and the place after them. From [`Position::default`] it begins at the oldest.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn queued(
        &self,
        after: Position,
        age: Duration,
        limit: u32,
    ) -> Result<(Vec<Ticket>, Position), StoreError> {
        let rows = run!(
            self,
            sqlx::query!(
                r#"SELECT id, project, queue, "group", priority, (extract(epoch FROM queued_at) * 1000000)::bigint AS "ready_us!"
                FROM tasks
                WHERE state = 'queued' AND queued_at <= now() - $4::bigint * interval '1 millisecond'
                    AND (queued_at, id) > ('epoch'::timestamptz + $1::bigint * interval '1 microsecond', $2)
                ORDER BY queued_at, id LIMIT $3"#,
                after.ready_us,
                after.task,
                i64::from(limit),
                millis(age),
            ),
            fetch_all
        )?;
        let last = rows.last().map_or(after, |row| Position { ready_us: row.ready_us, task: row.id });
        let ready = rows.into_iter().map(|row| {
            Ok(Ticket {
                task: TaskId(row.id),
                queue: row.queue,
                group: group_key(row.project, &row.group),
                priority: u8::try_from(row.priority).map_err(StoreError::broken)?,
                ready_ms: row.ready_us / 1_000,
            })
        });
        Ok((ready.collect::<Result<_, StoreError>>()?, last))
    }

    /// The next `limit` tasks after one that workers hold, in the order of their ids.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn running(&self, after: Option<TaskId>, limit: u32) -> Result<Vec<Ticket>, StoreError> {
        let rows = run!(
            self,
            sqlx::query!(
                r#"SELECT id, project, queue, "group", priority,
                    (extract(epoch FROM COALESCE(queued_at, created_at)) * 1000)::bigint AS "ready_ms!"
                FROM tasks WHERE state IN ('running', 'canceling') AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2"#,
                after.map(|id| id.0) as Option<Uuid>,
                i64::from(limit),
            ),
            fetch_all
        )?;
        let tickets = rows.into_iter().map(|row| {
            Ok(Ticket {
                task: TaskId(row.id),
                queue: row.queue,
                group: group_key(row.project, &row.group),
                priority: u8::try_from(row.priority).map_err(StoreError::broken)?,
                ready_ms: row.ready_ms,
            })
        });
        tickets.collect()
    }

    /// The task of a queue that has to run alone and has waited longest, if there is one that no limit keeps back.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn waiting_suspect(&self, queue: &str) -> Result<Option<TaskId>, StoreError> {
        // A number in the statement, or the index of suspects would not be used.
        const { assert!(SUSPECT_LOSSES == 2) };
        let id = run!(
            self,
            sqlx::query_scalar!(
                r#"SELECT id FROM tasks t WHERE state = 'queued' AND queue = $1 AND lost >= 2
                    AND (deadline IS NULL OR deadline > now())
                    AND NOT EXISTS (SELECT FROM queues WHERE name = $1 AND limits_starts(settings))
                    AND NOT EXISTS (SELECT FROM queue_groups g WHERE g.queue = $1 AND g."group" = qualified(t.project, t."group")
                        AND limits_starts(g.settings))
                ORDER BY queued_at LIMIT 1"#,
                queue,
            ),
            fetch_optional
        )?;
        Ok(id.map(TaskId))
    }

    /// The states of those of `ids` that exist.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn states(&self, ids: &[TaskId]) -> Result<Vec<(Ticket, State)>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = run!(
            self,
            sqlx::query!(
                r#"SELECT id, project, queue, "group", priority, state,
                    (extract(epoch FROM COALESCE(queued_at, created_at)) * 1000)::bigint AS "ready_ms!"
                FROM tasks WHERE id = ANY($1)"#,
                &ids
            ),
            fetch_all
        )?;
        let states = rows.into_iter().map(|row| {
            let ready = Ticket {
                task: TaskId(row.id),
                queue: row.queue,
                group: group_key(row.project, &row.group),
                priority: u8::try_from(row.priority).map_err(StoreError::broken)?,
                ready_ms: row.ready_ms,
            };
            Ok((ready, row.state.parse().map_err(StoreError::broken)?))
        });
        states.collect()
    }
}
