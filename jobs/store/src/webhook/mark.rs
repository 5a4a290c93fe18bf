//! Marks: when a project gets its first endpoint, its tasks that have not ended begin to say what happens to them.

use jobs_core::{ProjectId, TaskId};
use uuid::Uuid;

use crate::{Store, StoreError};

impl Store {
    /// The projects whose tasks are to be marked, each with the word that [`Store::marked`] wants, and whether everything that began before
    /// its first endpoint was made is over by now: whoever walks its tasks then meets all that were stored without a mark.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn to_mark(&self) -> Result<Vec<(ProjectId, String, bool)>, StoreError> {
        let rows = run!(
            self,
            sqlx::query!(
                r#"SELECT project, since::text AS "since!", pg_snapshot_xmin(pg_current_snapshot()) > since AS "is_last!"
                FROM webhook_marks"#
            ),
            fetch_all
        )?;
        Ok(rows.into_iter().map(|row| (ProjectId(row.project), row.since, row.is_last)).collect())
    }

    /// Looks at `limit` tasks of a project behind one, or from the oldest that has not ended, and marks those that have not ended. Gives behind
    /// which task to go on; nothing at the end.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn mark_announced(
        &self,
        project: ProjectId,
        after: Option<TaskId>,
        limit: u32,
    ) -> Result<Option<TaskId>, StoreError> {
        let next = run!(
            self,
            sqlx::query_scalar!(
                r#"WITH start AS MATERIALIZED (
                    -- Each of these goes through an index of what has not ended.
                    SELECT COALESCE($2, (SELECT id FROM (
                        SELECT id FROM tasks WHERE state = 'queued'
                        UNION ALL SELECT id FROM tasks WHERE state IN ('scheduled', 'retrying')
                        UNION ALL SELECT id FROM tasks WHERE state IN ('running', 'canceling')
                        UNION ALL SELECT id FROM tasks WHERE state = 'blocked') AS unfinished
                        ORDER BY id LIMIT 1)) AS id
                ), seen AS MATERIALIZED (
                    SELECT id FROM tasks WHERE id >= (SELECT id FROM start) ORDER BY id LIMIT $3
                ), marked AS (
                    UPDATE tasks t SET announced = true FROM seen
                    WHERE t.id = seen.id AND t.project = $1 AND t.finished_at IS NULL AND NOT t.announced
                )
                SELECT id AS "id!" FROM seen ORDER BY id OFFSET $3 - 1"#,
                project.0,
                after.map(|id| id.0) as Option<Uuid>,
                i64::from(limit),
            ),
            fetch_optional
        )?;
        Ok(next.map(TaskId))
    }

    /// Notes that all tasks of a project are marked, unless it got a first endpoint again since then.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn marked(&self, project: ProjectId, since: &str) -> Result<(), StoreError> {
        let query = sqlx::query!("DELETE FROM webhook_marks WHERE project = $1 AND since::text = $2", project.0, since);
        run!(self, query, execute).map(drop)
    }
}
