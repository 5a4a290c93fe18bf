//! The history of a task: rows that are added and never changed.

use jobs_core::{ProjectId, State, TaskId};
use serde_json::value::RawValue;
use sqlx::types::Json;
use time::OffsetDateTime;

use crate::{Store, StoreError};

/// What a history row tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// The task moved to another state.
    Status,
    /// An attempt said how far it is.
    Progress,
    /// An attempt wrote a log line.
    Log,
    /// An attempt uploaded a file.
    Artifact,
}

impl EventType {
    /// Its spelling in the database and on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Progress => "progress",
            Self::Log => "log",
            Self::Artifact => "artifact",
        }
    }

    pub(crate) fn read(text: &str) -> Result<Self, StoreError> {
        let all = [Self::Status, Self::Progress, Self::Log, Self::Artifact];
        let known = all.into_iter().find(|known| known.name() == text);
        known.ok_or_else(|| StoreError::broken(format!("`{text}` is not a type of history row")))
    }
}

/// One row of a task's history.
#[derive(Debug, Clone)]
pub struct EventRow {
    /// Its number within the task, from 1 without a gap.
    pub seq: i64,
    /// When it was written.
    pub at: OffsetDateTime,
    /// What it tells.
    pub event_type: EventType,
    /// For a status: what happened, as the law calls it; `submit` is the first.
    pub event: Option<String>,
    /// For a status: the state after it.
    pub state: Option<State>,
    /// The attempt it belongs to; 0 before the first.
    pub attempt: u32,
    /// What else it tells, by its type: the error of a status, the progress, the line of a log, the file.
    pub data: Option<Box<RawValue>>,
}

impl Store {
    /// The history of a task of a project after row `after`, in order, at most `limit` rows. None when the project has no such task.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn events(
        &self,
        project: ProjectId,
        task: TaskId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<EventRow>, StoreError> {
        let rows = run!(
            self,
            sqlx::query!(
                r#"SELECT seq AS "seq!", at AS "at!", type AS "type!", event, state, attempt AS "attempt!",
                    data AS "data: Json<Box<RawValue>>"
                FROM task_history
                WHERE task_id = $1 AND seq > $2 AND EXISTS (SELECT FROM tasks WHERE id = $1 AND project = $4)
                ORDER BY seq LIMIT $3"#,
                task.0,
                after,
                i64::from(limit),
                project.0,
            ),
            fetch_all
        )?;
        let rows = rows.into_iter().map(|row| {
            Ok(EventRow {
                seq: row.seq,
                at: row.at,
                event_type: EventType::read(&row.r#type)?,
                event: row.event,
                state: row.state.map(|state| state.parse()).transpose().map_err(StoreError::broken)?,
                attempt: row.attempt.unsigned_abs(),
                data: row.data.map(|json| json.0),
            })
        });
        rows.collect()
    }
}
