//! What those who follow tasks read: the news of one in one statement, and where many of them stand.

use jobs_core::{ProjectId, State, TaskId};
use serde_json::value::RawValue;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{EventRow, EventType, Store, StoreError};

/// What is new of a task, as one statement saw it.
#[derive(Debug, Clone)]
pub struct News {
    /// Its events behind the one that was asked for, in order.
    pub events: Vec<EventRow>,
    /// The number of its last event.
    pub seq: i64,
    /// Where it stands.
    pub state: State,
}

/// What a task is found by.
#[derive(Debug, Clone)]
pub struct Label {
    /// The task.
    pub task: TaskId,
    /// Whose it is.
    pub project: ProjectId,
    /// Its group.
    pub group: String,
    /// Its tags.
    pub tags: Vec<String>,
}

impl Store {
    /// The events of a task after number `after`, at most `limit`, with how far it is. For whoever may read the task: that was looked at
    /// when they began to follow it.
    ///
    /// # Errors
    /// When there is no such task, or Postgres is not available.
    pub async fn news(&self, task: TaskId, after: i64, limit: u32) -> Result<News, StoreError> {
        let rows = run!(
            self,
            sqlx::query!(
                r#"SELECT t.seq AS "last!", t.state AS "now!", h.seq AS "seq?", h.at AS "at?", h.type AS "type?", h.event,
                    h.state AS "state?", h.attempt AS "attempt?", h.data AS "data?: Json<Box<RawValue>>"
                FROM tasks t LEFT JOIN LATERAL (
                    SELECT seq, at, type, event, state, attempt, data FROM task_history
                    WHERE task_id = $1 AND seq > $2 ORDER BY seq LIMIT $3
                ) h ON true WHERE t.id = $1 ORDER BY h.seq"#,
                task.0,
                after,
                i64::from(limit),
            ),
            fetch_all
        )?;
        let first = rows.first().ok_or(StoreError::NotFound(task))?;
        let (seq, state) = (first.last, first.now.parse().map_err(StoreError::broken)?);
        let mut events = Vec::with_capacity(rows.len());
        for row in rows {
            // A task of which nothing is new is one row without an event.
            let (Some(seq), Some(at), Some(event_type), Some(attempt)) = (row.seq, row.at, row.r#type, row.attempt)
            else {
                continue;
            };
            events.push(EventRow {
                seq,
                at,
                event_type: EventType::read(&event_type)?,
                event: row.event,
                state: row.state.map(|state| state.parse()).transpose().map_err(StoreError::broken)?,
                attempt: attempt.unsigned_abs(),
                data: row.data.map(|json| json.0),
            });
        }
        Ok(News { events, seq, state })
    }

    /// The number of the last event of each of these tasks. What does not exist is left out.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn positions(&self, tasks: &[TaskId]) -> Result<Vec<(TaskId, i64)>, StoreError> {
        let ids: Vec<Uuid> = tasks.iter().map(|id| id.0).collect();
        let rows = run!(self, sqlx::query!("SELECT id, seq FROM tasks WHERE id = ANY($1)", &ids), fetch_all)?;
        Ok(rows.into_iter().map(|row| (TaskId(row.id), row.seq)).collect())
    }

    /// What each of these tasks is found by. What does not exist is left out.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn labels(&self, tasks: &[TaskId]) -> Result<Vec<Label>, StoreError> {
        let ids: Vec<Uuid> = tasks.iter().map(|id| id.0).collect();
        let rows = run!(
            self,
            sqlx::query!(r#"SELECT id, project, "group", tags FROM tasks WHERE id = ANY($1)"#, &ids),
            fetch_all
        )?;
        let labels = rows.into_iter().map(|row| Label {
            task: TaskId(row.id),
            project: ProjectId(row.project),
            group: row.group,
            tags: row.tags,
        });
        Ok(labels.collect())
    }
}
