//! Remove: a task that has ended goes for good. Its files go afterwards, however long their store takes, by a list that outlives us.

use std::time::{Duration, SystemTime};

use jobs_core::{ProjectId, State, TaskId};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    row::millis,
    transition::{Act, Selection},
};

/// What became of a wish to remove a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// It is gone.
    Yes,
    /// It has not ended: it is in this state.
    NotEnded(State),
    /// It has just ended, and tasks that wait for it have not heard of it yet. Ask again in a moment.
    Awaited,
}

/// A checked query that removes the tasks that it calls `met`; those that are gone are `changed`. One for whose end others wait stays until they
/// have heard of it. Files may be left without a word of them by a worker that died.
macro_rules! removing {
    ($query:ident, $($arg:expr),+) => {
        $query!(
            $($arg),+,
            "changed AS (
                DELETE FROM tasks t USING met WHERE t.id = met.id AND t.finished_at IS NOT NULL AND NOT t.has_dependents
                RETURNING t.*, met.state AS was
            ), events AS (
                DELETE FROM task_events USING changed WHERE task_id = changed.id
            ), files AS (
                DELETE FROM artifacts USING changed WHERE task_id = changed.id RETURNING task_id
            ), waits AS (
                DELETE FROM task_dependencies USING changed WHERE task = changed.id
            ), noted AS (
                INSERT INTO leftovers (task) SELECT id FROM changed WHERE lost > 0 UNION SELECT task_id FROM files
                ON CONFLICT DO NOTHING
            )"
        )
    };
}
pub(super) use removing;

/// A checked query that looks at the next tasks behind one, of those that are older than another, and meets those that ended long ago.
macro_rules! old_query {
    ($after:expr, $before:expr, $limit:expr, $states:expr, $kept_ms:expr, $does:tt) => {
        sqlx::query!(
            "WITH seen AS MATERIALIZED (
                SELECT id, state, finished_at FROM tasks WHERE ($1::uuid IS NULL OR id > $1) AND id < $2 ORDER BY id LIMIT $3
            ), met AS (
                SELECT id, state FROM seen JOIN unnest($4::text[], $5::bigint[]) AS kept (of, ms) ON of = state
                WHERE finished_at < now() - ms * interval '1 millisecond'
            ), " + $does + r#"
            SELECT ARRAY(SELECT id FROM changed) AS "gone!",
                (SELECT id FROM seen ORDER BY id OFFSET $3 - 1) AS next"#,
            $after,
            $before,
            $limit,
            $states,
            $kept_ms,
        )
    };
}

impl Store {
    /// Looks at `limit` tasks behind one, and removes those that ended in one of these states longer ago than it says. Gives what is
    /// gone, and behind which task it goes on; nothing when no task is left that is old enough.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn forget_tasks(
        &self,
        kept: &[(State, Duration)],
        after: Option<TaskId>,
        limit: u32,
    ) -> Result<(Vec<TaskId>, Option<TaskId>), StoreError> {
        let Some(shortest) = kept.iter().map(|(_, kept)| *kept).min() else { return Ok((Vec::new(), None)) };
        let (states, kept): (Vec<String>, Vec<i64>) =
            kept.iter().map(|(state, kept)| (state.name().to_owned(), millis(*kept))).unzip();
        // Nothing that came later has ended long enough ago. An id begins with the time at which it was made.
        let before = TaskId::first_at(SystemTime::now().checked_sub(shortest).unwrap_or(SystemTime::UNIX_EPOCH));
        let after = after.map(|id| id.0);
        let row = run!(
            self,
            removing!(old_query, after as Option<Uuid>, before.0, i64::from(limit), &states, &kept),
            fetch_one
        )?;
        Ok((row.gone.into_iter().map(TaskId).collect(), row.next.map(TaskId)))
    }

    /// Removes a task of a project that has ended.
    ///
    /// # Errors
    /// When the project has no such task, when Postgres is not available.
    pub async fn remove(&self, project: ProjectId, id: TaskId) -> Result<Removed, StoreError> {
        let hit = self
            .act(project, Act::Remove, &Selection::one(id), None, 1)
            .await?
            .pop()
            .ok_or(StoreError::NotFound(id))?;
        Ok(match hit {
            _ if hit.now.is_some() => Removed::Yes,
            _ if hit.was.is_terminal() => Removed::Awaited,
            _ => Removed::NotEnded(hit.was),
        })
    }

    /// At most `limit` tasks that are gone and whose files may still be there, the oldest first.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn leftovers(&self, limit: u32) -> Result<Vec<TaskId>, StoreError> {
        let tasks = run!(
            self,
            sqlx::query_scalar!("SELECT task FROM leftovers ORDER BY since LIMIT $1", i64::from(limit)),
            fetch_all
        )?;
        Ok(tasks.into_iter().map(TaskId).collect())
    }

    /// Notes that the files of these tasks are gone.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn forget_leftovers(&self, tasks: &[TaskId]) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = tasks.iter().map(|task| task.0).collect();
        let gone = run!(self, sqlx::query!("DELETE FROM leftovers WHERE task = ANY($1)", &ids), execute);
        gone.map(drop)
    }
}
