//! Who is in the way of a task: those that run in its group, and those that it waits for.

use jobs_core::{ProjectId, TaskId};

use crate::{Store, StoreError};

impl Store {
    /// Running tasks of a project's group in a queue, the first ones first, at most `limit`.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn holders(
        &self,
        project: ProjectId,
        queue: &str,
        group: &str,
        limit: u32,
    ) -> Result<Vec<TaskId>, StoreError> {
        let rows = run!(
            self,
            sqlx::query_scalar!(
                // All that runs has an index, and is as much as there are slots. The group is hidden in an expression, so that it is the
                // one that is used.
                r#"SELECT id FROM tasks WHERE state IN ('running', 'canceling') AND project = $1 AND queue = $2
                    AND "group" || '' = $3 ORDER BY started_at LIMIT $4"#,
                project.0,
                queue,
                group,
                i64::from(limit),
            ),
            fetch_all
        )?;
        Ok(rows.into_iter().map(TaskId).collect())
    }

    /// Tasks that a task still waits for, at most `limit`. They are of its own project: it was only taken with such.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn awaited(&self, task: TaskId, limit: u32) -> Result<Vec<TaskId>, StoreError> {
        let rows = run!(
            self,
            sqlx::query_scalar!(
                "SELECT depends_on FROM task_dependencies WHERE task = $1 ORDER BY depends_on LIMIT $2",
                task.0,
                i64::from(limit),
            ),
            fetch_all
        )?;
        Ok(rows.into_iter().map(TaskId).collect())
    }
}
