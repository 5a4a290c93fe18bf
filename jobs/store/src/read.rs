//! Reading tasks.

use jobs_core::{ProjectId, Task, TaskId};

use crate::{Artifact, Store, StoreError};

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

    /// A task of a project with the artifacts of the attempt that succeeded, in one statement.
    ///
    /// # Errors
    /// When the project has no such task, or Postgres is not available.
    pub async fn get_whole(&self, project: ProjectId, id: TaskId) -> Result<(Task, Vec<Artifact>), StoreError> {
        let query = whole_query!("SELECT", ["FROM tasks t WHERE id = $1 AND project = $2"], id.0, project.0);
        let row = run!(self, query, fetch_optional)?;
        row.ok_or(StoreError::NotFound(id))?.whole()
    }
}
