//! Reading tasks.

use jobs_core::{ProjectId, State, Task, TaskId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Store, StoreError};

/// Which tasks are wanted. What is `None` or empty does not matter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In one of these states.
    pub states: Vec<State>,
    /// Of this kind.
    pub kind: Option<String>,
    /// In this queue.
    pub queue: Option<String>,
    /// In this group.
    pub group: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
    /// With all of these facts.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// Accepted at this time or later.
    pub created_after: Option<OffsetDateTime>,
    /// Accepted before this time.
    pub created_before: Option<OffsetDateTime>,
}

impl Filter {
    /// Whether every task passes it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { states, kind, queue, group, tag, metadata, created_after, created_before } = self;
        let words = [kind, queue, group, tag];
        states.is_empty()
            && words.into_iter().all(Option::is_none)
            && metadata.is_empty()
            && created_after.is_none()
            && created_before.is_none()
    }
}

/// One page of a list, the newest first.
#[derive(Debug, Clone)]
pub struct Page {
    /// The tasks.
    pub tasks: Vec<Task>,
    /// Where the next page starts, if there is one.
    pub next: Option<TaskId>,
}

impl Store {
    /// A task of a project as it stands.
    ///
    /// # Errors
    /// When the project has no such task, or Postgres is not available.
    pub async fn get(&self, project: ProjectId, id: TaskId) -> Result<Task, StoreError> {
        let query = task_query!("SELECT", "FROM tasks WHERE id = $1 AND project = $2", id.0, project.0);
        let row = run!(self, query, fetch_optional)?;
        row.ok_or(StoreError::NotFound(id))?.try_into()
    }

    /// A task as it stands, whosoever it is: for our own processes, not for what clients ask.
    ///
    /// # Errors
    /// When there is no such task, or Postgres is not available.
    pub async fn find(&self, id: TaskId) -> Result<Task, StoreError> {
        let row = run!(self, task_query!("SELECT", "FROM tasks WHERE id = $1", id.0), fetch_optional)?;
        row.ok_or(StoreError::NotFound(id))?.try_into()
    }

    /// The tasks of a project that pass `filter`, the newest first, at most `limit` of them, older than `before`. Stable while tasks
    /// come in.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn list(
        &self,
        project: ProjectId,
        filter: &Filter,
        before: Option<TaskId>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let states: Option<Vec<String>> =
            (!filter.states.is_empty()).then(|| filter.states.iter().map(|state| state.name().to_owned()).collect());
        let metadata = (!filter.metadata.is_empty()).then(|| serde_json::Value::Object(filter.metadata.clone()));
        let rows = run!(
            self,
            task_query!(
                "SELECT",
                r#"FROM tasks
                WHERE project = $11 AND ($1::uuid IS NULL OR id < $1) AND ($2::text[] IS NULL OR state = ANY($2))
                    AND ($3::text IS NULL OR kind = $3) AND ($4::text IS NULL OR queue = $4)
                    AND ($5::text IS NULL OR "group" = $5) AND ($6::text IS NULL OR $6 = ANY(tags))
                    AND ($7::jsonb IS NULL OR metadata @> $7) AND ($8::timestamptz IS NULL OR created_at >= $8)
                    AND ($9::timestamptz IS NULL OR created_at < $9)
                ORDER BY id DESC LIMIT $10"#,
                before.map(|id| id.0) as Option<Uuid>,
                states.as_deref() as Option<&[String]>,
                filter.kind.as_deref() as Option<&str>,
                filter.queue.as_deref() as Option<&str>,
                filter.group.as_deref() as Option<&str>,
                filter.tag.as_deref() as Option<&str>,
                metadata as Option<serde_json::Value>,
                filter.created_after as Option<OffsetDateTime>,
                filter.created_before as Option<OffsetDateTime>,
                i64::from(limit) + 1,
                project.0,
            ),
            fetch_all
        )?;
        let mut tasks = rows.into_iter().map(Task::try_from).collect::<Result<Vec<_>, _>>()?;
        let more = tasks.len() > limit as usize;
        tasks.truncate(limit as usize);
        let next = more.then(|| tasks.last().map(|task| task.id)).flatten();
        Ok(Page { tasks, next })
    }
}
